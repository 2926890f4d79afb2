/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The worker's end of the ring through which the eBPF programs tell it of held SYNs (dataplane/flow.h). */
#include <stdbool.h>

#include "dataplane/flow.h"

struct flow_events;

/* maps the ring; fd stays the caller's, and can be polled for reading */
int flow_events_map(struct flow_events **out, int fd);
void flow_events_unmap(struct flow_events **events);
/* takes the next one; false: there is none now */
bool flow_events_next(struct flow_events *events, struct flow_event *out);
