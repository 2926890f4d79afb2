/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* H2: the graphs show all traffic of SSL servers, inspected or not. A flow of an SSL server that passes uninspected at
 * its SYN leaves a note of its 4-tuple, by which the bytes of its frames are counted. The notes are bounded, the least
 * recently used goes first, and nothing is decided by them: losing one loses its count. */
#include "maps.bpf.h"
#include "parse.bpf.h"

static __always_inline void passed_add(const struct __sk_buff *skb)
{
	__u32 counter = COUNT_WIRE_PASSED_BYTES;
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += skb->len;
}

static __noinline int passed_note(const struct __sk_buff *skb, struct wire_control *control, const struct frame *frame)
{
	struct flow_key key = frame->key;
	__u32 nothing = 0;

	if (!bpf_map_update_elem(&passed, &key, &nothing, BPF_ANY))
		control->passed = 1;
	passed_add(skb);
	return 0;
}

/* a frame without a flow, in either direction */
static __noinline int passed_count(
	const struct __sk_buff *skb, const struct wire_control *control, const struct frame *frame)
{
	struct flow_key key = frame->key;

	if (!control->passed)
		return 0; /* the rule: saves two hashes */
	if (!bpf_map_lookup_elem(&passed, &key)) {
		flow_key_swap(&key);
		if (!bpf_map_lookup_elem(&passed, &key))
			return 0;
	}
	passed_add(skb);
	return 0;
}
