/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/main.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "deploy/machine.h"

static volatile bool interrupted;

static void on_signal(int number)
{
	interrupted = true;
}

static const struct {
	const char *name;
	int (*run)(struct machine *machine);
} runs[] = {
	{"preflight", machine_preflight},
	{"deploy", machine_deploy},
	{"status", machine_status},
	{"upgrade", machine_upgrade},
	{"remove", machine_remove},
};

/* what both preflight and deploy are told of the image */
static int prepare(struct machine *machine)
{
	char problem[256] = "", mend[256] = "";
	int r = plan_make(machine->options, &machine->plan, problem, mend);

	if (r < 0)
		return report_fail(machine->report, r, mend, "%s", problem);
	if (!machine->options->image)
		return 0;
	report_step(machine->report, "read %s", machine->options->image);
	r = image_open(machine->options->image, machine->options->sha256, &machine->image, problem);
	machine->with_image = r >= 0;
	return r < 0 ? report_fail(
			       machine->report, r, "vm/build-image makes sluice-VERSION.qcow2 and .ova", "%s", problem)
		     : 0;
}

static int run(struct machine *machine)
{
	struct hypervisor hv;
	int r = DEPLOY_FAILED;

	if (prepare(machine) < 0)
		return DEPLOY_FAILED;
	if (hypervisor_open(machine->options->connect, &hv) < 0) {
		report_fail(machine->report, -ECONNREFUSED,
			"systemctl start libvirtd (or virtqemud), be root or of group libvirt, or name another with "
			"--connect",
			"the hypervisor cannot be reached: %s", hv.error);
		return DEPLOY_NO_HYPERVISOR;
	}
	machine->hv = &hv;
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		if (strcmp(runs[i].name, machine->options->command) == 0)
			r = runs[i].run(machine);
	medium_free(&machine->seed);
	hypervisor_close(&hv);
	return r;
}

int deploy_main(int argc, char **argv)
{
	const struct host host = {.root = ""};
	struct options options;
	struct report report;
	struct machine machine = {.host = &host, .options = &options, .report = &report, .interrupted = &interrupted};
	int r;

	log_set_name("sluice-deploy");
	if (argc > 1 && strcmp(argv[1], "--complete") == 0)
		return options_complete(argc - 2, argv + 2, stdout), 0;
	r = options_parse(argc, argv, &options, stderr);
	if (options.help || argc < 2) {
		options_help(options.command, r < 0 ? stderr : stdout);
		return r < 0 ? DEPLOY_USAGE : DEPLOY_OK;
	}
	if (r < 0)
		return DEPLOY_USAGE;
	/* what was made is taken back */
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	report_begin(&report, options.json);
	r = run(&machine);
	report_end(&report);
	return r;
}
