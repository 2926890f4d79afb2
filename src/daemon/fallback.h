/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A8, layer-2 fallback: on an operator's command, for want of memory, and, which is the eBPF programs' own work and
 * only told here, while no worker lives. Sessions are cleared with resets on both legs; the System log names the cause.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct supervisor;

#define FALLBACK_ENDS 5 /* of workers within FALLBACK_ENDS_SECONDS make a crash loop */
#define FALLBACK_ENDS_SECONDS 60

struct fallback {
	bool down; /* for want of workers, and told */
	bool crash_loop;
	uint64_t ends_ns[FALLBACK_ENDS]; /* when workers last ended, a ring */
	unsigned int next_end;
	uint64_t calm_since_ns; /* memory is sufficient since; 0: it is not */
};

void fallback_tick(struct supervisor *supervisor);
/* a worker has ended that was not told to */
void fallback_on_worker_end(struct supervisor *supervisor);
/* the commands fallback_enter and fallback_leave; segment NULL: all. NULL, or what is wrong */
const char *fallback_command(struct supervisor *supervisor, const char *segment, bool enter, unsigned int *n);
/* why a segment of the configuration in force is in fallback; NULL: it is not */
const char *fallback_cause(struct supervisor *supervisor, size_t segment);
/* for `status`: {cause, segments, crash_loop}; cause of the first segment that is in fallback, or "none" */
json_t *fallback_report(struct supervisor *supervisor);
