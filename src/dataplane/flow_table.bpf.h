/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* The flow map, and the alias map for overlapping tenants (A5): when a 4-tuple is taken by another VLAN or segment,
 * the flow lives under an internal client port and both directions are rewritten. */
#include <linux/errno.h>

#include "limits.bpf.h"

#define ALIAS_TRIES 8
#define ALIAS_PORT_MIN 1024
#define ALIAS_PORTS (65536 - ALIAS_PORT_MIN)

static __always_inline int context_equal(const struct flow_context *a, const struct flow_context *b)
{
	return a->vlan == b->vlan && a->vlan_inner == b->vlan_inner && a->encap == b->encap && a->side == b->side &&
	       a->gre_key == b->gre_key && a->segment == b->segment && a->tunnel_client == b->tunnel_client &&
	       a->tunnel_server == b->tunnel_server;
}

/* bytes that the tunnel puts in front of a packet */
static __always_inline __u32 flow_tunnel_length(__u8 encap)
{
	switch (encap) {
	case FLOW_ENCAP_IPIP:
		return 20;
	case FLOW_ENCAP_GRE:
		return 24;
	case FLOW_ENCAP_GRE_KEY:
		return 28;
	}
	return 0;
}

/* the context of a flow whose frames in that direction look like this one */
static __always_inline struct flow_context context_of(
	const struct frame *frame, const struct wire_port *port, enum flow_dir dir)
{
	struct flow_context context = {};

	context.vlan = frame->vlan;
	context.vlan_inner = frame->vlan_inner;
	context.encap = frame->tunnel.encap;
	context.gre_key = frame->tunnel.gre_key;
	context.side = dir == FLOW_TO_SERVER ? port->side : !port->side;
	context.segment = port->segment;
	context.tunnel_client = dir == FLOW_TO_SERVER ? frame->tunnel.source : frame->tunnel.destination;
	context.tunnel_server = dir == FLOW_TO_SERVER ? frame->tunnel.destination : frame->tunnel.source;
	return context;
}

/* key is as on the wire and becomes the one in the map */
static __noinline struct flow *flow_find(
	struct wire_control *control, struct flow_key *key, const struct flow_context *context)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, key);
	struct wire_alias alias;
	__be16 *port;

	if (flow && flow->client_port == key->client_port && context_equal(&flow->context, context))
		return flow;
	if (!control->aliases)
		return NULL; /* the rule: saves the second hash */
	alias.key = *key;
	alias.context = *context;
	port = bpf_map_lookup_elem(&aliases, &alias);
	if (!port)
		return NULL;
	key->client_port = *port;
	return bpf_map_lookup_elem(&flows, key);
}

/* client_port, worker and flags are one aligned word: an atomic or loses no flag of another CPU, and tells which of
 * them saw a session begin or end */
static __always_inline void flow_set_flags(struct flow *flow, __u8 flags, __be32 client)
{
	union {
		__u8 bytes[4];
		__u32 word;
	} mask = {.bytes = {0, 0, 0, flags}}, before;

	if ((flow->flags & flags) == flags)
		return;
	before.word = __sync_fetch_and_or((__u32 *)&flow->client_port, mask.word);
	sessions_follow(flow->server_mark, client, before.bytes[3], before.bytes[3] | flags);
}
static __always_inline void flow_clear_flags(struct flow *flow, __u8 flags)
{
	union {
		__u8 bytes[4];
		__u32 word;
	} mask = {.bytes = {0, 0, 0, flags}};

	if (flow->flags & flags)
		__sync_fetch_and_and((__u32 *)&flow->client_port, ~mask.word);
}
_Static_assert(__builtin_offsetof(struct flow, flags) == __builtin_offsetof(struct flow, client_port) + 3 &&
		       __builtin_offsetof(struct flow, client_port) % 4 == 0,
	"flow_set_flags");

/* int, not long: before 6.4 a map helper leaves the upper half of the register 0 under a negative result */
static __always_inline int flow_insert_alias(struct wire_control *control, struct flow_key *key, struct flow *flow)
{
	struct wire_alias alias = {.key = *key, .context = flow->context};
	int err = -EEXIST;

	for (int i = 0; i < ALIAS_TRIES && err == -EEXIST; i++) {
		key->client_port = bpf_htons(ALIAS_PORT_MIN + bpf_get_prandom_u32() % ALIAS_PORTS);
		err = bpf_map_update_elem(&flows, key, flow, BPF_NOEXIST);
	}
	if (err)
		return err;
	err = bpf_map_update_elem(&aliases, &alias, &key->client_port, BPF_NOEXIST);
	if (err) {
		bpf_map_delete_elem(&flows, key);
		return err;
	}
	__sync_fetch_and_add(&control->aliases, 1);
	count(COUNT_WIRE_OVERLAPS);
	return 0;
}

/* 0, or an error when there is no room; key becomes the one in the map */
static __always_inline int flow_insert(struct wire_control *control, struct flow_key *key, struct flow *flow)
{
	int err;

	if (control->flows >= control->max_flows)
		return -E2BIG;
	err = bpf_map_update_elem(&flows, key, flow, BPF_NOEXIST);
	if (err == -EEXIST)
		err = flow_insert_alias(control, key, flow);
	if (err)
		return err;
	__sync_fetch_and_add(&control->flows, 1);
	count(COUNT_WIRE_NEW_FLOWS);
	return 0;
}

/* 1 if it was there; if it was a session, the caller counts its end (an embryonic flow is none) */
static __noinline int flow_delete(struct wire_control *control, const struct flow_key *key, const struct flow *flow)
{
	struct wire_alias alias = {.key = *key, .context = flow->context};

	alias.key.client_port = flow->client_port;
	if (bpf_map_delete_elem(&flows, key))
		return 0; /* another CPU or the reaper was first */
	__sync_fetch_and_add(&control->flows, -1);
	if (alias.key.client_port != key->client_port && !bpf_map_delete_elem(&aliases, &alias))
		__sync_fetch_and_add(&control->aliases, -1);
	return 1;
}
