/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* One layer of IP-in-IP or GRE around a proxied flow (A4): taken off on the way to `inspect`, put on again on the way
 * to a port. `inspect` sees the inner packets only. */
#include "rewrite.bpf.h"

struct tunnel_header {
	struct iphdr ip;
	struct gre_head gre;
};

static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return sum + (sum >> 16);
}

static __always_inline __u16 ip_checksum(const struct iphdr *ip)
{
	__u32 sum = 0;
	__u16 words[sizeof(*ip) / 2];

	__builtin_memcpy(words, ip, sizeof(words));
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	return ~checksum_fold(sum);
}

/* RFC 6040 4.2: congestion that the tunnel met is told to the endpoint inside */
static __always_inline void tunnel_carry_congestion(struct __sk_buff *skb, struct frame *frame)
{
	__u8 from[2], to[2];
	__be16 a, b;

	if ((frame->tunnel.tos & IP_ECN) != IP_ECN_CE || !(frame->tos & IP_ECN))
		return;
	if (bpf_skb_load_bytes(skb, FRAME_L3, from, sizeof(from)))
		return;
	to[0] = from[0];
	to[1] = from[1] | IP_ECN_CE;
	__builtin_memcpy(&a, from, sizeof(a));
	__builtin_memcpy(&b, to, sizeof(b));
	rewrite_ip_word(skb, 0, a, b);
}

/* The tunnel header leaves the middle of an ICMP error (frame_parse_icmp_tunnel), and the MTU that it reports becomes
 * that of the packet inside. */
