/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* F6, B12: how many SSL sessions there are, of the device, of each SSL server that has a bound and of each source, and
 * what becomes of a new one beyond. What drifts (a flow that user space removed) the supervisor puts right every second
 * (limits.c). */
#include "parse.bpf.h"

static __always_inline struct wire_session_limits *session_limits_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&session_limits, &zero);
}

static __always_inline void quota_add(struct wire_quota *quota, int n)
{
	if (quota && (n > 0 || quota->sessions))
		__sync_fetch_and_add(&quota->sessions, n);
}

static __always_inline void source_add(__be32 client, int n)
{
	struct wire_quota *quota = bpf_map_lookup_elem(&source_quotas, &client), first = {.sessions = 1};

	if (quota)
		quota_add(quota, n);
	else if (n > 0)
		bpf_map_update_elem(&source_quotas, &client, &first, BPF_ANY);
}

/* with hysteresis: only the CPU that finds it over counts that */
static __always_inline int device_is_full(struct wire_session_limits *limits)
{
	__u64 sessions = *(volatile __u64 *)&limits->sessions;

	if (!limits->critical)
		return 0;
	if (limits->over && sessions <= limits->clear)
		limits->over = 0;
	else if (!limits->over && sessions >= limits->critical && __sync_val_compare_and_swap(&limits->over, 0, 1) == 0)
		__sync_fetch_and_add(&limits->entered, 1);
	return limits->over;
}

/* a session has begun (n = 1) or ended (-1) */
static __noinline int sessions_add(__u32 server_mark, __be32 client, int n)
{
	struct wire_session_limits *limits = session_limits_get();
	__u64 sessions;

	if (!limits)
		return 0;
	sessions = __sync_fetch_and_add(&limits->sessions, (__s64)n) + n;
	if (n > 0 && sessions > limits->peak)
		limits->peak = sessions;
	device_is_full(limits);
	if (server_mark)
		quota_add(bpf_map_lookup_elem(&server_quotas, &server_mark), n);
	if (limits->per_source)
		source_add(client, n);
	return 0;
}

static __always_inline void sessions_follow(__u32 server_mark, __be32 client, __u8 before, __u8 after)
{
	int n = flow_is_session(after) - flow_is_session(before);

	if (n)
		sessions_add(server_mark, client, n);
}

static __always_inline int source_is_full(const struct wire_session_limits *limits, __be32 client)
{
	struct wire_quota *quota = limits->per_source ? bpf_map_lookup_elem(&source_quotas, &client) : NULL;

	return quota && quota->sessions >= limits->per_source;
}

static __always_inline int server_is_full(const struct wire_server_limits *limits, struct wire_quota *quota)
{
	__u64 second = bpf_ktime_get_ns() / 1000000000ull;

	if (limits->sessions && quota->sessions >= limits->sessions)
		return 1;
	if (!limits->new_per_second)
		return 0;
	if (quota->second != second) {
		quota->second = second;
		quota->started = 0;
	}
	return __sync_fetch_and_add(&quota->started, 1) >= limits->new_per_second;
}

/* Which bound keeps this SYN from inspection: the counter of passing it, and in *block whether it is dropped and
 * counted in the next one instead; 0: none. A source's own bound comes first, so that what it is refused moves nothing
 * else. */
static __noinline int limits_judge(__u32 epoch, __u32 server_id, __be32 client, __u32 *mark, __u32 *block)
{
	__u32 index = (epoch & 1) * WIRE_SERVERS_MAX + (server_id & (WIRE_SERVERS_MAX - 1));
	struct wire_server_limits *server = bpf_map_lookup_elem(&server_limits, &index);
	struct wire_session_limits *device = session_limits_get();
	struct wire_quota *quota;

	if (!device || !server)
		return 0;
	if (source_is_full(device, client)) {
		*block = device->block_source;
		return COUNT_WIRE_PASSED_SOURCE_LIMIT;
	}
	*mark = server->mark;
	quota = server->mark ? bpf_map_lookup_elem(&server_quotas, &server->mark) : NULL;
	if (quota && server_is_full(server, quota)) {
		*block = server->block;
		return COUNT_WIRE_PASSED_SERVER_LIMIT;
	}
	if (!device_is_full(device))
		return 0;
	*block = device->block;
	return COUNT_PASSED_MAX_CONNS;
}
_Static_assert(COUNT_WIRE_BLOCKED_SOURCE_LIMIT == COUNT_WIRE_PASSED_SOURCE_LIMIT + 1 &&
		       COUNT_WIRE_BLOCKED_SERVER_LIMIT == COUNT_WIRE_PASSED_SERVER_LIMIT + 1 &&
		       COUNT_BLOCKED_MAX_CONNS == COUNT_PASSED_MAX_CONNS + 1,
	"limits_judge");
