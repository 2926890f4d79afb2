/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside cli/: two texts compared by lines. */
#include <stdbool.h>
#include <stdio.h>

/* Writes a unified diff with three lines of context, nothing when the lines are the same. The number of hunks, or
 * -ENOMEM. */
int diff_print(FILE *out, const char *from_name, const char *from, const char *to_name, const char *to, bool colour);
