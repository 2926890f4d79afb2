/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* struct dataplane, for the sources of this folder */
#include "base/instance.h"
#include "dataplane/abi.h"
#include "dataplane/dataplane.h"

#define WIRE_TI0 "ti0" /* the veth end in `wire` */
#define WIRE_TI1 "ti1" /* the one in `inspect` */

struct dataplane_bpf; /* the skeleton: programs.c only */

struct dataplane {
	struct instance instance;
	int wire_netns, inspect_netns;
	struct dataplane_bpf *bpf;
	struct wire_control *control; /* the control map's cell */
	struct wire_session_limits *session_limits;
	int held_ports[2 * WIRE_SEGMENTS_MAX]; /* A11: indexes in `wire` of ports that stay down; 0: free */
	int64_t session_drift;                 /* of the last look at the flow table */
	int flow_map_fd;                       /* BPF_F_RDONLY */
	struct {
		int counters, heartbeats, listeners, ports, segment_ports, epochs, virtual_segments;
		int destinations, servers, server_keys, exceptions, flows, aliases, events, server_limits,
			server_quotas;
		int source_quotas, bypass_masks, bypass_rules, port_drops, quic_seen, asymmetric;
	} map; /* borrowed from bpf */
};
