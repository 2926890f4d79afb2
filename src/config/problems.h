/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside config/: what is done with the list of problems beside adding to it. */
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

#define PROBLEMS_MAX 100 /* of each severity; more are not collected */

bool problems_full(const struct config_problems *problems, enum config_severity severity);
/* puts those at index `from` and after it into the document's order; says so when the list is full */
void problems_finish(struct config_problems *problems, size_t from);
bool problems_any_error(const struct config_problems *problems, size_t from);
