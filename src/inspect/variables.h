/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Variables of rule files: what $HOME_NET and $HTTP_PORTS in the heads of filters stand for. They come as lines "var
 * NAME VALUE" (also ipvar and portvar, as Snort's rule files have them) before the filters; the configuration's are
 * such lines of a source of their own, read first. */
#include <stddef.h>

#include "base/common.h"

struct variable {
	char *name, *value;
};
struct variables {
	size_t n;
	struct variable *items;
};

/* The value of "$NAME", or of a port variable that packages use its usual one; NULL when it has none. */
const char *variables_find(const struct variables *variables, const char *name);
/* Is the line a definition? Then it is taken: 0, -EINVAL with a reason (the first definition stays), -ENOMEM; else 1.
 */
int variables_read_line(struct variables *variables, struct span line, char *reason, size_t reason_size);
void variables_clear(struct variables *variables);
