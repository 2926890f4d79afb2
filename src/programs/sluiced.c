/* SPDX-License-Identifier: Apache-2.0 */
/* sluiced: the supervisor of one instance. */
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/instance.h"
#include "base/log.h"
#include "daemon/check_stored.h"
#include "daemon/supervisor.h"
#include "daemon/teardown.h"

static const char usage_text[] =
	"usage: sluiced [--instance NAME] [--config FILE] [--bin-dir DIR] [--verbose]\n"
	"       sluiced --teardown [--instance NAME]\n"
	"       sluiced --check-stored [--instance NAME]\n"
	"The supervisor: brings the wire up, starts and watches the other programs, takes the operator's commands.\n"
	"Stays in the foreground; prints \"ready\" once the wire is up. SIGTERM stops it and leaves the wire up\n"
	"without inspection (layer-2 fallback).\n"
	"\n"
	"  --instance NAME  every name in the system derives from it (default: " INSTANCE_DEFAULT ")\n"
	"  --config FILE    committed at the first start, when no configuration is stored yet\n"
	"  --bin-dir DIR    where the other programs are (default: beside sluiced)\n"
	"  --teardown       ends what is left of the instance and takes it off the wire: ports go back to this\n"
	"                   network namespace; stored configuration, certificates and logs stay\n"
	"  --check-stored   says whether this version takes the newest stored configuration, changes nothing; needs "
	"no\n"
	"                   supervisor\n"
	"  --verbose        debug messages on standard error\n"
	"  --version, --help\n";

static const char *own_directory(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);

	path[n < 0 ? 0 : n] = '\0';
	return dirname(path);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"instance", required_argument, NULL, 'i'},
		{"config", required_argument, NULL, 'c'}, {"bin-dir", required_argument, NULL, 'b'},
		{"teardown", no_argument, NULL, 't'}, {"check-stored", no_argument, NULL, 's'},
		{"foreground", no_argument, NULL, 'f'}, {"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *name = INSTANCE_DEFAULT, *config = NULL, *bin_dir;
	struct instance instance;
	char own[4096];
	int option, teardown = 0, check_stored = 0;

	bin_dir = own_directory(own, sizeof(own));
	log_set_name("sluiced");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'i')
			name = optarg;
		else if (option == 'c')
			config = optarg;
		else if (option == 'b')
			bin_dir = optarg;
		else if (option == 't')
			teardown = 1;
		else if (option == 's')
			check_stored = 1;
		else if (option == 'v')
			log_set_level(LOG_LEVEL_DEBUG);
		else if (option == 'V')
			return puts("sluiced " SLUICE_VERSION) < 0;
		else if (option != 'f')
			return fputs(usage_text, option == 'h' ? stdout : stderr) < 0 || option != 'h' ? 2 : 0;
	}
	if (optind < argc || instance_init(&instance, name) < 0) {
		fprintf(stderr,
			"sluiced: an instance's name is 1 to %d letters, digits, '-' and '_'; no other arguments\n",
			INSTANCE_NAME_MAX);
		return 2;
	}
	if (geteuid() != 0) {
		fputs("sluiced: must run as root (namespaces, eBPF)\n", stderr);
		return 1;
	}
	if (check_stored)
		return check_stored_main(&instance);
	return teardown ? teardown_main(&instance) : supervisor_main(&instance, bin_dir, config);
}