static __noinline int tunnel_strip_quoted(struct __sk_buff *skb, struct frame *frame)
{
	struct {
		struct iphdr ip;
		struct icmp_head icmp;
	} h;
	struct tunnel_header gone = {};
	__u32 length = frame->tunnel.length, quoted = FRAME_L3 + sizeof(h);
	__u16 mtu;
	__u32 sum;

	if (bpf_skb_load_bytes(skb, FRAME_L3, &h, sizeof(h)) || bpf_skb_load_bytes(skb, quoted, &gone.ip, 20) ||
		(length == 24 && bpf_skb_load_bytes(skb, quoted + 20, &gone.gre, 4)) ||
		(length == 28 && bpf_skb_load_bytes(skb, quoted + 20, &gone.gre, 8)))
		return -1;
	/* folded: kernels before 6.13 return 32 bits */
	sum = checksum_fold(bpf_csum_diff((__be32 *)&gone, sizeof(gone), NULL, 0, (__u16)~h.icmp.checksum));
	mtu = bpf_ntohs(h.icmp.mtu);
	if (mtu > length)
		sum += (__u16)~h.icmp.mtu + (__u32)(__u16)bpf_htons(mtu - length);
	else
		sum += (__u16)~h.icmp.mtu;
	h.icmp.mtu = mtu > length ? bpf_htons(mtu - length) : 0;
	h.icmp.checksum = ~checksum_fold(sum);
	h.ip.tot_len = bpf_htons(bpf_ntohs(h.ip.tot_len) - length);
	h.ip.check = 0;
	h.ip.check = ip_checksum(&h.ip);
	if (bpf_skb_adjust_room(skb, -(__s32)length, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	frame->l4 -= length;
	return bpf_skb_store_bytes(skb, FRAME_L3, &h, sizeof(h), 0);
}

/* takes the tunnel header off; the offsets in frame move with it */
static __noinline int tunnel_strip(struct __sk_buff *skb, struct frame *frame)
{
	__u32 length = frame->tunnel.length;

	if (!length)
		return 0;
	if (length > sizeof(struct iphdr) + sizeof(struct gre_head) ||
		bpf_skb_adjust_room(skb, -(__s32)length, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	frame->l3 -= length;
	frame->l4 -= length;
	frame->icmp -= length;
	tunnel_carry_congestion(skb, frame);
	return 0;
}

/* ECN of the tunnel header is that of the leg's own packet where this side's tunnel end copies it, else none: RFC 6040
 * 4.1, normal and compatibility mode */
static __always_inline struct tunnel_header tunnel_header_of(
	const struct flow *flow, const struct flow_header *header, __u8 inner_tos, __u16 bytes)
{
	__u8 ecn = header->outer_tos & IP_ECN ? inner_tos & IP_ECN : 0;
	struct tunnel_header out = {};

	out.ip.version = 4;
	out.ip.ihl = 5;
	out.ip.tos = (header->outer_tos & IP_DSCP) | ecn;
	out.ip.tot_len = bpf_htons(bytes);
	out.ip.id = bpf_get_prandom_u32();
	out.ip.frag_off = header->outer_df;
	out.ip.ttl = header->outer_ttl;
	out.ip.protocol = flow->context.encap == FLOW_ENCAP_IPIP ? IPPROTO_IPIP : IPPROTO_GRE;
	out.ip.saddr = header->outer_source;
	out.ip.daddr = header->outer_destination;
	out.ip.check = ip_checksum(&out.ip);
	out.gre.flags = flow->context.encap == FLOW_ENCAP_GRE_KEY ? bpf_htons(GRE_KEY) : 0;
	out.gre.protocol = bpf_htons(ETH_P_IP);
	out.gre.key = flow->context.gre_key;
	return out;
}

static __always_inline int tunnel_push(struct __sk_buff *skb, __u32 length, __u64 flags)
{
	return bpf_skb_adjust_room(
		skb, length, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4);
}

static __noinline int tunnel_wrap(
	struct __sk_buff *skb, const struct flow *flow, const struct flow_header *header, __u32 inner_tos)
{
	__u32 length = flow_tunnel_length(flow->context.encap), bytes = skb->len - FRAME_L3 + length;
	struct tunnel_header out;

	if (!length)
		return 0;
	if (bytes > 0xffff)
		return -1;
	out = tunnel_header_of(flow, header, inner_tos, bytes);
	switch (flow->context.encap) {
	case FLOW_ENCAP_IPIP:
		return tunnel_push(skb, 20, 0) || bpf_skb_store_bytes(skb, FRAME_L3, &out, 20, 0);
	case FLOW_ENCAP_GRE:
		return tunnel_push(skb, 24, BPF_F_ADJ_ROOM_ENCAP_L4_GRE) ||
		       bpf_skb_store_bytes(skb, FRAME_L3, &out, 24, 0);
	}
	return tunnel_push(skb, 28, BPF_F_ADJ_ROOM_ENCAP_L4_GRE) || bpf_skb_store_bytes(skb, FRAME_L3, &out, 28, 0);
}

/* Answers in another tunnel than the requests, by their GRE keys, ends, or for want of a tunnel, cannot be proxied
 * (A4). A client whose answer gets lost in a wrong tunnel sends its SYN again: that one is shown to the server as well,
 * whose own answer tells. From then on new flows in that tunnel are passed, this client's next SYN among them. In a
 * sound tunnel that answer finds no socket in `inspect`, and the server hears a reset. */
#define ODD_TUNNEL_NS 600000000000ull

static __noinline int tunnel_is_odd(const struct frame *frame, const struct wire_port *port)
{
	struct flow_context context = context_of(frame, port, FLOW_TO_SERVER);
	__u64 *seen;

	if (!frame->tunnel.length)
		return 0;
	seen = bpf_map_lookup_elem(&odd_tunnels, &context);
	return seen && bpf_ktime_get_ns() - *seen < ODD_TUNNEL_NS;
}

static __always_inline void tunnel_probe(
	struct __sk_buff *skb, const struct frame *frame, struct flow *flow, const struct wire_port *port)
{
	if (!frame->tunnel.length || !frame_is_syn(frame) || (flow->flags & FLOW_ESTABLISHED) || flow->syn_next)
		return;
	flow->syn_next = frame->seq + 1;
	count(COUNT_WIRE_TUNNEL_PROBES);
	bpf_clone_redirect(skb, port->peer, 0);
}

/* is this the server's answer to a SYN, outside the tunnel of its flow? */
static __noinline int tunnel_note_odd(struct wire_control *control, const struct frame *frame,
	const struct flow_key *key, const struct wire_port *port)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, key);
	struct flow_context context;
	__u64 now = bpf_ktime_get_ns();

	if (!flow || flow->context.encap == FLOW_ENCAP_NONE || !flow->syn_next || frame->ack != flow->syn_next ||
		flow->context.segment != port->segment || flow->context.side == port->side)
		return 0;
	context = flow->context;
	bpf_map_update_elem(&odd_tunnels, &context, &now, BPF_ANY);
	if (!(flow->flags & FLOW_ESTABLISHED)) /* else its legs have to end in order */
		flow_delete(control, key, flow);
	return 1;
}
