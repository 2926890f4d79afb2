/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/session_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/shm.h"

#define SESSION_TABLE_MAGIC 0x53657331u /* "Ses1" */
#define SESSION_READ_TRIES 64
#define SESSION_CLEARS 16

/* What a reader scans to choose rows: small and dense, so that 65536 slots are a megabyte and not thirty. */
struct session_slot {
	/* odd while the row is being written */
	uint32_t sequence;
	uint32_t used;
	uint64_t started_us;
};

/* The rows are a sparse part of the memfd: slots are reused last-in first-out, so that only as many pages exist as
 * there were sessions at once. */
struct session_shared {
	uint32_t magic, row_size;
	uint32_t high_water;                 /* slots at or above it were never used */
	uint32_t clears_asked, clears_taken; /* count up; the ring between them */
	struct session_clear clears[SESSION_CLEARS];
	_Alignas(64) struct session_slot slots[SESSION_TABLE_SLOTS];
	_Alignas(4096) struct session_row rows[SESSION_TABLE_SLOTS];
};

struct session_table {
	struct session_shared *shared;
	size_t size;
	int fd; /* owned */
	bool writable;
	uint32_t n_free; /* writer only: released slots, a stack */
	uint32_t *free_slots;
};

/* owns fd from here on, also when it fails */
static int session_table_open(struct session_table **out, int fd, bool writable)
{
	struct session_table *table = calloc(1, sizeof(*table));
	void *map;
	int err;

	if (!table) {
		close(fd);
		return -ENOMEM;
	}
	table->fd = fd;
	table->writable = writable;
	err = shm_map(fd, writable, sizeof(*table->shared), &map, &table->size);
	if (!err)
		table->shared = map;
	if (!err && writable) {
		table->free_slots = calloc(SESSION_TABLE_SLOTS, sizeof(*table->free_slots));
		err = table->free_slots ? 0 : -ENOMEM;
	}
	if (err)
		session_table_free(&table);
	else
		*out = table;
	return err;
}

int session_table_create(struct session_table **out)
{
	int fd, err = shm_create(SESSION_TABLE_NAME, sizeof(struct session_shared), &fd);

	if (!err)
		err = session_table_open(out, fd, true);
	if (err)
		return err;
	(*out)->shared->magic = SESSION_TABLE_MAGIC;
	(*out)->shared->row_size = sizeof(struct session_row);
	return 0;
}

/* the other process's figure, never trusted as an index bound */
static uint32_t session_high_water(const struct session_table *table)
{
	uint32_t n = __atomic_load_n(&table->shared->high_water, __ATOMIC_ACQUIRE);

	return MIN(n, SESSION_TABLE_SLOTS);
}

/* a writer that takes over a table finds the free slots once, by looking */
static void session_table_find_free(struct session_table *table)
{
	for (uint32_t i = session_high_water(table); i-- > 0;)
		if (!table->shared->slots[i].used)
			table->free_slots[table->n_free++] = i;
}

int session_table_map(struct session_table **out, int fd, bool writable)
{
	struct session_table *table;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), err;

	if (own < 0)
		return -errno;
	err = session_table_open(&table, own, writable);
	if (err)
		return err;
	if (table->shared->magic != SESSION_TABLE_MAGIC || table->shared->row_size != sizeof(struct session_row)) {
		session_table_free(&table);
		return -EPROTO;
	}
	if (writable)
		session_table_find_free(table);
	*out = table;
	return 0;
}

void session_table_free(struct session_table **table)
{
	if (!*table)
		return;
	shm_unmap((*table)->shared, (*table)->size);
	close((*table)->fd);
	free((*table)->free_slots);
	free(*table);
	*table = NULL;
}

int session_table_fd(const struct session_table *table)
{
	return table->fd;
}

