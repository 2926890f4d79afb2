/* SPDX-License-Identifier: Apache-2.0 */
#include "logship/main.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

static const char usage[] = "usage: sluice-log\n"
			    "\n"
			    "Writes the logs. Started by sluiced, with its control socket as descriptor 3.\n"
			    "\n"
			    "  --help     this text\n"
			    "  --version  the version\n";

int logship_main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return fputs(usage, stdout) < 0;
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return printf("sluice-log %s\n", SLUICE_VERSION) < 0;
	if (argc > 1) {
		fputs(usage, stderr);
		return 2;
	}
	log_set_name("sluice-log");
	return logship_run(LOGSHIP_CONTROL_FD);
}
