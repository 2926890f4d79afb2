/* SPDX-License-Identifier: Apache-2.0 */
/* show log: the newest records of a JSON-lines file in the instance's log directory; no supervisor is needed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"

#define LOG_LIMIT_DEFAULT 50
#define LOG_TAIL_MAX (64u << 20) /* bytes from the end of the file that are looked at */
#define LOG_RECORD_BYTES 4096    /* room that a record may need on average */

/* the end of the file as text, from the beginning of a line */
static int log_read_tail(int fd, size_t want, char **out, size_t *out_len)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t len = 0;
	off_t from;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	from = MAX(st.st_size - (off_t)want, 0);
	text = malloc(st.st_size - from + 1);
	if (!text)
		return -ENOMEM;
	while (len < (size_t)(st.st_size - from) &&
		(n = pread(fd, text + len, st.st_size - from - len, from + len)) != 0) {
		if (n < 0)
			return -errno;
		len += n;
	}
	text[len] = '\0';
	if (from) { /* begins within a record */
		const char *line = memchr(text, '\n', len);
		size_t skip = line ? (size_t)(line + 1 - text) : len;

		memmove(text, text + skip, len - skip + 1);
		len -= skip;
	}
	*out = TAKE_PTR(text);
	*out_len = len;
	return 0;
}

/* records oldest first, the last `limit` lines; a torn last line is not a record yet */
static json_t *log_parse(const char *text, size_t len, size_t limit)
{
	json_t *records = json_array();
	const char *end = text + len, *from = end;

	for (size_t lines = 0; from > text; from--)
		if (from[-1] == '\n' && lines++ == limit)
			break;
	while (from < end) {
		const char *newline = memchr(from, '\n', end - from);
		json_t *record;

		if (!newline)
			break;
		record = json_loadb(from, newline - from, 0, NULL);
		if (json_is_object(record))
			json_array_append(records, record);
		json_decref(record);
		from = newline + 1;
	}
	return records;
}

static void log_path(const struct cli *cli, const char *log, char path[160])
{
	snprintf(path, 160, "%s/%s.json", cli->instance.log_dir, log);
}

int cli_log_read(const struct cli *cli, const char *log, size_t limit, json_t **records)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	char path[160];
	size_t len = 0;
	int r = 0;

	log_path(cli, log, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd >= 0)
		r = log_read_tail(fd, MIN(limit * LOG_RECORD_BYTES, (size_t)LOG_TAIL_MAX), &text, &len);
	if (r < 0)
		return r;
	*records = log_parse(text ? text : "", len, limit);
	return 0;
}

int cli_run_log(struct cli *cli, const struct cli_call *call)
{
	const char *limit_text = cli_call_value(call, "N"), *log = call->command->fixed;
	json_auto_t *records = NULL, *answer = NULL;
	char path[160];
	int r = cli_log_read(cli, log, limit_text ? (size_t)atoi(limit_text) : LOG_LIMIT_DEFAULT, &records);

	log_path(cli, log, path);
	if (r < 0)
		return client_fail(cli, CLI_FAILED, "cannot read %s: %s", path, strerror(-r));
	if (!cli->json) {
		cli_render_log(cli, log, records, path);
		return CLI_OK;
	}
	answer = json_pack("{s:b, s:s, s:O}", "ok", 1, "log", log, "records", records);
	output_json(cli, answer);
	return CLI_OK;
}
