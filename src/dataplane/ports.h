/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The ports of the configured segments in `wire`. One ports_set serves one dataplane_apply(). */
#include "dataplane/state.h"

struct ports_pair {
	const struct config_segment *segment;
	uint16_t number; /* of this pair in the wire, kept over commits */
	struct {
		int index; /* in `wire`; 0 while it is still in the caller's namespace */
		unsigned int mtu;
		bool entered; /* by this call */
		bool known;   /* it was a port already, as `before` */
		struct wire_port before;
	} port[CONFIG_SIDE_N];
};

struct ports_set {
	size_t n;
	struct ports_pair pairs[WIRE_SEGMENTS_MAX];
};

/* Finds every port and gives each pair its number; changes nothing. */
int ports_resolve(struct dataplane *dataplane, const struct config *config, struct ports_set *set);
/* Moves missing ports into `wire` with their program attached: the wire forwards from here on. Undo on any later
 * failure with ports_undo(). */
int ports_enter(struct dataplane *dataplane, struct ports_set *set);
void ports_undo(struct dataplane *dataplane, struct ports_set *set);
/* makes set's pairs the ones in force */
int ports_switch(struct dataplane *dataplane, const struct ports_set *set, bool inspection);
/* sends ports that set does not name back to the caller's namespace, and forgets the flows of their segments */
int ports_release_others(struct dataplane *dataplane, const struct ports_set *set);

/* after an adoption: the new programs on every port in force */
int ports_adopt(struct dataplane *dataplane);
/* every port of an instance back to the caller's namespace; needs no dataplane */
int ports_release_all(const struct instance *instance);
