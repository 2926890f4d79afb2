/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/replace_warn.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/common.h"

#define NAMES_SHOWN 3

/* RFC 6125 section 6.4.3: a wildcard stands for one whole label, the first */
static bool name_covers(const char *pattern, const char *name)
{
	const char *rest = strchr(name, '.');

	return !strcasecmp(pattern, name) ||
	       (!strncmp(pattern, "*.", 2) && *name != '*' && rest && !strcasecmp(pattern + 1, rest));
}

static bool names_cover(const json_t *sans, const char *name)
{
	const json_t *pattern;
	size_t i;

	json_array_foreach(sans, i, pattern)
	{
		if (name_covers(json_string_value(pattern) ?: "", name))
			return true;
	}
	return false;
}

static void warn(json_t *facts, const char *text)
{
	json_t *warnings = json_object_get(facts, "warnings");

	if (!warnings) {
		warnings = json_array();
		json_object_set_new(facts, "warnings", warnings);
	}
	json_array_append_new(warnings, json_string(text));
}

static void warn_of_names(const json_t *before, json_t *facts)
{
	const json_t *sans = json_object_get(facts, "sans"), *name;
	char list[400] = "", more[32] = "", text[600];
	unsigned int n = 0;
	size_t i, len = 0;

	json_array_foreach(json_object_get(before, "sans"), i, name)
	{
		const char *value = json_string_value(name) ?: "";

		if (!names_cover(sans, value) && n++ < NAMES_SHOWN)
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.120s", len ? ", " : "", value);
	}
	if (!n)
		return;
	if (n > NAMES_SHOWN)
		snprintf(more, sizeof(more), " and %u more", n - NAMES_SHOWN);
	snprintf(text, sizeof(text),
		"it does not name %s%s, as the one before does: clients that ask for such a name refuse it", list,
		more);
	warn(facts, text);
}

/* both are of one form, which sorts as time does */
static void warn_of_end(const json_t *before, json_t *facts)
{
	const char *was = json_string_value(json_object_get(before, "not_after"));
	const char *is = json_string_value(json_object_get(facts, "not_after"));
	char text[160];

	if (!was || !is || strcmp(is, was) >= 0)
		return;
	snprintf(text, sizeof(text), "it ends at %.30s, before the one that it replaces (%.30s): were they mixed up?",
		is, was);
	warn(facts, text);
}

void replace_warn(const json_t *before, json_t *facts)
{
	warn_of_names(before, facts);
	warn_of_end(before, facts);
}
