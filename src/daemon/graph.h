/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The history behind the three graphs (H2): what was counted in each minute of the last 24 hours, kept in the state
 * directory. A minute's slot is its number modulo the ring's size, so that a clock that is set forward or back hides or
 * overwrites the minutes it concerns and no others. */
#include <stdint.h>

#define GRAPH_MINUTES 1440u

struct supervisor;

struct graph_minute {
	uint64_t minute; /* since 1970; 0: never written */
	uint64_t bytes, bytes_inspected, sessions;
};

struct graph_totals { /* of the counters since the supervisor's start */
	uint64_t bytes, bytes_inspected, sessions;
};

struct graph {
	struct graph_minute ring[GRAPH_MINUTES];
	uint64_t minute; /* running */
	struct graph_totals before;
};

/* what was kept by the last supervisor; a file that is missing or damaged is an empty history */
void graph_load(struct supervisor *supervisor);
/* every second; closes a minute when it is over, and saves */
void graph_tick(struct supervisor *supervisor);
/* with the part of the running minute: at the end of a supervisor */
void graph_save(struct supervisor *supervisor);

/* into the ring: what was counted in a minute is added to what the slot already has of the same minute */
void graph_add(struct graph *graph, uint64_t minute, const struct graph_totals *counted);
/* a minute of the ring as of now, or NULL: older than the history, in the future, or never counted */
const struct graph_minute *graph_get(const struct graph *graph, uint64_t minute, uint64_t now);
