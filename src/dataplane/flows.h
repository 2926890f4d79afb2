/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Housekeeping of the flow and alias maps. */
#include "dataplane/state.h"

/* is this flow done with? now_ns is CLOCK_MONOTONIC. Pure. */
bool flow_is_over(const struct flow *flow, uint64_t now_ns, uint64_t idle_ns);
/* after an adoption: counts the entries, and drops aliases that a crash left without their flow */
int flows_recount(struct dataplane *dataplane);
int flows_remove_segment(struct dataplane *dataplane, uint16_t segment);
