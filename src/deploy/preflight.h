/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What stands in the way of a machine on this host, and what the host needs. Reads only. */
#include <stdio.h>

#include "deploy/findings.h"
#include "deploy/host.h"
#include "deploy/hypervisor.h"
#include "deploy/image.h"
#include "deploy/plan.h"

/* image NULL: not given. Completes the plan: addresses of virtual functions, MACs. */
void preflight_run(struct plan *plan, const struct image *image, const struct host *host, struct hypervisor *hv,
	struct findings *findings);

/* net_checks.c: bridges and what filters them; virtual functions */
void preflight_bridges(const struct plan *plan, const struct host *host, struct findings *findings);
void preflight_functions(struct plan *plan, const struct host *host, struct findings *findings);
/* the commands that this host needs for these ports */
void preflight_write_commands(const struct plan *plan, const struct host *host, FILE *out);
