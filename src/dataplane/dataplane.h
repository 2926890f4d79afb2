/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The wire, for the supervisor (the only caller, root): namespaces `wire` and `inspect`, ports, eBPF programs, flow
 * table, liveness. After a successful dataplane_up() the kernel alone keeps the wire forwarding (layer-2 fallback),
 * with or without this process; everything is found again under the instance's names by the next supervisor. */
#include <stdbool.h>
#include <stdint.h>

#include "base/instance.h"
#include "config/config.h"
#include "dataplane/flow.h"

struct dataplane;

/* Creates or adopts namespaces, veth pair, maps, programs and pins; the wire stays up throughout an adoption.
 * On failure everything that this call created is undone. 0 or -errno, logged. */
int dataplane_open(struct dataplane **out, const struct instance *instance);
/* Releases this process's handles only: the wire goes on. */
void dataplane_close(struct dataplane **dataplane);
/* Detaches and removes everything that an instance left in the system, also after a crash: ports go back to the
 * caller's namespace, up, namespaces, pins and directories vanish. Idempotent. */
int dataplane_teardown(const struct instance *instance);

/* Moves the configured ports into `wire` (from the caller's namespace; kept if already there), attaches the programs,
 * and makes config's segments, virtual segments, servers and exceptions the policy of new flows in one step, as
 * version. On failure the previous policy stays in force untouched. Existing flows keep their decision. */
int dataplane_apply(struct dataplane *dataplane, const struct config *config, uint32_t version);
/* The same in two halves, for who has more to do between them: dataplane_prepare() does all that can fail, and then
 * exactly one of the others follows, which cannot. config must live until then. Ports of the new policy forward from
 * dataplane_prepare() on. */
struct dataplane_change;
int dataplane_prepare(
	struct dataplane *dataplane, const struct config *config, uint32_t version, struct dataplane_change **out);
void dataplane_publish(struct dataplane *dataplane, struct dataplane_change **change);
void dataplane_cancel(struct dataplane *dataplane, struct dataplane_change **change);

/* E6: states[i]: enum wire_key (dataplane/abi.h) of the SSL server with id i, for new sessions from now on; next: for
 * those of the configuration that the next dataplane_apply() puts in force. Servers beyond n: available. */
int dataplane_set_keys(struct dataplane *dataplane, bool next, const uint8_t *states, size_t n);

/* 1: the port has a link, 0: it has none, -ENODEV: there is no such port in the wire, or -errno */
int dataplane_port_link(struct dataplane *dataplane, const char *port);

/* Worker slots. New SYNs go to live workers among [base, base + count): listener present and heartbeat fresh. */
int dataplane_set_workers(struct dataplane *dataplane, unsigned int base, unsigned int count);
unsigned int dataplane_workers_base(
	const struct dataplane *dataplane); /* as it is now, also of an earlier generation */
/* The worker's transparent listener enters the SOCKMAP; listener_fd is closed in every case (a kept copy would keep a
 * dead worker's entry alive). */
int dataplane_add_listener(struct dataplane *dataplane, unsigned int slot, int listener_fd);
int dataplane_remove_listener(struct dataplane *dataplane, unsigned int slot);
/* 127.77.0.slot+1, and a port of this range: what the listener of that slot binds to, in `inspect`. Each generation
 * takes another port, so that it need not wait for the listeners of one whose slots it takes. */
#define DATAPLANE_LISTEN_NET 0x7f4d0000u
#define DATAPLANE_LISTEN_PORT 4433
#define DATAPLANE_LISTEN_PORTS 256

/* A new, empty ring for the worker of that slot: the eBPF programs tell it of held SYNs there (flow.h, flow_event).
 * Before the worker starts; the descriptor is the caller's. */
int dataplane_new_events(struct dataplane *dataplane, unsigned int slot);

/* Borrowed descriptors for workers: flow map opened BPF_F_RDONLY; heartbeat array (mmap-able, one 8-byte
 * CLOCK_MONOTONIC nanoseconds cell per slot, 64 bytes apart). */
int dataplane_flow_map_fd(const struct dataplane *dataplane);
int dataplane_heartbeat_fd(const struct dataplane *dataplane);
int dataplane_inspect_netns_fd(const struct dataplane *dataplane); /* for setns(2) in a child */

/* Flow-table housekeeping, to be called about once a second: ends finished, reset, embryonic and idle flows.
 * idle_seconds bounds an established silent flow (longer than any session's own idle timeout). */
struct dataplane_reap {
	unsigned int flows, removed;
};
int dataplane_reap(struct dataplane *dataplane, unsigned int idle_seconds, struct dataplane_reap *out);

/* Every flow of the table, as it is while the walk goes on: one that comes or goes meanwhile may be missed. */
typedef void dataplane_flow_fn(const struct flow_key *key, const struct flow *flow, void *data);
int dataplane_each_flow(struct dataplane *dataplane, dataplane_flow_fn *fn, void *data);

/* B5: flows that each rule has let pass since its configuration came into force, in the configuration's order */
int dataplane_read_bypass_hits(struct dataplane *dataplane, uint64_t *sums, size_t n);

/* A8: segments are bits, 1 << dataplane_segment_number() */
enum dataplane_fallback { DATAPLANE_FALLBACK_COMMANDED, DATAPLANE_FALLBACK_OVERLOAD };
void dataplane_set_fallback(struct dataplane *dataplane, enum dataplane_fallback cause, uint32_t segments);
uint32_t dataplane_fallback(const struct dataplane *dataplane, enum dataplane_fallback cause);
/* of config->segments[index], whose ports are in the wire; -errno */
int dataplane_segment_number(struct dataplane *dataplane, const struct config *config, size_t index);
void dataplane_set_crash_loop(struct dataplane *dataplane, bool crash_loop);

/* F6: SSL sessions as the programs count them */
struct dataplane_sessions {
	uint64_t now, peak; /* peak: the most since the last call */
	bool over;          /* the critical threshold was reached and is not cleared yet */
	uint32_t entered;   /* how often it was, so far */
};
void dataplane_read_sessions(struct dataplane *dataplane, struct dataplane_sessions *out);

/* Sums of the eBPF counters into stats counters (the WIRE_* rows of counters.def, in that order). */
int dataplane_read_counters(struct dataplane *dataplane, uint64_t *values, unsigned int n);
