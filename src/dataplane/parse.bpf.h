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
#define IP_DF 0x4000
#define IP_DSCP 0xfc
#define IP_ECN 0x03
#define IP_ECN_CE 0x03

/* RFC 792; <linux/icmp.h> needs libc's socket headers */
struct icmp_head {
	__u8 type, code;
	__be16 checksum;
	__be16 unused, mtu; /* RFC 1191 4 */
};
#define ICMP_DEST_UNREACH 3
#define ICMP_FRAG_NEEDED 4
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

enum frame_kind {
	FRAME_TCP,
	FRAME_TCP_FRAGMENT, /* of a TCP segment; frame.fragment says which part */
	FRAME_ICMP_ERROR,   /* quotes a TCP header: frame.key is the quoted one, frame.l4 its place */
	FRAME_ICMP_TUNNEL,  /* too big a tunnel packet: as FRAME_ICMP_ERROR about the packet inside */
	FRAME_QUIC,         /* UDP with a QUIC long header, or a fragment that may begin with one */
	FRAME_OTHER,
	FRAME_IPV6,
	FRAME_IPV4_IN_IPV6,
	FRAME_NON_IP,
	FRAME_FRAGMENT,
	FRAME_MALFORMED,
	FRAME_TUNNEL, /* a tunnel header that can be opened */
	FRAME_TUNNEL_GRE_OPTIONS,
	FRAME_TUNNEL_IP_OPTIONS,
	FRAME_TUNNEL_NESTED,
	FRAME_TUNNEL_NON_IPV4,
	FRAME_TUNNEL_GTP,
};

struct tcp_head { /* RFC 9293 3.1, without checksum and urgent pointer */
	__be16 source, destination;
	__be32 seq, ack;
	__u8 words, flags;
	__be16 window;
};

/* RFC 2784, RFC 2890: without options, or with a key alone */
struct gre_head {
	__be16 flags, protocol;
	__be32 key;
};
#define GRE_KEY 0x2000
#define GTP_USER_PORT 2152
#define QUIC_LONG_HEADER 0x80
#define QUIC_HEAD_BYTES 13 /* the UDP header, the first byte and the version */

struct frame_tunnel {
	__u8 encap; /* enum flow_encap */
	__u8 ttl, tos, fragment;
	__be16 df;
	__u16 length; /* of the tunnel header, 0 without tunnel */
	__be32 gre_key, source, destination;
};

struct frame {
	struct flow_key key; /* source as the client */
	struct frame_tunnel tunnel;
	__u32 l3, end;  /* offset of the (inner) IP header; of what follows the packet around it */
	__u32 l4;       /* offset of the TCP header */
	__u32 l4_bytes; /* from there to the end of this packet or fragment */
	__u32 icmp;     /* offset of the ICMP header (FRAME_ICMP_ERROR) */
	__u32 seq, ack;
	__u16 vlan, tci; /* as flow_context.vlan; the whole tag */
	__u16 vlan_inner, tci_inner;
	__u32 l2;       /* bytes in front of the outermost packet: the first tag is not among them, a second is */
	__u16 fragment; /* IP_FRAGMENT bits */
	__u8 protocol;
	__u8 ttl, tos;
	__u8 tcp_flags, tcp_words;
	__u8 mac[12];
};

