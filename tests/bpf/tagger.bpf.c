/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* Test rig: a VLAN switch without 8021q. In the trunk's namespace the trunk has ifindex 100, the access link of
 * VLAN N ifindex 1000 + N (1000: untagged). */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TRUNK 100
#define ACCESS 1000

SEC("tc/push")
int push(struct __sk_buff *skb)
{
	__u32 vlan = skb->ifindex - ACCESS;

	if (vlan && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vlan))
		return TC_ACT_SHOT;
	return bpf_redirect(TRUNK, 0);
}

SEC("tc/pop")
int pop(struct __sk_buff *skb)
{
	__u32 vlan = skb->vlan_present ? skb->vlan_tci & 0xfff : 0;

	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
	return bpf_redirect(ACCESS + vlan, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
