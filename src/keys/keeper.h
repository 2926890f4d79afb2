/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The key keeper's state, for its own sources and tests. */
#include <stdint.h>
#include <sys/queue.h>

#include "base/loop.h"
#include "keys/engine.h"
#include "keys/key_store.h"
#include "keys/keyring_server.h"
#include "keys/main.h"
#include "keys/secret.h"
#include "stats/stats.h"

#define KEEPER_RINGS_MAX 64
#define KEEPER_BUDGET 8 /* requests of one ring before the next ring's turn */
#define KEEPER_TURN 64  /* of all rings, done together */

struct keeper_ring {
	LIST_ENTRY(keeper_ring) link;
	int64_t worker;
	struct keyring_server server;
	struct loop_source source;
	unsigned int unanswered; /* of this turn */
	int doorbell_error;      /* the ring is dropped after this turn */
	bool warned;
};

struct keeper {
	struct loop *loop;
	int control_fd;
	int device_key_fd; /* the file, read with each key: -1 when the key came through a pipe, or did not come */
	struct secret device_key; /* through a pipe; empty: not yet */
	struct loop_source control;
	struct loop_timer again; /* armed while requests wait: the loop must not sleep */
	struct loop_timer check; /* headless: whether there is still anything to do */
	uint64_t last_use_ns;
	LIST_HEAD(, keeper_ring) rings;
	unsigned int n_rings;
	struct key_store store;
	struct key_engine engine;
	struct stats_page *stats; /* NULL: figures are kept nowhere */
	struct stats_cells *cells;
	const struct batch_backend *told; /* the engine that the supervisor knows of */
	struct key_operation operations[KEEPER_TURN];
};
