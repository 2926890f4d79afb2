/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* The decision about a new flow, at its SYN: virtual segment → profile → SSL server → SSL policy → source address
 * exception → live worker. */
#include "flow_table.bpf.h"

struct verdict {
	__u32 config_version;
	__u16 profile_id, ssl_policy_id, ssl_server_id, virtual_segment_id;
	__u8 block_when_unavailable, block_in_crash_loop, block_quic;
	__u8 worker, hold; /* hold: the SYN is kept until the server answers */
	__u8 ttl, tos;     /* of the server's last SYN-ACK; 0: not known */
	__u16 place;       /* among the flows whose client has not answered */
	__u16 reused;      /* it uses the ports of a session that has just ended */
	__u32 server_mark;
};

/* Liveness (A8): the listener is in the SOCKMAP, which the kernel empties when the worker dies, and the heartbeat is
 * fresh, which catches a hung one. */
static __always_inline int worker_live(const struct wire_control *control, __u32 slot)
{
	struct wire_heartbeat *heartbeat = bpf_map_lookup_elem(&heartbeats, &slot);
	struct bpf_sock *listener;
	__u64 beat;

	if (!heartbeat)
		return 0;
	/* read before the clock: a beat between the two must not look like the far future */
	beat = *(volatile __u64 *)&heartbeat->ns;
	if ((__s64)(bpf_ktime_get_ns() - beat) > (__s64)control->heartbeat_limit_ns)
		return 0;
	listener = bpf_map_lookup_elem(&listeners, &slot);
	if (!listener)
		return 0;
	bpf_sk_release(listener);
	return 1;
}

/* The kernel inlines bpf_loop() with a 64-bit comparison, and clang may leave the upper half of a 32-bit argument as it
 * was: the bound is made 64 bits wide here, out of the optimiser's sight. */
static __always_inline __u64 loop_bound(__u32 n, __u32 max)
{
	__u64 bound = n < max ? n : max;

	barrier_var(bound);
	return bound;
}

struct worker_choice {
	struct wire_control *control;
	__u32 base, hash, best;
	__s32 slot;
};

static long worker_consider(__u32 i, void *data)
{
	struct worker_choice *choice = data;
	__u32 slot = choice->base + i, score;

	if (slot >= FLOW_WORKERS_MAX)
		return 1;
	if (!worker_live(choice->control, slot))
		return 0;
	/* the highest score wins: uniform over the live ones, and a death moves only the dead one's share */
	score = (choice->hash ^ slot * 0x9e3779b1u) * 0x85ebca6bu;
	score = (score ^ score >> 15) * 0xc2b2ae35u | 1;
	if (score > choice->best) {
		choice->best = score;
		choice->slot = slot;
	}
	return 0;
}

/* a live worker for this flow, -1 if there is none */
static __noinline int worker_choose(struct wire_control *control, __u32 hash)
{
	__u64 workers = control->workers;
	struct worker_choice choice = {.control = control, .base = workers >> 32, .hash = hash, .slot = -1};

	bpf_loop(loop_bound((__u32)workers, FLOW_WORKERS_MAX), worker_consider, &choice, 0);
	return choice.slot;
}

static __always_inline __u32 flow_hash(const struct flow_key *key)
{
	__u32 h = key->client_ip ^ key->server_ip * 0x9e3779b1u;

	h ^= ((__u32)key->client_port << 16 | key->server_port) * 0x85ebca6bu;
	return h ^ h >> 16;
}

struct segment_walk {
	__be32 source, destination;
	__u32 first; /* of this epoch in virtual_segments */
	__u16 segment, vlan;
	__u16 profile_id, virtual_segment_id;
	__u8 side, found;
};

static __always_inline int cidrs_match(const struct wire_cidr *cidrs, __u8 n, __be32 address)
{
	for (int i = 0; i < WIRE_CIDRS_MAX && i < n; i++)
		if ((address & cidrs[i].mask) == cidrs[i].address)
			return 1;
	return n == 0;
}

static __always_inline int vlans_match(const struct wire_virtual_segment *vs, __u16 vlan)
{
	for (int i = 0; i < WIRE_VLANS_MAX && i < vs->n_vlans; i++)
		if (vlan >= vs->vlans[i].low && vlan <= vs->vlans[i].high)
			return 1;
	return vs->n_vlans == 0;
}

