/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where an SSL server's figures stand in the stats page. A server's id is its place in one configuration version; its
 * figures belong to its name, over all versions: each name keeps its slot for as long as the page lives. */
#include <jansson.h>

#include "config/config.h"
#include "stats/stats.h"

struct stats_slots {
	struct stats_page *page;
	char *names[STATS_SERVERS_MAX]; /* NULL: free */
};

/* one slot per SSL server of config, in the order of their ids, for the policy message; a name that has none gets one.
 * Only when all are taken, slots of names that neither config nor in_force (may be NULL) has are cleared and reused. */
json_t *stats_slots_assign(struct stats_slots *slots, const struct config *config, const struct config *in_force);
/* goes on with a page of an earlier supervisor: its names */
void stats_slots_adopt(struct stats_slots *slots);
/* STATS_SERVERS_MAX, which reads as zeros, for a name without a slot */
unsigned int stats_slots_find(const struct stats_slots *slots, const char *name);
void stats_slots_clear(struct stats_slots *slots);
