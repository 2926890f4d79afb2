/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* Test aid: makes a host's interface speak tagged frames only, where the kernel has no 8021q. VLAN_ID by -D; for two
 * tags (QinQ) VLAN_INNER as well, and VLAN_PROTOCOL where the outer one is a service tag. Egress adds the tags; ingress
 * takes them off and drops whatever does not carry exactly these. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_8021Q 0x8100
#define VLAN_ID_MASK 0x0fff
#ifndef VLAN_PROTOCOL
#define VLAN_PROTOCOL ETH_P_8021Q
#endif

static __always_inline int tag_pop(struct __sk_buff *skb, __u32 id, __u32 protocol)
{
	if (!skb->vlan_present || (skb->vlan_tci & VLAN_ID_MASK) != id || skb->vlan_proto != bpf_htons(protocol))
		return -1;
	return bpf_skb_vlan_pop(skb);
}

SEC("push")
int vlan_push(struct __sk_buff *skb)
{
#ifdef VLAN_INNER
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), VLAN_INNER))
		return TC_ACT_SHOT;
#endif
	return bpf_skb_vlan_push(skb, bpf_htons(VLAN_PROTOCOL), VLAN_ID) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("pop")
int vlan_pop(struct __sk_buff *skb)
{
	if (tag_pop(skb, VLAN_ID, VLAN_PROTOCOL))
		return TC_ACT_SHOT;
#ifdef VLAN_INNER
	if (tag_pop(skb, VLAN_INNER, ETH_P_8021Q))
		return TC_ACT_SHOT;
#endif
	return TC_ACT_OK;
}

char vlan_license[] SEC("license") = "Dual BSD/GPL";
