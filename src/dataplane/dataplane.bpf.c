/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* The wire in the kernel: port_ingress on both ports of each segment, ti0_ingress on the outer end of the veth pair,
 * listener_lookup in the namespace `inspect`. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "asymmetric.bpf.h"
#include "bypass.bpf.h"
#include "fragments.bpf.h"
#include "hold.bpf.h"
#include "passed.bpf.h"
#include "quic.bpf.h"

#define PACKET_HOST 0
#define AF_INET 2

/* TC_ACT_SHOT for a frame that came in on that port */
static __noinline int frame_drop(const struct wire_port *port, __u32 counter)
{
	__u32 place = port->segment * 2 + port->side;
	struct wire_port_drops *drops = bpf_map_lookup_elem(&port_drops, &place);

	count(counter);
	if (drops && counter < WIRE_COUNTERS_MAX)
		drops->counter[counter]++;
	return TC_ACT_SHOT;
}

/* what takes a frame without inspection */
static __always_inline int frame_forward(
	struct __sk_buff *skb, struct wire_control *control, const struct wire_port *port)
{
	if (port->block_when_down && (segment_in_fallback(control, port->segment) || worker_choose(control, 0) < 0))
		return frame_drop(port, COUNT_WIRE_BLOCKED_DOWN);
	count(COUNT_WIRE_FORWARDED);
	return bpf_redirect(port->peer, 0);
}

/* to the stack of `inspect`, whose interface the frame is not addressed to */
static __always_inline int frame_to_inspect(struct __sk_buff *skb, struct wire_control *control)
{
	if ((skb->vlan_present && bpf_skb_vlan_pop(skb)) || bpf_skb_change_type(skb, PACKET_HOST)) {
		count(COUNT_WIRE_ERRORS);
		return TC_ACT_SHOT;
	}
	return bpf_redirect_peer(control->ti0, 0);
}

/* Of two tags the outer one goes; the kernel takes the inner one out of the data, so that every offset is as with one.
 */
static __noinline int frame_drop_outer_tag(struct __sk_buff *skb, struct frame *frame)
{
	if (!frame->vlan_inner)
		return 0;
	if (bpf_skb_vlan_pop(skb))
		return -1;
	frame->l2 -= 4;
	frame->l3 -= 4;
	frame->l4 -= 4;
	frame->icmp -= 4;
	frame->end -= 4;
	return 0;
}

/* flags of a frame that came from the wire */
static __always_inline void flow_track_port(
	struct flow *flow, const struct flow_key *key, const struct frame *frame, enum flow_dir dir)
{
	const __be32 client = dir == FLOW_TO_SERVER ? frame->key.client_ip : frame->key.server_ip;

	if (frame->tcp_flags & TCP_FIN)
		flow_set_flags(flow, FLOW_FIN_TO_SERVER << dir, client);
	if ((frame->tcp_flags & TCP_RST) && frame->seq == flow->next_seq[dir]) {
		/* the worker's connection for it would never be asked for */
		if (dir == FLOW_TO_SERVER && !(flow->flags & FLOW_ESTABLISHED))
			hold_tell(flow, key, FLOW_EVENT_GONE);
		flow_set_flags(
			flow, FLOW_RST | (dir == FLOW_TO_SERVER ? FLOW_RST_CLIENT_LEG : FLOW_RST_SERVER_LEG), client);
	}
	if (dir == FLOW_TO_SERVER && (frame->tcp_flags & (TCP_ACK | TCP_SYN | TCP_RST)) == TCP_ACK &&
		frame->ack == flow->syn_ack_next)
		flow_set_flags(flow, FLOW_ESTABLISHED, client);
}

