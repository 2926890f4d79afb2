/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "daemon/commit.h"
#include "daemon/history.h"
#include "daemon/supervisor.h"

/* the problems that a commit found, each a System record: nobody else hears of them at a start */
static void boot_record_problems(struct supervisor *supervisor, const json_t *answer)
{
	const json_t *problem;
	size_t i;

	json_array_foreach(json_object_get(answer, "problems"), i, problem)
	{
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, json_string_value(json_object_get(problem, "severity")),
			"%s:%d:%d: %s", json_string_value(json_object_get(problem, "file")),
			(int)json_integer_value(json_object_get(problem, "line")),
			(int)json_integer_value(json_object_get(problem, "column")),
			json_string_value(json_object_get(problem, "message")));
	}
}

/* --- stored versions ------------------------------------------------------------------------------------------------
 */

static bool boot_try(struct supervisor *supervisor, uint32_t version);

/* the next older one, when that version's commit has ended */
static void boot_on_next(struct loop_timer *timer)
{
	struct supervisor *supervisor = container_of(timer, struct supervisor, boot.next);
	size_t n;
	_cleanup_free_ uint32_t *versions = store_list_versions(&supervisor->store, &n);

	for (size_t i = 0; i < n; i++)
		if (versions[i] < supervisor->boot.version && boot_try(supervisor, versions[i]))
			return;
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "critical",
		"none of the stored configurations can be put in force: the wire is in fallback without inspection; "
		"commit a good one");
}

static void boot_note_failure(struct supervisor *supervisor, const char *error)
{
	uint32_t version = supervisor->boot.version;

	if (!supervisor->boot.problem)
		supervisor->boot.problem = json_pack("{s:I, s:s}", "version", (json_int_t)version, "error", error);
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "critical",
		"the stored configuration version %u cannot be put in force: %s; the next older one is tried", version,
		error);
}

static void boot_on_commit(void *owner, json_t *answer)
{
	struct supervisor *supervisor = owner;
	const char *error = json_string_value(json_object_get(answer, "error"));

	boot_record_problems(supervisor, answer);
	if (json_is_true(json_object_get(answer, "ok"))) {
		if (supervisor->boot.problem)
			supervisor_record(supervisor, EVENT_LOG_SYSTEM, "critical",
				"version %u is in force in place of version %lld, which cannot be used: commit a good "
				"configuration",
				supervisor->boot.version,
				(long long)json_integer_value(json_object_get(supervisor->boot.problem, "version")));
	} else if (!supervisor->stopping) {
		boot_note_failure(supervisor, error ? error : "no reason given");
		loop_timer_arm(supervisor->loop, &supervisor->boot.next, 1, boot_on_next);
	}
	json_decref(answer);
}

/* false: that version is damaged, and no commit of it has begun */
static bool boot_try(struct supervisor *supervisor, uint32_t version)
{
	char name[32];
	_cleanup_close_ int fd = store_open_version(&supervisor->store, version);
	json_t *files;

	supervisor->boot.version = version;
	if (fd < 0 || history_verify(&supervisor->store, version) < 0) {
		boot_note_failure(supervisor, fd < 0 ? "it cannot be read"
						     : "it is damaged: its document or rule files are not those "
						       "that were committed");
		return false;
	}
	snprintf(name, sizeof(name), "version %u", version);
	files = json_pack("[s]", name);
	commit_begin(supervisor, &(struct commit_request){.files = files,
					 .fds = &fd,
					 .n_fds = 1,
					 .boot = true,
					 .version = version,
					 .done = boot_on_commit,
					 .owner = supervisor});
	json_decref(files);
	return true;
}

/* --- the configuration file of the first start ----------------------------------------------------------------------
 */

static void boot_on_file_commit(void *owner, json_t *answer)
{
	struct supervisor *supervisor = owner;
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (!json_is_true(json_object_get(answer, "ok")))
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error", "the configuration cannot be put in force: %s",
			error ? error : "no reason given");
	boot_record_problems(supervisor, answer);
	json_decref(answer);
}

#define BOOT_FILES_MAX 64

/* a configuration file given at the first start, and the rule files it turned out to need */
struct boot_files {
	json_t *names;
	int fds[BOOT_FILES_MAX];
	size_t n_fds;
};

/* called before commit_begin() returns when files are missing, and then only; the commit itself may take long */
static void boot_file_on_answer(void *owner, json_t *answer)
{
	struct supervisor *supervisor = owner;
	json_t *missing = json_object_get(answer, "need_files");

	if (missing) {
		supervisor->boot.missing = json_incref(missing);
		json_decref(answer);
	} else {
		boot_on_file_commit(owner, answer);
	}
}

static void boot_files_commit(struct supervisor *supervisor, const struct boot_files *files)
{
	commit_begin(supervisor, &(struct commit_request){.files = files->names,
					 .fds = files->fds,
					 .n_fds = files->n_fds,
					 .done = boot_file_on_answer,
					 .owner = supervisor});
}

static int boot_files_open(struct boot_files *files, int dir_fd, const char *name)
{
	int fd = files->n_fds < BOOT_FILES_MAX ? openat(dir_fd, name, O_RDONLY | O_CLOEXEC) : -EMFILE;

	if (fd < 0)
		return log_err_r(fd == -1 ? -errno : fd, "cannot open %s", name);
	files->fds[files->n_fds++] = fd;
	json_array_append_new(files->names, json_string(name));
	return 0;
}

static void boot_files_clear(struct boot_files *files)
{
	for (size_t i = 0; i < files->n_fds; i++)
		close(files->fds[i]);
	json_decref(files->names);
}

/* committed as an operator would */
static int boot_file(struct supervisor *supervisor, const char *path)
{
	_cleanup_(boot_files_clear) struct boot_files files = {.names = json_array()};
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int dir = open(copy ? dirname(copy) : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = boot_files_open(&files, AT_FDCWD, path);
	json_t *name;
	size_t i;

	if (r < 0)
		return r;
	boot_files_commit(supervisor, &files);
	if (!supervisor->boot.missing)
		return 0;
	json_array_foreach(supervisor->boot.missing, i, name)
	{
		if (r >= 0)
			r = boot_files_open(&files, dir, json_string_value(name));
	}
	json_decref(TAKE_PTR(supervisor->boot.missing));
	if (r >= 0)
		boot_files_commit(supervisor, &files);
	return r;
}

int boot_begin(struct supervisor *supervisor, const char *config_path)
{
	supervisor->boot.version = UINT32_MAX;
	if (store_newest_version(&supervisor->store))
		boot_on_next(&supervisor->boot.next);
	else if (config_path)
		return boot_file(supervisor, config_path);
	return 0;
}

void boot_clear_problem(struct supervisor *supervisor)
{
	json_decref(TAKE_PTR(supervisor->boot.problem));
}

void boot_free(struct supervisor *supervisor)
{
	boot_clear_problem(supervisor);
	json_decref(TAKE_PTR(supervisor->boot.missing));
}
