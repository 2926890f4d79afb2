/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* All instances of the MIB at one moment, in the order of their object identifiers: GET looks one up, GETNEXT the one
 * after it, so that a walk is in order whatever the values are. */
#include "snmp/feed.h"
#include "snmp/value.h"
#include "stats/stats.h"

#define SNAPSHOT_NAME_MAX 80

struct snapshot_entry {
	uint16_t n;       /* of name */
	uint16_t len;     /* of bytes */
	uint8_t wire;     /* enum value_wire */
	uint32_t name;    /* below MIB_ROOT: where in names */
	uint64_t payload; /* the number, or where in bytes */
};

struct snapshot {
	uint64_t taken_ns; /* 0: never */
	size_t n, room;
	struct snapshot_entry *entries;
	size_t n_names, names_room;
	uint32_t *names;
	size_t n_bytes, bytes_room;
	uint8_t *bytes;
};

/* takes a new one when this one is older than a second; 0, or -ENOMEM with what fitted */
int snapshot_refresh(struct snapshot *snapshot, struct feed *feed, const struct stats_page *stats);
void snapshot_clear(struct snapshot *snapshot);

/* name: below MIB_ROOT */
const struct snapshot_entry *snapshot_get(const struct snapshot *snapshot, const uint32_t *name, size_t n);
/* the first at or after name */
const struct snapshot_entry *snapshot_next(
	const struct snapshot *snapshot, const uint32_t *name, size_t n, bool inclusive);
