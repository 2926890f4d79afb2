/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/session_step.h"

static const char *const names[] = {
#define SESSION_STEP(id, name, timeout, reason) [SESSION_##id] = #name,
#include "stats/session_steps.def"
#undef SESSION_STEP
};

const char *session_step_name(unsigned int step)
{
	return step < SESSION_CLOSED ? names[step] : "closed";
}
