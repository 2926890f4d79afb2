/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/stats.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/shm.h"

#define LOWER_MAX 40

/* counter names are the ids in lower case; made once, at load */
static char counter_names[COUNTER_N][LOWER_MAX];

#define COUNTER(id, scope, unit, meaning)                                                    \
	[COUNTER_##id] = {counter_names[COUNTER_##id], COUNTER_SCOPE_##scope, unit, meaning, \
		__builtin_strncmp(#id, "GAUGE_", 6) == 0},
const struct counter_info counter_info[COUNTER_N] = {
#include "stats/counters.def"
};
#undef COUNTER

#define COUNTER(id, scope, unit, meaning) [COUNTER_##id] = #id,
static const char *const counter_ids[COUNTER_N] = {
#include "stats/counters.def"
};
#undef COUNTER

#define COUNTER(id, scope, unit, meaning) _Static_assert(sizeof(#id) <= LOWER_MAX, "counter id too long: " #id);
#include "stats/counters.def"
#undef COUNTER

#define CLOSE_HOW_CLEAN false
#define CLOSE_HOW_RESET true
#define CLOSE_REASON(id, name, how, severity, text) \
	[CLOSE_##id] = {name, text, CLOSE_HOW_##how, CLOSE_SEVERITY_##severity},
const struct close_reason_info close_reason_info[CLOSE_REASON_N] = {
#include "stats/close_reasons.def"
};
#undef CLOSE_REASON

__attribute__((constructor)) static void stats_make_names(void)
{
	for (unsigned int i = 0; i < COUNTER_N; i++)
		for (unsigned int c = 0; counter_ids[i][c]; c++)
			counter_names[i][c] = (char)tolower((unsigned char)counter_ids[i][c]);
}

#define STATS_MAGIC 0x536c7531u /* "Slu1" */

struct stats_block {
	struct stats_cells total;
	struct stats_cells servers[STATS_SERVERS_MAX];
};

/* Blocks that nobody used are holes of the memfd: readers skip them, because even reading one would fill it. */
struct stats_shared {
	uint32_t magic, counters, reasons, servers;
	uint64_t since_us;
	uint32_t owners[STATS_WRITERS];
	char names[STATS_SERVERS_MAX][STATS_NAME_SIZE];
	uint8_t used[STATS_WRITERS];
	_Alignas(4096) struct stats_block writers[STATS_WRITERS];
};

struct stats_page {
	struct stats_shared *shared;
	size_t size;
	int fd; /* owned */
	bool writable;
};

/* owns fd from here on, also when it fails */
static int stats_page_open(struct stats_page **out, int fd, bool writable)
{
	struct stats_page *page = calloc(1, sizeof(*page));
	void *map;
	int err;

	if (!page) {
		close(fd);
		return -ENOMEM;
	}
	page->fd = fd;
	page->writable = writable;
	err = shm_map(fd, writable, sizeof(*page->shared), &map, &page->size);
	if (err) {
		stats_page_free(&page);
		return err;
	}
	page->shared = map;
	*out = page;
	return 0;
}

int stats_page_create(struct stats_page **out)
{
	int fd, err = shm_create(STATS_PAGE_NAME, sizeof(struct stats_shared), &fd);

	if (!err)
		err = stats_page_open(out, fd, true);
	if (err)
		return err;
	(*out)->shared->magic = STATS_MAGIC;
	(*out)->shared->counters = COUNTER_N;
	(*out)->shared->reasons = CLOSE_REASON_N;
	(*out)->shared->servers = STATS_SERVERS_MAX;
	(*out)->shared->since_us = clock_wall_us();
	return 0;
}

static bool stats_page_is_ours(const struct stats_page *page)
{
	const struct stats_shared *s = page->shared;

	return s->magic == STATS_MAGIC && s->counters == COUNTER_N && s->reasons == CLOSE_REASON_N &&
	       s->servers == STATS_SERVERS_MAX;
}

int stats_page_map(struct stats_page **out, int fd, bool writable)
{
	struct stats_page *page;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), err;

	if (own < 0)
		return -errno;
	err = stats_page_open(&page, own, writable);
	if (err)
		return err;
	if (!stats_page_is_ours(page)) {
		stats_page_free(&page);
		return -EPROTO;
	}
	*out = page;
	return 0;
}

void stats_page_free(struct stats_page **page)
{
	if (!*page)
		return;
	shm_unmap((*page)->shared, (*page)->size);
	close((*page)->fd);
	free(*page);
	*page = NULL;
}

int stats_page_fd(const struct stats_page *page)
{
	return page->fd;
}

uint64_t stats_page_since_us(const struct stats_page *page)
{
	return page->shared->since_us;
}

void stats_set_owner(struct stats_page *page, unsigned int writer, uint32_t pid)
{
	if (writer < STATS_WRITERS && page->writable)
		page->shared->owners[writer] = pid;
}

uint32_t stats_owner(const struct stats_page *page, unsigned int writer)
{
	return writer < STATS_WRITERS ? page->shared->owners[writer] : 0;
}

void stats_set_server_name(struct stats_page *page, unsigned int server_id, const char *name)
{
	if (server_id < STATS_SERVERS_MAX && page->writable)
		snprintf(page->shared->names[server_id], STATS_NAME_SIZE, "%s", name);
}

void stats_get_server_name(const struct stats_page *page, unsigned int server_id, char name[STATS_NAME_SIZE])
{
	if (server_id < STATS_SERVERS_MAX)
		memcpy(name, page->shared->names[server_id], STATS_NAME_SIZE);
	else
		*name = '\0';
	name[STATS_NAME_SIZE - 1] = '\0';
}

static struct stats_block *stats_block(struct stats_page *page, unsigned int writer)
{
	if (writer >= STATS_WRITERS || !page->writable)
		return NULL;
	__atomic_store_n(&page->shared->used[writer], 1, __ATOMIC_RELAXED);
	return &page->shared->writers[writer];
}

struct stats_cells *stats_cells(struct stats_page *page, unsigned int writer)
{
	struct stats_block *block = stats_block(page, writer);

	return block ? &block->total : NULL;
}

struct stats_cells *stats_server_cells(struct stats_page *page, unsigned int writer, unsigned int server_id)
{
	struct stats_block *block = server_id < STATS_SERVERS_MAX ? stats_block(page, writer) : NULL;

	return block ? &block->servers[server_id] : NULL;
}

static bool stats_used(const struct stats_page *page, unsigned int writer)
{
	return __atomic_load_n(&page->shared->used[writer], __ATOMIC_RELAXED);
}

/* the sum over all writers of the cell that lies at this offset of their blocks */
static uint64_t stats_sum_at(const struct stats_page *page, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned int w = 0; w < STATS_WRITERS; w++)
		if (stats_used(page, w))
			sum += __atomic_load_n(
				(const uint64_t *)((const char *)&page->shared->writers[w] + offset), __ATOMIC_RELAXED);
	return sum;
}

uint64_t stats_sum(const struct stats_page *page, enum counter_id id)
{
	return id < COUNTER_N ? stats_sum_at(page, offsetof(struct stats_block, total.counter[id])) : 0;
}

uint64_t stats_sum_closed(const struct stats_page *page, enum close_reason reason)
{
	return reason < CLOSE_REASON_N ? stats_sum_at(page, offsetof(struct stats_block, total.closed[reason])) : 0;
}

uint64_t stats_server_sum(const struct stats_page *page, unsigned int server_id, enum counter_id id)
{
	if (server_id >= STATS_SERVERS_MAX || id >= COUNTER_N)
		return 0;
	return stats_sum_at(page, offsetof(struct stats_block, servers[server_id].counter[id]));
}

uint64_t stats_server_sum_closed(const struct stats_page *page, unsigned int server_id, enum close_reason reason)
{
	if (server_id >= STATS_SERVERS_MAX || reason >= CLOSE_REASON_N)
		return 0;
	return stats_sum_at(page, offsetof(struct stats_block, servers[server_id].closed[reason]));
}

uint64_t stats_writer_value(const struct stats_page *page, unsigned int writer, enum counter_id id)
{
	if (writer >= STATS_WRITERS || id >= COUNTER_N || !stats_used(page, writer))
		return 0;
	return __atomic_load_n(&page->shared->writers[writer].total.counter[id], __ATOMIC_RELAXED);
}

static void stats_cells_clear_gauges(struct stats_cells *cells)
{
	for (unsigned int id = 0; id < COUNTER_N; id++)
		if (counter_info[id].gauge)
			__atomic_store_n(&cells->counter[id], 0, __ATOMIC_RELAXED);
}

void stats_clear_gauges(struct stats_page *page, unsigned int writer)
{
	if (writer >= STATS_WRITERS || !page->writable || !stats_used(page, writer))
		return;
	stats_cells_clear_gauges(&page->shared->writers[writer].total);
	for (unsigned int s = 0; s < STATS_SERVERS_MAX; s++)
		stats_cells_clear_gauges(&page->shared->writers[writer].servers[s]);
}

void stats_clear_server(struct stats_page *page, unsigned int server_id)
{
	if (server_id >= STATS_SERVERS_MAX || !page->writable)
		return;
	for (unsigned int w = 0; w < STATS_WRITERS; w++) {
		struct stats_cells *cells = &page->shared->writers[w].servers[server_id];

		for (unsigned int id = 0; stats_used(page, w) && id < COUNTER_N; id++)
			__atomic_store_n(&cells->counter[id], 0, __ATOMIC_RELAXED);
		for (unsigned int reason = 0; stats_used(page, w) && reason < CLOSE_REASON_N; reason++)
			__atomic_store_n(&cells->closed[reason], 0, __ATOMIC_RELAXED);
	}
}
