/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The MIB as a module's text, and the descriptors that it gives to counters. */
#include <stdio.h>

#include "mib/mib.h"

#define MIB_DESCRIPTOR_MAX 96

/* snmp-mib/SLUICE-MIB.txt */
void mib_write_module(FILE *out);
/* "WIRE_NEW_FLOWS" after "slu": sluWireNewFlows; "no configuration" after "": noConfiguration */
void mib_write_descriptor(char out[MIB_DESCRIPTOR_MAX], const char *prefix, const char *words);
