/* SPDX-License-Identifier: Apache-2.0 */
/* A password from where the operator says: never the command line. */
#include <bsd/readpassphrase.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/common.h"
#include "base/shm.h"
#include "cli/client.h"
#include "cli/command.h"

/* one line without its end; -errno */
static ssize_t password_read_line(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, out + len, 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (out[len] == '\n')
			break;
		len++;
	}
	if (len == size)
		return -E2BIG;
	return len && out[len - 1] == '\r' ? len - 1 : len;
}

/* without echo, which comes back whatever signal ends it */
static ssize_t password_prompt(const char *prompt, bool twice, char *out, size_t size)
{
	char again[CLI_PASSWORD_MAX];
	bool same;

	if (!readpassphrase(prompt, out, size, RPP_REQUIRE_TTY))
		return errno == EINTR ? -EINTR : -ENOTTY;
	if (!twice)
		return strlen(out);
	same = readpassphrase("The same again: ", again, sizeof(again), RPP_REQUIRE_TTY) && !strcmp(again, out);
	explicit_bzero(again, sizeof(again));
	return same ? (ssize_t)strlen(out) : -EKEYREJECTED;
}

int cli_check_password_options(struct cli *cli, const struct cli_call *call)
{
	if (cli_call_value(call, "PWFILE") && cli_call_value(call, "PWSTDIN"))
		return client_fail(cli, CLI_USAGE, "--password-file and --password-stdin exclude each other");
	return CLI_OK;
}

ssize_t cli_read_password(
	const struct cli_call *call, const struct cli_password *wanted, bool twice, char *out, size_t size)
{
	const char *path = cli_call_value(call, "PWFILE");
	char prompt[80];
	_cleanup_close_ int fd = -1;

	if (cli_call_value(call, "PWSTDIN"))
		return password_read_line(STDIN_FILENO, out, size);
	if (!path) {
		snprintf(prompt, sizeof(prompt), "The %s of the %s: ", wanted->word, wanted->of);
		return password_prompt(prompt, twice, out, size);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : password_read_line(fd, out, size);
}

int cli_open_password(
	struct cli *cli, const struct cli_call *call, const struct cli_password *wanted, bool twice, int *fd)
{
	char password[CLI_PASSWORD_MAX];
	ssize_t n;
	int r = cli_check_password_options(cli, call);

	if (r != CLI_OK)
		return r;
	n = cli_read_password(call, wanted, twice, password, sizeof(password));
	r = n > 0 ? shm_create_sealed("sluice-password", password, n, fd) : (int)n;
	explicit_bzero(password, sizeof(password));
	if (n == -ENOTTY)
		return client_fail(cli, CLI_FAILED,
			"there is no terminal to ask for the %s: say --password-file FILE or --password-stdin",
			wanted->word);
	if (n == -EKEYREJECTED)
		return client_fail(cli, CLI_FAILED, "the two are not the same: nothing is changed");
	if (!n)
		return client_fail(cli, CLI_FAILED, "the %s is empty", wanted->word);
	if (r < 0)
		return client_fail(cli, CLI_FAILED, "the %s cannot be read: %s", wanted->word, strerror(-r));
	lseek(*fd, 0, SEEK_SET); /* the position travels with the descriptor */
	return CLI_OK;
}
