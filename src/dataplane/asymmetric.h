/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A6: servers of whose flows only one direction was seen, as the programs have noted them. */
#include <stddef.h>

#include "dataplane/abi.h"

struct dataplane;

struct dataplane_asymmetric {
	struct wire_target target;
	struct wire_asymmetric seen;
};
/* how many, at most max; -errno */
int dataplane_read_asymmetric(struct dataplane *dataplane, struct dataplane_asymmetric *rows, size_t max);
/* it is inspected again, from the next new flow on */
int dataplane_forget_asymmetric(struct dataplane *dataplane, const struct wire_target *target);
