/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

enum session_step {
#define SESSION_STEP(id, name, timeout, reason) SESSION_##id,
#include "stats/session_steps.def"
#undef SESSION_STEP
	SESSION_CLOSED /* not a step: the session is over */
};

/* the step's name, as in the sessions list; "closed" for anything else */
const char *session_step_name(unsigned int step);
