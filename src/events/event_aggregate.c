/* SPDX-License-Identifier: Apache-2.0 */
#include "events/event_aggregate.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"

#define PROBES 8 /* places in which a kind may lie; a full neighbourhood is a full table */

struct waiting {
	struct event_kind kind;
	uint64_t began_ns, period_ns; /* began_ns 0: the place is free */
	uint64_t hits;                /* since the record that went out last */
	uint8_t *bytes;               /* the newest of them; NULL: none */
	uint32_t used;
};

struct event_aggregate {
	event_emit_fn *emit;
	void *owner;
	size_t bytes;
	uint64_t overflows;
	unsigned int n;
	struct waiting places[EVENT_AGGREGATE_KINDS];
	struct event event;
};

_Static_assert(sizeof(struct event_kind) == 24, "no padding that comparing would see");

int event_aggregate_new(struct event_aggregate **out, event_emit_fn *emit, void *owner)
{
	struct event_aggregate *aggregate = calloc(1, sizeof(*aggregate));

	if (!aggregate)
		return -ENOMEM;
	aggregate->emit = emit;
	aggregate->owner = owner;
	*out = aggregate;
	return 0;
}

static void waiting_drop_bytes(struct event_aggregate *aggregate, struct waiting *waiting)
{
	aggregate->bytes -= waiting->used;
	free(waiting->bytes);
	waiting->bytes = NULL;
	waiting->used = 0;
	waiting->hits = 0;
}

void event_aggregate_free(struct event_aggregate **aggregate)
{
	for (unsigned int i = 0; *aggregate && i < EVENT_AGGREGATE_KINDS; i++)
		waiting_drop_bytes(*aggregate, &(*aggregate)->places[i]);
	free(*aggregate);
	*aggregate = NULL;
}

/* the place of a kind, or one for it; NULL: there is no room */
static struct waiting *aggregate_find(struct event_aggregate *aggregate, const struct event_kind *kind)
{
	const uint8_t *bytes = (const uint8_t *)kind;
	struct waiting *room = NULL;
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < sizeof(*kind); i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	for (unsigned int i = 0; i < PROBES; i++) {
		struct waiting *waiting = &aggregate->places[(hash + i) % EVENT_AGGREGATE_KINDS];

		if (waiting->began_ns && !memcmp(&waiting->kind, kind, sizeof(*kind)))
			return waiting;
		if (!waiting->began_ns && !room)
			room = waiting;
	}
	return room;
}

/* keeps a copy, in place of the one before */
static bool waiting_keep(struct event_aggregate *aggregate, struct waiting *waiting, const struct event *event)
{
	uint64_t hits = waiting->hits;
	uint8_t *copy;

	if (aggregate->bytes - waiting->used + event->used > EVENT_AGGREGATE_BYTES)
		return waiting->bytes; /* an older one stands for it */
	copy = malloc(event->used);
	if (!copy)
		return waiting->bytes;
	memcpy(copy, event->bytes, event->used);
	waiting_drop_bytes(aggregate, waiting);
	waiting->bytes = copy;
	waiting->used = event->used;
	waiting->hits = hits;
	aggregate->bytes += event->used;
	return true;
}

static void aggregate_emit_now(
	struct event_aggregate *aggregate, struct event *event, uint64_t hits, uint64_t period_ns)
{
	event_u64(event, EVENT_HITS, hits);
	if (period_ns)
		event_u64(event, EVENT_AGGREGATION_SECONDS, period_ns / NSEC_PER_SEC);
	aggregate->emit(aggregate->owner, event);
}

void event_aggregate_add(struct event_aggregate *aggregate, struct event *event, const struct event_kind *kind,
	uint64_t now_ns, uint64_t period_ns)
{
	struct waiting *waiting = period_ns ? aggregate_find(aggregate, kind) : NULL;

	if (!period_ns) {
		aggregate->emit(aggregate->owner, event);
		return;
	}
	if (waiting && waiting->began_ns && waiting_keep(aggregate, waiting, event)) {
		waiting->hits++;
		return;
	}
	if (!waiting || waiting->began_ns) {
		aggregate->overflows++;
	} else {
		*waiting = (struct waiting){.kind = *kind, .began_ns = now_ns, .period_ns = period_ns};
		aggregate->n++;
	}
	aggregate_emit_now(aggregate, event, 1, 0);
}

static void waiting_emit(struct event_aggregate *aggregate, struct waiting *waiting)
{
	struct event *event = &aggregate->event;
	uint64_t hits = waiting->hits;

	memcpy(event->bytes, waiting->bytes, waiting->used);
	event->used = waiting->used;
	waiting_drop_bytes(aggregate, waiting);
	aggregate_emit_now(aggregate, event, hits, waiting->period_ns);
}

bool event_aggregate_tick(struct event_aggregate *aggregate, uint64_t now_ns)
{
	for (unsigned int i = 0; aggregate->n && i < EVENT_AGGREGATE_KINDS; i++) {
		struct waiting *waiting = &aggregate->places[i];

		if (!waiting->began_ns || now_ns - waiting->began_ns < waiting->period_ns)
			continue;
		if (waiting->hits) { /* and a period begins anew */
			waiting_emit(aggregate, waiting);
			waiting->began_ns = now_ns;
		} else {
			waiting->began_ns = 0;
			aggregate->n--;
		}
	}
	return aggregate->n;
}

void event_aggregate_flush(struct event_aggregate *aggregate)
{
	for (unsigned int i = 0; i < EVENT_AGGREGATE_KINDS; i++) {
		if (aggregate->places[i].hits)
			waiting_emit(aggregate, &aggregate->places[i]);
		aggregate->places[i].began_ns = 0;
	}
	aggregate->n = 0;
}

uint64_t event_aggregate_overflows(struct event_aggregate *aggregate)
{
	uint64_t n = aggregate->overflows;

	aggregate->overflows = 0;
	return n;
}
