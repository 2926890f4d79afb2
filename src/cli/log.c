/* SPDX-License-Identifier: Apache-2.0 */
/* show log: the newest records of a log that a query asks for, out of its files in the instance's log directory, read
 * from their end; no supervisor is needed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "events/event_query.h"

#define LOG_LIMIT_DEFAULT 50
#define LOG_GENERATIONS 32   /* more than sluice-log keeps of a log */
#define LOG_CHUNK (4u << 20) /* several times the longest line */
#define LOG_FOLLOW_MS 1000   /* without word from inotify */
#define LOG_FOLLOW_CHUNK LOG_CHUNK

struct log_search {
	struct event_query *query; /* NULL: everything */
	size_t limit;
	json_t *found; /* newest first */
};

static void log_path(const struct cli *cli, const char *log, unsigned int generation, char path[160])
{
	if (generation)
		snprintf(path, 160, "%s/%s.json.%u", cli->instance.log_dir, log, generation);
	else
		snprintf(path, 160, "%s/%s.json", cli->instance.log_dir, log);
}

static void search_line(struct log_search *search, const char *line, size_t len)
{
	json_t *record;

	if (search->query && !event_query_matches(search->query, SPAN(line, len)))
		return;
	record = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
	if (json_is_object(record))
		json_array_append(search->found, record);
	json_decref(record);
}

static bool search_is_full(const struct log_search *search)
{
	return json_array_size(search->found) >= search->limit;
}

/* the lines of text[from..len), last first; what follows the last newline is no record yet */
static void search_lines(struct log_search *search, const char *text, size_t from, size_t len)
{
	const char *end = memrchr(text + from, '\n', len - from);

	while (end && !search_is_full(search)) {
		const char *before = end > text + from ? memrchr(text + from, '\n', (size_t)(end - text) - from) : NULL;
		const char *line = before ? before + 1 : text + from;

		search_line(search, line, (size_t)(end - line));
		end = before;
	}
}

static ssize_t read_at(int fd, char *out, size_t len, off_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, out + done, len - done, at + (off_t)done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)done;
}

/* one file, from its end, in chunks that begin with a line */
static int search_file(struct log_search *search, int fd, char *chunk)
{
	struct stat st;
	off_t end;

	if (fstat(fd, &st) < 0)
		return -errno;
	for (end = st.st_size; end > 0 && !search_is_full(search);) {
		off_t from = MAX(end - (off_t)LOG_CHUNK, 0);
		ssize_t n = read_at(fd, chunk, (size_t)(end - from), from);
		const char *newline = from && n > 0 ? memchr(chunk, '\n', (size_t)n) : NULL;
		size_t skip = newline ? (size_t)(newline + 1 - chunk) : 0;

		if (n < 0)
			return (int)n;
		if (from && (!skip || skip == (size_t)n)) /* one line longer than any that we write */
			return -EBADMSG;
		search_lines(search, chunk, skip, (size_t)n);
		end = from + (off_t)skip;
	}
	return 0;
}

/* The files of a log, newest first; one that is renamed meanwhile is not taken twice. How many. */
static size_t log_open_files(const struct cli *cli, const char *log, int fds[LOG_GENERATIONS], int *err)
{
	ino_t seen[LOG_GENERATIONS];
	size_t n = 0;

	*err = 0;
	for (unsigned int generation = 0; generation < LOG_GENERATIONS; generation++) {
		bool again = false;
		struct stat st;
		char path[160];

		log_path(cli, log, generation, path);
		fds[n] = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fds[n] < 0 && errno == ENOENT)
			continue;
		if (fds[n] < 0 || fstat(fds[n], &st) < 0) {
			*err = -errno;
			break;
		}
		for (size_t i = 0; i < n; i++)
			again |= seen[i] == st.st_ino;
		seen[n] = st.st_ino;
		if (again)
			close(fds[n]);
		else
			n++;
	}
	return n;
}

static void array_reverse(json_t *array)
{
	for (size_t i = 0, n = json_array_size(array); i < n / 2; i++) {
		json_t *first = json_incref(json_array_get(array, i));

		json_array_set(array, i, json_array_get(array, n - 1 - i));
		json_array_set_new(array, n - 1 - i, first);
	}
}

