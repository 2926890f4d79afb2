/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Counters in one shared-memory page per device (H6): a block of cells per writer, single writer per cell, so a
 * writer needs no atomic read-modify-write and readers never disturb it. Sums are made by readers. */
#include <stdbool.h>
#include <stdint.h>

#include "stats/close_reason.h"

enum counter_id {
#define COUNTER(id, scope, unit, meaning) COUNTER_##id,
#include "stats/counters.def"
#undef COUNTER
	COUNTER_N
};

enum counter_scope {
	COUNTER_SCOPE_WIRE,
	COUNTER_SCOPE_WORKER,
	COUNTER_SCOPE_SERVER,
	COUNTER_SCOPE_KEEPER,
	COUNTER_SCOPE_LOG,
};

struct counter_info {
	const char *name; /* lower case, as shown everywhere */
	enum counter_scope scope;
	const char *unit, *meaning;
	bool gauge;
};
extern const struct counter_info counter_info[COUNTER_N];

#define STATS_SERVERS_MAX 256  /* SSL servers with figures of their own */
#define STATS_WORKERS_MAX 32   /* slots */
#define STATS_WORKER_BLOCKS 96 /* of cells: workers of earlier generations keep theirs while they drain */
enum stats_writer {            /* index of a block */
	STATS_WRITER_SUPERVISOR = STATS_WORKER_BLOCKS,
	STATS_WRITER_LOG, /* two of each: of two generations side by side, see stats_helper_writer() */
	STATS_WRITER_KEEPER,
	STATS_WRITER_LOG_2,
	STATS_WRITER_KEEPER_2,
	STATS_WRITERS
};
/* the block of a log process or key keeper whose generation has this half of the worker slots (0, 1) */
static inline unsigned int stats_helper_writer(enum stats_writer writer, unsigned int half)
{
	return writer + (half ? STATS_WRITER_LOG_2 - STATS_WRITER_LOG : 0);
}

/* cells of one writer for one scope row: the counters, then one cell per close reason */
struct stats_cells {
	_Alignas(64) uint64_t counter[COUNTER_N];
	uint64_t closed[CLOSE_REASON_N];
};

struct stats_page; /* a mapping. The page outlives its supervisor as long as a process of its generation runs: the next
		    * one goes on with it, and the counters with it. */

/* a new zeroed page in a memfd of its own */
int stats_page_create(struct stats_page **out);
/* maps another process's page; writable for writers only; fd stays the caller's. -EPROTO: made by a program with other
 * counters */
int stats_page_map(struct stats_page **out, int fd, bool writable);
void stats_page_free(struct stats_page **page);
int stats_page_fd(const struct stats_page *page); /* borrowed */
#define STATS_PAGE_NAME "sluice-stats"            /* of the memfd */
/* wall clock, microseconds: when its counters began at 0 */
uint64_t stats_page_since_us(const struct stats_page *page);
/* Whose figures an SSL server's place holds ("" nobody's); set by the supervisor alone. The next one finds them here.
 */
#define STATS_NAME_SIZE 64
/* the process that counts in a worker's block, 0: nobody ever did; set by the supervisor alone */
void stats_set_owner(struct stats_page *page, unsigned int writer, uint32_t pid);
uint32_t stats_owner(const struct stats_page *page, unsigned int writer);
void stats_set_server_name(struct stats_page *page, unsigned int server_id, const char *name);
void stats_get_server_name(const struct stats_page *page, unsigned int server_id, char name[STATS_NAME_SIZE]);

/* the writer's own cells: totals, and per SSL server (id < STATS_SERVERS_MAX); NULL when out of range. For writers: the
 * block is marked as used, and readers sum used blocks only. */
struct stats_cells *stats_cells(struct stats_page *page, unsigned int writer);
struct stats_cells *stats_server_cells(struct stats_page *page, unsigned int writer, unsigned int server_id);

static inline void stats_add(struct stats_cells *cells, enum counter_id id, uint64_t n)
{
	__atomic_store_n(&cells->counter[id], cells->counter[id] + n, __ATOMIC_RELAXED);
}

uint64_t stats_sum(const struct stats_page *page, enum counter_id id);
uint64_t stats_sum_closed(const struct stats_page *page, enum close_reason reason);
uint64_t stats_server_sum(const struct stats_page *page, unsigned int server_id, enum counter_id id);
uint64_t stats_server_sum_closed(const struct stats_page *page, unsigned int server_id, enum close_reason reason);
/* (reader) one writer's total of a counter, 0 for a block that nobody used */
uint64_t stats_writer_value(const struct stats_page *page, unsigned int writer, enum counter_id id);
/* all writers' figures of one SSL server: its place is given to another one (supervisor) */
void stats_clear_server(struct stats_page *page, unsigned int server_id);
/* a dead worker's gauges are cleared by the supervisor, its counters stay */
void stats_clear_gauges(struct stats_page *page, unsigned int writer);
