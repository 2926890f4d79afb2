/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* B5, inspection bypass rules: looked at once, at the SYN of a flow that would be inspected. */
#include "policy.bpf.h"

struct bypass_walk {
	struct wire_bypass_mask frame; /* what it is */
	__u32 epoch, found;
};

static long bypass_consider(__u32 i, void *data)
{
	struct bypass_walk *walk = data;
	__u32 index = (walk->epoch & 1) * WIRE_BYPASS_MASKS_MAX + i;
	struct wire_bypass_mask *mask = bpf_map_lookup_elem(&bypass_masks, &index);
	struct wire_bypass_key key = {.epoch = walk->epoch, .mask = i};
	struct wire_bypass *rule;

	if (!mask)
		return 1;
	key.bits.segment = walk->frame.segment & mask->segment;
	key.bits.vlan = walk->frame.vlan & mask->vlan;
	key.bits.port = walk->frame.port & mask->port;
	key.bits.side = walk->frame.side & mask->side;
	key.bits.protocol = walk->frame.protocol & mask->protocol;
	key.bits.source = walk->frame.source & mask->source;
	key.bits.destination = walk->frame.destination & mask->destination;
	rule = bpf_map_lookup_elem(&bypass_rules, &key);
	if (!rule)
		return 0;
	__sync_fetch_and_add(&rule->hits, 1);
	walk->found = 1;
	return 1;
}

static __noinline int bypass_applies(const struct frame *frame, const struct wire_port *port, __u32 epoch)
{
	struct bypass_walk walk = {
		.epoch = epoch,
		.frame = {.segment = port->segment,
			.vlan = frame->vlan & 0xfff,
			.port = frame->key.server_port,
			.side = port->side,
			.protocol = frame->protocol,
			.source = frame->key.client_ip,
			.destination = frame->key.server_ip},
	};
	__u32 half = epoch & 1;
	struct wire_epoch *info = bpf_map_lookup_elem(&epochs, &half);

	if (!info || !info->bypass_masks)
		return 0;
	bpf_loop(loop_bound(info->bypass_masks, WIRE_BYPASS_MASKS_MAX), bypass_consider, &walk, 0);
	return walk.found;
}
