/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a deployment says to an appliance at its first boot (J4): one schema, whatever brought it (CIDATA medium, OVF
 * environment, file). A pure function of text; the rows in settings.c are the validation, its messages and
 * docs/day0.md. */
#include <stdio.h>

#include "config/config.h"
#include "config/tree.h"

#define DAY0_DOCUMENT_MAX (4u << 20) /* bytes */

struct day0_settings;

/* 0 with *out, the caller's; or -EINVAL with at least one CONFIG_ERROR in problems and *out untouched. Settings stand
 * at the root of the document or below a key "sluice" there; in the latter case other keys are left to others
 * (cloud-init). */
int day0_parse(const char *text, size_t len, struct day0_settings **out, struct config_problems *problems);
void day0_free(struct day0_settings **settings);

/* a setting by its path ("management.address"); NULL when it is not given. Valid as long as the settings. */
const char *day0_text(const struct day0_settings *settings, const char *path);
/* a list's or mapping's node, for its items; NULL when it is not given */
const struct tree_node *day0_node(const struct day0_settings *settings, const char *path);
/* a key of one item of a list of objects; NULL when it is not given */
const char *day0_item_text(const struct tree_node *item, const char *key);

/* the item of a list of objects that has this name; NULL when there is none */
const struct tree_node *day0_find_item(const struct day0_settings *settings, const char *path, const char *name);

/* docs/day0.md */
void day0_write_document(FILE *out);

/* The OVF environment (DSP0243, section 9.5) as a document of the same schema: a property KEY or KEY.KEY is that
 * setting, a list's items stand between commas; the property "user_data" is a whole document in base64 and then the
 * only one looked at. *out is malloc'ed, the caller's. -EINVAL when it is not an OVF environment. */
int day0_from_ovf(const char *xml, size_t len, char **out, size_t *out_len);
