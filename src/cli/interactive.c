/* SPDX-License-Identifier: Apache-2.0 */
/* sluice without a command, on a terminal: a line editor with completion by Tab, help by '?', a history, and long
 * answers by pages. */
#include <errno.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/common.h"
#include "cli/command.h"
#include "cli/interactive.h"
#include "cli/output.h"

#ifdef SLUICE_SANITIZED
/* libedit loses lines of its history (wcsdup is called by nobody else); the sanitizer would end a clean exit with 1 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:wcsdup\n";
}
#endif

#define INTERACTIVE_HISTORY 500
#define INTERACTIVE_HISTORY_FILE ".sluice_history"

struct interactive {
	struct cli *cli;
	EditLine *el;
	History *history;
	Tokenizer *tokenizer;
	char prompt[64];
};

/* --- completion -----------------------------------------------------------------------------------------------------
 */

/* the line up to the cursor, as words before the last one and that one */
static json_t *interactive_candidates(struct interactive *interactive, const char **prefix)
{
	const LineInfo *line = el_line(interactive->el);
	_cleanup_free_ char *text = strndup(line->buffer, line->cursor - line->buffer);
	bool fresh = line->cursor == line->buffer || line->cursor[-1] == ' ';
	json_t *found = NULL;
	const char **words;
	int n = 0;

	*prefix = "";
	tok_reset(interactive->tokenizer);
	if (!text || tok_str(interactive->tokenizer, text, &n, &words) != 0)
		return NULL;
	if (!fresh && n)
		*prefix = words[--n];
	/* the words stay the tokenizer's until it is reset */
	found = cli_complete(interactive->cli, (char **)words, n, *prefix);
	return found;
}

static void interactive_list(const struct interactive *interactive, const json_t *found)
{
	const json_t *row;
	size_t i;

	fputc('\n', stdout);
	json_array_foreach((json_t *)found, i, row)
	{
		fputs("  ", stdout);
		output_text(stdout, json_string_value(json_object_get(row, "word")));
		fprintf(stdout, "%*s", (int)MAX(24 - (int)strlen(json_string_value(json_object_get(row, "word"))), 1),
			"");
		output_text(stdout, json_string_value(json_object_get(row, "help")));
		fputc('\n', stdout);
	}
	if (!json_array_size(found))
		fputs("  a value, or Enter to run\n", stdout);
	fflush(stdout);
}

/* bytes that all candidates have in common */
static size_t interactive_common(const json_t *found)
{
	const char *first = json_string_value(json_object_get(json_array_get(found, 0), "word"));
	size_t len = strlen(first), i;
	const json_t *row;

	json_array_foreach((json_t *)found, i, row)
	{
		const char *word = json_string_value(json_object_get(row, "word"));
		size_t same = 0;

		while (same < len && word[same] == first[same])
			same++;
		len = same;
	}
	return len;
}

static unsigned char interactive_on_tab(EditLine *el, int c)
{
	struct interactive *interactive;
	json_auto_t *found = NULL;
	_cleanup_free_ char *text = NULL;
	const char *prefix, *first;
	size_t common;

	el_get(el, EL_CLIENTDATA, &interactive);
	found = interactive_candidates(interactive, &prefix);
	if (!json_array_size(found))
		return CC_ERROR;
	first = json_string_value(json_object_get(json_array_get(found, 0), "word"));
	common = interactive_common(found);
	if (common > strlen(prefix) || json_array_size(found) == 1) {
		bool whole = json_array_size(found) == 1 && common && first[common - 1] != '/';

		if (asprintf(&text, "%.*s%s", (int)(common - strlen(prefix)), first + strlen(prefix),
			    whole ? " " : "") < 0)
			return CC_ERROR;
		return el_insertstr(el, text) < 0 ? CC_ERROR : CC_REFRESH;
	}
	interactive_list(interactive, found);
	return CC_REDISPLAY;
}

static unsigned char interactive_on_help(EditLine *el, int c)
{
	struct interactive *interactive;
	json_auto_t *found = NULL;
	const char *prefix;

	el_get(el, EL_CLIENTDATA, &interactive);
	found = interactive_candidates(interactive, &prefix);
	interactive_list(interactive, found);
	return CC_REDISPLAY;
}

/* --- pages ----------------------------------------------------------------------------------------------------------
 */

static unsigned int interactive_rows(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2 ? size.ws_row : 24;
}

/* one key, without Enter */
static int interactive_key(void)
{
	struct termios before, raw;
	unsigned char key = 'q';

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return 'q';
	raw = before;
	raw.c_lflag &= ~(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	if (read(STDIN_FILENO, &key, 1) != 1)
		key = 'q';
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return key;
}

static void interactive_page(const char *text)
{
	unsigned int rows = interactive_rows(), line = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		fwrite(text, 1, len + (text[len] == '\n'), stdout);
		text += len + (text[len] == '\n');
		if (++line < rows - 1 || !*text)
			continue;
		fputs("-- more: space, Enter for a line, q to end --", stdout);
		fflush(stdout);
		int key = interactive_key();

		fputs("\r\033[K", stdout);
		if (key == 'q' || key == 3)
			return;
		line = key == '\n' ? rows - 2 : 0;
	}
}

