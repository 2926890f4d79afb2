/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/main.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"

#define RELP_CONTROL_FD 3 /* the control socket, from the supervisor */

static const char usage[] =
	"usage: sluice-relp\n"
	"\n"
	"Sends the logs to one log target. Started by sluiced, with its control socket as descriptor 3.\n"
	"Links librelp: as a whole, this program is under the GNU GPL, version 3 or later.\n"
	"\n"
	"  --help     this text\n"
	"  --version  the version\n";

int relp_main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return fputs(usage, stdout) < 0;
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return printf("sluice-relp %s\n", SLUICE_VERSION) < 0;
	if (argc > 1) {
		fputs(usage, stderr);
		return 2;
	}
	log_set_name("sluice-relp");
#ifndef SLUICE_SANITIZED /* the leak check traces its own process */
	/* it may hold a private key: sluice-log, of the same user, is not to read its memory, nor is a core to be left
	 */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return 1;
#endif
	return target_run(RELP_CONTROL_FD);
}
