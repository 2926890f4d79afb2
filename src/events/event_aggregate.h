/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Repeated records of one kind as one with a count (G3). The first of a kind goes out at once and never waits; those
 * that follow within the period are counted, and at its end the newest of them goes out with the fields hits and
 * aggregation_seconds: the hits of all records together are the matches that there were. Bounded: where there is no
 * room, records go out one by one. */
#include "events/event.h"

#define EVENT_AGGREGATE_KINDS 1024
#define EVENT_AGGREGATE_BYTES (4u << 20) /* of records that wait */

struct event_kind { /* what must be the same; compared as bytes: set it to zero first */
	uint64_t filter;
	uint32_t client, server; /* network order */
	uint16_t port;
	uint8_t log, action;
};

struct event_aggregate;
typedef void event_emit_fn(void *owner, struct event *event);

/* emit: called from the other functions */
int event_aggregate_new(struct event_aggregate **out, event_emit_fn *emit, void *owner);
/* what waits is lost unless flushed before */
void event_aggregate_free(struct event_aggregate **aggregate);
/* takes a finished record: to be emitted now or counted. period_ns 0: now, as it is */
void event_aggregate_add(struct event_aggregate *aggregate, struct event *event, const struct event_kind *kind,
	uint64_t now_ns, uint64_t period_ns);
/* emits what has waited for its period; whether anything is still to come */
bool event_aggregate_tick(struct event_aggregate *aggregate, uint64_t now_ns);
/* emits everything that waits */
void event_aggregate_flush(struct event_aggregate *aggregate);
/* records that went out one by one for want of room since the last call */
uint64_t event_aggregate_overflows(struct event_aggregate *aggregate);
