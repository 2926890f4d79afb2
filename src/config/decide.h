/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a configuration decides about a new connection, as the wire does at its SYN (src/dataplane/policy.bpf.h), but
 * with the reason: a pure function, for operators' questions (I2). */
#include "config/config.h"

struct config_flow {
	struct in_addr client, server;
	uint16_t port;       /* host order */
	int vlan;            /* -1: not said, 0: untagged */
	const char *segment; /* NULL: not said */
	int side;            /* on which the client's SYN arrives; -1: not said */
};

/* why a virtual segment does not take a connection; the first that applies */
enum config_miss {
	CONFIG_MISS_NONE,
	CONFIG_MISS_SEGMENT,
	CONFIG_MISS_SIDE,
	CONFIG_MISS_VLAN,
	CONFIG_MISS_SOURCE,
	CONFIG_MISS_DESTINATION,
};
enum config_miss config_virtual_segment_miss(
	const struct config_virtual_segment *segment, const struct config_flow *flow);

/* B5: the first that fits; what is not said of the flow fits */
const struct config_bypass_rule *config_find_bypass_rule(const struct config *config, const struct config_flow *flow);

/* the first object that is missing is NULL, and those after it */
struct config_decision {
	const struct config_ssl_server *address;  /* some SSL server has the address */
	const struct config_ssl_server *endpoint; /* and one the port too */
	const struct config_virtual_segment *virtual_segment;
	const struct config_ssl_policy *policy; /* of the virtual segment's profile, for that endpoint */
	const struct config_bypass_rule *bypass_rule;
	bool excepted; /* the client is a source address exception of it */
	bool inspected;
};
struct config_decision config_decide(const struct config *config, const struct config_flow *flow);
