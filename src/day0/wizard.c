/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/wizard.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "day0/apply.h"
#include "day0/console.h"
#include "day0/main.h"
#include "day0/seed.h"
#include "day0/settings.h"
#include "base/system.h"

#define WIZARD_LINE 4096 /* of a terminal */

enum wizard_when { WIZARD_ALWAYS, WIZARD_STATIC };

/* `line` makes the answer a document, which the rows of the settings judge */
static const struct wizard_question {
	const char *text, *line;
	const char *without; /* shown, and taken for an empty answer; "": nothing is written */
	enum wizard_when when;
} wizard_questions[] = {
	{"Host name", "hostname: %s\n", "sluice", WIZARD_ALWAYS},
	{"Management address, such as 192.0.2.10/24, or dhcp", "management:\n  address: %s\n", "dhcp", WIZARD_ALWAYS},
	{"Default gateway", "  gateway: %s\n", "", WIZARD_STATIC},
	{"Name servers, between commas", "  dns: [%s]\n", "", WIZARD_STATIC},
	{"Time servers, between commas", "time_servers: [%s]\n", "", WIZARD_ALWAYS},
	{"SSH public key of admin, one line", "ssh_keys: [\"%s\"]\n", "", WIZARD_ALWAYS},
};

static int wizard_wait(struct wizard *wizard)
{
	for (;;) {
		struct pollfd fd = {.fd = wizard->in, .events = POLLIN};
		int r = poll(&fd, 1, 1000);

		if (r > 0)
			return 0;
		if ((r < 0 && errno != EINTR) || wizard->over())
			return -ECANCELED;
	}
}