/* flags of a frame that a leg in `inspect` sent in that direction */
static __always_inline void flow_track_inspect(struct flow *flow, const struct frame *frame, enum flow_dir dir)
{
	const __be32 client = dir == FLOW_TO_SERVER ? frame->key.client_ip : frame->key.server_ip;

	if (frame->tcp_flags & TCP_FIN)
		flow_set_flags(flow, FLOW_FIN_SENT_TO_SERVER << dir, client);
	/* before the client's leg stands, a reset to the server answers a probe (tunnel_probe) */
	if ((frame->tcp_flags & TCP_RST) && (dir == FLOW_TO_CLIENT || (flow->flags & FLOW_ESTABLISHED)))
		flow_set_flags(
			flow, FLOW_RST | (dir == FLOW_TO_SERVER ? FLOW_RST_SERVER_LEG : FLOW_RST_CLIENT_LEG), client);
	if (frame->tcp_flags & TCP_ACK)
		flow->next_seq[!dir] = frame->ack;
	if (!(frame->tcp_flags & TCP_SYN))
		return;
	if (dir == FLOW_TO_CLIENT) {
		flow->syn_ack_next = frame->seq + 1;
		return;
	}
	flow->syn_next = frame->seq + 1;
	/* a server leg made anew, for a session that goes on undecrypted: what the one before said of its end is over
	 */
	flow_clear_flags(flow, FLOW_RST_SERVER_LEG | FLOW_FIN_TO_CLIENT | FLOW_FIN_SENT_TO_SERVER |
				       (flow->flags & FLOW_RST_CLIENT_LEG ? 0 : FLOW_RST));
}

/* What a frame of a flow does whose SYN is held; it is as `inspect` will see it. Nothing of the client's goes in. */
static __noinline int flow_hold(struct __sk_buff *skb, const struct frame *frame, struct flow *flow,
	const struct flow_key *key, enum flow_dir dir)
{
	struct wire_control *control = control_get();
	int again = flow->packets[FLOW_TO_SERVER] > 1;

	if (!control)
		return TC_ACT_SHOT;
	if (dir == FLOW_TO_CLIENT) {
		if (frame_is_syn_ack(frame) && frame->ack == flow->syn_next && worker_live(control, flow->worker) &&
			hold_admit(skb, control, flow, key))
			goto error;
		count(COUNT_WIRE_TO_INSPECT);
		return frame_to_inspect(skb, control);
	}
	if (!frame_is_syn(frame)) {
		if (frame->tcp_flags & TCP_RST && frame->seq == flow->next_seq[FLOW_TO_SERVER])
			flow->hold = FLOW_REFUSED;
		return TC_ACT_SHOT;
	}
	flow->next_seq[FLOW_TO_SERVER] = frame->seq + 1;
	if (flow->hold == FLOW_ANSWERED) {
		flow->hold = FLOW_OPEN;
		count(COUNT_WIRE_TO_INSPECT);
		return frame_to_inspect(skb, control);
	}
	if (hold_keep(skb, frame, key))
		goto error;
	if (hold_tell(flow, key, again ? FLOW_EVENT_AGAIN : FLOW_EVENT_HELD)) {
		count(COUNT_WIRE_HOLDS_DROPPED);
		flow_delete(control, key, flow);
	}
	return TC_ACT_SHOT;
error:
	count(COUNT_WIRE_ERRORS);
	return TC_ACT_SHOT;
}

static __noinline int flow_deliver(
	struct __sk_buff *skb, struct frame *frame, struct flow *flow, const struct wire_port *port, enum flow_dir dir)
{
	struct wire_control *control = control_get();
	__be16 internal = dir == FLOW_TO_SERVER ? frame->key.client_port : frame->key.server_port;
	struct flow_key key = frame->key;
	__u32 mss;

