/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/common.h"
#include "cli/output.h"
#include "ipc/message.h"

#define CLIENT_TICK_MS 1000
#define CLIENT_LINE 72 /* columns of the line that shows progress */

int client_fail(struct cli *cli, enum cli_exit status, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		text = NULL;
	if (cli->json) {
		json_auto_t *answer =
			json_pack("{s:b, s:s%}", "ok", 0, "error", text ? text : fmt, text ? (size_t)n : strlen(fmt));

		if (answer) { /* NULL: an argument that is not UTF-8 */
			output_json(cli, answer);
			return status;
		}
	}
	fputs("sluice: ", cli->err);
	output_text(cli->err, text ? text : fmt);
	fputc('\n', cli->err);
	return status;
}

static int client_connect(struct cli *cli)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *path = cli->instance.control_path, *name = cli->instance.name;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		cli->fd = TAKE_FD(fd);
		return CLI_OK;
	}
	if (errno == EACCES || errno == EPERM)
		return client_fail(cli, CLI_NO_SUPERVISOR,
			"no access to the supervisor of instance %s (%s): run it as root", name, path);
	if (errno == ENOENT || errno == ECONNREFUSED)
		return client_fail(cli, CLI_NO_SUPERVISOR,
			"no supervisor is running for instance %s (%s): start it with sluiced --instance %s", name,
			path, name);
	return client_fail(cli, CLI_NO_SUPERVISOR, "the supervisor of instance %s cannot be reached (%s): %s", name,
		path, strerror(errno));
}

/* --- on a terminal one line that is written over and goes when the answer comes --------------------------------- */
static void client_line(struct cli *cli, const char *text)
{
	if (!cli->err_terminal)
		return;
	fprintf(cli->err, "\r%-*.*s\r%s", CLIENT_LINE, CLIENT_LINE, "", text);
	fflush(cli->err);
}

static void client_show_progress(struct cli *cli, const char *what, const json_t *progress)
{
	json_int_t done = json_integer_value(json_object_get(progress, "done"));
	json_int_t total = json_integer_value(json_object_get(progress, "total"));
	const char *profile = json_string_value(json_object_get(progress, "profile"));
	const char *part = json_string_value(json_object_get(progress, "what"));
	char text[CLIENT_LINE + 1];

	snprintf(text, sizeof(text), "%s: compiling for profile %.40s: %.12s, %lld %%", what, profile ? profile : "",
		part ? part : "", total > 0 ? (long long)(100 * MIN(done, total) / total) : 0);
	client_line(cli, text);
}

/* answers NULL after a word of progress, which the supervisor sends before the answer where it was asked for it */
static bool client_is_progress(struct cli *cli, const char *what, json_t **answer)
{
	const json_t *progress = json_object_get(*answer, "progress");

	if (!progress)
		return false;
	client_show_progress(cli, what, progress);
	json_decref(*answer);
	*answer = NULL;
	return true;
}

static int client_wait(struct cli *cli, const char *what, unsigned int patience_s, json_t **answer)
{
	uint64_t start = clock_now_ns();
	unsigned int seconds = 0;
	bool told = false;
	int r;

	for (;;) {
		char text[CLIENT_LINE + 1];

		r = ipc_recv(cli->fd, CLIENT_TICK_MS, answer, NULL, NULL);
		if (r >= 0 && client_is_progress(cli, what, answer)) {
			told = true;
			continue;
		}
		if (r != -ETIMEDOUT || seconds >= patience_s)
			break;
		seconds = (clock_now_ns() - start) / NSEC_PER_SEC;
		snprintf(text, sizeof(text), "%s: waiting for the supervisor, %u s ", what, seconds);
		client_line(cli, text);
		told = true;
	}
	if (told)
		client_line(cli, "");
	return r;
}

static int client_lost(struct cli *cli, int r)
{
	cleanup_close(&cli->fd);
	if (r == -ETIMEDOUT)
		return client_fail(cli, CLI_NO_SUPERVISOR,
			"the supervisor of instance %s does not answer: see its messages and \"sluice show log "
			"system\"",
			cli->instance.name);
	if (r == -ECONNRESET || r == -EPIPE)
		return client_fail(cli, CLI_NO_SUPERVISOR, "the supervisor of instance %s ended before it answered",
			cli->instance.name);
	return client_fail(cli, CLI_NO_SUPERVISOR, "the talk with the supervisor of instance %s failed: %s",
		cli->instance.name, strerror(-r));
}

int client_ask(struct cli *cli, json_t *request, const int *fds, size_t n_fds, unsigned int patience_s, json_t **answer)
{
	json_auto_t *question = request;
	const char *what = json_string_value(json_object_get(question, "command"));
	int r;

	if (!question || !what)
		return client_fail(cli, CLI_FAILED, "the request cannot be made: is every word UTF-8?");
	if (cli->fd < 0 && (r = client_connect(cli)) != CLI_OK)
		return r;
	r = ipc_send(cli->fd, question, fds, n_fds);
	if (r == 0)
		r = client_wait(cli, what, patience_s, answer);
	return r < 0 ? client_lost(cli, r) : CLI_OK;
}

/* FILE:LINE:COLUMN: error: text, as compilers do, so that editors find the place */
static void client_print_problems(struct cli *cli, const json_t *problems)
{
	size_t i;
	json_t *problem;

	json_array_foreach(problems, i, problem)
	{
		static const struct output_column columns[] = {
			{NULL, "file", OUTPUT_TEXT}, {NULL, "line", OUTPUT_TEXT}, {NULL, "column", OUTPUT_TEXT}};
		char text[1024];

		for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
			output_cell(problem, &columns[c], text, sizeof(text));
			if (*text)
				fprintf(cli->err, "%s:", text);
		}
		fprintf(cli->err, " %s: ", json_string_value(json_object_get(problem, "severity")) ?: "error");
		output_text(cli->err, json_string_value(json_object_get(problem, "message")) ?: "");
		fputc('\n', cli->err);
	}
}

int client_show(struct cli *cli, const json_t *answer, void (*render)(struct cli *cli, const json_t *answer))
{
	bool ok = json_is_true(json_object_get(answer, "ok"));
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (cli->json) {
		output_json(cli, answer);
		return ok ? CLI_OK : CLI_FAILED;
	}
	client_print_problems(cli, json_object_get(answer, "problems"));
	if (!ok)
		return client_fail(
			cli, CLI_FAILED, "%s", error ? error : "refused, and the supervisor does not say why");
	render(cli, answer);
	return CLI_OK;
}