static __always_inline int frame_is_syn(const struct frame *frame)
{
	return (frame->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline int frame_is_syn_ack(const struct frame *frame)
{
	return (frame->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
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

static __always_inline int frame_load_tcp(struct __sk_buff *skb, struct frame *frame)
{
	struct tcp_head tcp;

	if (frame->l4_bytes < 20 || bpf_skb_load_bytes(skb, frame->l4, &tcp, sizeof(tcp)))
		return -1;
	frame->tcp_words = tcp.words >> 4;
	frame->key.client_port = tcp.source;
	frame->key.server_port = tcp.destination;
	frame->seq = bpf_ntohl(tcp.seq);
	frame->ack = bpf_ntohl(tcp.ack);
	frame->tcp_flags = tcp.flags;
	return 0;
}

static __always_inline int frame_parse_tcp(struct __sk_buff *skb, struct frame *frame)
{
	if (frame_load_tcp(skb, frame) || frame->tcp_words < 5 || frame->tcp_words * 4u > frame->l4_bytes)
		return FRAME_MALFORMED;
	return FRAME_TCP;
}

/* the header at frame.l4 (A4: without options, or with a key alone) */
static __always_inline int frame_parse_gre(struct __sk_buff *skb, struct frame *frame)
{
	struct gre_head gre;

	if (frame->l4_bytes < 4 || bpf_skb_load_bytes(skb, frame->l4, &gre, 4))
		return FRAME_MALFORMED;
	if (gre.flags != 0 && gre.flags != bpf_htons(GRE_KEY))
		return FRAME_TUNNEL_GRE_OPTIONS;
	if (gre.protocol != bpf_htons(ETH_P_IP))
		return FRAME_TUNNEL_NON_IPV4;
	frame->tunnel.encap = FLOW_ENCAP_GRE;
	frame->tunnel.length = sizeof(struct iphdr) + 4;
	if (!gre.flags)
		return FRAME_TUNNEL;
	if (frame->l4_bytes < 8 || bpf_skb_load_bytes(skb, frame->l4 + 4, &gre.key, 4))
		return FRAME_MALFORMED;
	frame->tunnel.encap = FLOW_ENCAP_GRE_KEY;
	frame->tunnel.gre_key = gre.key;
	frame->tunnel.length = sizeof(struct iphdr) + 8;
	return FRAME_TUNNEL;
}

/* the TCP/IPv4 header at frame.l3 that an error quotes */
static __always_inline int frame_parse_quoted(struct __sk_buff *skb, struct frame *frame)
{
	struct iphdr ip;
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, frame->l3, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5 ||
		ip.protocol != IPPROTO_TCP || (ip.frag_off & bpf_htons(IP_FRAGMENT_OFFSET)))
		return -1;
	frame->l4 = frame->l3 + ip.ihl * 4;
	if (bpf_skb_load_bytes(skb, frame->l4, ports, sizeof(ports)))
		return -1;
	frame->key.client_ip = ip.saddr;
	frame->key.server_ip = ip.daddr;
	frame->key.client_port = ports[0];
	frame->key.server_port = ports[1];
	return 0;
}

/* A router between the tunnel ends wants smaller packets (RFC 1191). With the tunnel's direction turned round, as if
 * the error had come through it. */
static __always_inline int frame_parse_icmp_tunnel(
	struct __sk_buff *skb, struct frame *frame, const struct icmp_head *icmp, const struct iphdr *ip)
{
	if (frame->tunnel.length || icmp->type != ICMP_DEST_UNREACH || icmp->code != ICMP_FRAG_NEEDED || ip->ihl != 5 ||
		frame->icmp != frame->l2 + sizeof(*ip) || (ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET)))
		return FRAME_OTHER;
	frame->l4 = frame->icmp + sizeof(*icmp) + sizeof(*ip);
	if (ip->protocol == IPPROTO_IPIP) {
		frame->tunnel.encap = FLOW_ENCAP_IPIP;
		frame->tunnel.length = sizeof(*ip);
	} else if (frame_parse_gre(skb, frame) != FRAME_TUNNEL) {
		return FRAME_OTHER;
	}
	frame->tunnel.source = ip->daddr;
	frame->tunnel.destination = ip->saddr;
	frame->l3 = frame->icmp + sizeof(*icmp) + frame->tunnel.length;
	return frame_parse_quoted(skb, frame) ? FRAME_OTHER : FRAME_ICMP_TUNNEL;
}

/* Errors only (RFC 792): the quoted header is one that a leg of ours may have sent. */
static __noinline int frame_parse_icmp(struct __sk_buff *skb, struct frame *frame)
{
	struct {
		struct icmp_head icmp;
		struct iphdr ip;
	} h;

	if (bpf_skb_load_bytes(skb, frame->l4, &h, sizeof(h)))
		return FRAME_OTHER;
	if (h.icmp.type != ICMP_DEST_UNREACH && h.icmp.type != ICMP_TIME_EXCEEDED && h.icmp.type != ICMP_PARAMETERPROB)
		return FRAME_OTHER;
	frame->icmp = frame->l4;
	if (h.ip.version == 4 && (h.ip.protocol == IPPROTO_IPIP || h.ip.protocol == IPPROTO_GRE))
		return frame_parse_icmp_tunnel(skb, frame, &h.icmp, &h.ip);
	frame->l3 = frame->icmp + sizeof(h.icmp);
	return frame_parse_quoted(skb, frame) ? FRAME_OTHER : FRAME_ICMP_ERROR;
}

/* RFC 8999 5.1; version 0 is a server's answer. What a first fragment leaves open may be one. */
static __always_inline int frame_has_long_header(struct __sk_buff *skb, const struct frame *frame)
{
	__u8 head[5];

	if (frame->l4_bytes < QUIC_HEAD_BYTES)
		return frame->fragment;
	if (bpf_skb_load_bytes(skb, frame->l4 + 8, head, sizeof(head)))
		return 0;
	return (head[0] & QUIC_LONG_HEADER) && (head[1] | head[2] | head[3] | head[4]);
}

static __always_inline int frame_parse_udp(struct __sk_buff *skb, struct frame *frame)
{
	__be16 ports[2];

	if (frame->l4_bytes < 8 || bpf_skb_load_bytes(skb, frame->l4, ports, sizeof(ports)))
		return FRAME_OTHER;
	if (ports[1] == bpf_htons(GTP_USER_PORT))
		return FRAME_TUNNEL_GTP;
	frame->key.client_port = ports[0];
	frame->key.server_port = ports[1];
	return frame_has_long_header(skb, frame) ? FRAME_QUIC : FRAME_OTHER;
}

static __always_inline int protocol_is_tunnel(__u8 protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_GRE || protocol == IPPROTO_IPV6;
}

/* Of a fragmented packet only a first fragment can be looked into; its TCP header may be missing in part. */
static __always_inline int frame_parse_fragment(struct __sk_buff *skb, struct frame *frame)
{
	__u16 offset = frame->fragment & IP_FRAGMENT_OFFSET;

	if (protocol_is_tunnel(frame->protocol) && !frame->tunnel.length)
		return offset ? FRAME_FRAGMENT : FRAME_TUNNEL;
	if (frame->protocol == IPPROTO_UDP && !offset && frame_parse_udp(skb, frame) == FRAME_QUIC)
		return FRAME_QUIC;
	if (frame->protocol != IPPROTO_TCP)
		return FRAME_FRAGMENT;
	if (!offset)
		frame_load_tcp(skb, frame);
	return FRAME_TCP_FRAGMENT;
}

static __always_inline int frame_parse_l4(struct __sk_buff *skb, struct frame *frame)
{
	if (frame->fragment)
		return frame_parse_fragment(skb, frame);
	switch (frame->protocol) {
	case IPPROTO_TCP:
		return frame_parse_tcp(skb, frame);
	case IPPROTO_ICMP:
		return frame_parse_icmp(skb, frame);
	case IPPROTO_UDP:
		return frame_parse_udp(skb, frame);
	}
	return protocol_is_tunnel(frame->protocol) ? FRAME_TUNNEL : FRAME_OTHER;
}

/* The packet at frame.l3, which ends before frame.end. In the first fragment of a tunnel packet the inner one may go
 * on beyond the end. */
static __noinline int frame_parse_ipv4(struct __sk_buff *skb, struct frame *frame)
{
	__u32 bytes, room = frame->end - frame->l3, header;
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, frame->l3, &ip, sizeof(ip)))
		return FRAME_MALFORMED;
	bytes = bpf_ntohs(ip.tot_len);
	if (frame->fragment && bytes > room)
		bytes = room;
	header = ip.ihl * 4;
	if (ip.version != 4 || header < sizeof(ip) || bytes < header || bytes > room)
		return FRAME_MALFORMED;
	frame->end = frame->l3 + bytes;
	frame->fragment |= bpf_ntohs(ip.frag_off) & IP_FRAGMENT;
	frame->l4 = frame->l3 + header;
	frame->l4_bytes = bytes - header;
	frame->protocol = ip.protocol;
	frame->key.client_ip = ip.saddr;
	frame->key.server_ip = ip.daddr;
	frame->ttl = ip.ttl;
	frame->tos = ip.tos;
	return frame_parse_l4(skb, frame);
}