	if (!control)
		return TC_ACT_SHOT;
	dir &= 1;
	if (dir == FLOW_TO_CLIENT) {
		flow_key_swap(&key);
		hold_see_answer(skb, frame, flow, port);
	}
	flow->last_ns = bpf_ktime_get_ns();
	header_learn(&flow->header[dir], frame);
	flow_track_port(flow, &key, frame, dir);
	__sync_fetch_and_add(&flow->packets[dir], skb->gso_segs ?: 1);
	__sync_fetch_and_add(&flow->bytes[dir], skb->len);
	if (frame_drop_outer_tag(skb, frame) || tunnel_strip(skb, frame))
		return frame_drop(port, COUNT_WIRE_ERRORS);
	if (internal != flow->client_port)
		rewrite_port(
			skb, frame->l4, frame->l4 + TCP_CHECKSUM, dir == FLOW_TO_CLIENT, flow->client_port, internal);
	mss = flow_mss(flow, frame, control, port);
	if (mss)
		rewrite_mss(skb, frame, mss);
	if (flow->hold == FLOW_HELD || flow->hold == FLOW_ANSWERED)
		return flow_hold(skb, frame, flow, &key, dir);
	count(COUNT_WIRE_TO_INSPECT);
	return frame_to_inspect(skb, control);
}

/* no worker or no room: the server's own choice (A8, B12) */
static __always_inline int flow_refuse(struct __sk_buff *skb, struct wire_control *control, const struct frame *frame,
	const struct wire_port *port, const struct verdict *verdict, __u32 bypassed, __u32 blocked)
{
	if (verdict->block_when_unavailable)
		return frame_drop(port, blocked);
	count(bypassed);
	passed_note(skb, control, frame);
	count(COUNT_WIRE_FORWARDED);
	return bpf_redirect(port->peer, 0);
}

/* by choice, not for want of anything */
static __always_inline int syn_pass(struct __sk_buff *skb, struct wire_control *control, const struct frame *frame,
	const struct wire_port *port, __u32 counter)
{
	count(counter);
	passed_note(skb, control, frame);
	return frame_forward(skb, control, port);
}

static __noinline int flow_create(
	struct wire_control *control, struct frame *frame, const struct wire_port *port, const struct verdict *verdict)
{
	struct flow flow = {
		.context = context_of(frame, port, FLOW_TO_SERVER),
		.config_version = verdict->config_version,
		.profile_id = verdict->profile_id,
		.ssl_policy_id = verdict->ssl_policy_id,
		.ssl_server_id = verdict->ssl_server_id,
		.virtual_segment_id = verdict->virtual_segment_id,
		.client_port = frame->key.client_port,
		.worker = verdict->worker,
		.place = verdict->place,
		.hold = verdict->hold ? FLOW_HELD : FLOW_OPEN,
		.server_mark = verdict->server_mark,
	};
	struct flow_header *there = &flow.header[FLOW_TO_SERVER], *back = &flow.header[FLOW_TO_CLIENT];

	int err;

	flow.created_ns = flow.last_ns = bpf_ktime_get_ns();
	flow.next_seq[FLOW_TO_SERVER] = frame->seq + 1;
	header_learn(there, frame);
	there->outer_source = frame->tunnel.source;
	there->outer_destination = frame->tunnel.destination;
	/* until the server has spoken: the way back of the SYN */
	__builtin_memcpy(back->mac, frame->mac + 6, 6);
	__builtin_memcpy(back->mac + 6, frame->mac, 6);
	back->tci = frame->tci;
	back->tci_inner = frame->tci_inner;
	back->ttl = back->outer_ttl = 64;
	if (verdict->ttl) {
		back->ttl = verdict->ttl;
		back->tos = verdict->tos;
	}
	back->outer_source = frame->tunnel.destination;
	back->outer_destination = frame->tunnel.source;
	back->outer_df = frame->tunnel.df;
	err = flow_insert(control, &frame->key, &flow);
	if (!err) {
		count(verdict->hold ? COUNT_WIRE_HELD : COUNT_WIRE_HOLDS_SKIPPED);
		embryonic_note(flow.place, &frame->key);
	}
	return err;
}

/* A slot without a ring belongs to a worker that cannot hold: none of this version, but an old one's may be adopted. */
static __noinline int syn_decide_hold(
	struct wire_control *control, const struct frame *frame, const struct wire_port *port, struct verdict *verdict)
{
	struct flow_context context = context_of(frame, port, FLOW_TO_SERVER);
	struct wire_answer seen = {};
	__u32 slot = verdict->worker;
	int choice;