/* Between begin and end the sequence is odd. It is made odd, not incremented: a writer killed in between left it so. */
static void session_slot_begin(struct session_slot *slot)
{
	__atomic_store_n(&slot->sequence, slot->sequence | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void session_slot_end(struct session_slot *slot)
{
	__atomic_store_n(&slot->sequence, slot->sequence + 1, __ATOMIC_RELEASE);
}

int session_table_take(struct session_table *table)
{
	uint32_t slot;

	if (!table->writable)
		return -EBADF;
	if (table->n_free)
		return (int)table->free_slots[--table->n_free];
	slot = table->shared->high_water;
	if (slot >= SESSION_TABLE_SLOTS)
		return -ENOSPC;
	__atomic_store_n(&table->shared->high_water, slot + 1, __ATOMIC_RELEASE);
	return (int)slot;
}

void session_table_write(struct session_table *table, unsigned int slot, const struct session_row *row)
{
	struct session_slot *s = &table->shared->slots[slot];

	session_slot_begin(s);
	table->shared->rows[slot] = *row;
	__atomic_store_n(&s->started_us, row->started_us, __ATOMIC_RELAXED);
	__atomic_store_n(&s->used, 1, __ATOMIC_RELAXED);
	session_slot_end(s);
}

/* each figure is whole by itself, so no reader needs to be turned away */
void session_table_write_bytes(struct session_table *table, unsigned int slot, uint64_t to_server, uint64_t to_client)
{
	struct session_row *row = &table->shared->rows[slot];

	__atomic_store_n(&row->bytes[0], to_server, __ATOMIC_RELAXED);
	__atomic_store_n(&row->bytes[1], to_client, __ATOMIC_RELAXED);
}

static void session_slot_clear(struct session_slot *slot)
{
	session_slot_begin(slot);
	__atomic_store_n(&slot->used, 0, __ATOMIC_RELAXED);
	session_slot_end(slot);
}

void session_table_release(struct session_table *table, unsigned int slot)
{
	session_slot_clear(&table->shared->slots[slot]);
	if (table->n_free < SESSION_TABLE_SLOTS)
		table->free_slots[table->n_free++] = slot;
}

void session_table_clear(struct session_table *table)
{
	for (uint32_t i = session_high_water(table); i-- > 0;)
		session_slot_clear(&table->shared->slots[i]);
	__atomic_store_n(&table->shared->high_water, 0, __ATOMIC_RELEASE);
	table->n_free = 0;
	/* gives the rows' memory back; a kernel that cannot only costs that memory */
	if (fallocate(table->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offsetof(struct session_shared, rows),
		    sizeof(table->shared->rows)) < 0)
		return;
}

int session_table_ask_clear(struct session_table *table, const struct session_clear *clear)
{
	struct session_shared *s = table->shared;
	uint32_t asked = s->clears_asked;

	if (asked - __atomic_load_n(&s->clears_taken, __ATOMIC_ACQUIRE) >= SESSION_CLEARS)
		return -EBUSY;
	s->clears[asked % SESSION_CLEARS] = *clear;
	__atomic_store_n(&s->clears_asked, asked + 1, __ATOMIC_RELEASE);
	return 0;
}

bool session_table_next_clear(struct session_table *table, struct session_clear *clear)
{
	struct session_shared *s = table->shared;
	uint32_t taken = s->clears_taken;

	if (__atomic_load_n(&s->clears_asked, __ATOMIC_ACQUIRE) == taken)
		return false;
	*clear = s->clears[taken % SESSION_CLEARS];
	clear->server[sizeof(clear->server) - 1] = '\0';
	__atomic_store_n(&s->clears_taken, taken + 1, __ATOMIC_RELEASE);
	return true;
}

/* a slot in use, as seen by the scan */
struct session_pick {
	uint64_t started_us;
	uint32_t slot;
};

/* The picks are a heap with the oldest on top: a newer slot replaces it. */
static void session_heap_sink(struct session_pick *heap, unsigned int n, unsigned int at)
{
	struct session_pick moving = heap[at];

	for (;;) {
		unsigned int child = 2 * at + 1;

		if (child + 1 < n && heap[child + 1].started_us < heap[child].started_us)
			child++;
		if (child >= n || heap[child].started_us >= moving.started_us)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moving;
}

static void session_heap_rise(struct session_pick *heap, unsigned int at)
{
	struct session_pick moving = heap[at];

	for (; at && heap[(at - 1) / 2].started_us > moving.started_us; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = moving;
}

/* the newest max slots in use, as a heap; returns how many, *total counts all in use */
static unsigned int session_pick_newest(
	const struct session_table *table, struct session_pick *heap, unsigned int max, unsigned int *total)
{
	uint32_t end = session_high_water(table);
	unsigned int n = 0;

	*total = 0;
	for (uint32_t i = 0; i < end; i++) {
		const struct session_slot *slot = &table->shared->slots[i];
		struct session_pick pick = {__atomic_load_n(&slot->started_us, __ATOMIC_RELAXED), i};

		if (!__atomic_load_n(&slot->used, __ATOMIC_RELAXED))
			continue;
		++*total;
		if (n < max) {
			heap[n] = pick;
			session_heap_rise(heap, n++);
		} else if (n && pick.started_us > heap[0].started_us) {
			heap[0] = pick;
			session_heap_sink(heap, n, 0);
		}
	}
	return n;
}

static void session_row_terminate(struct session_row *row)
{
	row->ssl_server[sizeof(row->ssl_server) - 1] = 0;
	row->policy[sizeof(row->policy) - 1] = 0;
	row->virtual_segment[sizeof(row->virtual_segment) - 1] = 0;
	row->sni[sizeof(row->sni) - 1] = 0;
	row->cipher_client[sizeof(row->cipher_client) - 1] = 0;
	row->cipher_server[sizeof(row->cipher_server) - 1] = 0;
	row->alpn[sizeof(row->alpn) - 1] = 0;
}

/* A row under its sequence number. False when the session has gone (or another took the slot) since the scan, or the
 * writer died in the middle of a row. */
static bool session_row_copy(
	const struct session_table *table, const struct session_pick *pick, struct session_row *out)
{
	const struct session_slot *slot = &table->shared->slots[pick->slot];

	for (int i = 0; i < SESSION_READ_TRIES; i++) {
		uint32_t before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE), used;

		if (before & 1)
			continue;
		*out = table->shared->rows[pick->slot];
		used = __atomic_load_n(&slot->used, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) != before)
			continue;
		session_row_terminate(out);
		return used && out->started_us == pick->started_us;
	}
	return false;
}

static int session_pick_newer_first(const void *a, const void *b)
{
	const struct session_pick *x = a, *y = b;

	return (x->started_us < y->started_us) - (x->started_us > y->started_us);
}

unsigned int session_table_read(
	const struct session_table *table, struct session_row *rows, unsigned int max, unsigned int *total)
{
	_cleanup_free_ struct session_pick *picks = NULL;
	unsigned int n, in_use, copied = 0;

	max = MIN(max, SESSION_TABLE_SLOTS);
	picks = malloc(MAX(max, 1u) * sizeof(*picks));
	if (!picks)
		max = 0;
	n = session_pick_newest(table, picks, max, &in_use);
	if (n)
		qsort(picks, n, sizeof(*picks), session_pick_newer_first);
	for (unsigned int i = 0; i < n; i++)
		copied += session_row_copy(table, &picks[i], &rows[copied]);
	if (total)
		*total = in_use;
	return copied;
}
