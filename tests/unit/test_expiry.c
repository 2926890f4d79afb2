/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
		expiry_check(expiry, facts, now, days, report, &reports);
}

static void test_e4_one_report_for_each_threshold(void **state)
{
	static const int64_t want[] = {60 * DAY, 30 * DAY, 7 * DAY, DAY, 0};
	struct expiry expiry = {0};
	json_t *facts = facts_of("web", START, START + 398 * DAY);

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
	struct expiry expiry = {0};
	json_t *facts = facts_of("short", START, START + 73 * DAY); /* a fifth of a year */

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
	struct expiry expiry = {0};
	json_t *facts = facts_of("web", START, START + 365 * DAY);

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
	struct expiry expiry = {0};
	json_t *facts = facts_of("web", START, START + 365 * DAY),
	       *bad = json_pack("{s:s, s:s}", "name", "x", "not_after", "y");

	reports.n = 0;
	/* the supervisor starts five days before the end: one report, not three */
	expiry_check(&expiry, facts, START + 360 * DAY, NULL, report, &reports);
	expiry_check(&expiry, facts, START + 360 * DAY + 60, NULL, report, &reports);
	assert_int_equal(reports.n, 1);
	assert_int_equal(reports.left[0], 5 * DAY);
	expiry_check(&expiry, bad, START, NULL, report, &reports);
	assert_int_equal(reports.n, 1);
	/* validity the wrong way round is expired, and a clock that was set back tells nothing again */
	assert_int_equal(expiry_level(100, 50, 60, (unsigned int[]){60}, 1), 2);
	expiry_check(&expiry, facts, START, NULL, report, &reports);
	assert_int_equal(reports.n, 1);
	json_decref(facts);
	json_decref(bad);
	expiry_clear(&expiry);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_e4_one_report_for_each_threshold),
		cmocka_unit_test(test_e4_scaled_for_short_lives),
		cmocka_unit_test(test_e4_configured_days),
		cmocka_unit_test(test_e4_late_start_and_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