static long segment_consider(__u32 i, void *data)
{
	struct segment_walk *walk = data;
	__u32 index = walk->first + i;
	struct wire_virtual_segment *vs = bpf_map_lookup_elem(&virtual_segments, &index);

	if (!vs)
		return 1;
	if (vs->segment != walk->segment || vs->side != walk->side || !vlans_match(vs, walk->vlan) ||
		!cidrs_match(vs->sources, vs->n_sources, walk->source) ||
		!cidrs_match(vs->destinations, vs->n_destinations, walk->destination))
		return 0;
	walk->profile_id = vs->profile_id;
	walk->virtual_segment_id = vs->id;
	walk->found = 1;
	return 1;
}

static __always_inline struct wire_prefix prefix_of(__u32 epoch, __u32 scope, __be32 address)
{
	return (struct wire_prefix){
		.prefixlen = WIRE_PREFIX_FIXED + 32, .epoch = epoch, .scope = scope, .address = address};
}

/* the virtual segment, and so the profile, of a SYN */
static __noinline int policy_find_segment(
	const struct frame *frame, const struct wire_port *port, __u32 epoch, struct verdict *verdict)
{
	__u32 half = epoch & 1;
	struct segment_walk walk = {
		.source = frame->key.client_ip,
		.destination = frame->key.server_ip,
		.first = half * WIRE_VIRTUAL_SEGMENTS_MAX,
		.segment = port->segment,
		.vlan = frame->vlan & 0xfff,
		.side = port->side,
	};
	struct wire_epoch *info = bpf_map_lookup_elem(&epochs, &half);

	if (!info)
		return 0;
	bpf_loop(loop_bound(info->virtual_segments, WIRE_VIRTUAL_SEGMENTS_MAX), segment_consider, &walk, 0);
	verdict->config_version = info->config_version;
	verdict->profile_id = walk.profile_id;
	verdict->virtual_segment_id = walk.virtual_segment_id;
	return walk.found;
}

static __noinline int policy_find_server(const struct frame *frame, __u32 epoch, struct verdict *verdict)
{
	struct wire_prefix prefix = prefix_of(epoch, verdict->profile_id, frame->key.server_ip);
	struct wire_server *server = bpf_map_lookup_elem(&servers, &prefix);
	__u16 port = bpf_ntohs(frame->key.server_port);

	if (!server)
		return 0;
	for (int i = 0; i < WIRE_PORT_RANGES_MAX; i++) {
		const struct wire_detection *range = &server->ranges[i];

		if (!range->high)
			break;
		if (port < range->low || port > range->high)
			continue;
		verdict->ssl_server_id = range->server_id;
		verdict->ssl_policy_id = range->policy_id;
		verdict->block_when_unavailable = range->block_when_unavailable;
		verdict->block_in_crash_loop = range->block_in_crash_loop;
		verdict->block_quic = range->block_quic;
		return 1;
	}
	return 0;
}

/* is this SYN (or QUIC) for an SSL server that its profile inspects? The walk over the virtual segments comes only
 * after the destination is known to be some profile's server. */
static __noinline int policy_is_ssl_server(
	const struct frame *frame, const struct wire_port *port, __u32 epoch, struct verdict *verdict)
{
	struct wire_prefix prefix = prefix_of(epoch, 0, frame->key.server_ip);

	return bpf_map_lookup_elem(&destinations, &prefix) && policy_find_segment(frame, port, epoch, verdict) &&
	       policy_find_server(frame, epoch, verdict);
}

/* is this some profile's SSL server, whatever the port? */
static __noinline int policy_is_server_address(__be32 address, __u32 epoch)
{
	struct wire_prefix prefix = prefix_of(epoch, 0, address);

	return bpf_map_lookup_elem(&destinations, &prefix) != NULL;
}

/* enum wire_key */
static __noinline int policy_server_key(__u32 epoch, const struct verdict *verdict)
{
	__u32 index = (epoch & 1) * WIRE_SERVERS_MAX + (verdict->ssl_server_id & (WIRE_SERVERS_MAX - 1));
	__u32 *key = bpf_map_lookup_elem(&server_keys, &index);

	return key ? *(volatile __u32 *)key : WIRE_KEY_AVAILABLE;
}

static __noinline int policy_is_excepted(const struct frame *frame, __u32 epoch, const struct verdict *verdict)
{
	struct wire_prefix prefix = prefix_of(epoch, verdict->ssl_policy_id, frame->key.client_ip);

	return bpf_map_lookup_elem(&exceptions, &prefix) != NULL;
}
