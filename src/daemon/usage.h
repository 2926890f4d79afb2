/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* C6: which filters match most and cost most, asked of every worker and added up. Answers come later, or after a time
 * without those that did not answer. */
#include <jansson.h>

#include "daemon/commit.h"

struct supervisor;
struct usage_query;

/* request: limit (default 20), by (cost, hits). done is called once, unless the owner is forgotten before. */
void usage_begin(struct supervisor *supervisor, const json_t *request, commit_done_fn *done, void *owner);
/* a worker's answer */
void usage_on_answer(struct supervisor *supervisor, unsigned int slot, const json_t *message);
void usage_forget_owner(struct supervisor *supervisor, const void *owner);
