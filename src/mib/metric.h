/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names in OpenMetrics: of counters "sluice_" or "sluice_server_" and their own name, of the MIB's objects the table's
 * word and their key; at the end the unit, where the name does not say it already. */
#include "mib/mib.h"

#define METRIC_NAME_MAX 128
#define METRIC_PREFIX "sluice_"
#define METRIC_SERVER_PREFIX "sluice_server_"

enum metric_kind {
	METRIC_NONE, /* text: not in OpenMetrics */
	METRIC_GAUGE,
	METRIC_COUNTER,   /* samples are called NAME_total */
	METRIC_TIMESTAMP, /* a gauge in seconds since 1970 */
	METRIC_TRUTH,     /* a gauge, 0 or 1 */
	METRIC_STATES,    /* a state set: one sample a word, with the name of the metric as label */
};

/* a counter's; without "_total" */
void metric_name(char out[METRIC_NAME_MAX], const char *prefix, const char *name, const char *unit);
/* table NULL: the device's */
void metric_object_name(char out[METRIC_NAME_MAX], const struct mib_table *table, const struct mib_object *object);
enum metric_kind metric_kind(const struct mib_object *object);