/* without the line's end and blanks around it; what is longer than a terminal's line is cut */
static int wizard_read_line(struct wizard *wizard, char line[WIZARD_LINE])
{
	size_t n = 0, blanks;
	char c;

	for (;;) {
		if (wizard_wait(wizard) < 0 || read(wizard->in, &c, 1) != 1)
			return -ECANCELED;
		if (c == '\n' || c == '\r')
			break;
		if (n < WIZARD_LINE - 1)
			line[n++] = c;
	}
	while (n && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	blanks = strspn(line, " \t");
	memmove(line, line + blanks, n - blanks + 1);
	return 0;
}

static bool wizard_is_good(struct wizard *wizard, const char *document)
{
	_cleanup_(day0_free) struct day0_settings *settings = NULL;
	struct config_problems problems = {0};
	int r = day0_parse(document, strlen(document), &settings, &problems);

	for (size_t i = 0; i < problems.n; i++)
		fprintf(wizard->out, "  %s\n", problems.items[i].message);
	config_problems_clear(&problems);
	return r == 0;
}

/* the document so far with this answer; NULL when it is not accepted, which has been said. Quotes, backslashes and
 * control characters would end the value: no setting asked for here has any. */
static char *wizard_with(
	struct wizard *wizard, const char *document, const struct wizard_question *question, const char *answer)
{
	_cleanup_free_ char *longer = NULL;
	char line[WIZARD_LINE + 64];

	if (!*answer)
		return strdup(document);
	for (const char *c = answer; *c; c++) {
		if ((unsigned char)*c >= ' ' && *c != '"' && *c != '\\' && *c != 0x7f)
			continue;
		fputs("  quotes, backslashes and control characters are not accepted\n", wizard->out);
		return NULL;
	}
	snprintf(line, sizeof(line), question->line, answer);
	if (asprintf(&longer, "%s%s", document, line) < 0 || !wizard_is_good(wizard, longer))
		return NULL;
	return TAKE_PTR(longer);
}

static int wizard_ask_one(struct wizard *wizard, const struct wizard_question *question, char **document)
{
	char line[WIZARD_LINE], *longer;

	do {
		fprintf(wizard->out, "%s [%s]: ", question->text, *question->without ? question->without : "none");
		fflush(wizard->out);
		if (wizard_read_line(wizard, line) < 0)
			return -ECANCELED;
		longer = wizard_with(wizard, *document, question, *line ? line : question->without);
	} while (!longer);
	free(*document);
	*document = longer;
	return 0;
}

static void wizard_echo(int fd, bool on)
{
	struct termios tio;

	if (tcgetattr(fd, &tio) < 0)
		return; /* no terminal: a test */
	tio.c_lflag = on ? tio.c_lflag | ECHO : tio.c_lflag & ~(tcflag_t)ECHO;
	tcsetattr(fd, TCSAFLUSH, &tio);
}

static int wizard_read_password(struct wizard *wizard, const char *text, char line[WIZARD_LINE])
{
	int r;

	fprintf(wizard->out, "%s: ", text);
	fflush(wizard->out);
	wizard_echo(wizard->in, false);
	r = wizard_read_line(wizard, line);
	wizard_echo(wizard->in, true);
	fputc('\n', wizard->out);
	return r;
}

/* "" when none is wanted; otherwise as typed twice */
static int wizard_ask_password(struct wizard *wizard, char password[WIZARD_LINE])
{
	char again[WIZARD_LINE];
	int r;

	for (;;) {
		r = wizard_read_password(wizard, "Password of admin for this console, not shown [none]", password);
		if (r < 0 || !*password)
			return r;
		if (strlen(password) < 8) {
			fputs("  at least 8 characters are needed\n", wizard->out);
			continue;
		}
		r = wizard_read_password(wizard, "Once more", again);
		if (r < 0 || strcmp(password, again) == 0)
			break;
		fputs("  the two differ\n", wizard->out);
	}
	explicit_bzero(again, sizeof(again));
	return r;
}

/* by openssl's program, through a pipe: nothing of it is on a command line */
static int wizard_hash(const char *password, char *hash, size_t size)
{
	static const char *const command[] = {"openssl", "passwd", "-6", "-stdin", NULL};
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = system_filter(command, password, size - 1, &text, &len);

	if (r < 0)
		return r;
	snprintf(hash, size, "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

static int wizard_add_password(struct wizard *wizard, char **document)
{
	static const struct wizard_question question = {.line = "admin_password_hash: %s\n"};
	char password[WIZARD_LINE], hash[256], *longer;
	int r = wizard_ask_password(wizard, password);

	if (r >= 0 && *password)
		r = wizard_hash(password, hash, sizeof(hash));
	if (r >= 0 && *password) {
		longer = wizard_with(wizard, *document, &question, hash);
		free(*document);
		*document = longer;
		r = longer ? 0 : -EINVAL;
	}
	explicit_bzero(password, sizeof(password));
	return r;
}

static int wizard_ask_all(struct wizard *wizard, char **document)
{
	int r = 0;

	*document = strdup("");
	for (size_t i = 0; *document && r >= 0 && i < ARRAY_SIZE(wizard_questions); i++)
		if (wizard_questions[i].when == WIZARD_ALWAYS || !strstr(*document, "address: dhcp"))
			r = wizard_ask_one(wizard, &wizard_questions[i], document);
	if (r >= 0)
		r = wizard_add_password(wizard, document);
	return *document ? r : -ENOMEM;
}

static bool wizard_can_log_in(struct wizard *wizard, const char *document)
{
	if (strstr(document, "ssh_keys:") || strstr(document, "admin_password_hash:"))
		return true;
	fputs("\nWith neither a key nor a password nobody could log in. Once more:\n\n", wizard->out);
	return false;
}

/* 1: yes */
static int wizard_confirm(struct wizard *wizard)
{
	char line[WIZARD_LINE];

	fputs("Apply these settings? yes or no [yes]: ", wizard->out);
	fflush(wizard->out);
	if (wizard_read_line(wizard, line) < 0)
		return -ECANCELED;
	return !*line || strncasecmp(line, "y", 1) == 0;
}

int wizard_ask(struct wizard *wizard, char **document)
{
	_cleanup_free_ char *text = NULL;
	int r;

	fputs("\nThe first settings of this appliance. Enter takes what stands in brackets; certificates and the\n"
	      "configuration come later, over SSH (docs/deployment.md).\n\n",
		wizard->out);
	for (;;) {
		free(TAKE_PTR(text));
		r = wizard_ask_all(wizard, &text);
		if (r < 0)
			return r;
		if (!wizard_can_log_in(wizard, text))
			continue;
		r = wizard_confirm(wizard);
		if (r < 0)
			return r;
		if (r == 1)
			break;
		fputc('\n', wizard->out);
	}
	*document = TAKE_PTR(text);
	return 0;
}

static bool wizard_is_over(void)
{
	return access(DAY0_DONE, F_OK) == 0 || access(DAY0_PENDING, F_OK) == 0;
}

static int wizard_apply(char *document)
{
	static const char *const network[] = {"networkctl", "reload", NULL};
	static const char *const ssh[] = {"systemctl", "--no-block", "start", "ssh.service", NULL};
	_cleanup_(seed_close) struct seed seed = {.text = document, .len = strlen(document)};
	int r;

	snprintf(seed.origin, sizeof(seed.origin), "the console");
	snprintf(seed.file, sizeof(seed.file), "the console");
	r = day0_first_boot(&seed);
	if (r >= 0)
		r = apply_boot();
	if (r >= 0 && (system_run(network) != 0 || system_run(ssh) != 0))
		r = log_err_r(-EIO, "the settings are stored; they are in force after a reboot");
	return r;
}

static void wizard_offer(void)
{
	struct wizard wizard = {.in = STDIN_FILENO, .out = stdout, .over = wizard_is_over};
	_cleanup_free_ char *issue = NULL;
	char line[WIZARD_LINE], *document;
	size_t len;

	if (system_read_file(CONSOLE_ISSUE, 65536, &issue, &len) == 0)
		fputs(issue, stdout);
	fputs("\nNo settings of day 0 were found, or none that are right: the management interface asks DHCP, the "
	      "wire\n"
	      "is a cable. Attach a medium with settings and boot again, or press Enter to give them here.\n",
		stdout);
	fflush(stdout);
	if (wizard_read_line(&wizard, line) < 0 || wizard_ask(&wizard, &document) < 0)
		return;
	if (wizard_is_over())
		free(document);
	else
		wizard_apply(document);
}

int wizard_run(char **program)
{
	/* settings could not be kept without the data partition */
	if (!wizard_is_over() && access("/data/day0", W_OK) == 0)
		wizard_offer();
	execvp(program[0], program);
	return log_err_r(-errno, "cannot run %s", program[0]);
}
