/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The machine that is to be made: what the options say, completed. A pure function of them and of names in use. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "deploy/options.h"

#define PLAN_CPUS_MAX 256

enum plan_nic_kind { PLAN_NETWORK, PLAN_BRIDGE, PLAN_VF };

enum plan_nic_id { PLAN_MANAGEMENT, PLAN_PORT_A, PLAN_PORT_B, PLAN_NICS }; /* also their order in the machine */

struct plan_nic {
	bool given;
	enum plan_nic_kind kind;
	char name[64];         /* of network, bridge, or physical function (an interface name) */
	unsigned int function; /* number of the virtual function */
	char pci[16];          /* its address, "0000:3b:02.0"; "": not known yet */
	char mac[18];          /* "": libvirt chooses */
};

struct plan {
	char name[64];
	bool emulated, hugepages, autostart;
	unsigned int vcpus, sessions;
	uint64_t memory_mib, disk_gib;
	unsigned int n_cpus, cpus[PLAN_CPUS_MAX]; /* of the host; 0: not pinned */
	struct plan_nic nics[PLAN_NICS];
	char pool[64];
	char disk_path[512];  /* empty: not made yet */
	char seed_path[512];  /* empty: the drive has no medium */
	char disk_volume[96]; /* made by us, in pool; empty: none, so that remove leaves it */
};

extern const char *const plan_nic_titles[PLAN_NICS]; /* "port A" */
extern const char *const plan_nic_options[PLAN_NICS];

/* -EINVAL with a text in problem and a mend */
int plan_make(const struct options *options, struct plan *out, char problem[256], char mend[256]);
/* MACs that stay the same for a machine of this name; `taken` is a text in which none of them may occur (the XML of
 * other machines), or NULL */
void plan_choose_macs(struct plan *plan, const char *taken);

/* what so many SSL sessions at once need; docs/deployment.md says where the figures are from */
void plan_size(unsigned int sessions, unsigned int *vcpus, uint64_t *memory_mib);

/* domain.c: libvirt's XML of the machine */
void plan_write_domain(const struct plan *plan, FILE *out);
/* the drive by itself, with the medium or empty */
void plan_write_drive(const char *medium_path, FILE *out);
