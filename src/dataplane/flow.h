/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#pragma once
/* What eBPF programs and user space share (design: data plane). Fixed-width fields, explicit padding, static asserts:
 * the layout is part of the pinned maps' interface. */
#include <linux/types.h>

#define FLOW_WORKERS_MAX 32 /* slots of the listener SOCKMAP and the heartbeat map */
#define FLOW_VLAN_PRESENT 0x1000
#define FLOW_VLAN_SERVICE 0x2000 /* a service tag (802.1ad) */

enum flow_encap { FLOW_ENCAP_NONE, FLOW_ENCAP_IPIP, FLOW_ENCAP_GRE, FLOW_ENCAP_GRE_KEY };
enum flow_dir { FLOW_TO_SERVER, FLOW_TO_CLIENT, FLOW_DIRS };

/* Key as the inspect namespace sees the connection; client.port may be an internal one (overlapping tenants). */
struct flow_key {
	__be32 client_ip, server_ip;
	__be16 client_port, server_port;
};

/* Where a flow lives: two tenants may use one 4-tuple in two of these (A5). Tunnels without a key differ by their ends
 * alone, so these belong to it. */
struct flow_context {
	__u16 vlan; /* FLOW_VLAN_PRESENT | FLOW_VLAN_SERVICE | VLAN id of the outer tag, 0 when untagged */
	__u8 encap; /* enum flow_encap */
	__u8 side;  /* port on which the client's SYN arrived: 0 A, 1 B */
	__be32 gre_key;
	__u16 segment; /* the wire's own number of the pair of ports, kept over commits; its name: virtual_segment_id */
	__u16 vlan_inner; /* as vlan, of the second tag; 0 when there is none */
	__be32 tunnel_client,
		tunnel_server; /* outer addresses on the client's and the server's side; 0 without tunnel */
};

/* The header that leaves with this direction's frames: what the sender of that direction last used (A2). */
struct flow_header {
	__u8 mac[12]; /* destination, source */
	__u16 tci, tci_inner;
	__u16 pad;
	__u8 ttl, tos;             /* of the inner IP header */
	__u8 outer_ttl, outer_tos; /* of the tunnel header */
	__be16 outer_df;           /* its flags and offset field: "don't fragment" or 0 */
	__be32 outer_source, outer_destination;
};

#define FLOW_FIN_TO_SERVER 0x01 /* seen from the client on the port */
#define FLOW_FIN_TO_CLIENT 0x02 /* seen from the server on the port */
#define FLOW_FIN_SENT_TO_SERVER 0x04
#define FLOW_FIN_SENT_TO_CLIENT 0x08
#define FLOW_RST 0x10         /* a leg was reset; which one: */
#define FLOW_ESTABLISHED 0x20 /* the client answered our SYN-ACK */
#define FLOW_RST_CLIENT_LEG 0x40
#define FLOW_RST_SERVER_LEG 0x80

/* Whether the client's SYN has been let into `inspect` (A1: not before the server has answered the server leg's) */
enum flow_hold {
	FLOW_OPEN,     /* it has, or was never held */
	FLOW_HELD,     /* kept; a worker connects to the server */
	FLOW_ANSWERED, /* the server answered when the SYN was no longer kept: the client's next one goes in */
	FLOW_REFUSED,  /* the client was told so in the server's own words; its next SYN is a new flow */
};

/* What a worker is told through the ring of its slot. `again`: the client repeats its SYN, which only matters where
 * nobody connects any more. */
enum flow_event_kind { FLOW_EVENT_HELD, FLOW_EVENT_AGAIN, FLOW_EVENT_GONE };
#define FLOW_EVENTS_BYTES 65536 /* of that ring, a BPF_MAP_TYPE_RINGBUF */
struct flow_event {
	struct flow_key key;
	__u32 kind;
};

struct flow {
	struct flow_context context;
	__u32 config_version;                                               /* epoch whose policy decided at SYN */
	__u16 profile_id, ssl_policy_id, ssl_server_id, virtual_segment_id; /* ids of that configuration */
	__be16 client_port;                                                 /* true client port */
	__u8 worker;                                                        /* slot chosen at SYN */
	__u8 flags;                                                         /* FLOW_* above */
	__u32 syn_ack_next; /* what the client's answer to our SYN-ACK acknowledges */
	__u64 created_ns, last_ns;
	struct flow_header header[FLOW_DIRS];
	__u64 packets[FLOW_DIRS], bytes[FLOW_DIRS];
	/* the acknowledgement we last sent, or owe, to this direction's sender: only a reset at that number counts
	 * (RFC 5961 3.2) */
	__u32 next_seq[FLOW_DIRS];
	__u32 syn_next; /* what the server's answer to our SYN acknowledges */
	__u16 place;    /* among those whose client has not answered */
	__u8 hold;      /* enum flow_hold */
	__u8 pad;
	__u32 server_mark; /* whose quota it counts in; 0: none */
	__u32 pad2;
};
_Static_assert(sizeof(struct flow_key) == 12, "flow_key is a map key");
_Static_assert(sizeof(struct flow_context) == 20, "flow_context is part of a map key");
_Static_assert(sizeof(struct flow_header) == 32, "flow_header");
_Static_assert(sizeof(struct flow_event) == 16, "flow_event");
_Static_assert(sizeof(struct flow) == 176, "flow is a map value");