	if (!bpf_map_lookup_elem(&events, &slot))
		return HOLD_SKIP;
	/* the worker has to wait for the ports, which it cannot once a listener has answered the client */
	choice = hold_choose(control, &context, &frame->key, &seen, verdict->reused);
	verdict->hold = choice == HOLD_KEEP;
	verdict->ttl = seen.ttl;
	verdict->tos = seen.tos;
	return choice;
}

/* What becomes of a new connection's SYN, or SYN_TAKEN: then it has a flow, and frame->key is its key. The caller
 * delivers it, because the chain of calls from there takes all the stack there is. */
#define SYN_TAKEN -1

static __noinline int syn_ingress(struct __sk_buff *skb, struct wire_control *control, struct frame *frame,
	const struct wire_port *port, __u32 reused)
{
	__u32 epoch = *(volatile __u32 *)&control->epoch;
	struct verdict verdict = {.reused = reused};
	__u32 block = 0;
	int worker, key, limit;

	if (!policy_is_ssl_server(frame, port, epoch, &verdict)) {
		if (policy_is_server_address(frame->key.client_ip, epoch))
			count(COUNT_WIRE_OUTBOUND);
		return frame_forward(skb, control, port);
	}
	if (bypass_applies(frame, port, epoch))
		return syn_pass(skb, control, frame, port, COUNT_WIRE_BYPASSED_RULE);
	if (policy_is_excepted(frame, epoch, &verdict))
		return syn_pass(skb, control, frame, port, COUNT_WIRE_EXCEPTED);
	if (tunnel_is_odd(frame, port))
		return syn_pass(skb, control, frame, port, COUNT_WIRE_BYPASSED_TUNNEL);
	if (asymmetric_passes(frame, port))
		return syn_pass(skb, control, frame, port, COUNT_WIRE_BYPASSED_ASYMMETRIC);
	key = policy_server_key(epoch, &verdict);
	if (key != WIRE_KEY_AVAILABLE) {
		verdict.block_when_unavailable = key == WIRE_KEY_BLOCK;
		return flow_refuse(
			skb, control, frame, port, &verdict, COUNT_WIRE_BYPASSED_NO_KEY, COUNT_WIRE_BLOCKED_NO_KEY);
	}
	if (segment_in_fallback(control, port->segment))
		return flow_refuse(
			skb, control, frame, port, &verdict, COUNT_WIRE_BYPASSED_FALLBACK, COUNT_WIRE_BLOCKED_FALLBACK);
	limit = limits_judge(epoch, verdict.ssl_server_id, frame->key.client_ip, &verdict.server_mark, &block);
	if (limit) {
		verdict.block_when_unavailable = block;
		return flow_refuse(skb, control, frame, port, &verdict, limit, limit + 1);
	}
	worker = worker_choose(control, flow_hash(&frame->key));
	if (worker < 0 && control->crash_loop)
		verdict.block_when_unavailable = verdict.block_in_crash_loop;
	if (worker < 0)
		return flow_refuse(skb, control, frame, port, &verdict, COUNT_WIRE_BYPASSED_NO_WORKER,
			COUNT_WIRE_BLOCKED_NO_WORKER);
	verdict.worker = worker;
	if (syn_decide_hold(control, frame, port, &verdict) == HOLD_DROP)
		return frame_drop(port, COUNT_WIRE_HOLDS_DROPPED);
	verdict.place = embryonic_make_room(control);
	if (flow_create(control, frame, port, &verdict))
		return flow_refuse(skb, control, frame, port, &verdict, COUNT_WIRE_BYPASSED_FLOW_TABLE,
			COUNT_WIRE_BLOCKED_FLOW_TABLE);
	return SYN_TAKEN;
}

/* A SYN reuses the ports of a connection that is over, or whose worker died: it is a new flow, decided afresh. */
static __always_inline int flow_is_reused(
	struct wire_control *control, const struct frame *frame, const struct flow *flow)
{
	return frame_is_syn(frame) &&
	       (flow_client_leg_over(flow->flags) || flow->hold == FLOW_REFUSED || !worker_live(control, flow->worker));
}

