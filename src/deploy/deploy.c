/* SPDX-License-Identifier: Apache-2.0 */
/* J7: a machine is made step by step; what fails is taken back from there, so that nothing is left half-made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "deploy/machine.h"
#include "deploy/preflight.h"

#define GIB (1ull << 30)

/* --- steps ----------------------------------------------------------------------------------------------------------
 */

static int hv_failed(struct machine *machine, int r, const char *what, const char *mend)
{
	if (r == -EINTR)
		return report_fail(machine->report, r, "run it again", "interrupted");
	return r < 0 ? report_fail(machine->report, r, mend, "%s: %s", what, machine->hv->error) : 0;
}

static int make_disk(struct machine *machine)
{
	_cleanup_free_ char *path = NULL;
	struct plan *plan = &machine->plan;
	char volume[96];
	int r;

	machine_volume(machine, ".qcow2", volume);
	r = machine->hv->ops->volume_make(machine->hv, plan->pool, volume, "qcow2", plan->disk_gib * GIB, &path);
	if (r == -EEXIST)
		return report_fail(machine->report, r, "another name for the machine, or virsh vol-delete",
			"pool %s has a volume %s already", plan->pool, volume);
	if (r >= 0) {
		machine->made_disk = true;
		snprintf(plan->disk_path, sizeof(plan->disk_path), "%s", path);
		snprintf(plan->disk_volume, sizeof(plan->disk_volume), "%s", volume);
	}
	return hv_failed(machine, r, "the disk cannot be made", "virsh pool-info; see what libvirt says above");
}

static int delete_volume(struct machine *machine, const char *suffix)
{
	char volume[96];

	machine_volume(machine, suffix, volume);
	return machine->hv->ops->volume_delete(machine->hv, machine->plan.pool, volume);
}

static int unmake_disk(struct machine *machine)
{
	return machine->made_disk ? delete_volume(machine, ".qcow2") : 0;
}

/* qcow2: straight into the volume. OVA: its disk into a volume beside it, which libvirt converts. */
static int fill_disk(struct machine *machine)
{
	struct source source = {0};
	int r = image_source(&machine->image, &source);

	if (r < 0)
		return report_fail(
			machine->report, r, "download the image again", "cannot read %s", machine->image.path);
	r = machine_upload(machine, machine->plan.disk_volume, &source);
	source_close(&source);
	return hv_failed(
		machine, r, "the image cannot be sent to the hypervisor", "free disk: virsh pool-info; then again");
}

static int make_foreign(struct machine *machine)
{
	_cleanup_free_ char *path = NULL;
	char volume[96];
	int r;

	if (machine->image.kind != IMAGE_OVA)
		return 0;
	machine_volume(machine, ".vmdk", volume);
	r = machine->hv->ops->volume_make(machine->hv, machine->plan.pool, volume, "vmdk", GIB, &path);
	machine->made_foreign = r >= 0;
	return hv_failed(machine, r, "no volume can be made for the OVA's disk", "virsh pool-info");
}

static int unmake_foreign(struct machine *machine)
{
	return machine->made_foreign ? delete_volume(machine, ".vmdk") : 0;
}

static int convert_disk(struct machine *machine)
{
	_cleanup_free_ char *path = NULL;
	struct source source = {0};
	char volume[96], foreign[96];
	int r = image_source(&machine->image, &source);

	if (r < 0)
		return report_fail(
			machine->report, r, "download the image again", "cannot read %s", machine->image.path);
	machine_volume(machine, ".vmdk", foreign);
	machine_volume(machine, ".qcow2", volume);
	r = machine_upload(machine, foreign, &source);
	source_close(&source);
	if (r >= 0)
		r = machine->hv->ops->volume_delete(machine->hv, machine->plan.pool, volume);
	if (r >= 0)
		r = machine->hv->ops->volume_convert(machine->hv, machine->plan.pool, foreign, volume, "qcow2", &path);
	if (r >= 0)
		r = machine->hv->ops->volume_delete(machine->hv, machine->plan.pool, foreign);
	return hv_failed(machine, r, "the OVA's disk cannot be made a qcow2", "deploy sluice-VERSION.qcow2 instead");
}

static int put_image(struct machine *machine)
{
	return machine->image.kind == IMAGE_OVA ? convert_disk(machine) : fill_disk(machine);
}

/* the image's disk is smaller; its data partition grows at the first boot */
static int grow_disk(struct machine *machine)
{
	int r;

	if (machine->image.capacity > machine->plan.disk_gib * GIB)
		return report_fail(machine->report, -EINVAL, "--disk with more",
			"a disk of %llu GB is smaller than the image", (unsigned long long)machine->plan.disk_gib);
	r = machine->hv->ops->volume_resize(
		machine->hv, machine->plan.pool, machine->plan.disk_volume, machine->plan.disk_gib * GIB);
	return hv_failed(machine, r, "the disk cannot be made larger", "--disk with less");
}

