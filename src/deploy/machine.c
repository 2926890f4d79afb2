/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/common.h"
#include "deploy/agent.h"
#include "deploy/preflight.h"
#include "deploy/xml.h"

void machine_volume(const struct machine *machine, const char *suffix, char out[96])
{
	snprintf(out, 96, "%s%s", machine->plan.name, suffix);
}

static int upload_progress(struct source *source, uint64_t done)
{
	struct machine *machine = source->progress_data;

	report_progress(machine->report, done, source->size);
	return *machine->interrupted ? -EINTR : 0;
}

int machine_upload(struct machine *machine, const char *volume, struct source *source)
{
	source->progress = upload_progress;
	source->progress_data = machine;
	return machine->hv->ops->volume_upload(machine->hv, machine->plan.pool, volume, source);
}

int machine_change_medium(struct machine *machine, const char *name, const char *path)
{
	_cleanup_free_ char *xml = NULL;
	size_t len;
	FILE *out = open_memstream(&xml, &len);

	if (!out)
		return -ENOMEM;
	plan_write_drive(path, out);
	fclose(out);
	return machine->hv->ops->domain_update(machine->hv, name, xml);
}

void machine_wipe_volume(struct machine *machine, const char *pool, const char *volume)
{
	int wiped = machine->hv->ops->volume_wipe(machine->hv, pool, volume), deleted;

	if (wiped == -ENOENT)
		return;
	if (wiped < 0)
		report_left(machine->report, "volume %s of pool %s was not overwritten: %s", volume, pool,
			machine->hv->error);
	deleted = machine->hv->ops->volume_delete(machine->hv, pool, volume);
	if (deleted < 0)
		report_left(machine->report, "delete it, it holds secrets: virsh vol-delete --pool %s %s (%s)", pool,
			volume, machine->hv->error);
}

/* --- waiting --------------------------------------------------------------------------------------------------------
 */

/* what the appliance said when it read its settings: why it is not well is often there */
static void tell_journal(struct machine *machine, const char *name)
{
	static const char *const argv[] = {"/usr/bin/journalctl", "--boot", "--output=cat", "--lines=12", "--no-pager",
		"--unit=sluice-day0", "--unit=sluice-day0-commit", "--unit=sluice@sluice", NULL};
	_cleanup_free_ char *text = NULL;

	if (agent_run(machine->hv, name, argv, 30, &text) == 0 && text && *text) {
		report_clean(text);
		fprintf(machine->report->err, "the machine says:\n%s", text);
	}
}

int machine_wait_well(struct machine *machine, const char *name, bool settings)
{
	const struct timespec pause = {.tv_sec = 2};
	uint64_t until = clock_now_ns() + machine->options->wait_seconds * NSEC_PER_SEC;
	char before[160] = "";

	for (;;) {
		struct health health;
		bool well = health_look(machine->hv, name, settings, &health);
		char why[160];

		snprintf(why, sizeof(why), "%s", health.why);
		health_clear(&health);
		if (well)
			return 0;
		if (strcmp(why, before) != 0)
			report_step(machine->report, "  not yet: %s", why);
		snprintf(before, sizeof(before), "%s", why);
		if (*machine->interrupted)
			return report_fail(machine->report, -EINTR, "run it again", "interrupted");
		if (clock_now_ns() > until) {
			tell_journal(machine, name);
			return report_fail(machine->report, -ETIMEDOUT,
				"deploy with --keep and look at virsh console; --wait with more on a slow host",
				"%s is not well after %u s: %s", name, machine->options->wait_seconds, why);
		}
		nanosleep(&pause, NULL);
	}
}

/* --- preflight and status -------------------------------------------------------------------------------------------
 */

int machine_preflight(struct machine *machine)
{
	struct findings findings = {0};

	preflight_run(
		&machine->plan, machine->with_image ? &machine->image : NULL, machine->host, machine->hv, &findings);
	json_object_set_new(machine->report->result, "preflight", findings_json(&findings));
	if (machine->options->day0 &&
		medium_from_day0(machine->options->day0, machine->plan.name, machine->report, &machine->seed) < 0)
		return DEPLOY_FAILED;
	if (!machine->report->json)
		findings_print(&findings, machine->report->out);
	return findings_worst(&findings) == FINDING_REFUSED ? DEPLOY_FAILED : DEPLOY_OK;
}

static void print_status(struct report *report, const char *name, const struct hypervisor_domain *domain,
	const struct health *health, const json_t *addresses)
{
	const json_t *address;
	size_t i;

	report_print(report, "%-16s %s", "Machine", name);
	report_print(report, "%-16s %s%s", "State", domain->state, domain->autostart ? ", starts with the host" : "");
	report_print(report, "%-16s %u vCPU, %llu MB", "Size", domain->vcpus, (unsigned long long)domain->memory_mib);
	json_array_foreach(addresses, i, address) report_print(report, "%-16s %s/%lld on %s", "Address",
		json_string_value(json_object_get(address, "address")) ?: "?",
		json_integer_value(json_object_get(address, "prefix")),
		json_string_value(json_object_get(address, "name")) ?: "?");
	if (*health->version)
		report_print(report, "%-16s %s", "Version", health->version);
	if (*health->inspection)
		report_print(report, "%-16s %s", "SSL inspection", health->inspection);
	report_print(report, "%-16s %s", "Health", *health->why ? health->why : "well");
}

int machine_status(struct machine *machine)
{
	struct report *report = machine->report;
	const char *name = machine->plan.name;
	struct hypervisor_domain domain;
	struct health health = {0};
	json_auto_t *addresses = NULL;
	bool well = false;

	if (machine->hv->ops->domain(machine->hv, name, &domain) < 0) {
		report_fail(
			report, -ENOENT, "virsh list --all", "there is no machine %s: %s", name, machine->hv->error);
		return DEPLOY_FAILED;
	}
	if (domain.active) {
		well = health_look(machine->hv, name, false, &health);
		addresses = health.agent ? agent_addresses(machine->hv, name) : NULL;
	} else {
		snprintf(health.why, sizeof(health.why), "it does not run: virsh start %s", name);
	}
	if (report->json) {
		json_object_update_new(
			report->result, json_pack("{s:s, s:s, s:b, s:i, s:I, s:o}", "name", name, "state", domain.state,
						"autostart", domain.autostart, "vcpus", domain.vcpus, "memory_mb",
						(json_int_t)domain.memory_mib, "health", health_json(&health)));
		json_object_set_new(report->result, "well", json_boolean(well));
		if (addresses)
			json_object_set(report->result, "addresses", addresses);
	} else {
		print_status(report, name, &domain, &health, addresses);
	}
	health_clear(&health);
	return well ? DEPLOY_OK : DEPLOY_UNHEALTHY;
}
