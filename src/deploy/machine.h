/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is done to a machine. Each returns an enum deploy_status after having told everything through the report. */
#include "deploy/host.h"
#include "deploy/hypervisor.h"
#include "deploy/image.h"
#include "deploy/medium.h"
#include "deploy/plan.h"
#include "deploy/report.h"

struct machine {
	struct hypervisor *hv;
	const struct host *host;
	const struct options *options;
	struct report *report;
	struct plan plan;
	struct image image;
	bool with_image;
	struct medium *seed; /* NULL: no settings of day 0 */
	const volatile bool *interrupted;
	/* what deploy has made, so that nothing of others is taken back */
	bool made_disk, made_foreign, made_seed, defined, started;
	/* for tests: the step with this name fails as if the hypervisor had refused it */
	const char *fail_at;
};

int machine_preflight(struct machine *machine);
int machine_deploy(struct machine *machine);
int machine_status(struct machine *machine);
int machine_upgrade(struct machine *machine);
int machine_remove(struct machine *machine);

/* names of volumes */
void machine_volume(const struct machine *machine, const char *suffix, char out[96]);
/* transfers, with progress and an end on interruption */
int machine_upload(struct machine *machine, const char *volume, struct source *source);
/* waits until it is well: 0; -ETIMEDOUT with why told; -EINTR */
int machine_wait_well(struct machine *machine, const char *name, bool settings);
/* the drive with another medium, or empty (path NULL) */
int machine_change_medium(struct machine *machine, const char *name, const char *path);
/* overwrites and deletes; tells what could not be */
void machine_wipe_volume(struct machine *machine, const char *pool, const char *volume);

/* deploy.c: the steps in their order, for a test that lets each fail; ends with NULL */
extern const char *const machine_steps[];
