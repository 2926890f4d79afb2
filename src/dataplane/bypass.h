/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* B5: bypass rules in the kernel's maps */
#include "dataplane/plan.h"
#include "dataplane/state.h"

int bypass_publish(struct dataplane *dataplane, const struct plan_bypass *plan, __u32 epoch);
/* rules of every epoch but keep go */
int bypass_purge(struct dataplane *dataplane, __u32 keep);
