/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A bounded table of counters that outlive a stream: the rates of threshold and detection_filter, and xbits. One
 * worker's, so without locks. It never grows: where a key finds its bucket full, the entry that would lapse first gives
 * way. */
#include <stddef.h>
#include <stdint.h>

#define TRACK_WAYS 8
#define TRACK_BUCKETS 4096

struct track_key {
	uint64_t id;   /* of the filter or the bit */
	uint32_t a, b; /* addresses, 0 where they do not matter */
};
struct track_entry {
	struct track_key key;
	uint64_t until; /* milliseconds; lapsed from then on, 0: free */
	uint32_t count;
};
struct track_table {
	uint64_t seed; /* peers choose addresses: they must not be able to choose buckets */
	uint64_t evicted;
	struct track_entry *entries;
};

int track_table_new(struct track_table *table);
void track_table_clear(struct track_table *table);
/* the entry that has not lapsed, or NULL */
struct track_entry *track_find(struct track_table *table, const struct track_key *key, uint64_t now);
/* the same, or a new one with count 0 and until as given */
struct track_entry *track_take(struct track_table *table, const struct track_key *key, uint64_t now, uint64_t until);
void track_drop(struct track_entry *entry);