static __always_inline int tcp_ingress(
	struct __sk_buff *skb, struct wire_control *control, struct frame *frame, const struct wire_port *port)
{
	struct flow_context context = context_of(frame, port, FLOW_TO_SERVER);
	struct flow_key wire_key = frame->key;
	struct flow *flow = flow_find(control, &frame->key, &context);
	__u32 reused;

	if (flow && asymmetric_is_proof(frame, flow)) {
		asymmetric_give_up(control, frame, port, flow);
		return frame_forward(skb, control, port);
	}
	if (flow && !flow_is_reused(control, frame, flow)) {
		if (flow->hold == FLOW_OPEN)
			tunnel_probe(skb, frame, flow, port);
		return flow_deliver(skb, frame, flow, port, FLOW_TO_SERVER);
	}
	reused = flow && flow->flags & FLOW_ESTABLISHED;
	if (flow && flow_delete(control, &frame->key, flow))
		sessions_follow(flow->server_mark, frame->key.client_ip, flow->flags, 0);
	frame->key = wire_key;
	if (frame_is_syn(frame)) {
		int fate = syn_ingress(skb, control, frame, port, reused);

		flow = fate == SYN_TAKEN ? bpf_map_lookup_elem(&flows, &frame->key) : NULL;
		if (flow)
			return flow_deliver(skb, frame, flow, port, FLOW_TO_SERVER);
		if (fate != SYN_TAKEN)
			return fate;
		return frame_drop(
			port, COUNT_WIRE_HOLDS_DROPPED); /* another CPU has removed it: the client tries again */
	}
	flow_key_swap(&wire_key);
	context = context_of(frame, port, FLOW_TO_CLIENT);
	flow = flow_find(control, &wire_key, &context);
	if (!flow && frame_is_syn_ack(frame) && tunnel_note_odd(control, frame, &wire_key, port))
		return frame_drop(port, COUNT_WIRE_TUNNEL_KEYS_DIFFER);
	if (!flow && frame_is_syn_ack(frame)) {
		frame->key = wire_key;
		asymmetric_see_answer(control, frame, port);
	}
	if (!flow) { /* bypassed at its SYN, or older than we are, or no SSL server's */
		passed_count(skb, control, frame);
		return frame_forward(skb, control, port);
	}
	flow_key_swap(&wire_key);
	frame->key = wire_key;
	return flow_deliver(skb, frame, flow, port, FLOW_TO_CLIENT);
}

/* An error about a segment that a leg of ours sent: the leg's socket must see it (path MTU), and nobody else. */
static __always_inline int icmp_deliver(struct __sk_buff *skb, struct wire_control *control, struct frame *frame,
	const struct flow_key *key, const struct flow *flow, enum flow_dir quoted, int kind)
{
	if (frame_drop_outer_tag(skb, frame) ||
		(kind == FRAME_ICMP_TUNNEL ? tunnel_strip_quoted(skb, frame) : tunnel_strip(skb, frame))) {
		count(COUNT_WIRE_ERRORS);
		return TC_ACT_SHOT;
	}
	if (key->client_port != flow->client_port)
		rewrite_port(skb, frame->l4, frame->icmp + __builtin_offsetof(struct icmp_head, checksum),
			quoted == FLOW_TO_CLIENT, flow->client_port, key->client_port);
	count(COUNT_WIRE_ICMP_TO_INSPECT);
	return frame_to_inspect(skb, control);
}

static __noinline int icmp_ingress(struct __sk_buff *skb, struct wire_control *control, struct frame *frame,
	const struct wire_port *port, int kind)
{
	/* it comes from the side that the quoted segment was sent to */
	struct flow_context context = context_of(frame, port, FLOW_TO_CLIENT);
	struct flow_key key = frame->key;
	struct flow *flow = flow_find(control, &key, &context);

	if (flow) {
		if (kind == FRAME_ICMP_ERROR)
			hold_see_error(skb, frame, flow, port);
		return icmp_deliver(skb, control, frame, &key, flow, FLOW_TO_SERVER, kind);
	}
	key = frame->key;
	flow_key_swap(&key);
	context = context_of(frame, port, FLOW_TO_SERVER);
	flow = flow_find(control, &key, &context);
	if (flow)
		return icmp_deliver(skb, control, frame, &key, flow, FLOW_TO_CLIENT, kind);
	return frame_forward(skb, control, port);
}

