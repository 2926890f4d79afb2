/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* IPv4 fragments of TCP segments. They are forwarded, except those that would be a way around inspection (RFC 1858,
 * RFC 3128: a SYN in a fragment, a header torn apart, a header overwritten) and the first ones of proxied flows, whose
 * sequence numbers mean nothing to the other leg. Without its first fragment a packet is never put together, so the
 * later ones, which nobody can tell apart, do no harm. */
#include "policy.bpf.h"

#define FRAGMENT_IN_TCP_HEADER 1 /* offset: of the first 20 bytes only those from the eighth on can be overwritten */

static __always_inline int fragment_flow_exists(
	struct wire_control *control, const struct frame *frame, const struct wire_port *port)
{
	struct flow_context context = context_of(frame, port, FLOW_TO_SERVER);
	struct flow_key key = frame->key;

	if (flow_find(control, &key, &context))
		return 1;
	key = frame->key;
	flow_key_swap(&key);
	context = context_of(frame, port, FLOW_TO_CLIENT);
	return flow_find(control, &key, &context) != NULL;
}

/* is the address that of an SSL server of the profile that applies, whatever the port? */
static __noinline int policy_is_ssl_address(const struct frame *frame, const struct wire_port *port, __u32 epoch)
{
	struct verdict verdict = {};
	struct wire_prefix prefix = prefix_of(epoch, 0, frame->key.server_ip);

	if (!bpf_map_lookup_elem(&destinations, &prefix) || !policy_find_segment(frame, port, epoch, &verdict))
		return 0;
	prefix.scope = verdict.profile_id;
	return bpf_map_lookup_elem(&servers, &prefix) != NULL;
}

/* 0 to forward, or the counter of the reason to drop */
static __noinline int fragment_judge(
	struct __sk_buff *skb, struct wire_control *control, const struct frame *frame, const struct wire_port *port)
{
	__u32 epoch = *(volatile __u32 *)&control->epoch;
	__u16 offset = frame->fragment & IP_FRAGMENT_OFFSET;
	struct verdict verdict = {};

	if (offset > FRAGMENT_IN_TCP_HEADER)
		return 0;
	if (offset || frame->l4_bytes < 20)
		return policy_is_ssl_address(frame, port, epoch) ? COUNT_WIRE_FRAGMENTS_DROPPED_TINY : 0;
	if (fragment_flow_exists(control, frame, port))
		return COUNT_WIRE_FRAGMENTS_DROPPED_FLOW;
	if ((frame->tcp_flags & TCP_SYN) && policy_is_ssl_server(frame, port, epoch, &verdict))
		return COUNT_WIRE_FRAGMENTS_DROPPED_SYN;
	return 0;
}