/* FRAME_TUNNEL with frame.tunnel filled and frame.l3 at the inner packet, or why that cannot be (A4) */
static __noinline int frame_open_tunnel(struct __sk_buff *skb, struct frame *frame)
{
	int kind = FRAME_TUNNEL;
	__be16 fragment;

	if (frame->l4 != frame->l2 + sizeof(struct iphdr))
		return FRAME_TUNNEL_IP_OPTIONS;
	if (frame->protocol == IPPROTO_IPV6)
		return FRAME_TUNNEL_NON_IPV4;
	frame->tunnel.source = frame->key.client_ip;
	frame->tunnel.destination = frame->key.server_ip;
	frame->tunnel.ttl = frame->ttl;
	frame->tunnel.tos = frame->tos;
	frame->tunnel.fragment = frame->fragment != 0;
	if (bpf_skb_load_bytes(skb, frame->l2 + __builtin_offsetof(struct iphdr, frag_off), &fragment, 2))
		return FRAME_MALFORMED;
	frame->tunnel.df = fragment & bpf_htons(IP_DF);
	if (frame->protocol == IPPROTO_IPIP) {
		frame->tunnel.encap = FLOW_ENCAP_IPIP;
		frame->tunnel.length = sizeof(struct iphdr);
	} else {
		kind = frame_parse_gre(skb, frame);
	}
	frame->l3 += frame->tunnel.length;
	return kind;
}

