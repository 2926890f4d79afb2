/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* One frame, parsed. Whatever is called malformed here is forwarded, so it must be something that a receiving stack
 * drops: otherwise it would be a way around inspection. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include "maps.bpf.h"

#define FRAME_L3 ((__u32)sizeof(struct ethhdr))
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */
#define IP_FRAGMENT_OFFSET 0x1fff
#define IP_DSCP 0xfc

/* RFC 792; <linux/icmp.h> needs libc's socket headers */
struct icmp_head {
	__u8 type, code;
	__be16 checksum;
	__be32 rest;
};
#define ICMP_DEST_UNREACH 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

enum frame_kind {
	FRAME_TCP,
	FRAME_ICMP_ERROR, /* quotes a TCP header: frame.key is the quoted one, frame.l4 its place */
	FRAME_OTHER,
	FRAME_IPV6,
	FRAME_NON_IP,
	FRAME_TUNNELLED,
	FRAME_FRAGMENT,
	FRAME_MALFORMED,
};

struct tcp_head { /* RFC 9293 3.1, without checksum and urgent pointer */
	__be16 source, destination;
	__be32 seq, ack;
	__u8 words, flags;
	__be16 window;
};

struct frame {
	struct flow_key key; /* source as the client */
	__u32 l4;            /* offset of the TCP header */
	__u32 icmp;          /* offset of the ICMP header (FRAME_ICMP_ERROR) */
	__u32 seq, ack;
	__u16 vlan, tci; /* as flow_context.vlan; the whole tag */
	__u8 ttl, tos;
	__u8 tcp_flags, tcp_words;
	__u8 mac[12];
};

static __always_inline int frame_is_syn(const struct frame *frame)
{
	return (frame->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline void flow_key_swap(struct flow_key *key)
{
	__be32 ip = key->client_ip;
	__be16 port = key->client_port;

	key->client_ip = key->server_ip;
	key->client_port = key->server_port;
	key->server_ip = ip;
	key->server_port = port;
}

static __always_inline int frame_parse_tcp(struct __sk_buff *skb, struct frame *frame, __u32 l4_bytes)
{
	struct tcp_head tcp;

	if (l4_bytes < 20 || bpf_skb_load_bytes(skb, frame->l4, &tcp, sizeof(tcp)))
		return FRAME_MALFORMED;
	frame->tcp_words = tcp.words >> 4;
	if (frame->tcp_words < 5 || frame->tcp_words * 4u > l4_bytes)
		return FRAME_MALFORMED;
	frame->key.client_port = tcp.source;
	frame->key.server_port = tcp.destination;
	frame->seq = bpf_ntohl(tcp.seq);
	frame->ack = bpf_ntohl(tcp.ack);
	frame->tcp_flags = tcp.flags;
	return FRAME_TCP;
}

/* Errors only (RFC 792): the quoted header is one that a leg of ours may have sent. */
static __always_inline int frame_parse_icmp(struct __sk_buff *skb, struct frame *frame)
{
	struct {
		struct icmp_head icmp;
		struct iphdr ip;
	} h;
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, frame->l4, &h, sizeof(h)))
		return FRAME_OTHER;
	if (h.icmp.type != ICMP_DEST_UNREACH && h.icmp.type != ICMP_TIME_EXCEEDED && h.icmp.type != ICMP_PARAMETERPROB)
		return FRAME_OTHER;
	if (h.ip.version != 4 || h.ip.ihl < 5 || h.ip.protocol != IPPROTO_TCP ||
		(h.ip.frag_off & bpf_htons(IP_FRAGMENT_OFFSET)))
		return FRAME_OTHER;
	frame->icmp = frame->l4;
	frame->l4 += sizeof(struct icmp_head) + h.ip.ihl * 4;
	if (bpf_skb_load_bytes(skb, frame->l4, ports, sizeof(ports)))
		return FRAME_OTHER;
	frame->key.client_ip = h.ip.saddr;
	frame->key.server_ip = h.ip.daddr;
	frame->key.client_port = ports[0];
	frame->key.server_port = ports[1];
	return FRAME_ICMP_ERROR;
}

static __always_inline int frame_parse_ipv4(struct __sk_buff *skb, struct frame *frame)
{
	struct iphdr ip;
	__u32 bytes;

	if (bpf_skb_load_bytes(skb, FRAME_L3, &ip, sizeof(ip)))
		return FRAME_MALFORMED;
	bytes = bpf_ntohs(ip.tot_len);
	if (ip.version != 4 || ip.ihl < 5 || bytes < ip.ihl * 4u || bytes > skb->len - FRAME_L3)
		return FRAME_MALFORMED;
	if (ip.frag_off & bpf_htons(IP_FRAGMENT))
		return FRAME_FRAGMENT;
	frame->l4 = FRAME_L3 + ip.ihl * 4;
	frame->key.client_ip = ip.saddr;
	frame->key.server_ip = ip.daddr;
	frame->ttl = ip.ttl;
	frame->tos = ip.tos;
	switch (ip.protocol) {
	case IPPROTO_TCP:
		return frame_parse_tcp(skb, frame, bytes - ip.ihl * 4);
	case IPPROTO_ICMP:
		return frame_parse_icmp(skb, frame);
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
	case IPPROTO_GRE:
		return FRAME_TUNNELLED;
	}
	return FRAME_OTHER;
}

static __noinline int frame_parse(struct __sk_buff *skb, struct frame *frame)
{
	struct ethhdr eth;

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return FRAME_NON_IP;
	__builtin_memcpy(frame->mac, &eth, sizeof(frame->mac));
	if (skb->vlan_present) {
		/* an outer service tag (802.1ad) or a second tag stays on the wire, uninspected */
		if (skb->vlan_proto != bpf_htons(ETH_P_8021Q))
			return FRAME_NON_IP;
		frame->tci = skb->vlan_tci;
		frame->vlan = FLOW_VLAN_PRESENT | (frame->tci & 0xfff);
	}
	if (eth.h_proto == bpf_htons(ETH_P_IPV6))
		return FRAME_IPV6;
	if (eth.h_proto != bpf_htons(ETH_P_IP))
		return FRAME_NON_IP;
	return frame_parse_ipv4(skb, frame);
}
