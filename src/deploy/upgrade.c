/* SPDX-License-Identifier: Apache-2.0 */
/* J5: an update goes into the machine on a medium, since nothing else reaches the machine from its hypervisor in one
 * piece; the machine itself checks its signature, installs it into the other slot and decides after the restart whether
 * it stays. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/common.h"
#include "deploy/agent.h"
#include "deploy/machine.h"
#include "deploy/xml.h"

#define UPDATE_LABEL "SLUICE_UPDATE"
#define UPDATE_NAME "update.raucb"
#define UPDATE_FOLDER "/run/sluice-update"
#define VOLUME_SUFFIX "-update.iso"

static const char *const mount_argv[] = {"/bin/sh", "-c",
	"mkdir -p " UPDATE_FOLDER " && udevadm settle && mount -o ro /dev/disk/by-label/" UPDATE_LABEL
	" " UPDATE_FOLDER,
	NULL};
static const char *const unmount_argv[] = {"/bin/umount", UPDATE_FOLDER, NULL};
static const char *const install_argv[] = {
	"/usr/sbin/sluice", "system", "upgrade", UPDATE_FOLDER "/" UPDATE_NAME, "--json", NULL};
static const char *const slots_argv[] = {"/usr/sbin/sluice", "system", "slots", "--json", NULL};
static const char *const boot_id_argv[] = {"/bin/cat", "/proc/sys/kernel/random/boot_id", NULL};
static const char *const reboot_argv[] = {"/bin/systemctl", "--no-block", "reboot", NULL};

static int upgrade_fail(struct machine *machine, int r, const char *mend, const char *what)
{
	return report_fail(machine->report, r, mend, "%s: %s", what, machine->hv->error);
}

/* the pool that holds the machine's disk, else the one of the options */
static void choose_pool(struct machine *machine)
{
	_cleanup_free_ char *xml = NULL, *pool = NULL;

	if (machine->hv->ops->domain_xml(machine->hv, machine->plan.name, &xml) == 0)
		pool = xml_text(
			xml, "string(/domain/metadata/*[local-name()='deploy']/*[local-name()='volume']/@pool)");
	if (pool && *pool)
		snprintf(machine->plan.pool, sizeof(machine->plan.pool), "%s", pool);
}

static int send_update(struct machine *machine, const char *volume, char **path)
{
	_cleanup_(medium_free) struct medium *medium = NULL;
	struct source source;
	int r = medium_new(UPDATE_LABEL, &medium);

	if (r >= 0)
		r = medium_add_file(medium, UPDATE_NAME, machine->options->update);
	if (r < 0)
		return report_fail(machine->report, r, "name the update file of the new version", "cannot read %s: %s",
			machine->options->update, strerror(-r));
	r = medium_source(medium, &source);
	if (r >= 0)
		r = machine->hv->ops->volume_make(machine->hv, machine->plan.pool, volume, "raw", source.size, path);
	if (r == -EEXIST)
		return upgrade_fail(machine, r, "another upgrade runs, or was cut off: then virsh vol-delete",
			"the medium cannot be made");
	if (r >= 0) {
		r = machine_upload(machine, volume, &source);
		if (r < 0)
			machine->hv->ops->volume_delete(machine->hv, machine->plan.pool, volume);
	}
	return r < 0 ? upgrade_fail(machine, r, "virsh pool-info", "the update cannot be sent to the hypervisor") : 0;
}