static int log_search(const struct cli *cli, const char *log, struct log_search *search)
{
	_cleanup_free_ char *chunk = malloc(LOG_CHUNK);
	int fds[LOG_GENERATIONS], err;
	size_t n = log_open_files(cli, log, fds, &err);

	if (!chunk)
		err = -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!err && !search_is_full(search))
			err = search_file(search, fds[i], chunk);
		close(fds[i]);
	}
	array_reverse(search->found);
	return err;
}

int cli_log_read(const struct cli *cli, const char *log, size_t limit, json_t **records)
{
	struct log_search search = {.limit = limit, .found = json_array()};
	int err = log_search(cli, log, &search);

	if (err)
		json_decref(search.found);
	else
		*records = search.found;
	return err;
}

/* --- the query ------------------------------------------------------------------------------------------------------
 */

static bool looks_like_address(const char *text)
{
	return strspn(text, "0123456789./") == strlen(text) && strchr(text, '.');
}

/* conditions for the options that are short for them; a value is quoted, so that it is one */
static int query_add(
	struct event_query *query, const char *fields, const char *op, const char *value, char error[EVENT_QUERY_ERROR])
{
	char condition[512];

	if (!value)
		return 0;
	if (strchr(value, '"')) {
		snprintf(error, EVENT_QUERY_ERROR, "%.40s: a quote cannot be asked for here", value);
		return -EINVAL;
	}
	snprintf(condition, sizeof(condition), "%s%s\"%s\"", fields, op, value);
	return event_query_add(query, condition, error);
}

static int query_take(struct event_query *query, const struct cli_call *call, char error[EVENT_QUERY_ERROR])
{
	const char *since = cli_call_value(call, "SINCE"), *until = cli_call_value(call, "UNTIL");
	const char *server = cli_call_value(call, "SERVER"), *filter = cli_call_value(call, "FILTER");
	const char *text = cli_call_value(call, "TEXT"), *where = cli_call_value(call, "WHERE");
	bool number = filter && strspn(filter, "0123456789") == strlen(filter);
	uint64_t now = clock_wall_us();
	int err = since ? event_query_since(query, since, now, error) : 0;

	if (!err && until)
		err = event_query_until(query, until, now, error);
	if (!err && text)
		err = event_query_text(query, text, error);
	if (!err && server)
		err = query_add(query, looks_like_address(server) ? "dest_ip" : "ssl_server", "=", server, error);
	if (!err)
		err = query_add(query, "src_ip|true_client_ip", "=", cli_call_value(call, "CLIENT"), error);
	if (!err)
		err = query_add(query, "action", "=", cli_call_value(call, "ACTION"), error);
	if (!err)
		err = query_add(query, number ? "signature_id" : "signature", number ? "=" : "~", filter, error);
	if (!err && where)
		err = event_query_add(query, where, error);
	return err;
}

/* --- following ------------------------------------------------------------------------------------------------------
 */

struct log_follow {
	struct cli *cli;
	const char *log;
	struct event_query *query;
	int fd;
	off_t at;
	char *chunk;
	bool titled;
};

static void follow_show(struct log_follow *follow, const char *line, size_t len)
{
	json_auto_t *record = NULL, *records = NULL;

	if (!event_query_matches(follow->query, SPAN(line, len)))
		return;
	record = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(record))
		return;
	if (follow->cli->json) {
		output_json(follow->cli, record);
		return;
	}
	records = json_pack("[O]", record);
	cli_render_log_line(follow->cli, follow->log, records);
}

/* what has been appended since; 1 when there was something */
static int follow_read(struct log_follow *follow)
{
	ssize_t n = read_at(follow->fd, follow->chunk, LOG_FOLLOW_CHUNK, follow->at);
	const char *line = follow->chunk, *newline;

	while (n > 0 && (newline = memchr(line, '\n', (size_t)(follow->chunk + n - line)))) {
		follow_show(follow, line, (size_t)(newline - line));
		line = newline + 1;
	}
	follow->at += line - follow->chunk;
	fflush(follow->cli->out);
	return n > 0 && line > follow->chunk;
}

