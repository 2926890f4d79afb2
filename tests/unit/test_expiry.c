/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/common.h"
#include "daemon/expiry.h"

#define DAY 86400ll
#define START 1800000000ll

static struct {
	unsigned int n;
	int64_t left[64];
} reports;

static void report(void *owner, const json_t *facts, int64_t left)
{
	assert_ptr_equal(owner, &reports);
	reports.left[reports.n++ % ARRAY_SIZE(reports.left)] = left;
	(void)facts;
}

static json_t *facts_of(const char *name, int64_t from, int64_t to)
{
	char text[2][32];
	time_t times[2] = {from, to};

	for (int i = 0; i < 2; i++)
		strftime(text[i], sizeof(text[i]), "%Y-%m-%dT%H:%M:%SZ", gmtime(&times[i]));
	return json_pack("{s:s, s:s, s:s}", "name", name, "not_before", text[0], "not_after", text[1]);
}

/* a clock that runs from one end of the certificate's life past the other, an hour at a time */
static void live(struct expiry *expiry, const json_t *facts, int64_t seconds, const struct config_ranges *days)
{
	reports.n = 0;
	for (int64_t now = START; now <= START + seconds + 5 * DAY; now += 3600)
		expiry_check(
			expiry, json_string_value(json_object_get(facts, "name")), facts, now, days, report, &reports);
}

static void test_e4_one_report_for_each_threshold(void **state)
{
	static const int64_t want[] = {60 * DAY, 30 * DAY, 7 * DAY, DAY, 0};
	struct expiry expiry;
	json_t *facts = facts_of("web", START, START + 398 * DAY);

	expiry_init(&expiry, NULL);
	live(&expiry, facts, 398 * DAY, NULL);
	assert_int_equal(reports.n, 5);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(reports.left[i], want[i]);
	live(&expiry, facts, 398 * DAY, NULL);
	assert_int_equal(reports.n, 0); /* told already */
	json_decref(facts);
	facts = facts_of("web", START, START + 400 * DAY);
	live(&expiry, facts, 400 * DAY, NULL);
	assert_int_equal(reports.n, 5); /* replaced: another certificate of the name */
	json_decref(facts);
	expiry_clear(&expiry);
	(void)state;
}

static void test_e4_scaled_for_short_lives(void **state)
{
	struct expiry expiry;
	json_t *facts = facts_of("short", START, START + 73 * DAY); /* a fifth of a year */

	expiry_init(&expiry, NULL);
	live(&expiry, facts, 73 * DAY, NULL);
	assert_int_equal(reports.n, 5);
	assert_int_equal(reports.left[0], 12 * DAY);
	assert_int_equal(reports.left[1], 6 * DAY);
	assert_in_range(reports.left[3], 3600, DAY / 5);
	json_decref(facts);
	expiry_clear(&expiry);
	(void)state;
}

static void test_e4_configured_days(void **state)
{
	struct config_range items[] = {{10, 10}, {100, 100}};
	struct config_ranges days = {.items = items, .n = 2};
	struct expiry expiry;
	json_t *facts = facts_of("web", START, START + 365 * DAY);

	expiry_init(&expiry, NULL);
	live(&expiry, facts, 365 * DAY, &days);
	assert_int_equal(reports.n, 3);
	assert_int_equal(reports.left[0], 100 * DAY);
	assert_int_equal(reports.left[1], 10 * DAY);
	assert_true(reports.left[2] <= 0);
	json_decref(facts);
	expiry_clear(&expiry);
	(void)state;
}

static void test_e4_late_start_and_nonsense(void **state)
{
	struct expiry expiry;
	json_t *facts = facts_of("web", START, START + 365 * DAY),
	       *bad = json_pack("{s:s, s:s}", "name", "x", "not_after", "y");

	reports.n = 0;
	expiry_init(&expiry, NULL);
	/* the supervisor starts five days before the end: one report, not three */
	expiry_check(&expiry, "web", facts, START + 360 * DAY, NULL, report, &reports);
	expiry_check(&expiry, "web", facts, START + 360 * DAY + 60, NULL, report, &reports);
	assert_int_equal(reports.n, 1);
	assert_int_equal(reports.left[0], 5 * DAY);
	expiry_check(&expiry, "x", bad, START, NULL, report, &reports);
	assert_int_equal(reports.n, 1);
	/* validity the wrong way round is expired, and a clock that was set back tells nothing again */
	assert_int_equal(expiry_level(100, 50, 60, (unsigned int[]){60}, 1), 2);
	expiry_check(&expiry, "web", facts, START, NULL, report, &reports);
	assert_int_equal(reports.n, 1);
	json_decref(facts);
	json_decref(bad);
	expiry_clear(&expiry);
	(void)state;
}

/* what is stored, and read by the next supervisor: nothing but text stays */
static void restart(struct expiry *expiry)
{
	char *text = json_dumps(expiry->told, 0);
	json_t *told = json_loads(text, 0, NULL);

	free(text);
	expiry_clear(expiry);
	expiry_init(expiry, told);
	assert_int_equal(json_object_size(expiry->fresh), 0);
}

/* a supervisor that is started anew every eleven hours tells nothing twice, and misses nothing */
static void test_e4_once_over_restarts(void **state)
{
	static const int64_t want[] = {60 * DAY, 30 * DAY, 7 * DAY, DAY, 0};
	json_t *facts = facts_of("web", START, START + 398 * DAY);
	json_t *keys = json_pack("[s]", "web"), *none = json_array();
	struct expiry expiry;
	unsigned int hours = 0;

	expiry_init(&expiry, NULL);
	reports.n = 0;
	for (int64_t now = START; now <= START + 410 * DAY; now += 3600) {
		if (++hours % 11 == 0)
			restart(&expiry);
		expiry_check(&expiry, "web", facts, now, NULL, report, &reports);
	}
	assert_int_equal(reports.n, 5);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(reports.left[i], want[i]);
	/* what is no longer there is forgotten, and stored so */
	expiry.changed = false;
	expiry_keep_only(&expiry, keys);
	assert_false(expiry.changed);
	assert_int_equal(json_object_size(expiry.told), 1);
	expiry_keep_only(&expiry, none);
	assert_true(expiry.changed);
	assert_int_equal(json_object_size(expiry.told), 0);
	/* a stored file that is none of ours */
	expiry_clear(&expiry);
	expiry_init(&expiry, json_pack("[s]", "web"));
	expiry_check(&expiry, "web", facts, START + 391 * DAY, NULL, report, &reports);
	assert_int_equal(reports.n, 6);
	expiry_clear(&expiry);
	expiry_init(&expiry, json_pack("{s:s}", "web", "text"));
	expiry_check(&expiry, "web", facts, START + 391 * DAY, NULL, report, &reports);
	assert_int_equal(reports.n, 7);
	expiry_clear(&expiry);
	json_decref(facts);
	json_decref(keys);
	json_decref(none);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_e4_one_report_for_each_threshold),
		cmocka_unit_test(test_e4_scaled_for_short_lives),
		cmocka_unit_test(test_e4_configured_days),
		cmocka_unit_test(test_e4_once_over_restarts),
		cmocka_unit_test(test_e4_late_start_and_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
