/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What an inspection profile makes of each of its filters (F1, B8, B11): off, or with an action set. The override of
 * the filter itself goes before its category, and that before the profile's default; where none of them says anything,
 * the filter's own action holds. */
#include "config/config.h"

struct treatment {
	bool off;
	const struct config_action_set *action_set; /* NULL: the filter's own action */
};

struct treatments; /* of one profile, which must outlive it */
int treatments_new(struct treatments **out, const struct config_profile *profile);
void treatments_free(struct treatments **treatments);
/* category: the filter's classtype, "" when it has none */
struct treatment treatments_find(const struct treatments *treatments, uint32_t sid, const char *category);
