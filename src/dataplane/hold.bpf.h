/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* Truthful connection establishment (A1): the SYN of a new flow is kept, and a worker told to connect to the server.
 * The server's SYN-ACK lets the SYN into `inspect`, where a listener answers the client; a refusal, by the server's
 * reset or a router's ICMP error, is passed on to the client as the frame that it is. Silence is silence. */
#include "tunnel.bpf.h"

#define HOLD_WINDOW_NS 100000000ull
/* A server that answered within this time is taken to answer still, but only beyond the rate up to which SYNs are held
 * (wire_control.holds): under a flood, the listener's SYN cookies stand between it and clients that do not exist. */
#define HOLD_TRUST_NS 1000000000ull

#define TCP_HEADER_MAX (20 + WIRE_TCP_OPTIONS)
#define SYN_FRAME (FRAME_L3 + sizeof(struct iphdr) + TCP_HEADER_MAX)

enum hold_choice { HOLD_KEEP, HOLD_SKIP, HOLD_DROP };

struct syn_packet {
	struct iphdr ip;
	struct tcp_head tcp;
	__u16 checksum, urgent;
	__u8 options[WIRE_TCP_OPTIONS];
};
_Static_assert(sizeof(struct syn_packet) == sizeof(struct iphdr) + TCP_HEADER_MAX, "syn_packet");

/* must: whatever the rate */
static __noinline int hold_choose(struct wire_control *control, const struct flow_context *context,
	const struct flow_key *key, struct wire_answer *seen, int must)
{
	struct wire_target target = {.context = *context, .ip = key->server_ip, .port = key->server_port};
	struct wire_answer *answer = bpf_map_lookup_elem(&answers, &target);
	__u64 now = bpf_ktime_get_ns();

	if (!answer) {
		*seen = (struct wire_answer){.window_ns = now, .holds = 1};
		bpf_map_update_elem(&answers, &target, seen, BPF_ANY);
		return HOLD_KEEP;
	}
	*seen = *answer;
	if (now - answer->window_ns > HOLD_WINDOW_NS) {
		answer->window_ns = now;
		answer->holds = 0;
	}
	if (must || answer->holds < control->holds) {
		__sync_fetch_and_add(&answer->holds, 1);
		return HOLD_KEEP;
	}
	return seen->answered_ns && now - seen->answered_ns < HOLD_TRUST_NS ? HOLD_SKIP : HOLD_DROP;
}

/* frame is the server's: its source stands where a client's does */
static __noinline int hold_note_answer(const struct flow *flow, const struct frame *frame, __u64 answered_ns)
{
	struct wire_target target = {
		.context = flow->context, .ip = frame->key.client_ip, .port = frame->key.client_port};
	struct wire_answer *answer = bpf_map_lookup_elem(&answers, &target);

	if (!answer)
		return 0;
	answer->answered_ns = answered_ns;
	answer->ttl = frame->ttl;
	answer->tos = frame->tos;
	return 0;
}

static __always_inline int hold_tell(const struct flow *flow, const struct flow_key *key, __u32 kind)
{
	struct flow_event event = {.key = *key, .kind = kind};
	__u32 slot = flow->worker;
	void *ring = bpf_map_lookup_elem(&events, &slot);

	return ring ? bpf_ringbuf_output(ring, &event, sizeof(event), 0) : -1;
}

/* the SYN at frame.l4, as rewritten for `inspect` */
static __noinline int hold_keep(struct __sk_buff *skb, const struct frame *frame, const struct flow_key *key)
{
	struct wire_syn syn = {.flags = frame->tcp_flags, .option_bytes = frame->tcp_words * 4 - 20};

	syn.seq = bpf_htonl(frame->seq);
	if (bpf_skb_load_bytes(skb, frame->l4 + 14, &syn.window, sizeof(syn.window)))
		return -1;
	for (__u32 i = 0; i < WIRE_TCP_OPTIONS; i += 4)
		if (i < syn.option_bytes && bpf_skb_load_bytes(skb, frame->l4 + 20 + i, syn.options + i, 4))
			return -1;
	return bpf_map_update_elem(&held, key, &syn, BPF_ANY);
}

static __always_inline __u16 syn_checksum(const struct syn_packet *packet)
{
	struct {
		__be32 source, destination;
		__be16 protocol, bytes;
	} pseudo = {packet->ip.saddr, packet->ip.daddr, bpf_htons(IPPROTO_TCP), bpf_htons(TCP_HEADER_MAX)};
	__u32 sum = checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0));

	sum = bpf_csum_diff(NULL, 0, (__be32 *)&packet->tcp, TCP_HEADER_MAX, sum);
	return ~checksum_fold(sum);
}

/* header of fixed size: what the client's options leave of it is "end of options" */
static __noinline int syn_write(struct __sk_buff *skb, const struct flow_key *key, const struct wire_syn *syn)
{
	struct syn_packet packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP}};

	packet.ip.saddr = key->client_ip;
	packet.ip.daddr = key->server_ip;
	packet.ip.tot_len = bpf_htons(sizeof(packet));
	packet.ip.frag_off = bpf_htons(IP_DF);
	packet.ip.check = ip_checksum(&packet.ip);
	packet.tcp.source = key->client_port;
	packet.tcp.destination = key->server_port;
	packet.tcp.seq = syn->seq;
	packet.tcp.words = TCP_HEADER_MAX / 4 << 4;
	packet.tcp.flags = syn->flags;
	packet.tcp.window = syn->window;
	__builtin_memcpy(packet.options, syn->options, sizeof(packet.options));
	packet.checksum = syn_checksum(&packet);
	if (bpf_skb_change_tail(skb, SYN_FRAME, 0))
		return -1;
	return bpf_skb_store_bytes(skb, FRAME_L3, &packet, sizeof(packet), BPF_F_RECOMPUTE_CSUM);
}