static __always_inline int fragment_ingress(
	struct __sk_buff *skb, struct wire_control *control, const struct frame *frame, const struct wire_port *port)
{
	int reason = fragment_judge(skb, control, frame, port);

	if (reason)
		return frame_drop(port, reason);
	count(COUNT_WIRE_FRAGMENTS);
	return frame_forward(skb, control, port);
}

static __noinline int quic_ingress(
	struct __sk_buff *skb, struct wire_control *control, const struct frame *frame, const struct wire_port *port)
{
	if (quic_judge(control, frame, port)) {
		frame_drop(port, COUNT_WIRE_QUIC_BLOCKED);
		if (!quic_may_answer(skb, frame) || quic_make_answer(skb, frame, port))
			return TC_ACT_SHOT;
		return bpf_redirect(skb->ifindex, 0);
	}
	if (frame->fragment)
		count(COUNT_WIRE_FRAGMENTS);
	return frame_forward(skb, control, port);
}

static __always_inline void frame_count_tunnel(const struct frame *frame, int kind)
{
	if (kind == FRAME_ICMP_TUNNEL)
		return;
	if (frame->tunnel.length || kind >= FRAME_TUNNEL || (frame->fragment && protocol_is_tunnel(frame->protocol)))
		count(COUNT_WIRE_TUNNELLED);
	if (frame->tunnel.fragment || (kind == FRAME_FRAGMENT && protocol_is_tunnel(frame->protocol)))
		count(COUNT_WIRE_TUNNEL_FRAGMENTS);
}

static __always_inline void frame_count_kind(int kind)
{
	switch (kind) {
	case FRAME_IPV4_IN_IPV6:
		count(COUNT_WIRE_IPV4_IN_IPV6);
		return count(COUNT_WIRE_IPV6);
	case FRAME_IPV6:
		return count(COUNT_WIRE_IPV6);
	case FRAME_NON_IP:
		return count(COUNT_WIRE_NON_IP);
	case FRAME_FRAGMENT:
		return count(COUNT_WIRE_FRAGMENTS);
	case FRAME_MALFORMED:
		return count(COUNT_WIRE_MALFORMED);
	case FRAME_TUNNEL_GRE_OPTIONS:
		return count(COUNT_WIRE_TUNNEL_GRE_OPTIONS);
	case FRAME_TUNNEL_IP_OPTIONS:
		return count(COUNT_WIRE_TUNNEL_IP_OPTIONS);
	case FRAME_TUNNEL_NESTED:
		return count(COUNT_WIRE_TUNNEL_NESTED);
	case FRAME_TUNNEL_NON_IPV4:
		return count(COUNT_WIRE_TUNNEL_NON_IPV4);
	case FRAME_TUNNEL_GTP:
		return count(COUNT_WIRE_TUNNEL_GTP);
	}
}

SEC("tc")
int port_ingress(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct wire_port *port = bpf_map_lookup_elem(&ports, &ifindex);
	struct wire_control *control = control_get();
	struct frame frame = {};
	int kind;

	if (!port || !control)
		return TC_ACT_SHOT;
	kind = frame_parse(skb, &frame);
	if (frame.mac[0] & 1)
		count(COUNT_WIRE_MULTICAST);
	frame_count_tunnel(&frame, kind);
	if (kind == FRAME_TCP)
		return tcp_ingress(skb, control, &frame, port);
	if (kind == FRAME_TCP_FRAGMENT)
		return fragment_ingress(skb, control, &frame, port);
	if (kind == FRAME_ICMP_ERROR || kind == FRAME_ICMP_TUNNEL)
		return icmp_ingress(skb, control, &frame, port, kind);
	if (kind == FRAME_QUIC)
		return quic_ingress(skb, control, &frame, port);
	frame_count_kind(kind);
	return frame_forward(skb, control, port);
}

