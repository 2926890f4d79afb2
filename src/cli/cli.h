/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The operator's program `sluice` (I1): one table of commands (commands.c) gives parsing, abbreviations, help, manual
 * page, requests to the supervisor's control socket, and what is printed of the answers. */
#include <stdbool.h>
#include <stdio.h>

#include "base/instance.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,        /* refused by the supervisor, or failed here */
	CLI_USAGE = 2,         /* not a command line that means anything */
	CLI_NO_SUPERVISOR = 3, /* none is reachable */
};

struct cli {
	struct instance instance;
	int fd; /* control socket; -1: connect when first needed. Owned */
	FILE *out, *err;
	bool out_terminal, err_terminal;
	bool json;
};

/* runs one command line (argv[0] is the program's name); enum cli_exit */
int cli_run(struct cli *cli, int argc, char **argv);
int cli_main(int argc, char **argv);

/* docs/man/sluice.1 */
void cli_write_manual(FILE *out);
