/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/common.h"
#include "deploy/machine.h"
#include "deploy/xml.h"

#define VOLUMES_MAX 8
#define SHUTDOWN_SECONDS 60
#define VOLUMES "/domain/metadata/*[local-name()='deploy']/*[local-name()='volume']"

struct volumes {
	size_t n;
	char *pools[VOLUMES_MAX], *names[VOLUMES_MAX];
};

static void volumes_free(struct volumes *volumes)
{
	for (size_t i = 0; i < volumes->n; i++) {
		free(volumes->pools[i]);
		free(volumes->names[i]);
	}
}

static void find_volumes(const char *xml, struct volumes *out)
{
	out->n = xml_list(xml, VOLUMES "/@name", out->names, VOLUMES_MAX);
	if (xml_list(xml, VOLUMES "/@pool", out->pools, VOLUMES_MAX) != out->n)
		out->n = 0;
}

/* the word itself, so that nobody removes by leaning on a key */
static bool confirmed(struct machine *machine, const struct volumes *volumes)
{
	char answer[128] = "";

	if (machine->options->yes)
		return true;
	fprintf(machine->report->err, "Removes machine %s", machine->plan.name);
	for (size_t i = 0; i < volumes->n; i++)
		fprintf(machine->report->err, "%s %s of pool %s", i ? "," : " and deletes", volumes->names[i],
			volumes->pools[i]);
	fputs(".\nThe wire through it ends. Type the machine's name to go on: ", machine->report->err);
	fflush(machine->report->err);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	answer[strcspn(answer, "\n")] = '\0';
	return strcmp(answer, machine->plan.name) == 0;
}

/* asked first, so that its data are written; then off */
static int stop(struct machine *machine)
{
	const struct timespec pause = {.tv_nsec = 500000000};
	uint64_t until = clock_now_ns() + SHUTDOWN_SECONDS * NSEC_PER_SEC;
	struct hypervisor_domain domain;
	int r = machine->hv->ops->domain(machine->hv, machine->plan.name, &domain);

	if (r < 0 || !domain.active)
		return r;
	report_step(machine->report, "stop the machine");
	if (machine->hv->ops->domain_shutdown(machine->hv, machine->plan.name) >= 0)
		while (clock_now_ns() < until && !*machine->interrupted &&
			machine->hv->ops->domain(machine->hv, machine->plan.name, &domain) >= 0 && domain.active)
			nanosleep(&pause, NULL);
	if (!domain.active)
		return 0;
	report_step(machine->report, "it does not stop by itself: switch it off");
	return machine->hv->ops->domain_destroy(machine->hv, machine->plan.name);
}

static void delete_volumes(struct machine *machine, const struct volumes *volumes)
{
	json_t *deleted = json_array();

	for (size_t i = 0; i < volumes->n; i++) {
		report_step(machine->report, "delete %s", volumes->names[i]);
		if (machine->hv->ops->volume_delete(machine->hv, volumes->pools[i], volumes->names[i]) < 0)
			report_left(machine->report, "virsh vol-delete --pool %s %s (%s)", volumes->pools[i],
				volumes->names[i], machine->hv->error);
		else
			json_array_append_new(deleted, json_string(volumes->names[i]));
	}
	json_object_set_new(machine->report->result, "deleted_volumes", deleted);
}

/* a deployment that was kept although it did not become well still has its medium */
static void delete_seed(struct machine *machine, const struct volumes *volumes)
{
	char volume[96];

	machine_volume(machine, "-day0.iso", volume);
	for (size_t i = 0; i < volumes->n && i < 1; i++)
		machine_wipe_volume(machine, volumes->pools[i], volume);
}

int machine_remove(struct machine *machine)
{
	_cleanup_(volumes_free) struct volumes volumes = {0};
	_cleanup_free_ char *xml = NULL;
	const char *name = machine->plan.name;
	int r = machine->hv->ops->domain_xml(machine->hv, name, &xml);

	if (r < 0) {
		report_fail(
			machine->report, r, "virsh list --all", "there is no machine %s: %s", name, machine->hv->error);
		return DEPLOY_FAILED;
	}
	find_volumes(xml, &volumes);
	if (!confirmed(machine, &volumes)) {
		report_fail(
			machine->report, -ECANCELED, "--yes answers it", "nothing is removed: the name was not given");
		return DEPLOY_FAILED;
	}
	r = stop(machine);
	if (r >= 0)
		r = machine->hv->ops->domain_undefine(machine->hv, name);
	if (r < 0) {
		report_fail(machine->report, r, "virsh destroy, virsh undefine", "%s cannot be removed: %s", name,
			machine->hv->error);
		return DEPLOY_FAILED;
	}
	delete_volumes(machine, &volumes);
	delete_seed(machine, &volumes);
	if (!volumes.n)
		report_warn(machine->report, "its disk stays: sluice-deploy has not made it");
	json_object_set_new(machine->report->result, "removed", json_string(name));
	if (!machine->report->json)
		fprintf(machine->report->out, "%s is removed\n", name);
	return json_array_size(machine->report->left) ? DEPLOY_LEFT : DEPLOY_OK;
}
