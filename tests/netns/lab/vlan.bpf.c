/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* Test aid: makes a host's interface speak tagged frames only, where the kernel has no 8021q. VLAN_ID by -D.
 * Egress adds the tag; ingress takes it off and drops whatever does not carry exactly this tag. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_8021Q 0x8100
#define VLAN_ID_MASK 0x0fff

SEC("push")
int vlan_push(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), VLAN_ID) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("pop")
int vlan_pop(struct __sk_buff *skb)
{
	if (!skb->vlan_present || (skb->vlan_tci & VLAN_ID_MASK) != VLAN_ID)
		return TC_ACT_SHOT;
	return bpf_skb_vlan_pop(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

char vlan_license[] SEC("license") = "Dual BSD/GPL";
