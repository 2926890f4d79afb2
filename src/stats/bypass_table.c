/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/bypass_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/shm.h"

#define BYPASS_TABLE_MAGIC 0x42707332u /* "Bps2" */

struct bypass_slot {
	uint32_t sequence; /* odd while somebody writes */
	struct bypass_row row;
};

struct bypass_shared {
	uint32_t magic, row_size;
	uint64_t last_expires_ns; /* no row that was ever learned is in force after it */
	struct bypass_slot slots[BYPASS_TABLE_SETS][BYPASS_TABLE_WAYS];
};

struct bypass_table {
	struct bypass_shared *shared;
	size_t size;
	int fd; /* owned */
};

/* owns fd from here on, also when it fails */
static int bypass_table_open(struct bypass_table **out, int fd)
{
	struct bypass_table *table = calloc(1, sizeof(*table));
	void *map;
	int err;

	if (!table) {
		close(fd);
		return -ENOMEM;
	}
	table->fd = fd;
	err = shm_map(fd, true, sizeof(*table->shared), &map, &table->size);
	if (err) {
		bypass_table_free(&table);
		return err;
	}
	table->shared = map;
	*out = table;
	return 0;
}

int bypass_table_create(struct bypass_table **out)
{
	int fd, err = shm_create("sluice-bypasses", sizeof(struct bypass_shared), &fd);

	if (!err)
		err = bypass_table_open(out, fd);
	if (err)
		return err;
	(*out)->shared->magic = BYPASS_TABLE_MAGIC;
	(*out)->shared->row_size = sizeof(struct bypass_row);
	return 0;
}

int bypass_table_map(struct bypass_table **out, int fd)
{
	struct bypass_table *table;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), err;

	if (own < 0)
		return -errno;
	err = bypass_table_open(&table, own);
	if (err)
		return err;
	if (table->shared->magic != BYPASS_TABLE_MAGIC || table->shared->row_size != sizeof(struct bypass_row)) {
		bypass_table_free(&table);
		return -EPROTO;
	}
	*out = table;
	return 0;
}

void bypass_table_free(struct bypass_table **table)
{
	if (!*table)
		return;
	if ((*table)->shared)
		shm_unmap((*table)->shared, (*table)->size);
	close((*table)->fd);
	free(*table);
	*table = NULL;
}

int bypass_table_fd(const struct bypass_table *table)
{
	return table->fd;
}

/* --- entries --------------------------------------------------------------------------------------------------- */

static struct bypass_slot *bypass_set(struct bypass_table *table, const struct bypass_key *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

	for (size_t i = 0; i < sizeof(*key); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return table->shared->slots[(hash ^ hash >> 32) % BYPASS_TABLE_SETS];
}

/* a whole copy, or false: somebody is writing it */
static bool bypass_slot_read(const struct bypass_slot *slot, struct bypass_row *row)
{
	uint32_t before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);

	if (before & 1)
		return false;
	*row = slot->row;
	row->key.ssl_server[sizeof(row->key.ssl_server) - 1] = 0; /* a worker is not trusted with text */
	row->key.sni[sizeof(row->key.sni) - 1] = 0;
	row->key.ja4[sizeof(row->key.ja4) - 1] = 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == before;
}

static bool bypass_slot_take(struct bypass_slot *slot)
{
	uint32_t before = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);

	return !(before & 1) && __atomic_compare_exchange_n(&slot->sequence, &before, before + 1, false,
					__ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void bypass_slot_give(struct bypass_slot *slot)
{
	__atomic_fetch_add(&slot->sequence, 1, __ATOMIC_RELEASE);
}

static bool bypass_is_for(const struct bypass_row *row, const struct bypass_key *key)
{
	return !memcmp(&row->key, key, sizeof(*key));
}

bool bypass_table_is_empty(const struct bypass_table *table, uint64_t now_ns)
{
	return __atomic_load_n(&table->shared->last_expires_ns, __ATOMIC_RELAXED) <= now_ns;
}

bool bypass_table_find(struct bypass_table *table, const struct bypass_key *key, uint64_t now_ns, uint32_t *cause)
{
	struct bypass_slot *set = bypass_set(table, key);
	struct bypass_row row;

	for (size_t way = 0; way < BYPASS_TABLE_WAYS; way++) {
		if (__atomic_load_n(&set[way].row.expires_ns, __ATOMIC_RELAXED) <= now_ns)
			continue;
		if (!bypass_slot_read(&set[way], &row) || row.expires_ns <= now_ns || !bypass_is_for(&row, key))
			continue;
		__atomic_fetch_add(&set[way].row.sessions, 1, __ATOMIC_RELAXED);
		*cause = row.cause;
		return true;
	}
	return false;
}

/* the key's own entry, else the one that ends first (free ones have ended) */
static struct bypass_slot *bypass_choose(struct bypass_slot *set, const struct bypass_key *key)
{
	struct bypass_slot *chosen = NULL;
	uint64_t ends = UINT64_MAX;
	struct bypass_row row;

	for (size_t way = 0; way < BYPASS_TABLE_WAYS; way++) {
		if (!bypass_slot_read(&set[way], &row))
			continue;
		if (bypass_is_for(&row, key))
			return &set[way];
		if (row.expires_ns < ends) {
			ends = row.expires_ns;
			chosen = &set[way];
		}
	}
	return chosen;
}

static void bypass_raise_last(struct bypass_shared *shared, uint64_t expires_ns)
{
	uint64_t last = __atomic_load_n(&shared->last_expires_ns, __ATOMIC_RELAXED);

	while (last < expires_ns && !__atomic_compare_exchange_n(&shared->last_expires_ns, &last, expires_ns, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

bool bypass_table_learn(struct bypass_table *table, const struct bypass_row *row, uint64_t now_ns)
{
	struct bypass_slot *slot = bypass_choose(bypass_set(table, &row->key), &row->key);
	bool gave_way;

	if (!slot || !bypass_slot_take(slot))
		return false; /* another worker learns at this moment: the next session tries again */
	gave_way = slot->row.expires_ns > now_ns && !bypass_is_for(&slot->row, &row->key);
	slot->row = *row;
	bypass_slot_give(slot);
	bypass_raise_last(table->shared, row->expires_ns);
	return gave_way;
}

unsigned int bypass_table_read(struct bypass_table *table, uint64_t now_ns, struct bypass_row *rows, unsigned int max)
{
	struct bypass_slot *slots = table->shared->slots[0];
	unsigned int n = 0;

	for (size_t i = 0; i < BYPASS_TABLE_SLOTS && n < max; i++)
		if (bypass_slot_read(&slots[i], &rows[n]) && rows[n].expires_ns > now_ns)
			n++;
	return n;
}

unsigned int bypass_table_clear(struct bypass_table *table, uint64_t now_ns, const char *ssl_server)
{
	struct bypass_slot *slots = table->shared->slots[0];
	unsigned int n = 0;
	struct bypass_row row;

	for (size_t i = 0; i < BYPASS_TABLE_SLOTS; i++) {
		if (!bypass_slot_read(&slots[i], &row) || row.expires_ns <= now_ns)
			continue;
		if (ssl_server && strncmp(row.key.ssl_server, ssl_server, sizeof(row.key.ssl_server)))
			continue;
		if (!bypass_slot_take(&slots[i]))
			continue;
		slots[i].row.expires_ns = 0;
		bypass_slot_give(&slots[i]);
		n++;
	}
	return n;
}
