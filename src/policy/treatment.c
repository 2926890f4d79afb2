/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/treatment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"

#define CATEGORY_NONE "none"

struct override {
	uint32_t sid;
	const struct config_filter_override *config;
};

struct treatments {
	const struct config_profile *profile;
	size_t n;
	struct override *overrides; /* by sid: packages have tens of thousands of filters */
};

static int override_compare(const void *left, const void *right)
{
	const struct override *a = left, *b = right;

	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

int treatments_new(struct treatments **out, const struct config_profile *profile)
{
	struct treatments *treatments = calloc(1, sizeof(*treatments));

	if (!treatments)
		return -ENOMEM;
	treatments->profile = profile;
	treatments->overrides = calloc(profile->n_filter_overrides + 1, sizeof(*treatments->overrides));
	if (!treatments->overrides) {
		treatments_free(&treatments);
		return -ENOMEM;
	}
	for (; treatments->n < profile->n_filter_overrides; treatments->n++) {
		const struct config_filter_override *config = &profile->filter_overrides[treatments->n];

		treatments->overrides[treatments->n] =
			(struct override){(uint32_t)strtoul(config->filter, NULL, 10), config};
	}
	qsort(treatments->overrides, treatments->n, sizeof(*treatments->overrides), override_compare);
	*out = treatments;
	return 0;
}

void treatments_free(struct treatments **treatments)
{
	if (!*treatments)
		return;
	free((*treatments)->overrides);
	free(*treatments);
	*treatments = NULL;
}

static const struct config_filter_category *find_category(const struct config_profile *profile, const char *name)
{
	for (size_t i = 0; i < profile->n_filter_categories; i++)
		if (!strcmp(profile->filter_categories[i].name, *name ? name : CATEGORY_NONE))
			return &profile->filter_categories[i];
	return NULL;
}

static const struct config_filter_override *find_override(const struct treatments *treatments, uint32_t sid)
{
	struct override key = {.sid = sid};
	const struct override *found =
		bsearch(&key, treatments->overrides, treatments->n, sizeof(key), override_compare);

	return found ? found->config : NULL;
}

struct treatment treatments_find(const struct treatments *treatments, uint32_t sid, const char *category_name)
{
	const struct config_profile *profile = treatments->profile;
	const struct config_filter_override *override = find_override(treatments, sid);
	const struct config_filter_category *category = find_category(profile, category_name);
	struct treatment treatment = {.action_set = profile->default_action_set};

	if (category) {
		treatment.off = !category->enabled;
		treatment.action_set = category->action_set ?: treatment.action_set;
	}
	if (override) {
		treatment.off = !override->enabled;
		treatment.action_set = override->action_set ?: treatment.action_set;
	}
	return treatment;
}
