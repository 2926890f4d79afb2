/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The children that show the appliance to monitoring systems: the SNMP sub-agent. Each has
 * a user of its own, the stats page read-only, and read-only reports for the asking, a bounded number of times a
 * second. They end with the supervisor, and nothing waits for them. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/child.h"

#define MONITORS 1

struct supervisor;

struct monitor {
	struct child child;
	struct supervisor *supervisor;
	enum role role;
	char setting[128]; /* of the configuration, as it runs with */
	unsigned int queries, failures;
	uint64_t again_ns; /* not started before */
};

/* every second: starts, ends and restarts what the configuration in force asks for */
void monitor_tick(struct supervisor *supervisor);
void monitor_stop(struct supervisor *supervisor);
void monitor_kill(struct supervisor *supervisor);
bool monitor_stopped(const struct supervisor *supervisor);
/* {"state": "off"} or {"state", "pid"}; a new reference */
json_t *monitor_report(const struct supervisor *supervisor, enum role role);
