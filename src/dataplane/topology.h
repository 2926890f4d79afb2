/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two namespaces and the veth pair between them (design: data plane). Everything is idempotent: an adopted
 * instance is brought to the same state again. */
#include "dataplane/state.h"

/* makes or adopts both namespaces with all settings; fills dataplane->wire_netns and inspect_netns */
int topology_up(struct dataplane *dataplane);
/* sets both ends of the pair, and control->mtu */
int topology_set_mtu(struct dataplane *dataplane, unsigned int mtu);
/* removes the pair and both names; ports must have left before */
int topology_down(const struct instance *instance);
