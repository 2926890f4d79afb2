/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A configuration as the entries of the policy maps: a pure function, so that whatever does not fit is refused before
 * anything in the kernel is touched (F4). Epochs in the keys are left 0 for the writer to fill in. */
#include <stddef.h>

#include "config/config.h"
#include "dataplane/abi.h"
#include "dataplane/plan_bypass.h"

struct plan_server {
	struct wire_prefix key; /* scope: profile */
	struct wire_server value;
};

struct plan {
	size_t n_virtual_segments, n_destinations, n_servers, n_exceptions;
	struct wire_virtual_segment *virtual_segments;
	struct wire_prefix *destinations;
	struct plan_server *servers;
	struct wire_prefix *exceptions; /* scope: SSL policy */
	struct plan_bypass bypass;
	size_t n_server_limits;
	struct wire_server_limits server_limits[WIRE_SERVERS_MAX]; /* by id */
};

/* segment_numbers[i]: the wire's number of config->segments[i]. -E2BIG with the limit logged, -ENOMEM. With
 * ssl_inspection off (F5) the plan is empty: everything is forwarded. */
int plan_new(struct plan **out, const struct config *config, const uint16_t *segment_numbers);
void plan_free(struct plan **plan);
