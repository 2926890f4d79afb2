/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A worker: one process, one loop, one slot. It owns its sessions and the policy snapshots they refer to; everything
 * else it uses came in as descriptors from the supervisor. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/instance.h"
#include "base/loop.h"
#include "dataplane/worker_cell.h"
#include "events/event.h"
#include "events/event_aggregate.h"
#include "ipc/message.h"
#include "proxy/hold.h"
#include "proxy/leg.h"
#include "proxy/session.h"
#include "stats/bypass_table.h"
#include "stats/session_table.h"
#include "stats/stats.h"
#include "tls/client_hello.h"

#define WORKER_PLAIN_SIZE (64u << 10)
#define WORKER_SNAPSHOTS 4 /* versions that new sessions may still ask for; sessions keep older ones alive */

#define WORKER_KEYRING_FDS 3 /* ring, request eventfd, response eventfd */

struct worker {
	struct loop *loop;
	unsigned int slot;
	unsigned int descriptor_sessions; /* as many as RLIMIT_NOFILE allows */
	uint64_t boot_id, sessions_made;
	int control_fd; /* -1: headless */
	struct ipc_receiver receiver;
	struct loop_source control, listener, key_responses;
	struct loop_timer heartbeat;
	struct worker_cell *cell;
	uint32_t pid; /* that stands in the cell while the slot is this worker's */
	int flow_map_fd, keyring_fds[WORKER_KEYRING_FDS];
	struct sockaddr_in listen_address;
	int closed_listener_fd; /* until the first policy is loaded, then -1 */
	int spare_fd;           /* given up to take a connection when descriptors have run out */
	struct stats_page *stats;
	unsigned int stats_writer; /* block of the stats page */
	struct stats_cells *cells;
	struct stats_cells no_server;       /* of SSL servers without figures of their own */
	uint64_t counted_before[COUNTER_N]; /* the cells as this worker found them */
	struct session_table *table;
	struct bypass_table *bypasses;
	struct event_ring *events;
	struct event_aggregate *aggregate; /* NULL until the configuration asks for one */
	uint64_t aggregate_ns;             /* when it was looked at last */
	struct tls_runtime *tls;
	struct inspect_scratch *scratch;
	struct snapshot *snapshots[WORKER_SNAPSHOTS]; /* newest first */
	LIST_HEAD(session_list, session) sessions;
	unsigned int n_sessions;
	struct holds *holds;
	uint64_t system_record_ns; /* when a System record was last written for a session */
	bool draining, stopping;
	uint64_t drain_until_ns, listen_until_ns, headless_since_ns;
	uint8_t hello_scratch[CLIENT_HELLO_MAX];
	uint8_t plain[WORKER_PLAIN_SIZE];
	struct leg_io io;
};

/* the policy of that version; a reference of the caller's, NULL if there is none */
struct snapshot *worker_find_snapshot(struct worker *worker, uint32_t version);
uint64_t worker_next_session_id(struct worker *worker);
unsigned int worker_max_sessions(const struct worker *worker, const struct snapshot *snapshot);

/* control.c: what the supervisor asks. worker_start() blocks for the `start` message and fills the worker. */
int worker_start(struct worker *worker, int control_fd);
void worker_watch_control(struct worker *worker);
int worker_send_listener(struct worker *worker, int listener_fd);
/* worker.c */
int worker_open_listener(struct worker *worker);
/* from the first policy on: before it every session would be refused */
int worker_offer_listener(struct worker *worker);
/* what the eBPF programs and the watchdog look at: this process gets on */
/* resets those that match; returns how many */
unsigned int worker_clear_sessions(struct worker *worker, const struct session_clear *clear);
void worker_beat(struct worker *worker);
void worker_drain(struct worker *worker, unsigned int seconds);
void worker_serve(struct worker *worker);
void worker_stop(struct worker *worker);
/* sandbox.c: after the descriptors are in place, before the first connection */
int worker_sandbox(void);
int compile_sandbox(void);

/* main of sluice-proxy without --compile; the control socket is descriptor 3. Returns the exit status. */
int worker_main(void);
/* main of sluice-proxy --compile: one request on descriptor 3, one answer */
int compile_main(void);
