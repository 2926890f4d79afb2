/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The AgentX sub-agent. The only file that knows Net-SNMP is agent.c. */
#include "stats/stats.h"

/* Serves the MIB through the snmpd that listens at socket_path until the control socket ends (0) or fails (-errno). It
 * connects again, for ever, when snmpd restarts. */
int agent_run(int control_fd, const char *socket_path, const struct stats_page *stats);
