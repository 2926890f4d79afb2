/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The ports of the segments in force, for operators and SNMP: facts, counters, and what is set so that the wire is not
 * transparent. */
#include <jansson.h>

struct supervisor;

/* {ok, ports: [{name, segment, side, ...}]}, two for each segment */
json_t *report_ports(struct supervisor *supervisor, const json_t *request);
/* the warnings, in the System log; once for each configuration that comes into force */
void ports_record(struct supervisor *supervisor);
