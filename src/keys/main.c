/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/main.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "keys/harden.h"

static const char usage[] =
	"usage: sluice-keys [--import | --export | --open | --keystore | --fetch]\n"
	"\n"
	"Holds the private keys and signs for the proxy workers. Started by sluiced, with its control socket as\n"
	"descriptor 3.\n"
	"\n"
	"  --import   read one certificate and key from the control socket, check and seal them, and end\n"
	"  --export   one stored key with its certificates as PKCS#12 under the operator's password, and end\n"
	"  --open     one stored key of a log target's credentials, for that target's process, and end\n"
	"  --keystore open the device key with a passphrase or a TPM, or make and protect a new one, and end\n"
	"  --fetch    get one private key from a key provider, check and seal it, and end\n"
	"  --help     this text\n"
	"  --version  the version\n";

static const struct {
	const char *argument, *log_name;
	int (*run)(int control_fd);
} modes[] = {
	{NULL, "sluice-keys", keeper_run},
	{"--import", "sluice-keys[import]", import_run},
	{"--export", "sluice-keys[export]", export_run},
	{"--open", "sluice-keys[open]", open_run},
	{"--keystore", "sluice-keys[keystore]", keystore_run},
	{"--fetch", "sluice-keys[fetch]", fetch_run},
};

int keys_main(int argc, char **argv)
{
	const char *argument = argc > 1 ? argv[1] : NULL;
	int err;

	if (argc == 2 && !strcmp(argument, "--help"))
		return fputs(usage, stdout) < 0;
	if (argc == 2 && !strcmp(argument, "--version"))
		return printf("sluice-keys %s\n", SLUICE_VERSION) < 0;
	for (size_t i = 0; i < ARRAY_SIZE(modes) && argc <= 2; i++) {
		if (argument ? !modes[i].argument || strcmp(argument, modes[i].argument) : modes[i].argument != NULL)
			continue;
		log_set_name(modes[i].log_name);
		err = keys_harden();
		if (err)
			return log_err_r(err, "cannot protect the process"), 1;
		return modes[i].run(KEYS_CONTROL_FD);
	}
	fputs(usage, stderr);
	return 2;
}
