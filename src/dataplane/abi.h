/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* What the eBPF programs and their loader share besides flow.h: the control cell, the policy of new flows, counters.
 * Policy is written under a new epoch and put in force by one store to wire_control.epoch (F4): tries carry the epoch
 * in their key, arrays have one half for even and one for odd epochs. */
#include <linux/types.h>

#include "dataplane/flow.h"

#define WIRE_SEGMENTS_MAX 16                         /* of one configuration */
#define WIRE_SEGMENT_NUMBERS (2 * WIRE_SEGMENTS_MAX) /* old and new ones exist side by side during a change */
#define WIRE_VIRTUAL_SEGMENTS_MAX 64                 /* of one configuration */
#define WIRE_VLANS_MAX 8                             /* of one virtual segment */
#define WIRE_CIDRS_MAX 16                            /* sources, and as many destinations, of one virtual segment */
#define WIRE_PORT_RANGES_MAX 16                      /* detection ports of one destination in one profile */
#define WIRE_DESTINATIONS_MAX 8192                   /* of one configuration */
#define WIRE_EXCEPTIONS_MAX 16384                    /* of one configuration */
#define WIRE_FLOWS_MAX 262144
#define WIRE_ALIASES_MAX 65536
#define WIRE_SERVERS_MAX 256      /* SSL servers of one configuration */
#define WIRE_QUOTAS_MAX 4096      /* SSL servers with bounds, also those of former configurations with sessions left */
#define WIRE_SOURCES_MAX 65536    /* clients counted, the least recently used goes first */
#define WIRE_BYPASS_MASKS_MAX 256 /* of one configuration */
#define WIRE_BYPASS_KEYS_MAX 262144 /* of one configuration */
#define WIRE_ODD_TUNNELS_MAX 4096   /* remembered, the least recently used goes first */
#define WIRE_EMBRYONIC_MAX 65536    /* flows whose client has not answered: of more, the oldest makes way. flow.place */
#define WIRE_PASSED_MAX 65536       /* flows whose bytes are counted, the least recently used goes first */
#define WIRE_QUIC_MAX 1024          /* noted for the log, the least recently used goes first */
#define WIRE_ASYMMETRIC_MAX 1024    /* servers remembered, the least recently used goes first */
#define WIRE_HELD_MAX 16384         /* SYNs kept at once, the least recently used goes first */
#define WIRE_ANSWERS_MAX 16384      /* servers remembered, the least recently used goes first */
#define WIRE_COUNTERS_MAX 128       /* size of the map, so that a later list of counters finds room in an adopted one */

/* One cell, mapped by the supervisor: each field is read and written as one word. */
struct wire_control {
	__u32 epoch; /* policy in force; 0 none */
	__u32 ti0;   /* ifindex in `wire` */
	__u32 mtu;   /* of the veth pair */
	__u32 max_flows;
	__u64 workers; /* base << 32 | count: a generation changes at once */
	__u64 heartbeat_limit_ns;
	__u32 holds;     /* SYNs that may be held for one server within HOLD_WINDOW_NS */
	__u32 embryonic; /* next place in the array of that name */
	__u8 ti1_mac[6];
	__u8 pad[2];
	/* segments in layer-2 fallback (A8), a bit each by number: told by an operator, which outlasts a supervisor; or
	 * found necessary by it */
	__u32 fallback_commanded, fallback_overload;
	__u32 crash_loop; /* workers keep dying: while none lives, block_in_crash_loop decides */
	__u32 pad0;
	__u64 flows, aliases; /* entries in the maps of that name */
	__u64 quic_second;    /* CLOCK_MONOTONIC; ICMP errors sent in it: */
	__u32 quic_answers, pad1;
	__u64 passed; /* whether there ever was an entry in the map of that name */
	__u64 pad2[3];
};

/* value of the heartbeat array: one cache line per slot, so that workers do not disturb each other */
struct wire_heartbeat {
	__u64 ns; /* CLOCK_MONOTONIC */
	__u64 pad[7];
};

/* F6: bounds of concurrent SSL sessions. One cell, mapped by the supervisor; a session counts from the client's answer
 * to our SYN-ACK until its leg is over, so that SYNs alone move nothing. */
