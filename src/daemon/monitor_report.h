/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The reports that monitors may ask for, by name: what `sluice show` prints, and for the device the same figures beside
 * each other instead of in a tree. */
#include <jansson.h>

struct supervisor;

/* a new reference; NULL: there is no report of that name */
json_t *monitor_report_named(struct supervisor *supervisor, const char *name);
