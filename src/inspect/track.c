/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/track.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

#define MIX 0x9e3779b97f4a7c15ull

int track_table_new(struct track_table *table)
{
	*table = (struct track_table){0};
	if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) != sizeof(table->seed))
		return -EAGAIN;
	/* pages that no entry touches cost nothing */
	table->entries = calloc((size_t)TRACK_BUCKETS * TRACK_WAYS, sizeof(*table->entries));
	return table->entries ? 0 : -ENOMEM;
}

void track_table_clear(struct track_table *table)
{
	free(table->entries);
	*table = (struct track_table){0};
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * MIX;
	return hash ^ hash >> 29;
}

static struct track_entry *bucket(const struct track_table *table, const struct track_key *key)
{
	uint64_t hash = mix(mix(table->seed, key->id), (uint64_t)key->a << 32 | key->b);

	return &table->entries[mix(hash, table->seed) % TRACK_BUCKETS * TRACK_WAYS];
}

static bool is_entry_of(const struct track_entry *entry, const struct track_key *key)
{
	return entry->key.id == key->id && entry->key.a == key->a && entry->key.b == key->b;
}

struct track_entry *track_find(struct track_table *table, const struct track_key *key, uint64_t now)
{
	struct track_entry *ways = bucket(table, key);

	for (unsigned int i = 0; i < TRACK_WAYS; i++)
		if (ways[i].until > now && is_entry_of(&ways[i], key))
			return &ways[i];
	return NULL;
}

struct track_entry *track_take(struct track_table *table, const struct track_key *key, uint64_t now, uint64_t until)
{
	struct track_entry *found = track_find(table, key, now), *ways = bucket(table, key), *oldest = ways;

	if (found)
		return found;
	for (unsigned int i = 1; i < TRACK_WAYS; i++)
		if (ways[i].until < oldest->until)
			oldest = &ways[i];
	table->evicted += oldest->until > now;
	*oldest = (struct track_entry){.key = *key, .until = until};
	return oldest;
}

void track_drop(struct track_entry *entry)
{
	*entry = (struct track_entry){0};
}