struct wire_session_limits {
	__u32 critical, clear; /* sessions: from critical on, and until no more than clear are left, it is over */
	__u32 block;           /* what over means for new sessions: dropped, not passed uninspected */
	__u32 per_source;      /* 0: no bound */
	__u32 block_source;
	__u32 pad[11];
	__u64 sessions;
	__u64 peak;          /* since the supervisor last looked */
	__u32 over, entered; /* whether now, and how often so far */
	__u64 pad2[5];
};

/* sessions of one SSL server or source */
struct wire_quota {
	__u32 sessions;
	__u32 started; /* in that second */
	__u64 second;  /* CLOCK_MONOTONIC */
};

/* what an SSL server may have; by server, one half for even and one for odd epochs */
struct wire_server_limits {
	__u32 mark;                     /* of its name: its key among the quotas, kept over commits; 0: no bound */
	__u32 sessions, new_per_second; /* 0: no bound */
	__u16 block;
	__u16 asymmetric_seconds; /* A6: how long it is bypassed; 0: not */
};

static inline int segment_in_fallback(const struct wire_control *control, __u16 segment)
{
	return (control->fallback_commanded | control->fallback_overload) >> (segment & 31) & 1;
}
_Static_assert(WIRE_SEGMENT_NUMBERS <= 32, "a bit for each segment");

/* a port's share of the counters of dropped frames */
struct wire_port_drops {
	__u64 counter[WIRE_COUNTERS_MAX];
};

/* key ifindex in `wire` */
struct wire_port {
	__u32 peer; /* ifindex of the other port */
	__u32 mtu;
	__u16 segment;
	__u8 side;
	__u8 block_when_down; /* drop instead of forward while no worker is live (A8) */
};

struct wire_epoch {
	__u32 config_version;
	__u32 virtual_segments; /* 0: everything is forwarded */
	__u32 bypass_masks;     /* 0: no bypass rule */
	__u32 pad;
};

/* B5: any number of bypass rules, as exact keys under the masks that occur: one lookup for each mask. A key carries its
 * mask's number, because the same bits mean other things under another mask. */
struct wire_bypass_mask {
	__u16 segment, vlan;
	__be16 port;
	__u8 side, protocol;
	__be32 source, destination;
};
struct wire_bypass_key {
	__u32 epoch;
	__u16 mask, pad;
	struct wire_bypass_mask bits;
};
struct wire_bypass {
	__u32 rule, pad; /* its place in the configuration */
	__u64 hits;
};

struct wire_cidr {
	__be32 address, mask;
};
struct wire_range {
	__u16 low, high;
};

/* F3: matched in order, first match wins */
struct wire_virtual_segment {
	__u16 segment, profile_id, id;
	__u8 side;
	__u8 n_vlans, n_sources, n_destinations; /* 0: any */
	__u16 pad;
	struct wire_range vlans[WIRE_VLANS_MAX];
	struct wire_cidr sources[WIRE_CIDRS_MAX], destinations[WIRE_CIDRS_MAX];
};

/* whether an SSL server's private keys can be used, and what becomes of its new sessions if not (E6) */
enum wire_key { WIRE_KEY_AVAILABLE, WIRE_KEY_BYPASS, WIRE_KEY_BLOCK };

/* Longest-prefix keys. scope is a profile (servers), a policy (exceptions) or 0 (destinations of all profiles). */
struct wire_prefix {
	__u32 prefixlen; /* WIRE_PREFIX_FIXED + that of the address */
	__u32 epoch, scope;
	__be32 address;
};
#define WIRE_PREFIX_FIXED 64

struct wire_detection {
	__u16 low, high; /* detection ports, host byte order; high 0 ends the list */
	__u16 server_id, policy_id;
	__u8 block_when_unavailable, block_in_crash_loop;
	__u8 block_quic, pad;
};
struct wire_server {
	struct wire_detection ranges[WIRE_PORT_RANGES_MAX];
};

/* overlapping tenants (A5): which internal port stands for this client port in this context */
struct wire_alias {
	struct flow_key key; /* as on the wire */
	struct flow_context context;
};

/* A12: who tried QUIC, where, and whether it was dropped */
struct wire_quic_key {
	__be32 client, server;
	__be16 port;
	__u16 vlan, segment;
	__u8 blocked, pad;
};
struct wire_quic {
	__u64 datagrams;
	__u32 config_version;
	__u16 ssl_server_id, ssl_policy_id, virtual_segment_id, pad;
	__u32 pad2;
};

