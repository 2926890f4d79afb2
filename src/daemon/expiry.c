/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/expiry.h"

#include <string.h>
#include <time.h>

#include "base/common.h"

#define DAY 86400
#define YEAR (365 * (int64_t)DAY)

static const unsigned int default_days[] = {60, 30, 7, 1};

unsigned int expiry_level(int64_t not_before, int64_t not_after, int64_t now, const unsigned int *days, size_t n)
{
	int64_t life = MIN(MAX(not_after - not_before, 0), YEAR);
	unsigned int level = 0;

	if (now >= not_after)
		return n + 1;
	for (size_t i = 0; i < n; i++)
		level += not_after - now <= days[i] * (life / 365);
	return level;
}

void expiry_init(struct expiry *expiry, json_t *told)
{
	*expiry = (struct expiry){.told = json_is_object(told) ? told : json_object(), .fresh = json_object()};
	if (told != expiry->told)
		json_decref(told);
}

void expiry_clear(struct expiry *expiry)
{
	json_decref(expiry->told);
	json_decref(expiry->fresh);
	*expiry = (struct expiry){0};
}

static bool array_has(const json_t *array, const char *text)
{
	const json_t *element;
	size_t i;

	json_array_foreach(array, i, element)
	{
		if (!strcmp(json_string_value(element) ?: "", text))
			return true;
	}
	return false;
}

void expiry_keep_only(struct expiry *expiry, const json_t *keys)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(expiry->told, next, key, value)
	{
		if (array_has(keys, key))
			continue;
		json_object_del(expiry->fresh, key);
		json_object_del(expiry->told, key);
		expiry->changed = true;
	}
}

/* as in the facts: 2026-11-23T12:00:00Z */
static int64_t facts_time(const json_t *facts, const char *key)
{
	const char *text = json_string_value(json_object_get(facts, key));
	struct tm tm = {0};
	const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

	return end && !*end ? timegm(&tm) : -1;
}

int64_t expiry_days_left(const json_t *facts, int64_t now)
{
	int64_t left = facts_time(facts, "not_after") - now;

	return left >= 0 ? left / DAY : -((DAY - 1 - left) / DAY);
}

static size_t expiry_days(const struct config_ranges *ranges, unsigned int days[EXPIRY_THRESHOLDS_MAX])
{
	size_t n = ranges ? MIN(ranges->n, (size_t)EXPIRY_THRESHOLDS_MAX) : 0;

	for (size_t i = 0; i < n; i++)
		days[i] = ranges->items[i].low;
	if (n)
		return n;
	memcpy(days, default_days, sizeof(default_days));
	return ARRAY_SIZE(default_days);
}

void expiry_check(struct expiry *expiry, const char *key, const json_t *facts, int64_t now,
	const struct config_ranges *ranges, expiry_report_fn *report, void *owner)
{
	int64_t from = facts_time(facts, "not_before"), to = facts_time(facts, "not_after");
	unsigned int days[EXPIRY_THRESHOLDS_MAX], level, before = 0;
	size_t n = expiry_days(ranges, days);
	json_t *told;

	if (to < 0)
		return;
	told = json_object_get(expiry->told, key);
	/* another certificate of the same name begins anew */
	if (json_integer_value(json_array_get(told, 0)) == to)
		before = json_integer_value(json_array_get(told, 1));
	level = expiry_level(from, to, now, days, n);
	if (level <= before)
		return;
	told = json_pack("[I, i]", (json_int_t)to, (int)level);
	json_object_set(expiry->fresh, key, told);
	json_object_set_new(expiry->told, key, told);
	expiry->changed = true;
	report(owner, facts, to - now);
}
