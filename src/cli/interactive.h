/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside cli/: the program without a command, on a terminal. */
#include "cli/cli.h"

/* reads commands until the end; enum cli_exit */
int cli_interactive(struct cli *cli);
