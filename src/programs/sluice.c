/* SPDX-License-Identifier: Apache-2.0 */
/* sluice: the operator's program. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
