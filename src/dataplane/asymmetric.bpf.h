/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* Servers of whose flows only one direction crosses the segment (A6).
 *
 * Only the clients': the server's answer to the held SYN's connection reaches the client on another way. It is none to
 * the client's own SYN, so the client resets it, with a sequence number that nobody knows who has not seen that answer.
 * From then on new flows to that server pass for a time, this client's repeated SYN first.
 *
 * Only the server's: SYN-ACKs of a server to which no SYN was ever seen. They are forwarded as everything unknown. */
#include "bypass.bpf.h"
#include "hold.bpf.h"

static __always_inline struct wire_target target_of(const struct frame *frame, const struct flow_context *context)
{
	return (struct wire_target){.context = *context, .ip = frame->key.server_ip, .port = frame->key.server_port};
}

/* how long new flows of that server pass after the last proof, 0: not at all */
static __always_inline __u64 asymmetric_time_ns(__u32 epoch, __u32 server_id)
{
	__u32 index = (epoch & 1) * WIRE_SERVERS_MAX + (server_id & (WIRE_SERVERS_MAX - 1));
	struct wire_server_limits *server = bpf_map_lookup_elem(&server_limits, &index);

	return server ? server->asymmetric_seconds * 1000000000ull : 0;
}

/* for the supervisor, and for asymmetric_passes(); kind: enum wire_asymmetry */
static __noinline int asymmetric_note(const struct frame *frame, const struct flow_context *context,
	const struct verdict *verdict, __u32 epoch, __u32 kind)
{
	struct wire_target target = target_of(frame, context);
	struct wire_asymmetric *seen = bpf_map_lookup_elem(&asymmetric, &target), first = {};
	__u64 now = bpf_ktime_get_ns();

	if (seen && seen->kind == kind) {
		seen->last_ns = now;
		__sync_fetch_and_add(&seen->frames, 1);
		return 0;
	}
	first.last_ns = now;
	first.time_ns = kind == WIRE_ASYMMETRIC_CLIENTS ? asymmetric_time_ns(epoch, verdict->ssl_server_id) : 0;
	first.frames = 1;
	first.config_version = verdict->config_version;
	first.client = frame->key.client_ip;
	first.ssl_server_id = verdict->ssl_server_id;
	first.kind = kind;
	return bpf_map_update_elem(&asymmetric, &target, &first, BPF_ANY);
}

static __noinline int asymmetric_passes(const struct frame *frame, const struct wire_port *port)
{
	struct flow_context context = context_of(frame, port, FLOW_TO_SERVER);
	struct wire_target target = target_of(frame, &context);
	struct wire_asymmetric *seen = bpf_map_lookup_elem(&asymmetric, &target);

	if (!seen || bpf_ktime_get_ns() - seen->last_ns >= seen->time_ns)
		return 0;
	__sync_fetch_and_add(&seen->passed, 1);
	return 1;
}

/* is this the client's reset of an answer that did not come through? The flow is over then, and the reset is the
 * server's to see: its half-open connection ends. */
static __always_inline int asymmetric_is_proof(const struct frame *frame, const struct flow *flow)
{
	return flow->hold == FLOW_HELD && flow->syn_next && (frame->tcp_flags & TCP_RST) &&
	       frame->seq == flow->syn_next && frame->seq != flow->next_seq[FLOW_TO_SERVER];
}

static __noinline int asymmetric_give_up(
	struct wire_control *control, const struct frame *frame, const struct wire_port *port, struct flow *flow)
{
	__u32 epoch = *(volatile __u32 *)&control->epoch;
	struct flow_key key = frame->key; /* as in the map */
	struct flow_context context = flow->context;
	struct verdict verdict = {.config_version = flow->config_version, .ssl_server_id = flow->ssl_server_id};

	count(COUNT_WIRE_ASYMMETRIC);
	hold_tell(flow, &key, FLOW_EVENT_GONE);
	flow_delete(control, &key, flow);
	return asymmetric_note(frame, &context, &verdict, epoch, WIRE_ASYMMETRIC_CLIENTS);
}

/* A SYN-ACK without a flow: frame.key is turned round, as the client's frames have it. Where a flow of that server has
 * ever been judged here, its SYN passed for a reason of its own. */
static __noinline int asymmetric_see_answer(
	struct wire_control *control, const struct frame *frame, const struct wire_port *port)
{
	__u32 epoch = *(volatile __u32 *)&control->epoch;
	struct flow_context context = context_of(frame, port, FLOW_TO_CLIENT);
	struct wire_target target = target_of(frame, &context);
	struct wire_port other = {.segment = port->segment, .side = !port->side};
	struct verdict verdict = {};

	if (!policy_is_ssl_server(frame, &other, epoch, &verdict) || bpf_map_lookup_elem(&answers, &target) ||
		policy_is_excepted(frame, epoch, &verdict) || bypass_applies(frame, &other, epoch) ||
		segment_in_fallback(control, port->segment) || worker_choose(control, 0) < 0)
		return 0;
	count(COUNT_WIRE_ONE_SIDED);
	return asymmetric_note(frame, &context, &verdict, epoch, WIRE_ASYMMETRIC_SERVER);
}