static int make_seed(struct machine *machine)
{
	_cleanup_free_ char *path = NULL;
	struct source source = {0};
	char volume[96];
	int r;

	if (!machine->seed)
		return 0;
	machine_volume(machine, "-day0.iso", volume);
	r = medium_source(machine->seed, &source);
	if (r >= 0)
		r = machine->hv->ops->volume_make(machine->hv, machine->plan.pool, volume, "raw", source.size, &path);
	if (r >= 0) {
		machine->made_seed = true;
		snprintf(machine->plan.seed_path, sizeof(machine->plan.seed_path), "%s", path);
		r = machine_upload(machine, volume, &source);
	}
	return hv_failed(machine, r, "the medium with the settings of day 0 cannot be made", "virsh pool-info");
}

static int unmake_seed(struct machine *machine)
{
	char volume[96];

	if (!machine->made_seed)
		return 0;
	machine_volume(machine, "-day0.iso", volume);
	machine_wipe_volume(machine, machine->plan.pool, volume);
	return 0;
}

static int define(struct machine *machine)
{
	_cleanup_free_ char *xml = NULL;
	size_t len;
	FILE *out = open_memstream(&xml, &len);
	int r;

	if (!out)
		return -ENOMEM;
	plan_write_domain(&machine->plan, out);
	fclose(out);
	r = machine->hv->ops->domain_define(machine->hv, xml);
	machine->defined = r >= 0;
	return hv_failed(machine, r, "libvirt does not accept the machine", "--dry-run shows its XML");
}

static int undefine(struct machine *machine)
{
	return machine->defined ? machine->hv->ops->domain_undefine(machine->hv, machine->plan.name) : 0;
}

static int set_autostart(struct machine *machine)
{
	int r = machine->plan.autostart ? machine->hv->ops->domain_autostart(machine->hv, machine->plan.name, true) : 0;

	return hv_failed(machine, r, "the machine cannot be started with the host", "--no-autostart");
}

static int start(struct machine *machine)
{
	int r = machine->hv->ops->domain_start(machine->hv, machine->plan.name);

	machine->started = r >= 0;
	return hv_failed(machine, r, "the machine cannot be started",
		"sluice-deploy preflight with the same options; journalctl -u libvirtd");
}

static int destroy(struct machine *machine)
{
	return machine->started ? machine->hv->ops->domain_destroy(machine->hv, machine->plan.name) : 0;
}

static int wait_well(struct machine *machine)
{
	return machine_wait_well(machine, machine->plan.name, machine->seed);
}

static const struct step {
	const char *name, *text;
	int (*run)(struct machine *machine);
	int (*undo)(struct machine *machine); /* NULL: what there is goes with an earlier step */
} steps[] = {
	{"disk", "make the disk", make_disk, unmake_disk},
	{"foreign", "make room for the OVA's disk", make_foreign, unmake_foreign},
	{"image", "send the image", put_image, NULL},
	{"grow", "make the disk as large as it shall be", grow_disk, NULL},
	{"seed", "send the medium with the settings of day 0", make_seed, unmake_seed},
	{"define", "define the machine", define, undefine},
	{"autostart", "start it with the host", set_autostart, NULL},
	{"start", "start the machine", start, destroy},
	{"well", "wait until the machine is well", wait_well, NULL},
};

const char *const machine_steps[] = {
	"disk", "foreign", "image", "grow", "seed", "define", "autostart", "start", "well", NULL};
_Static_assert(ARRAY_SIZE(machine_steps) == ARRAY_SIZE(steps) + 1, "one name per step");

/* not every step has something to do */
static bool applies(const struct machine *machine, const struct step *step)
{
	if (strcmp(step->name, "foreign") == 0)
		return machine->image.kind == IMAGE_OVA;
	if (strcmp(step->name, "seed") == 0)
		return machine->seed;
	return strcmp(step->name, "autostart") != 0 || machine->plan.autostart;
}

/* From step `failed` back to the first: the step that failed may have done a part, so its own undo runs too. */
static void take_back(struct machine *machine, size_t failed)
{
	report_step(machine->report, "taking back what was made");
	for (size_t i = failed + 1; i-- > 0;) {
		int r = steps[i].undo && applies(machine, &steps[i]) ? steps[i].undo(machine) : 0;

		if (r < 0 && r != -ENOENT)
			report_left(machine->report, "take back by hand: %s (virsh list --all; virsh vol-list %s): %s",
				steps[i].text, machine->plan.pool, machine->hv->error);
	}
}

