/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside the commit: one struct, and the steps in the files that do them:
 *   commit.c          begins, rejects, finishes
 *   commit_check.c    what needs no other process: document, rule files, suites, certificates
 *   commit_compile.c  the filter compiler, once per profile
 *   commit_apply.c    workers, wire, store, in force */
#include <jansson.h>
#include <stdbool.h>

#include "daemon/child.h"
#include "daemon/commit.h"

struct commit {
	struct supervisor *supervisor;
	bool override_locked;
	bool check_only, boot, sent; /* sent: workers have the candidate */
	commit_done_fn *done;
	void *owner;
	char *document; /* name of the configuration file */
	size_t n_files; /* rule files, each once, in order of first use */
	char **names;
	int *fds;
	struct policy *policy;
	json_t *problems;
	json_t *facts; /* who asked and why (history.h) */
	struct child compiler;
	size_t compiling;   /* index of the profile */
	char cache_key[40]; /* of what is being compiled */
	commit_progress_fn *progress;
	struct loop_timer timer;
};

/* answers and ends the commit; takes the reference of answer */
void commit_finish(struct commit *commit, json_t *answer);
/* undoes what has been done so far, says why, and ends the commit */
void commit_reject(struct commit *commit, const char *error);

/* told with the answer */
void commit_problem(
	struct commit *commit, const char *severity, unsigned int line, unsigned int column, const char *message);
/* commit_check.c. true: go on; false: the commit has ended */
bool commit_validate(struct commit *commit, const struct commit_request *request);
int commit_read_document(int fd, char **text, size_t *len);
ssize_t commit_find_name(const struct commit *commit, const char *name);

/* compiles the profiles from commit->compiling on, then goes on to commit_send() or, for a check, ends */
void commit_compile_next(struct commit *commit);

void commit_send(struct commit *commit);
/* the wire first: it names only workers that are there, and none that are about to leave */
int commit_set_workers(struct supervisor *supervisor, unsigned int n);
