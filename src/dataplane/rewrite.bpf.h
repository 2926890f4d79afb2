/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* Header rewriting. Packet pointers are not used: offsets stay valid whatever the helpers do to the buffer. */
#include "flow_table.bpf.h"

#define TCP_CHECKSUM 16
#define TCP_OPTION_MSS 2
#define IP_HEADER_CHECKSUM (FRAME_L3 + __builtin_offsetof(struct iphdr, check))

static __always_inline void rewrite_port(
	struct __sk_buff *skb, __u32 l4, __u32 checksum, int destination, __be16 from, __be16 to)
{
	bpf_l4_csum_replace(skb, checksum, from, to, sizeof(to));
	bpf_skb_store_bytes(skb, l4 + (destination ? 2 : 0), &to, sizeof(to), 0);
}

/* one 16-bit word of the IP header and the header checksum */
static __always_inline void rewrite_ip_word(struct __sk_buff *skb, __u32 offset, __be16 from, __be16 to)
{
	if (from == to)
		return;
	bpf_l3_csum_replace(skb, IP_HEADER_CHECKSUM, from, to, sizeof(to));
	bpf_skb_store_bytes(skb, FRAME_L3 + offset, &to, sizeof(to), 0);
}

/* TTL and DSCP are those that the side itself last sent (A2); ECN belongs to this leg */
static __always_inline int rewrite_ip(struct __sk_buff *skb, const struct flow_header *header)
{
	struct iphdr ip;
	__u8 word[2];
	__be16 from, to;

	if (bpf_skb_load_bytes(skb, FRAME_L3, &ip, sizeof(ip)))
		return -1;
	__builtin_memcpy(&from, &ip, sizeof(from));
	word[0] = ((__u8 *)&from)[0];
	word[1] = (header->tos & IP_DSCP) | (ip.tos & (__u8)~IP_DSCP);
	__builtin_memcpy(&to, word, sizeof(to));
	rewrite_ip_word(skb, 0, from, to);
	__builtin_memcpy(&from, &ip.ttl, sizeof(from));
	word[0] = header->ttl;
	word[1] = ip.protocol;
	__builtin_memcpy(&to, word, sizeof(to));
	rewrite_ip_word(skb, __builtin_offsetof(struct iphdr, ttl), from, to);
	return 0;
}

struct mss_walk {
	struct __sk_buff *skb;
	__u32 tcp, at, end; /* offsets in the frame */
	__u16 max;
};

static __always_inline void mss_replace(const struct mss_walk *walk, __u16 mss)
{
	__be16 value = bpf_htons(walk->max), from = bpf_htons(mss), to = value;

	if ((walk->at - walk->tcp) & 1) { /* the checksum sees words at even offsets */
		from = __builtin_bswap16(from);
		to = __builtin_bswap16(to);
	}
	bpf_l4_csum_replace(walk->skb, walk->tcp + TCP_CHECKSUM, from, to, sizeof(to));
	bpf_skb_store_bytes(walk->skb, walk->at + 2, &value, sizeof(value), 0);
}

/* one TCP option; bpf_loop, because an open-coded walk exceeds the verifier's limit */
static long mss_consider(__u32 i, void *data)
{
	struct mss_walk *walk = data;
	__u8 option[4];
	__u16 mss;

	if (walk->at + sizeof(option) > walk->end || bpf_skb_load_bytes(walk->skb, walk->at, option, sizeof(option)))
		return 1;
	if (option[0] == 1) { /* no operation */
		walk->at++;
		return 0;
	}
	if (option[0] == 0 || option[1] < 2)
		return 1;
	if (option[0] != TCP_OPTION_MSS || option[1] != 4) {
		walk->at += option[1];
		return 0;
	}
	mss = option[2] << 8 | option[3];
	if (mss > walk->max)
		mss_replace(walk, mss);
	return 1;
}

/* Neither side may be told more than the port carries (A9) with the tunnel header in front (A4). */
static __noinline int rewrite_mss(struct __sk_buff *skb, const struct frame *frame, __u32 max)
{
	struct mss_walk walk = {
		.skb = skb,
		.tcp = frame->l4,
		.at = frame->l4 + 20,
		.end = frame->l4 + frame->tcp_words * 4,
		.max = max,
	};

	bpf_loop(40, mss_consider, &walk, 0);
	return 0;
}

/* the largest segment of that flow on that port, 0 where the MTU of the veth pair already sees to it */
static __always_inline __u32 flow_mss(const struct flow *flow, const struct frame *frame,
	const struct wire_control *control, const struct wire_port *port)
{
	__u32 headers = 40 + flow_tunnel_length(flow->context.encap);

	if (!(frame->tcp_flags & TCP_SYN) || port->mtu <= headers || (headers == 40 && port->mtu >= control->mtu))
		return 0;
	return port->mtu - headers;
}

/* what the sender of this direction last used; compared first, so that the cache line stays shared */
static __always_inline void header_learn(struct flow_header *header, const struct frame *frame)
{
	if (__builtin_memcmp(header->mac, frame->mac, sizeof(header->mac)))
		__builtin_memcpy(header->mac, frame->mac, sizeof(header->mac));
	if (header->tci != frame->tci)
		header->tci = frame->tci;
	if (header->tci_inner != frame->tci_inner)
		header->tci_inner = frame->tci_inner;
	if (header->ttl != frame->ttl)
		header->ttl = frame->ttl;
	if (header->tos != frame->tos)
		header->tos = frame->tos;
	/* the ends of a tunnel belong to the context: they are the same in each frame */
	if (header->outer_ttl != frame->tunnel.ttl)
		header->outer_ttl = frame->tunnel.ttl;
	if (header->outer_tos != frame->tunnel.tos)
		header->outer_tos = frame->tunnel.tos;
	if (header->outer_df != frame->tunnel.df)
		header->outer_df = frame->tunnel.df;
}
