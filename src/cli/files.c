/* SPDX-License-Identifier: Apache-2.0 */
/* check and commit. The supervisor opens no path of an operator's: this side opens the files and passes descriptors.
 * It does not know YAML either, so it asks twice: with the document alone, which is answered by
 * {"ok": false, "need_files": [names as written]} when rule files are named, then with those files as well. */
#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"

void files_release(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		close(files->fds[i]);
	json_decref(files->names);
}

/* a regular file: a FIFO or a terminal would stop the supervisor. -errno */
static int files_open(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return TAKE_FD(fd);
}

static const char *files_error(int r)
{
	return r == -EINVAL ? "Not a regular file" : strerror(-r);
}

int files_add(struct files *files, const char *name, int fd)
{
	int r = files->n == IPC_FDS_MAX ? -E2BIG : 0;

	if (!r && json_array_append_new(files->names, json_string(name)) < 0)
		r = -EILSEQ;
	if (r) {
		close(fd);
		return r;
	}
	files->fds[files->n++] = fd;
	return 0;
}

/* relative to the directory of the configuration file */
static char *files_path(const char *config, const char *name)
{
	const char *slash = strrchr(config, '/');
	char *path = NULL;

	if (name[0] == '/' || !slash)
		return strdup(name);
	return asprintf(&path, "%.*s/%s", (int)(slash - config), config, name) < 0 ? NULL : path;
}

static int files_add_rules(struct files *files, const char *config, const char *name, json_t *problems)
{
	_cleanup_free_ char *path = files_path(config, name), *message = NULL;
	int fd = path ? files_open(path) : -ENOMEM;

	if (fd >= 0)
		return files_add(files, name, fd);
	if (asprintf(&message, "the rule file \"%s\" cannot be opened (%s): %s", name, path ? path : "",
		    files_error(fd)) < 0)
		message = NULL;
	json_array_append_new(
		problems, json_pack("{s:s, s:s*, s:s*}", "severity", "error", "file", config, "message", message));
	return fd;
}

static bool files_has(const struct files *files, const char *name)
{
	size_t i;
	json_t *value;

	json_array_foreach(files->names, i, value) if (i && strcmp(json_string_value(value), name) == 0) return true;
	return false;
}

/* all that cannot be opened are told, not only the first */
static int files_add_needed(struct cli *cli, struct files *files, const char *config, const json_t *needed)
{
	json_auto_t *problems = json_array(), *answer = NULL;
	size_t i, before = files->n;
	json_t *value;

	json_array_foreach(needed, i, value)
	{
		const char *name = json_string_value(value);

		if (!name || !*name || files_has(files, name))
			continue;
		if (files->n == IPC_FDS_MAX)
			return client_fail(cli, CLI_FAILED, "%s names more than %d rule files: join some of them",
				config, IPC_FDS_MAX - 1);
		files_add_rules(files, config, name, problems);
	}
	if (json_array_size(problems)) {
		answer = json_pack("{s:b, s:s, s:O}", "ok", 0, "error", "rule files are missing", "problems", problems);
		return client_show(cli, answer, NULL);
	}
	if (files->n == before)
		return client_fail(cli, CLI_FAILED, "the supervisor asks for files that it was given");
	return CLI_OK;
}

static int files_ask(struct cli *cli, const struct cli_call *call, const struct files *files, json_t **answer)
{
	json_t *request = cli_build_request(call);

	if (request)
		json_object_set(request, "files", files->names);
	if (request && cli->err_terminal)
		json_object_set_new(request, "progress", json_true());

	return client_ask(cli, request, files->fds, files->n, CLIENT_PATIENCE_COMMIT_S, answer);
}

int cli_run_files(struct cli *cli, const struct cli_call *call)
{
	const char *config = cli_call_value(call, "FILE");
	_cleanup_(files_release) struct files files = {.names = json_array()};
	int fd = files_open(config), status;

	if (fd < 0)
		return client_fail(cli, CLI_FAILED, "cannot open %s: %s", config, files_error(fd));
	if (files_add(&files, config, fd) < 0)
		return client_fail(cli, CLI_FAILED, "the name of %s is not UTF-8", config);
	for (;;) {
		json_auto_t *answer = NULL;
		const json_t *needed;

		status = files_ask(cli, call, &files, &answer);
		if (status != CLI_OK)
			return status;
		needed = json_object_get(answer, "need_files");
		if (!json_array_size(needed))
			return client_show(cli, answer, call->command->render);
		status = files_add_needed(cli, &files, config, needed);
		if (status != CLI_OK)
			return status;
	}
}
