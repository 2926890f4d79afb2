/* SPDX-License-Identifier: Apache-2.0 */
/* H3: rates over a second, a minute and five minutes, in hundredths per second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "daemon/rates.h"

#define MINUTE (60 * NSEC_PER_SEC)

struct fixture {
	struct stats_page *stats;
	struct rates *rates;
	uint64_t now_ns;
};

static void tick(struct fixture *f, uint64_t sessions)
{
	stats_add(stats_cells(f->stats, 0), COUNTER_SESSIONS_NEW, sessions);
	f->now_ns += NSEC_PER_SEC + NSEC_PER_MSEC; /* a timer is a little late */
	rates_add(f->rates, f->stats, f->now_ns);
}

static struct fixture begin(void)
{
	struct fixture f = {.rates = calloc(1, sizeof(struct rates)), .now_ns = 1000 * NSEC_PER_SEC};

	assert_int_equal(stats_page_create(&f.stats), 0);
	assert_int_equal(rates_counter(0), COUNTER_SESSIONS_NEW);
	return f;
}

static void end(struct fixture *f)
{
	stats_page_free(&f->stats);
	free(f->rates);
}

static void test_h3_half_a_session_a_second(void **state)
{
	struct fixture f = begin();

	assert_int_equal(rates_get(f.rates, 0, MINUTE), 0);
	for (unsigned int i = 0; i < 400; i++)
		tick(&f, i % 2);
	assert_int_equal(rates_get(f.rates, 0, NSEC_PER_SEC), 99); /* 1 in 1.001 s */
	assert_in_range(rates_get(f.rates, 0, MINUTE), 49, 51);
	assert_in_range(rates_get(f.rates, 0, 5 * MINUTE), 49, 51);
	end(&f);
}

/* what was before a window is not in it, and a short history is its own window */
static void test_h3_a_burst_leaves_one_window_after_the_other(void **state)
{
	struct fixture f = begin();

	tick(&f, 0);
	tick(&f, 600);
	assert_in_range(rates_get(f.rates, 0, MINUTE), 59900, 60000);
	for (unsigned int i = 0; i < 59; i++)
		tick(&f, 0);
	assert_int_equal(rates_get(f.rates, 0, NSEC_PER_SEC), 0);
	assert_in_range(rates_get(f.rates, 0, MINUTE), 998, 1001);
	for (unsigned int i = 0; i < 120; i++)
		tick(&f, 0);
	assert_int_equal(rates_get(f.rates, 0, MINUTE), 0);
	assert_in_range(rates_get(f.rates, 0, 5 * MINUTE), 325, 340);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_h3_half_a_session_a_second),
		cmocka_unit_test(test_h3_a_burst_leaves_one_window_after_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
