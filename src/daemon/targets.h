/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The supervisor's processes for log targets. */
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct supervisor;

/* after a configuration came into force: processes begin, change and end. 0 or -ENOMEM */
int targets_apply(struct supervisor *supervisor);
/* to sluice-log: who must have received a record before it leaves the spool; nothing before the first configuration */
void targets_tell_log(struct supervisor *supervisor);
void targets_tick(struct supervisor *supervisor); /* watchdog */
void targets_stop(struct supervisor *supervisor);
void targets_free(struct supervisor *supervisor);
bool targets_own(const struct supervisor *supervisor, pid_t pid);
/* answer to `log_status`: a new reference */
json_t *targets_report(struct supervisor *supervisor);
