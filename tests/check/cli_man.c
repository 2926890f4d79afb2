/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-cli-man: docs/man/sluice.1 from the table of commands. */
#include "cli/cli.h"
#include "generated.h"

int main(int argc, char **argv)
{
	return generated_main(argc, argv, cli_write_manual);
}
