/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A12: what the programs have noted of QUIC to SSL servers. */
#include <stddef.h>

#include "dataplane/abi.h"

struct dataplane;

struct dataplane_quic {
	struct wire_quic_key key;
	struct wire_quic seen;
};
/* Takes what was noted since the last call, at most max; returns how many, or -errno. A datagram that comes while an
 * entry is taken may be missing from it: the device's counters have it. */
int dataplane_take_quic(struct dataplane *dataplane, struct dataplane_quic *rows, size_t max);
