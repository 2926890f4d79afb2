/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A medium (ISO 9660) made on the way to where it is sent: nothing of it is on a disk here. */
#include <stdbool.h>
#include <stddef.h>

#include "deploy/report.h"
#include "deploy/source.h"

struct medium;

/* label: at most 32 of A-Z, 0-9, "_" */
int medium_new(const char *label, struct medium **out);
void medium_free(struct medium **medium);
/* copied */
int medium_add_text(struct medium *medium, const char *name, const void *data, size_t len);
/* read when the medium is read */
int medium_add_file(struct medium *medium, const char *name, const char *path);
/* the whole medium, once; valid as long as the medium */
int medium_source(struct medium *medium, struct source *out);

/* The settings of day 0 as a medium with the label CIDATA (cloud-init's NoCloud): the file, checked with the reader of
 * the appliance itself, and the files that it names, which lie beside it. Errors are told with file and line. */
int medium_from_day0(const char *path, const char *instance_id, struct report *report, struct medium **out);
