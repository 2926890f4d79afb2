/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A seam for tests: every step of a commit, and of a change of the device key, passes here. In the programs that are
 * installed it does nothing; the test program sluiced-fault is linked with another fault.c (tests/fault), which fails
 * the step or ends the process in it.
 */

enum fault_point {
#define FAULT_POINT(id, name, end, text) FAULT_##id,
#include "base/fault_points.def"
#include "base/fault_points_keys.def"
#undef FAULT_POINT
	FAULT_N
};

/* 0, or -errno with which this step is to fail */
int fault_at(enum fault_point point);