/* the file has been renamed, and another has its name: what is in it was all appended since */
static void follow_rotated(struct log_follow *follow, const char *path)
{
	struct stat ours, now;
	int fd;

	if (fstat(follow->fd, &ours) < 0 || stat(path, &now) < 0 || ours.st_ino == now.st_ino)
		return;
	while (follow_read(follow))
		;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	close(follow->fd);
	follow->fd = fd;
	follow->at = 0;
}

static int log_follow(struct log_follow *follow)
{
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd poll_fd = {.fd = watch, .events = POLLIN};
	char path[160], events[4096];

	log_path(follow->cli, follow->log, 0, path);
	if (watch < 0 ||
		inotify_add_watch(watch, follow->cli->instance.log_dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	while (!ferror(follow->cli->out)) {
		if (follow->fd < 0) {
			follow->fd = open(path, O_RDONLY | O_CLOEXEC);
			follow->at = 0;
		}
		if (follow->fd >= 0) {
			while (follow_read(follow))
				;
			follow_rotated(follow, path);
		}
		poll(&poll_fd, 1, LOG_FOLLOW_MS);
		while (read(watch, events, sizeof(events)) > 0)
			;
	}
	return 0;
}

/* --- the command ----------------------------------------------------------------------------------------------------
 */

static void log_show(struct cli *cli, const char *log, const json_t *records, bool lines)
{
	json_auto_t *answer = NULL;
	char path[160];
	const json_t *record;
	size_t i;

	log_path(cli, log, 0, path);
	if (cli->json && lines) {
		json_array_foreach(records, i, record) output_json(cli, record);
		return;
	}
	if (!cli->json) {
		cli_render_log(cli, log, records, path);
		return;
	}
	answer = json_pack("{s:b, s:s, s:O}", "ok", 1, "log", log, "records", records);
	output_json(cli, answer);
}

/* from where the search ended; what is appended in between comes twice rather than not at all */
static int log_follow_from_end(struct cli *cli, const char *log, struct event_query *query, off_t at)
{
	struct log_follow follow = {
		.cli = cli, .log = log, .query = query, .at = at, .chunk = malloc(LOG_FOLLOW_CHUNK)};
	char path[160];
	int err;

	log_path(cli, log, 0, path);
	follow.fd = open(path, O_RDONLY | O_CLOEXEC);
	err = follow.chunk ? log_follow(&follow) : -ENOMEM;
	cleanup_close(&follow.fd);
	free(follow.chunk);
	return err;
}

/* where the newest file ends now, behind its last whole line */
static off_t log_end(const struct cli *cli, const char *log)
{
	_cleanup_close_ int fd = -1;
	char path[160], last;
	struct stat st;

	log_path(cli, log, 0, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	while (st.st_size && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
		st.st_size--;
	return st.st_size;
}

int cli_run_log(struct cli *cli, const struct cli_call *call)
{
	const char *limit = cli_call_value(call, "N"), *log = call->command->fixed;
	_cleanup_(event_query_free) struct event_query *query = NULL;
	char error[EVENT_QUERY_ERROR];
	bool follow = cli_call_value(call, "FOLLOW");
	struct log_search search = {.limit = limit ? (size_t)atoi(limit) : LOG_LIMIT_DEFAULT};
	off_t end = log_end(cli, log);
	int err = event_query_new(&query);

	if (err)
		return client_fail(cli, CLI_FAILED, "out of memory");
	if (query_take(query, call, error) < 0)
		return client_fail(cli, CLI_USAGE, "%s", error);
	search.query = query;
	search.found = json_array();
	err = log_search(cli, log, &search);
	if (!err)
		log_show(cli, log, search.found, follow);
	json_decref(search.found);
	if (!err && follow) {
		fflush(cli->out);
		err = log_follow_from_end(cli, log, query, end);
	}
	return err ? client_fail(
			     cli, CLI_FAILED, "cannot read the log in %s: %s", cli->instance.log_dir, strerror(-err))
		   : CLI_OK;
}
