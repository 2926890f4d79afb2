/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* check and commit: candidate -> validate -> compile -> workers -> wire -> stored, all or nothing (F4). One at a time.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/supervisor.h"

/* called once with the answer for the operator; takes the reference */
typedef void commit_done_fn(void *owner, json_t *answer);

/* called now and then while it goes on, with what is being done; takes the reference */
typedef void commit_progress_fn(void *owner, json_t *progress);

struct commit_request {
	const json_t *files; /* names: the document's, then the rule files' in any order */
	const int *fds;      /* borrowed, one per name */
	size_t n_fds;
	bool check_only;
	bool boot;        /* the stored version: nothing is written, and the wire takes the policy first */
	bool rollback;    /* the rule files, too, come from the stored version, and it is put in force as a new one */
	uint32_t version; /* for boot and rollback */
	bool override_locked; /* Locked SSL policies may change (F2): the operator said so */
	json_t *facts;        /* who asks and why (history.h), or NULL; the reference is the commit's */
	commit_done_fn *done;
	commit_progress_fn *progress; /* NULL: it is not wanted */
	void *owner;
};
/* the answer may come before this returns */
void commit_begin(struct supervisor *supervisor, const struct commit_request *request);
/* the asker has gone; the commit goes on */
void commit_forget_owner(struct supervisor *supervisor, const void *owner);

/* rejects the one in progress, if any */
void commit_cancel(struct supervisor *supervisor, const char *why);

/* from generation.c: a worker acknowledged, listens, or refused */
void commit_on_progress(struct supervisor *supervisor);
void commit_on_refusal(struct supervisor *supervisor, uint32_t version, const char *error);
/* the policy being committed once workers may have it, else NULL */
const struct policy *commit_candidate(const struct supervisor *supervisor);
