/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The appliance's image: a qcow2, or an OVA (a tar with descriptor, manifest and disk). */
#include <stdbool.h>
#include <stdint.h>

#include "deploy/source.h"

enum image_kind { IMAGE_QCOW2, IMAGE_OVA };

struct image {
	enum image_kind kind;
	char path[512];
	uint64_t bytes;    /* of the disk in it */
	uint64_t capacity; /* of the virtual disk; 0: not known */
	char sha256[65];   /* of the file */
	char compared[96]; /* with what it was compared: "--sha256", "sluice.qcow2.sha256", "its manifest"; "" */
	bool matches;      /* the comparison */
};

/* Reads the whole file. wanted: the sum that it must have, or NULL. -errno with a text in problem; a sum that differs
 * is not an error here (matches is false). */
int image_open(const char *path, const char *wanted, struct image *out, char problem[256]);
/* the disk's bytes */
int image_source(const struct image *image, struct source *out);
