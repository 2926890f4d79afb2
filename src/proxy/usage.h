/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* C6: what the filters of a worker's newest policy did and cost, for `show filters top`. */
#include "proxy/snapshot.h"

#define USAGE_ROWS_MAX 1000

/* {filters: [{profile, sid, rev, generator, name, category, action, hits, blocks, evaluations, cost_ns}], evaluations,
 * cost_ns, since}: the first USAGE_ROWS_MAX by that key (hits, else cost_ns) of those that were evaluated; sums over
 * all. New reference, NULL when memory is short. */
json_t *usage_report(const struct snapshot *snapshot, const char *by);
