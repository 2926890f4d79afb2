/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The records of one boot in the spool, read from a target's cursor on. */
#include <sys/queue.h>

#include "logship/spool.h"
#include "relp/cursor.h"

struct source {
	LIST_ENTRY(source) link;
	int spool_fd; /* borrowed */
	uint64_t boot;
	struct cursor cursor;
	uint64_t position; /* sequence of the next record to read */
	unsigned int unconfirmed;
	uint64_t missed; /* records that were gone, or damaged, before they could be sent */
	int fd;          /* the segment; -1: none */
	uint64_t first;  /* its first sequence */
	uint64_t offset;
	uint8_t *ahead; /* what was read of the segment at ahead_at: one call for many records */
	uint64_t ahead_at;
	size_t ahead_len;
	uint64_t oldest_us; /* time of the record at the cursor; 0: not known */
};

int source_new(struct source **out, int spool_fd, uint64_t boot, const char *target);
void source_free(struct source **source);
/* the next record: 1, 0 when there is none now, -errno */
int source_read(struct source *source, struct spool_record *record, char line[EVENT_JSON_MAX]);
/* back to the cursor: the connection that carried what came after is gone */
void source_rewind(struct source *source);
