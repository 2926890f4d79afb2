/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Workers of earlier generations that still serve their sessions (design: generations): they have no control socket any
 * more, but their shared memory is found again through /proc, so that their sessions are listed, counted and can be
 * cleared as those of this generation. */
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "dataplane/flow.h"
#include "stats/session_table.h"
#include "stats/stats.h"

#define ELDERS_MAX (2 * FLOW_WORKERS_MAX)

struct instance;
struct supervisor;

struct elders {
	size_t n;
	struct elder {
		pid_t pid;
		unsigned int slot; /* FLOW_WORKERS_MAX: it has lost it to another generation */
		struct session_table *table;
	} items[ELDERS_MAX];
};

/* the page in which an earlier generation counts: this one goes on with it. -ENOENT: there is none; -EPROTO: it is of a
 * version with other counters */
int elders_find_stats(const struct instance *instance, struct stats_page **page);
/* the workers that run now; before this generation's first */
void elders_find(struct supervisor *supervisor);
bool elders_have(const struct supervisor *supervisor, pid_t pid);
void elders_tick(struct supervisor *supervisor); /* forgets those that have gone */
/* asks all of them to clear sessions */
void elders_clear(struct supervisor *supervisor, const json_t *request);
void elders_free(struct supervisor *supervisor);
