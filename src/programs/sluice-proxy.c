/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-proxy: a worker, or with --compile the one-shot compiler of filter packages. Started by sluiced only. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/worker.h"

static int usage(FILE *to)
{
	fputs("usage: sluice-proxy [--compile]\n"
	      "A worker of Sluice, started by sluiced with its control socket as descriptor 3.\n"
	      "  --compile  compile filter packages once, answer on descriptor 3, exit\n"
	      "  --version  print the version\n",
		to);
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	if (argc > 2)
		return usage(stderr);
	if (argc == 1)
		return worker_main();
	if (!strcmp(argv[1], "--compile"))
		return compile_main();
	if (!strcmp(argv[1], "--version"))
		return puts("sluice-proxy " SLUICE_VERSION) < 0;
	return usage(!strcmp(argv[1], "--help") ? stdout : stderr);
}
