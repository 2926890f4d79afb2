/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* QUIC to an SSL server would escape inspection (A12). No connection begins without long headers (RFC 8999 5.1) from
 * the client, so it is these that are counted, and dropped where the server's configuration says so. The client is told
 * as by a server without QUIC, by ICMP "port unreachable" in the server's name, and turns to TCP at once. */
#include "bypass.bpf.h"
#include "tunnel.bpf.h"

#define ICMP_PORT_UNREACH 3
#define ICMP_TOS 0xc0            /* as hosts send errors: RFC 1812 4.3.2.5 */
#define QUIC_ANSWERS_SECOND 1000 /* as a host limits them */
#define QUIC_FIRST_BYTES 1200    /* RFC 9000 14.1: what is shorter is no client's first datagram, and gets no answer */

struct udp_head {
	__be16 source, destination, length, checksum;
};

/* what comes in front of the packet that it quotes */
struct unreachable {
	struct iphdr ip;
	struct icmp_head icmp;
};

static __noinline __u32 quic_answer_ttl(const struct frame *frame, const struct wire_port *port)
{
	struct wire_target target = {.context = context_of(frame, port, FLOW_TO_SERVER),
		.ip = frame->key.server_ip,
		.port = frame->key.server_port};
	struct wire_answer *answer = bpf_map_lookup_elem(&answers, &target);

	return answer && answer->ttl ? answer->ttl : 64;
}

static __always_inline int quic_may_answer(const struct __sk_buff *skb, const struct frame *frame)
{
	__u64 second = bpf_ktime_get_ns() / 1000000000ull;
	struct wire_control *control = control_get();

	if (!control || frame->tunnel.length || frame->vlan_inner || frame->fragment ||
		frame->l4 != FRAME_L3 + sizeof(struct iphdr) ||
		frame->l4_bytes < sizeof(struct udp_head) + QUIC_FIRST_BYTES)
		return 0;
	if (control->quic_second != second) {
		control->quic_second = second;
		control->quic_answers = 0;
	}
	return __sync_fetch_and_add(&control->quic_answers, 1) < QUIC_ANSWERS_SECOND;
}

/* The quoted UDP header's length and checksum are nobody's concern at the client. They are chosen so that the header
 * sums up to nothing: then ICMP's checksum holds also where a device is still to fill UDP's in (CHECKSUM_PARTIAL). */
static __always_inline void quic_neutral_head(struct udp_head *udp)
{
	udp->length = ~checksum_fold((__u32)udp->source + udp->destination);
	udp->checksum = 0;
}

/* 0: skb is the answer now, for the port that it came in on */
static __noinline int quic_make_answer(struct __sk_buff *skb, const struct frame *frame, const struct wire_port *port)
{
	struct unreachable out = {};
	struct {
		struct iphdr ip;
		struct udp_head udp;
	} quoted;
	__u8 mac[12];

	if (bpf_skb_load_bytes(skb, FRAME_L3, &quoted, sizeof(quoted)) || bpf_skb_load_bytes(skb, 0, mac, sizeof(mac)))
		return -1;
	quic_neutral_head(&quoted.udp);
	if (bpf_skb_change_tail(skb, FRAME_L3 + sizeof(quoted), 0) ||
		bpf_skb_adjust_room(skb, sizeof(out), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	out.ip.version = 4;
	out.ip.ihl = 5;
	out.ip.tos = ICMP_TOS;
	out.ip.tot_len = bpf_htons(sizeof(out) + sizeof(quoted));
	out.ip.id = bpf_get_prandom_u32();
	out.ip.ttl = quic_answer_ttl(frame, port);
	out.ip.protocol = IPPROTO_ICMP;
	out.ip.saddr = quoted.ip.daddr;
	out.ip.daddr = quoted.ip.saddr;
	out.ip.check = ip_checksum(&out.ip);
	out.icmp.type = ICMP_DEST_UNREACH;
	out.icmp.code = ICMP_PORT_UNREACH;
	out.icmp.checksum = ~checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&quoted, sizeof(quoted),
		checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&out.icmp, sizeof(out.icmp), 0))));
	return bpf_skb_store_bytes(skb, FRAME_L3, &out, sizeof(out), BPF_F_RECOMPUTE_CSUM) ||
	       bpf_skb_store_bytes(skb, FRAME_L3 + sizeof(out), &quoted, sizeof(quoted), BPF_F_RECOMPUTE_CSUM) ||
	       bpf_skb_store_bytes(skb, 0, mac + 6, 6, 0) || bpf_skb_store_bytes(skb, 6, mac, 6, 0);
}

/* for the log: the supervisor empties this map every second */
static __noinline int quic_note(
	const struct frame *frame, const struct wire_port *port, const struct verdict *verdict, __u32 blocked)
{
	struct wire_quic_key key = {.client = frame->key.client_ip,
		.server = frame->key.server_ip,
		.port = frame->key.server_port,
		.vlan = frame->vlan,
		.segment = port->segment,
		.blocked = blocked};
	struct wire_quic *seen = bpf_map_lookup_elem(&quic_seen, &key), first;

	if (seen) {
		__sync_fetch_and_add(&seen->datagrams, 1);
		return 0;
	}
	first = (struct wire_quic){.datagrams = 1,
		.config_version = verdict->config_version,
		.ssl_server_id = verdict->ssl_server_id,
		.ssl_policy_id = verdict->ssl_policy_id,
		.virtual_segment_id = verdict->virtual_segment_id};
	return bpf_map_update_elem(&quic_seen, &key, &first, BPF_ANY);
}

/* whether this datagram is one that may not pass; it is counted and noted then, or where it may */
static __noinline int quic_judge(struct wire_control *control, const struct frame *frame, const struct wire_port *port)
{
	__u32 epoch = *(volatile __u32 *)&control->epoch;
	struct verdict verdict = {};

	if (!policy_is_ssl_server(frame, port, epoch, &verdict) || bypass_applies(frame, port, epoch) ||
		policy_is_excepted(frame, epoch, &verdict))
		return 0;
	/* where nothing is inspected nothing escapes */
	if (!verdict.block_quic || segment_in_fallback(control, port->segment) || worker_choose(control, 0) < 0) {
		count(COUNT_WIRE_QUIC_FORWARDED);
		quic_note(frame, port, &verdict, 0);
		return 0;
	}
	quic_note(frame, port, &verdict, 1);
	return 1;
}
