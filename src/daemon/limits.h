/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* F6: thresholds of concurrent SSL sessions, told in the System log with hysteresis. What happens at the critical one
 * is the eBPF programs' work. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct supervisor;

struct limits_watch {
	bool warning, critical;
	uint32_t entered; /* critical, as the programs count it */
	uint64_t now, high_water;
};

void limits_tick(struct supervisor *supervisor);
/* for `status`: {max_sessions, warning, critical, state, action, sessions, high_water} */
json_t *limits_report(const struct supervisor *supervisor);