/* --- the loop -------------------------------------------------------------------------------------------------------
 */

static void interactive_run(struct interactive *interactive, int argc, char **argv)
{
	struct cli *cli = interactive->cli;
	_cleanup_free_ char *text = NULL;
	FILE *terminal = cli->out;
	size_t len;

	cli->json = false;
	if (argc > 1 && !strcmp(argv[1], "watch")) { /* its screen is live */
		cli_run(cli, argc, argv);
		return;
	}
	cli->out = open_memstream(&text, &len);
	if (!cli->out) {
		cli->out = terminal;
		return;
	}
	cli_run(cli, argc, argv);
	fclose(cli->out);
	cli->out = terminal;
	interactive_page(text);
	fflush(terminal);
}

/* false: the end was asked for */
static bool interactive_line(struct interactive *interactive, const char *line)
{
	char **argv;
	const char **words;
	int n;

	tok_reset(interactive->tokenizer);
	if (tok_str(interactive->tokenizer, line, &n, &words) != 0) {
		fputs("sluice: a quotation mark is not closed\n", stderr);
		return true;
	}
	if (!n)
		return true;
	if (!strcmp(words[0], "exit") || !strcmp(words[0], "quit"))
		return false;
	argv = calloc(n + 2, sizeof(*argv));
	if (!argv)
		return true;
	argv[0] = (char *)"sluice";
	memcpy(argv + 1, words, n * sizeof(*argv));
	interactive_run(interactive, n + 1, argv);
	free(argv);
	return true;
}

static char *interactive_prompt(EditLine *el)
{
	struct interactive *interactive;

	el_get(el, EL_CLIENTDATA, &interactive);
	return interactive->prompt;
}

static bool interactive_open(struct interactive *interactive)
{
	HistEvent event;

	interactive->el = el_init("sluice", stdin, stdout, stderr);
	interactive->history = history_init();
	interactive->tokenizer = tok_init(NULL);
	if (!interactive->el || !interactive->history || !interactive->tokenizer)
		return false;
	history(interactive->history, &event, H_SETSIZE, INTERACTIVE_HISTORY);
	history(interactive->history, &event, H_SETUNIQUE, 1);
	el_set(interactive->el, EL_CLIENTDATA, interactive);
	el_set(interactive->el, EL_PROMPT, interactive_prompt);
	el_set(interactive->el, EL_EDITOR, "emacs");
	el_set(interactive->el, EL_SIGNAL, 1);
	el_set(interactive->el, EL_HIST, history, interactive->history);
	el_set(interactive->el, EL_ADDFN, "sluice-complete", "complete", interactive_on_tab);
	el_set(interactive->el, EL_ADDFN, "sluice-help", "help", interactive_on_help);
	el_set(interactive->el, EL_BIND, "\t", "sluice-complete", NULL);
	el_set(interactive->el, EL_BIND, "?", "sluice-help", NULL);
	el_set(interactive->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	return true;
}

static void interactive_close(struct interactive *interactive)
{
	if (interactive->tokenizer)
		tok_end(interactive->tokenizer);
	if (interactive->history)
		history_end(interactive->history);
	if (interactive->el)
		el_end(interactive->el);
}

static void interactive_history_file(struct interactive *interactive, int operation)
{
	const char *home = getenv("HOME");
	_cleanup_free_ char *path = NULL;
	HistEvent event;

	if (!home || asprintf(&path, "%s/" INTERACTIVE_HISTORY_FILE, home) < 0)
		return;
	history(interactive->history, &event, operation, path);
	if (operation == H_SAVE)
		chmod(path, 0600);
}

int cli_interactive(struct cli *cli)
{
	struct interactive interactive = {.cli = cli};
	const char *line;
	HistEvent event;
	int n;

	snprintf(interactive.prompt, sizeof(interactive.prompt), "%s> ", cli->instance.name);
	if (!interactive_open(&interactive)) {
		interactive_close(&interactive);
		fputs("sluice: the line editor cannot be started\n", stderr);
		return CLI_FAILED;
	}
	interactive_history_file(&interactive, H_LOAD);
	puts("Sluice " SLUICE_VERSION ": ? for help, Tab completes, exit to leave.");
	while ((line = el_gets(interactive.el, &n)) && n > 0) {
		if (strspn(line, " \t\n") != (size_t)n)
			history(interactive.history, &event, H_ENTER, line);
		if (!interactive_line(&interactive, line))
			break;
	}
	interactive_history_file(&interactive, H_SAVE);
	interactive_close(&interactive);
	return CLI_OK;
}
