/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Test rig: the smallest transparent relay that stands in for a proxy worker. */
#include "dataplane/abi.h"

/* the listener of a slot, in the current namespace; or -errno */
int relay_listen(unsigned int slot);
/* serves for ever; beat is this slot's heartbeat cell */
_Noreturn void relay_run(int listener, int ring, volatile struct wire_heartbeat *beat);