static int run_step(struct machine *machine, const struct step *step)
{
	if (*machine->interrupted)
		return report_fail(machine->report, -EINTR, "run it again", "interrupted");
	if (machine->fail_at && strcmp(machine->fail_at, step->name) == 0)
		return report_fail(machine->report, -EIO, "it was asked for", "step %s fails", step->name);
	return step->run(machine);
}

static int run_steps(struct machine *machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r;

		if (!applies(machine, &steps[i]))
			continue;
		report_step(machine->report, "%zu/%zu %s", i + 1, ARRAY_SIZE(steps) + 1, steps[i].text);
		r = run_step(machine, &steps[i]);
		if (r == -ETIMEDOUT && machine->options->keep) {
			report_left(machine->report,
				"the machine runs and is not well: virsh console %s; sluice-deploy "
				"remove %s. Its medium with the settings of day 0 is still there",
				machine->plan.name, machine->plan.name);
			return DEPLOY_UNHEALTHY;
		}
		if (r < 0) {
			take_back(machine, i);
			return DEPLOY_FAILED;
		}
	}
	return DEPLOY_OK;
}

/* J4: the machine has its settings: the medium goes, and what stays somewhere is named */
static void let_seed_go(struct machine *machine)
{
	char volume[96];

	if (!machine->seed)
		return;
	report_step(machine->report, "%zu/%zu take the medium out, overwrite and delete it", ARRAY_SIZE(steps) + 1,
		ARRAY_SIZE(steps) + 1);
	machine_volume(machine, "-day0.iso", volume);
	if (machine_change_medium(machine, machine->plan.name, NULL) < 0)
		report_left(machine->report, "take the medium out: virsh change-media %s sda --eject (%s)",
			machine->plan.name, machine->hv->error);
	machine_wipe_volume(machine, machine->plan.pool, volume);
	report_warn(machine->report,
		"not wiped, because it cannot be from here: %s itself with the secrets in it; copies that the storage "
		"below pool %s keeps of blocks that were overwritten (snapshots, copy-on-write, flash)",
		machine->options->day0, machine->plan.pool);
}

static int print_dry_run(struct machine *machine)
{
	_cleanup_free_ char *xml = NULL, *commands = NULL;
	size_t len;
	FILE *out = open_memstream(&xml, &len);

	machine_volume(machine, ".qcow2", machine->plan.disk_volume);
	plan_write_domain(&machine->plan, out);
	fclose(out);
	out = open_memstream(&commands, &len);
	preflight_write_commands(&machine->plan, machine->host, out);
	fclose(out);
	if (machine->report->json) {
		json_object_set_new(machine->report->result, "domain_xml", json_string(xml));
		json_object_set_new(machine->report->result, "host_commands", json_string(commands));
	} else {
		fprintf(machine->report->out, "%s\n# what the host needs\n%s", xml,
			*commands ? commands : "# nothing: it has it\n");
	}
	return DEPLOY_OK;
}

static int check_options(struct machine *machine)
{
	const struct options *options = machine->options;
	const char *missing = !options->image                ? "--image"
			      : !machine->plan.nics[1].given ? "--port-a"
			      : !machine->plan.nics[2].given ? "--port-b"
							     : NULL;

	if (!missing)
		return 0;
	return report_fail(machine->report, -EINVAL, "sluice-deploy deploy --help", "deploy needs %s", missing);
}

int machine_deploy(struct machine *machine)
{
	struct findings findings = {0};
	int r;

	if (check_options(machine) < 0)
		return DEPLOY_USAGE;
	report_step(machine->report, "look at the host");
	preflight_run(
		&machine->plan, machine->with_image ? &machine->image : NULL, machine->host, machine->hv, &findings);
	json_object_set_new(machine->report->result, "preflight", findings_json(&findings));
	if (findings_worst(&findings) > FINDING_GOOD)
		findings_print_bad(&findings, machine->report->err);
	if (machine->options->day0 &&
		medium_from_day0(machine->options->day0, machine->plan.name, machine->report, &machine->seed) < 0)
		return DEPLOY_FAILED;
	if (!machine->options->day0)
		report_warn(machine->report,
			"no settings of day 0: the wire is a cable until the machine has been told on its console "
			"(virsh console %s)",
			machine->plan.name);
	if (machine->options->dry_run)
		return print_dry_run(machine);
	if (findings_worst(&findings) == FINDING_REFUSED) {
		report_fail(machine->report, -EPERM, "see the mends above", "this host is not ready; nothing was made");
		return DEPLOY_FAILED;
	}
	r = run_steps(machine);
	if (r == DEPLOY_OK) {
		let_seed_go(machine);
		r = machine_status(machine);
	}
	return r == DEPLOY_OK && json_array_size(machine->report->left) ? DEPLOY_LEFT : r;
}
