/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One producer's event ring, seen from sluice-log. */
#include <sys/queue.h>

#include "base/loop.h"
#include "events/event.h"

struct producer {
	LIST_ENTRY(producer) link;
	int64_t number;
	char name[64];
	bool may_audit; /* the supervisor alone speaks in the Audit log */
	struct event_ring *ring;
	struct loop_source source;
	bool sequence_known;
	uint64_t next_sequence;
	bool skipping;         /* what comes first may be spooled already */
	uint64_t skip_through; /* sequence */
	uint64_t lost;         /* gaps not yet reported */
	uint64_t refused;      /* nonsense, not yet reported */
};

/* The descriptors stay the caller's. -EPERM: the ring could be shrunk under us. */
int producer_new(struct producer **out, int64_t number, const char *name, int memfd, int eventfd);
void producer_free(struct producer **producer);
/* records up to this sequence are spooled already: a killed sluice-log had not come to release them */
void producer_skip_through(struct producer *producer, uint64_t sequence);
/* Copies the next record that may be logged: 1, or 0 when the ring is empty. The record says who wrote it, whatever the
 * producer claimed. It stays in the ring until event_ring_release(). */
int producer_read(struct producer *producer, uint8_t record[EVENT_MAX]);