/* what the appliance answers, a new reference: {ok, from, to, slot}, or {error} */
static int install(struct machine *machine, json_t **answer)
{
	_cleanup_free_ char *text = NULL;
	const char *name = machine->plan.name, *said;
	int r = agent_run(machine->hv, name, mount_argv, 120, &text);

	if (r != 0)
		return report_fail(machine->report, r < 0 ? r : -EIO,
			"virsh console; the machine needs its CD drive (sda)",
			"the machine does not see the medium: %.200s",
			r < 0  ? machine->hv->error
			: text ? text
			       : "");
	free(TAKE_PTR(text));
	report_step(machine->report, "the machine checks and installs it");
	r = agent_run(machine->hv, name, install_argv, machine->options->wait_seconds + 600, &text);
	agent_run(machine->hv, name, unmount_argv, 60, NULL);
	*answer = text ? json_loads(text, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
	if (r == 0)
		return 0;
	said = json_string_value(json_object_get(*answer, "error"));
	return report_fail(machine->report, r < 0 ? r : -EPERM, "the machine is as it was; see what it says",
		"the machine refuses the update: %s",
		said            ? said
		: text && *text ? text
				: machine->hv->error);
}

static int install_from_medium(struct machine *machine, json_t **answer)
{
	_cleanup_free_ char *path = NULL;
	char volume[96];
	int r;

	machine_volume(machine, VOLUME_SUFFIX, volume);
	report_step(machine->report, "send the update");
	r = send_update(machine, volume, &path);
	if (r < 0)
		return r;
	r = machine_change_medium(machine, machine->plan.name, path);
	if (r < 0)
		upgrade_fail(machine, r, "the machine needs a CD drive sda: deploy makes one",
			"the medium cannot be put in");
	else
		r = install(machine, answer);
	if (machine_change_medium(machine, machine->plan.name, NULL) < 0)
		report_left(machine->report, "virsh change-media %s sda --eject", machine->plan.name);
	if (machine->hv->ops->volume_delete(machine->hv, machine->plan.pool, volume) < 0)
		report_left(machine->report, "virsh vol-delete --pool %s %s", machine->plan.pool, volume);
	return r;
}

static char *boot_id(struct machine *machine)
{
	char *text = NULL;

	return agent_run(machine->hv, machine->plan.name, boot_id_argv, 20, &text) == 0 ? text : NULL;
}

/* how the restart ended, as the appliance notes it: {state, from, to, reason}; a new reference, NULL: not yet */
static json_t *ended(struct machine *machine, const char *before)
{
	_cleanup_free_ char *now = boot_id(machine), *text = NULL;
	json_auto_t *slots = NULL;

	if (!now || strcmp(now, before) == 0)
		return NULL;
	if (agent_run(machine->hv, machine->plan.name, slots_argv, 60, &text) != 0 || !text)
		return NULL;
	slots = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
	return json_object_get(slots, "upgrade") ? NULL : json_incref(json_object_get(slots, "last"));
}

static int restart(struct machine *machine, json_t **last)
{
	const struct timespec pause = {.tv_sec = 2};
	_cleanup_free_ char *before = boot_id(machine);
	uint64_t started = clock_now_ns(), until = started + machine->options->wait_seconds * NSEC_PER_SEC;

	if (!before)
		return upgrade_fail(machine, -EAGAIN, "restart it by hand: the update is installed",
			"the machine cannot be restarted");
	report_step(machine->report, "the machine restarts; the wire is open until it is back");
	/* its agent may be gone before it has answered */
	agent_run(machine->hv, machine->plan.name, reboot_argv, 10, NULL);
	while (!(*last = ended(machine, before))) {
		if (*machine->interrupted || clock_now_ns() > until)
			return report_fail(machine->report, -ETIMEDOUT,
				"sluice-deploy status; the machine goes back by itself after ten minutes, unless it is "
				"well",
				"%s is not back after %u s", machine->plan.name, machine->options->wait_seconds);
		nanosleep(&pause, NULL);
	}
	json_object_set_new(
		machine->report->result, "seconds", json_integer((clock_now_ns() - started) / NSEC_PER_SEC));
	return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "?";
}

static int tell(struct machine *machine, const json_t *last)
{
	struct report *report = machine->report;

	json_object_set(report->result, "upgrade", (json_t *)last);
	if (strcmp(text_of(last, "state"), "confirmed") == 0) {
		if (!report->json)
			fprintf(report->out, "%s runs version %s, before it %s; back after %lld s\n",
				machine->plan.name, text_of(last, "to"), text_of(last, "from"),
				json_integer_value(json_object_get(report->result, "seconds")));
		return DEPLOY_OK;
	}
	report_fail(report, -EIO, "the machine's own System log says more: sluice show log system",
		"%s went back to version %s: %s", machine->plan.name, text_of(last, "from"), text_of(last, "reason"));
	return DEPLOY_UNHEALTHY;
}

int machine_upgrade(struct machine *machine)
{
	json_auto_t *answer = NULL, *last = NULL;

	if (agent_ping(machine->hv, machine->plan.name) < 0) {
		upgrade_fail(machine, -EAGAIN, "sluice-deploy status; virsh start",
			"the machine's guest agent does not answer");
		return DEPLOY_UNHEALTHY;
	}
	choose_pool(machine);
	if (install_from_medium(machine, &answer) < 0)
		return DEPLOY_FAILED;
	report_step(machine->report, "version %s is in slot %s", text_of(answer, "to"), text_of(answer, "slot"));
	if (restart(machine, &last) < 0)
		return DEPLOY_UNHEALTHY;
	return tell(machine, last);
}
