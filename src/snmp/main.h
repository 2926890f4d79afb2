/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* sluice-snmp: serves SLUICE-MIB through snmpd. Started by sluiced (docs/architecture.md); the exit status. */
#define SNMP_CONTROL_FD 3

int snmp_main(int argc, char **argv);