/* the port on which frames of this direction leave */
static __always_inline struct wire_port *flow_egress(const struct flow *flow, enum flow_dir dir, __u32 *ifindex)
{
	__u32 side = dir == FLOW_TO_SERVER ? !flow->context.side : flow->context.side;
	__u32 index = flow->context.segment * 2 + side, *found = bpf_map_lookup_elem(&segment_ports, &index);

	if (!found)
		return NULL;
	*ifindex = *found;
	return bpf_map_lookup_elem(&ports, ifindex);
}

static __noinline int flow_emit(struct __sk_buff *skb, struct frame *frame, struct flow *flow, enum flow_dir dir)
{
	struct wire_control *control = control_get();
	__be16 internal = dir == FLOW_TO_SERVER ? frame->key.client_port : frame->key.server_port;
	struct flow_header *header = &flow->header[dir & 1];
	struct wire_port *port;
	__u32 ifindex = 0, mss;

	port = flow_egress(flow, dir, &ifindex);
	if (!control || !port)
		goto error;
	flow->last_ns = bpf_ktime_get_ns();
	flow_track_inspect(flow, frame, dir & 1);
	if (internal != flow->client_port)
		rewrite_port(
			skb, frame->l4, frame->l4 + TCP_CHECKSUM, dir == FLOW_TO_CLIENT, internal, flow->client_port);
	mss = flow_mss(flow, frame, control, port);
	if (mss)
		rewrite_mss(skb, frame, mss);
	if (rewrite_ip(skb, header) || tunnel_wrap(skb, flow, header, frame->tos) ||
		bpf_skb_store_bytes(skb, 0, header->mac, sizeof(header->mac), 0))
		goto error;
	if (flow->context.vlan_inner && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), header->tci_inner))
		goto error;
	if (flow->context.vlan &&
		bpf_skb_vlan_push(skb, bpf_htons(flow->context.vlan & FLOW_VLAN_SERVICE ? ETH_P_8021AD : ETH_P_8021Q),
			header->tci))
		goto error;
	count(COUNT_WIRE_FROM_INSPECT);
	return bpf_redirect(ifindex, 0);
error:
	count(COUNT_WIRE_ERRORS);
	return TC_ACT_SHOT;
}

/* what the namespace `inspect` sent: only segments of known flows leave on a port (A1) */
SEC("tc")
int ti0_ingress(struct __sk_buff *skb)
{
	struct frame frame = {};
	struct flow_key key;
	struct flow *flow;

	if (frame_parse(skb, &frame) != FRAME_TCP || frame.tunnel.length)
		goto leftover;
	key = frame.key;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (flow)
		return flow_emit(skb, &frame, flow, FLOW_TO_SERVER);
	flow_key_swap(&key);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (flow)
		return flow_emit(skb, &frame, flow, FLOW_TO_CLIENT);
leftover:
	count(COUNT_WIRE_LEFTOVERS);
	return TC_ACT_SHOT;
}

/* Also asked for a SYN on a socket that waits out its end and for the answer to a SYN cookie, which a choice made at
 * the port could not serve. Without a listener the kernel answers with a reset. */
SEC("sk_lookup")
int listener_lookup(struct bpf_sk_lookup *lookup)
{
	struct flow_key key = {
		.client_ip = lookup->remote_ip4,
		.server_ip = lookup->local_ip4,
		.client_port = lookup->remote_port,
		.server_port = bpf_htons(lookup->local_port),
	};
	struct bpf_sock *listener;
	struct flow *flow;
	__u32 slot;
	long err;

	if (lookup->family != AF_INET || lookup->protocol != IPPROTO_TCP)
		return SK_PASS;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		return SK_DROP;
	slot = flow->worker;
	listener = bpf_map_lookup_elem(&listeners, &slot);
	if (!listener)
		return SK_DROP;
	err = bpf_sk_assign(lookup, listener, 0);
	bpf_sk_release(listener);
	return err ? SK_DROP : SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
