/* SPDX-License-Identifier: Apache-2.0 */
#include "mib/metric.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"

/* word between underscores, or at an end */
static bool has_word(const char *name, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(name, word); at; at = strstr(at + 1, word))
		if ((at == name || at[-1] == '_') && (!at[n] || at[n] == '_'))
			return true;
	return false;
}

void metric_name(char out[METRIC_NAME_MAX], const char *prefix, const char *name, const char *unit)
{
	char word[64];

	snprintf(word, sizeof(word), "%s", unit ?: "");
	for (char *c = word; *c; c++)
		if (*c == ' ')
			*c = '_';
	if (!*word || has_word(name, word))
		snprintf(out, METRIC_NAME_MAX, "%s%s", prefix, name);
	else
		snprintf(out, METRIC_NAME_MAX, "%s%s_%s", prefix, name, word);
}

enum metric_kind metric_kind(const struct mib_object *object)
{
	static const enum metric_kind kinds[] = {
		[MIB_COUNTER] = METRIC_COUNTER,
		[MIB_GAUGE] = METRIC_GAUGE,
		[MIB_GAUGE64] = METRIC_GAUGE,
		[MIB_NUMBER] = METRIC_GAUGE,
		[MIB_TIME] = METRIC_TIMESTAMP,
		[MIB_TRUTH] = METRIC_TRUTH,
		[MIB_WORD] = METRIC_STATES,
	};

	return object->key && object->syntax < ARRAY_SIZE(kinds) ? kinds[object->syntax] : METRIC_NONE;
}

void metric_object_name(char out[METRIC_NAME_MAX], const struct mib_table *table, const struct mib_object *object)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), METRIC_PREFIX "%s_", table ? table->metric : "device");
	metric_name(out, prefix, object->key,
		metric_kind(object) == METRIC_TIMESTAMP ? "timestamp_seconds" : object->units);
}
