/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The MIB as a module's text, and the descriptors that it gives to counters. */
#include <stdio.h>

#include "mib/mib.h"

#define MIB_DESCRIPTOR_MAX 96

/* snmp-mib/SLUICE-MIB.txt */
void mib_write_module(FILE *out);
/* calls fn for each counter or close reason that has a number, in the order of their numbers, as an object: of the
 * device, or with server a column of the table of SSL servers. parent is passed on. */
void mib_each_counter(FILE *out, bool server, bool closed,
	void (*fn)(FILE *out, const struct mib_object *object, const char *parent), const char *parent);
/* "WIRE_NEW_FLOWS" after "slu": sluWireNewFlows; "no configuration" after "": noConfiguration */
void mib_write_descriptor(char out[MIB_DESCRIPTOR_MAX], const char *prefix, const char *words);
