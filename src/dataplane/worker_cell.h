/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* One cell of the heartbeat map per worker slot; its own cache line. The worker writes heartbeat_ns and pid, the
 * supervisor writes retire: a worker of an earlier generation, whose control socket is gone, learns there that
 * another generation has taken over and drains. Where two generations still run and a third comes, it takes the slots
 * of the one that the wire does not name: a worker whose pid stands there no longer has lost its slot, beats no more
 * and drains. */
#include <linux/types.h>

struct worker_cell {
	__u64 heartbeat_ns; /* CLOCK_MONOTONIC of the last loop round; what the eBPF programs check */
	__u32 pid;
	__u32 retire; /* not 0: accept no longer, leave when the last session is closed or after this many seconds */
	__u64 pad[6];
};
_Static_assert(sizeof(struct worker_cell) == 64, "worker_cell is a map value");
