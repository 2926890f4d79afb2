/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* Every map is pinned in the instance's directory and adopted by the next supervisor. */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dataplane/abi.h"

#define MAP(name, map_type, key_type, value_type, entries, flags) \
	struct {                                                  \
		__uint(type, map_type);                           \
		__uint(max_entries, entries);                     \
		__type(key, key_type);                            \
		__type(value, value_type);                        \
		__uint(map_flags, flags);                         \
	} name SEC(".maps")

MAP(control, BPF_MAP_TYPE_ARRAY, __u32, struct wire_control, 1, BPF_F_MMAPABLE);
MAP(heartbeats, BPF_MAP_TYPE_ARRAY, __u32, struct wire_heartbeat, FLOW_WORKERS_MAX, BPF_F_MMAPABLE);
MAP(counters, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, WIRE_COUNTERS_MAX, 0);
/* by place in segment_ports: what was dropped of the frames that came in on that port */
MAP(port_drops, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct wire_port_drops, 2 * WIRE_SEGMENT_NUMBERS, 0);
MAP(ports, BPF_MAP_TYPE_HASH, __u32, struct wire_port, 2 * WIRE_SEGMENT_NUMBERS, 0);
MAP(segment_ports, BPF_MAP_TYPE_ARRAY, __u32, __u32, 2 * WIRE_SEGMENT_NUMBERS, 0);
MAP(epochs, BPF_MAP_TYPE_ARRAY, __u32, struct wire_epoch, 2, 0);
MAP(virtual_segments, BPF_MAP_TYPE_ARRAY, __u32, struct wire_virtual_segment, 2 * WIRE_VIRTUAL_SEGMENTS_MAX, 0);
/* twice: the old epoch stays until the new one is in force */
MAP(destinations, BPF_MAP_TYPE_LPM_TRIE, struct wire_prefix, __u32, 2 * WIRE_DESTINATIONS_MAX, BPF_F_NO_PREALLOC);
MAP(servers, BPF_MAP_TYPE_LPM_TRIE, struct wire_prefix, struct wire_server, 2 * WIRE_DESTINATIONS_MAX,
	BPF_F_NO_PREALLOC);
MAP(exceptions, BPF_MAP_TYPE_LPM_TRIE, struct wire_prefix, __u32, 2 * WIRE_EXCEPTIONS_MAX, BPF_F_NO_PREALLOC);
/* enum wire_key, by SSL server; the second half is the odd epochs' */
MAP(server_keys, BPF_MAP_TYPE_ARRAY, __u32, __u32, 2 * WIRE_SERVERS_MAX, 0);
MAP(bypass_masks, BPF_MAP_TYPE_ARRAY, __u32, struct wire_bypass_mask, 2 * WIRE_BYPASS_MASKS_MAX, 0);
MAP(bypass_rules, BPF_MAP_TYPE_HASH, struct wire_bypass_key, struct wire_bypass, 2 * WIRE_BYPASS_KEYS_MAX,
	BPF_F_NO_PREALLOC);
MAP(session_limits, BPF_MAP_TYPE_ARRAY, __u32, struct wire_session_limits, 1, BPF_F_MMAPABLE);
MAP(server_limits, BPF_MAP_TYPE_ARRAY, __u32, struct wire_server_limits, 2 * WIRE_SERVERS_MAX, 0);
MAP(server_quotas, BPF_MAP_TYPE_HASH, __u32, struct wire_quota, WIRE_QUOTAS_MAX, BPF_F_NO_PREALLOC);
MAP(source_quotas, BPF_MAP_TYPE_LRU_HASH, __be32, struct wire_quota, WIRE_SOURCES_MAX, 0);
MAP(flows, BPF_MAP_TYPE_HASH, struct flow_key, struct flow, WIRE_FLOWS_MAX, BPF_F_NO_PREALLOC);
MAP(aliases, BPF_MAP_TYPE_HASH, struct wire_alias, __be16, WIRE_ALIASES_MAX, BPF_F_NO_PREALLOC);
/* contexts whose answers come back in another tunnel, and when that was last seen */
MAP(odd_tunnels, BPF_MAP_TYPE_LRU_HASH, struct flow_context, __u64, WIRE_ODD_TUNNELS_MAX, 0);
MAP(held, BPF_MAP_TYPE_LRU_HASH, struct flow_key, struct wire_syn, WIRE_HELD_MAX, 0);
MAP(answers, BPF_MAP_TYPE_LRU_HASH, struct wire_target, struct wire_answer, WIRE_ANSWERS_MAX, 0);
MAP(quic_seen, BPF_MAP_TYPE_LRU_HASH, struct wire_quic_key, struct wire_quic, WIRE_QUIC_MAX, 0);
MAP(asymmetric, BPF_MAP_TYPE_LRU_HASH, struct wire_target, struct wire_asymmetric, WIRE_ASYMMETRIC_MAX, 0);
/* flows of SSL servers that passed uninspected (H2) */
MAP(passed, BPF_MAP_TYPE_LRU_HASH, struct flow_key, __u32, WIRE_PASSED_MAX, 0);
MAP(embryonic, BPF_MAP_TYPE_ARRAY, __u32, struct flow_key, WIRE_EMBRYONIC_MAX, 0);
/* one per worker, made anew for each: what a dead one left unread is nobody's */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FLOW_WORKERS_MAX);
	__uint(key_size, sizeof(__u32));
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_RINGBUF);
			__uint(max_entries, FLOW_EVENTS_BYTES);
		});
} events SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, FLOW_WORKERS_MAX);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u64));
} listeners SEC(".maps");

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
}

static __always_inline struct wire_control *control_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}