static __always_inline int frame_parse_packet(struct __sk_buff *skb, struct frame *frame)
{
	int kind = frame_parse_ipv4(skb, frame);

	if (kind != FRAME_TUNNEL)
		return kind;
	kind = frame_open_tunnel(skb, frame);
	if (kind != FRAME_TUNNEL)
		return kind;
	kind = frame_parse_ipv4(skb, frame);
	return kind == FRAME_TUNNEL || kind == FRAME_TUNNEL_GTP ? FRAME_TUNNEL_NESTED : kind;
}

/* A second tag (QinQ, A5); what is behind a third stays on the wire, uninspected. The first is not in the data. */
static __always_inline int frame_parse_inner_tag(struct __sk_buff *skb, struct frame *frame, __be16 *protocol)
{
	__be16 tag[2]; /* TCI, protocol */

	if (bpf_skb_load_bytes(skb, FRAME_L3, tag, sizeof(tag)))
		return -1;
	frame->tci_inner = bpf_ntohs(tag[0]);
	frame->vlan_inner = FLOW_VLAN_PRESENT | (frame->tci_inner & 0xfff);
	frame->l2 += sizeof(tag);
	*protocol = tag[1];
	return 0;
}

/* its kind only: nothing in it is ever decrypted (A3) */
static __always_inline int frame_parse_ipv6(struct __sk_buff *skb, const struct frame *frame)
{
	__u8 next;

	if (bpf_skb_load_bytes(skb, frame->l2 + 6, &next, sizeof(next))) /* RFC 8200 3: next header */
		return FRAME_IPV6;
	return next == IPPROTO_IPIP ? FRAME_IPV4_IN_IPV6 : FRAME_IPV6;
}

static __noinline int frame_parse(struct __sk_buff *skb, struct frame *frame)
{
	struct ethhdr eth;
	__be16 protocol;

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return FRAME_NON_IP;
	protocol = eth.h_proto;
	__builtin_memcpy(frame->mac, &eth, sizeof(frame->mac));
	frame->l2 = FRAME_L3;
	if (skb->vlan_present) {
		frame->tci = skb->vlan_tci;
		frame->vlan = FLOW_VLAN_PRESENT | (frame->tci & 0xfff);
		if (skb->vlan_proto == bpf_htons(ETH_P_8021AD))
			frame->vlan |= FLOW_VLAN_SERVICE;
		if (protocol == bpf_htons(ETH_P_8021Q) && frame_parse_inner_tag(skb, frame, &protocol))
			return FRAME_NON_IP;
	}
	if (protocol == bpf_htons(ETH_P_IPV6))
		return frame_parse_ipv6(skb, frame);
	if (protocol != bpf_htons(ETH_P_IP))
		return FRAME_NON_IP;
	frame->l3 = frame->l2;
	frame->end = skb->len;
	return frame_parse_packet(skb, frame);
}
