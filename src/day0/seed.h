/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where day-0 settings come from: a medium with the label CIDATA (file user-data), "OVF ENV" (ovf-env.xml) or SLUICE
 * (sluice-day0.yaml); VMware's guestinfo; a file. */
#include <stdbool.h>
#include <stddef.h>

#define SEED_MOUNT "/run/sluice-day0/medium"

struct seed {
	char *text; /* the document */
	size_t len;
	char origin[128];        /* "CIDATA medium /dev/sr0, file user-data" */
	char file[64];           /* its name in messages */
	char device[64];         /* the medium, still mounted on SEED_MOUNT; "": none */
	bool on_disk, guestinfo; /* DAY0_FILE; VMware: can be wiped */
};

#define DAY0_FILE "/data/day0.yaml"

/* 0 with the first that is found; -ENOENT when there is none; another error after logging it */
int seed_find(struct seed *seed);
/* a file of the medium that the settings name; *out is malloc'ed, the caller's */
int seed_read_file(const struct seed *seed, const char *name, char **out, size_t *len);
/* What can be wiped is wiped; what cannot (a medium) is ejected, and told in `told`. */
void seed_wipe(const struct seed *seed, char *told, size_t size);
void seed_close(struct seed *seed);
