/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* F6: the bounds of concurrent sessions for the programs, and their figures put right by what the flow table holds. */
#include "dataplane/plan.h"
#include "dataplane/state.h"

/* the servers' bounds under that epoch, and quotas for those that have some */
int limits_publish(struct dataplane *dataplane, const struct plan *plan, __u32 epoch);
/* from here on the device's bounds are these */
void limits_switch(struct dataplane *dataplane, const struct config *config);
/* quotas that no epoch names and that are empty go */
void limits_purge(struct dataplane *dataplane, __u32 keep);

/* What one look at every flow finds, for the figures that may have drifted: the device's, the servers' that have
 * bounds, and those sources' that are refused. */
struct limits_tally;
int limits_tally_new(struct limits_tally **out, struct dataplane *dataplane);
void limits_tally_count(struct limits_tally *tally, const struct flow_key *key, const struct flow *flow);
/* corrects and frees; NULL: does nothing */
void limits_tally_end(struct limits_tally **tally, struct dataplane *dataplane);