/* a server as clients of one context address it */
struct wire_target {
	struct flow_context context;
	__be32 ip;
	__be16 port, pad;
};

/* A6: a server of whose flows only one direction is seen, by wire_target */
enum wire_asymmetry { WIRE_ASYMMETRIC_CLIENTS, WIRE_ASYMMETRIC_SERVER };
struct wire_asymmetric {
	__u64 last_ns, time_ns; /* new flows pass for that time from then on */
	__u64 frames;           /* that proved it */
	__u64 passed;           /* flows for it */
	__u32 config_version;
	__be32 client; /* the first one's */
	__u16 ssl_server_id, kind;
	__u32 pad;
};

struct wire_answer {
	__u64 answered_ns; /* last SYN-ACK; 0: never, or refused since */
	__u64 window_ns;   /* begin of the window in which holds are counted */
	__u32 holds;
	__u8 ttl, tos; /* of that SYN-ACK */
	__u16 pad;
};

/* a client's SYN as it will enter `inspect`: addresses and ports are the flow's key */
#define WIRE_TCP_OPTIONS 40
struct wire_syn {
	__be32 seq;
	__be16 window;
	__u8 flags, option_bytes;
	__u8 options[WIRE_TCP_OPTIONS];
};

/* the WIRE rows of the one list of counters, in its order */
#define WIRE_COUNTER_WIRE(id) COUNT_##id,
#define WIRE_COUNTER_WORKER(id)
#define WIRE_COUNTER_SERVER(id)
#define WIRE_COUNTER_KEEPER(id)
#define WIRE_COUNTER_LOG(id)
#define COUNTER(id, scope, unit, meaning) WIRE_COUNTER_##scope(id)
enum wire_counter {
#include "stats/counters.def"
	WIRE_COUNTERS
};
#undef COUNTER

/* A leg is over when it was reset or when both its FINs are through. */
static inline int flow_client_leg_over(__u8 flags)
{
	const __u8 fins = FLOW_FIN_TO_SERVER | FLOW_FIN_SENT_TO_CLIENT;

	return (flags & FLOW_RST_CLIENT_LEG) || (flags & fins) == fins;
}

static inline int flow_server_leg_over(__u8 flags)
{
	const __u8 fins = FLOW_FIN_TO_CLIENT | FLOW_FIN_SENT_TO_SERVER;

	return (flags & FLOW_RST_SERVER_LEG) || (flags & fins) == fins;
}

/* counts against the bounds of F6 */
static inline int flow_is_session(__u8 flags)
{
	return (flags & FLOW_ESTABLISHED) && !flow_client_leg_over(flags);
}

_Static_assert(WIRE_COUNTERS <= WIRE_COUNTERS_MAX, "counters");
_Static_assert(sizeof(struct wire_control) == 128, "wire_control");
_Static_assert(sizeof(struct wire_session_limits) == 128, "wire_session_limits");
_Static_assert(sizeof(struct wire_server_limits) == 16, "wire_server_limits");
_Static_assert(sizeof(struct wire_quota) == 16, "wire_quota");
_Static_assert(sizeof(struct wire_bypass_key) == 24, "wire_bypass_key is a map key");
_Static_assert(sizeof(struct wire_heartbeat) == 64, "wire_heartbeat");
_Static_assert(sizeof(struct wire_prefix) == 16, "wire_prefix is a map key");
_Static_assert(sizeof(struct wire_quic_key) == 16, "wire_quic_key is a map key");
_Static_assert(sizeof(struct wire_quic) == 24, "wire_quic");
_Static_assert(sizeof(struct wire_target) == 28, "wire_target is a map key");
_Static_assert(sizeof(struct wire_asymmetric) == 48, "wire_asymmetric");
_Static_assert(sizeof(struct wire_answer) == 24, "wire_answer");
_Static_assert(sizeof(struct wire_syn) == 48, "wire_syn");
_Static_assert(sizeof(struct wire_alias) == 32, "wire_alias is a map key");
_Static_assert(sizeof(struct wire_virtual_segment) == 300, "wire_virtual_segment");
_Static_assert(sizeof(struct wire_server) == 192, "wire_server");
