/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside day0/: what settings of their own say of Sluice (log_targets; SNMP once there are users) is added to the
 * configuration that stands beside them. */
#include "day0/settings.h"

/* *out is malloc'ed, the caller's; a pure function. -EINVAL with the reason in problems, whose lines are those of
 * text. */
int day0_complete(const struct day0_settings *settings, const char *text, size_t len, char **out, size_t *out_len,
	struct config_problems *problems);
/* the configuration that stands in the settings, completed and read as Sluice will read it; problems with the lines of
 * the settings */
void day0_check_configuration(const struct day0_settings *settings, struct config_problems *problems);
