/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files for monitoring systems, written from the MIB's arrays and the counters' definitions (H5, H6). */
#include <stdio.h>

#include "mib/metric.h"
#include "snmp/mib_text.h"

/* one thing that a manager can ask for */
struct monitoring_object {
	const struct mib_table *table; /* NULL: the device's */
	const struct mib_object *object;
	char oid[96]; /* numbers, without a dot in front and without the index */
	bool closed;  /* it counts ends of sessions */
};

/* all but tables that no monitoring system wants, in the order of the MIB; tables end with .n of their columns */
void monitoring_each(FILE *out, void (*fn)(FILE *out, const struct monitoring_object *object));
void monitoring_table_oid(char out[96], const struct mib_table *table);
/* in double quotes, for YAML and JSON */
void monitoring_quote(FILE *out, const char *text);

void monitoring_write_snmp_exporter(FILE *out); /* for 0.23 and later */
void monitoring_write_snmp_exporter_old(FILE *out);
void monitoring_write_zabbix(FILE *out);
void monitoring_write_librenms(FILE *out);
void monitoring_write_grafana(FILE *out);
void monitoring_write_counters(FILE *out); /* docs/counters.md */