/* a copy into `inspect`; skb itself is free for something else then */
static __always_inline int hold_clone_to_inspect(struct __sk_buff *skb, const struct wire_control *control)
{
	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return -1;
	if (bpf_skb_store_bytes(skb, 0, control->ti1_mac, sizeof(control->ti1_mac), 0))
		return -1;
	return bpf_clone_redirect(skb, control->ti0, 0);
}

/* The server leg's SYN-ACK becomes two frames for `inspect`: itself, and the client's SYN, which skb then is. Where
 * nothing was kept skb stays the SYN-ACK. */
static __noinline int hold_admit(
	struct __sk_buff *skb, struct wire_control *control, struct flow *flow, const struct flow_key *key)
{
	struct wire_syn *syn = bpf_map_lookup_elem(&held, key);

	flow->hold = syn ? FLOW_OPEN : FLOW_ANSWERED;
	if (!syn)
		return 0;
	if (hold_clone_to_inspect(skb, control) || syn_write(skb, key, syn)) {
		flow->hold = FLOW_ANSWERED;
		return -1;
	}
	bpf_map_delete_elem(&held, key);
	return 0;
}

/* where in a frame a sequence number of the server leg stands, and whose stands there for the client */
struct refusal {
	__u32 checksum, at, peer;
	__be32 ours, theirs;
};

/* the client gets a copy of the frame, with its own sequence number; skb stays as it is, for the leg's socket */
static __noinline int hold_pass_refusal(struct __sk_buff *skb, struct flow *flow, const struct refusal *refusal)
{
	__be32 ours = refusal->ours, theirs = refusal->theirs;

	flow->hold = FLOW_REFUSED;
	count(COUNT_WIRE_HELD_REFUSED);
	bpf_l4_csum_replace(skb, refusal->checksum, ours, theirs, sizeof(theirs));
	bpf_skb_store_bytes(skb, refusal->at, &theirs, sizeof(theirs), 0);
	bpf_clone_redirect(skb, refusal->peer, 0);
	bpf_l4_csum_replace(skb, refusal->checksum, theirs, ours, sizeof(ours));
	return bpf_skb_store_bytes(skb, refusal->at, &ours, sizeof(ours), 0);
}

/* frame as it came from the server's side, before anything was taken off it */
static __noinline int hold_see_answer(
	struct __sk_buff *skb, const struct frame *frame, struct flow *flow, const struct wire_port *port)
{
	struct refusal refusal = {.peer = port->peer, .checksum = frame->l4 + TCP_CHECKSUM, .at = frame->l4 + 8};

	if (!(frame->tcp_flags & TCP_ACK) || !(frame->tcp_flags & (TCP_SYN | TCP_RST)) || frame->ack != flow->syn_next)
		return 0;
	hold_note_answer(flow, frame, frame->tcp_flags & TCP_SYN ? bpf_ktime_get_ns() : 0);
	if (!(frame->tcp_flags & TCP_RST) || flow->hold != FLOW_HELD)
		return 0;
	refusal.ours = bpf_htonl(frame->ack);
	refusal.theirs = bpf_htonl(flow->next_seq[FLOW_TO_SERVER]);
	return hold_pass_refusal(skb, flow, &refusal);
}

/* an error about the server leg's SYN: frame.l4 is the quoted TCP header. A smaller MTU refuses nothing. */
static __noinline int hold_see_error(
	struct __sk_buff *skb, const struct frame *frame, struct flow *flow, const struct wire_port *port)
{
	struct refusal refusal = {.peer = port->peer, .checksum = frame->icmp + 2, .at = frame->l4 + 4};
	struct icmp_head icmp;

	if (flow->hold != FLOW_HELD || bpf_skb_load_bytes(skb, frame->icmp, &icmp, sizeof(icmp)) ||
		(icmp.type == ICMP_DEST_UNREACH && icmp.code == ICMP_FRAG_NEEDED) ||
		bpf_skb_load_bytes(skb, refusal.at, &refusal.ours, sizeof(refusal.ours)) ||
		bpf_ntohl(refusal.ours) + 1 != flow->syn_next)
		return 0;
	refusal.theirs = bpf_htonl(flow->next_seq[FLOW_TO_SERVER] - 1);
	return hold_pass_refusal(skb, flow, &refusal);
}

/* Nothing tells in advance which SYNs will be answered, so the table of flows takes a bounded number of those that
 * have not been: the oldest makes way. Established flows never do. Answers the place of the next one. Not called by
 * flow_create(), whose stack is nearly all that a kernel before 6.9 allows to a chain of calls. */
static __noinline int embryonic_make_room(struct wire_control *control)
{
	__u32 place = (__u16)__sync_fetch_and_add(&control->embryonic, 1);
	struct flow_key *cell = bpf_map_lookup_elem(&embryonic, &place), old;
	struct flow *flow;

	if (!cell)
		return place;
	old = *cell;
	flow = bpf_map_lookup_elem(&flows, &old);
	if (!flow || flow->place != place || (flow->flags & (FLOW_ESTABLISHED | FLOW_RST)))
		return place;
	count(COUNT_WIRE_EMBRYONIC_DISPLACED);
	flow_delete(control, &old, flow);
	return place;
}

static __always_inline void embryonic_note(__u32 place, const struct flow_key *key)
{
	struct flow_key *cell = bpf_map_lookup_elem(&embryonic, &place);

	if (cell)
		*cell = *key;
}
