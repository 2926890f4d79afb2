/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/main.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "keys/harden.h"

static const char usage[] =
	"usage: sluice-keys [--import]\n"
	"\n"
	"Holds the private keys and signs for the proxy workers. Started by sluiced, with its control socket as\n"
	"descriptor 3.\n"
	"\n"
	"  --import   read one certificate and key from the control socket, check and seal them, and end\n"
	"  --help     this text\n"
	"  --version  the version\n";

int keys_main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int err;

	if (argc == 2 && !strcmp(mode, "--help"))
		return fputs(usage, stdout) < 0;
	if (argc == 2 && !strcmp(mode, "--version"))
		return printf("sluice-keys %s\n", SLUICE_VERSION) < 0;
	if (argc > 2 || (*mode && strcmp(mode, "--import"))) {
		fputs(usage, stderr);
		return 2;
	}
	log_set_name(*mode ? "sluice-keys[import]" : "sluice-keys");
	err = keys_harden();
	if (err)
		return log_err_r(err, "cannot protect the process"), 1;
	return *mode ? import_run(KEYS_CONTROL_FD) : keeper_run(KEYS_CONTROL_FD);
}
