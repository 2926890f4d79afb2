/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "ipc/message.h"
#include "snmp/agent.h"

#define START_TIMEOUT_MS 30000

static const char usage[] =
	"usage: sluice-snmp\n"
	"\n"
	"Serves SLUICE-MIB through snmpd (AgentX). Started by sluiced, with its control socket as descriptor 3.\n"
	"\n"
	"  --help     this text\n"
	"  --version  the version\n";

static int snmp_take_start(json_t **start, struct stats_page **stats)
{
	size_t n_fds = 1;
	int fd = -1, r = ipc_recv(SNMP_CONTROL_FD, START_TIMEOUT_MS, start, &fd, &n_fds);

	if (r < 0)
		return log_err_r(r, "no start message from the supervisor");
	r = n_fds == 1 ? stats_page_map(stats, fd, false) : -EPROTO;
	cleanup_close(&fd);
	return r < 0 ? log_err_r(r, "malformed start message") : 0;
}

static int snmp_run(void)
{
	struct stats_page *stats = NULL;
	json_t *start = NULL;
	const char *path;
	int r = snmp_take_start(&start, &stats);

	path = json_string_value(json_object_get(start, "setting"));
	if (r >= 0)
		r = path ? agent_run(SNMP_CONTROL_FD, path, stats) : log_err_r(-EPROTO, "no socket named");
	stats_page_free(&stats);
	json_decref(start);
	return r < 0;
}

int snmp_main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return fputs(usage, stdout) < 0;
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return printf("sluice-snmp %s\n", SLUICE_VERSION) < 0;
	if (argc > 1) {
		fputs(usage, stderr);
		return 2;
	}
	log_set_name("sluice-snmp");
	signal(SIGPIPE, SIG_IGN);
	return snmp_run();
}
