/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Replacing a certificate under its name (E3): the key keeper has the new key and every worker the new certificate
 * before it counts; a failure before that leaves everything as it was. One at a time, and never beside a commit. */
#include "daemon/commit.h"

/* takes facts; sealed_key_fd is borrowed. done is called once. */
void replace_begin(struct supervisor *supervisor, const char *name, json_t *facts, int sealed_key_fd,
	commit_done_fn *done, void *owner);
void replace_forget_owner(struct supervisor *supervisor, const void *owner);

/* from generation.c: what the keeper says of a key (error NULL: loaded); a keeper that ended */
void replace_on_key(struct supervisor *supervisor, const char *name, const char *key_id, const char *error);
void replace_cancel(struct supervisor *supervisor, const char *why);
/* from commit.c: workers moved on; one refused */
void replace_on_progress(struct supervisor *supervisor);
void replace_on_refusal(struct supervisor *supervisor, const char *error);
/* the policy with the new certificate once workers may have it, else NULL */
const struct policy *replace_candidate(const struct supervisor *supervisor);
