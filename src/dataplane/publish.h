/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A plan into the policy maps. Nothing of it acts before control->epoch names its epoch. */
#include "dataplane/plan.h"
#include "dataplane/state.h"

int publish_write(struct dataplane *dataplane, const struct plan *plan, __u32 epoch, __u32 version);
/* removes the entries of every epoch but keep */
int publish_purge(struct dataplane *dataplane, __u32 keep);
