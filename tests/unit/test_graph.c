/* SPDX-License-Identifier: Apache-2.0 */
/* H2: the history of the graphs by the minute, whatever the clock does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "daemon/supervisor.h"

#define NOON 29000000ull /* some minute */

static void test_h2_a_day_and_no_more(void **state)
{
	struct graph *graph = calloc(1, sizeof(*graph));
	struct graph_totals one = {.bytes = 10, .bytes_inspected = 4, .sessions = 1};

	for (uint64_t minute = NOON; minute < NOON + 2000; minute++)
		graph_add(graph, minute, &one);
	assert_null(graph_get(graph, NOON + 2000, NOON + 2000)); /* running */
	assert_non_null(graph_get(graph, NOON + 1999, NOON + 2000));
	assert_non_null(graph_get(graph, NOON + 2000 - GRAPH_MINUTES, NOON + 2000));
	assert_null(graph_get(graph, NOON + 1999 - GRAPH_MINUTES, NOON + 2000));
	free(graph);
}

/* a supervisor that is restarted within a minute adds to what its predecessor kept of it */
static void test_h2_two_parts_of_a_minute_are_one(void **state)
{
	struct graph *graph = calloc(1, sizeof(*graph));

	graph_add(graph, NOON, &(struct graph_totals){.bytes = 10, .bytes_inspected = 4, .sessions = 1});
	graph_add(graph, NOON, &(struct graph_totals){.bytes = 1, .bytes_inspected = 1, .sessions = 2});
	assert_int_equal(graph_get(graph, NOON, NOON + 1)->bytes, 11);
	assert_int_equal(graph_get(graph, NOON, NOON + 1)->bytes_inspected, 5);
	assert_int_equal(graph_get(graph, NOON, NOON + 1)->sessions, 3);
	free(graph);
}

/* an hour back: what was counted after the new time is hidden until then, the rest stays */
static void test_h2_clock_set_back_and_forward(void **state)
{
	struct graph *graph = calloc(1, sizeof(*graph));
	struct graph_totals one = {.sessions = 1};

	for (uint64_t minute = NOON; minute < NOON + 120; minute++)
		graph_add(graph, minute, &one);
	assert_null(graph_get(graph, NOON + 100, NOON + 60));
	assert_non_null(graph_get(graph, NOON + 59, NOON + 60));
	/* a year forward by mistake, for one minute */
	graph_add(graph, NOON + 525600, &one);
	assert_null(graph_get(graph, NOON + 59, NOON + 525601));
	assert_non_null(graph_get(graph, NOON + 59, NOON + 61));
	free(graph);
}

/* H2: 30 new connections in a minute are 0.50 per second */
static void test_h2_rate_in_hundredths(void **state)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	uint64_t minute = clock_wall_us() / 60000000 - 5;
	static const struct {
		uint64_t sessions;
		json_int_t rate;
	} rows[] = {{30, 50}, {0, 0}, {1, 2}, {6000, 10000}};

	for (unsigned int i = 0; i < 4; i++)
		graph_add(&supervisor->graph, minute + i, &(struct graph_totals){.sessions = rows[i].sessions});
	json_t *answer = report_graph(supervisor, NULL), *graph = json_object_get(answer, "graph");

	assert_int_equal(json_array_size(graph), 4);
	for (unsigned int i = 0; i < 4; i++) {
		const json_t *row = json_array_get(graph, i);

		assert_int_equal(json_integer_value(json_object_get(row, "minute")), minute + i);
		assert_int_equal(json_integer_value(json_object_get(row, "active_rate")), rows[i].sessions);
		assert_int_equal(json_integer_value(json_object_get(row, "new_rate_hundredths")), rows[i].rate);
	}
	json_decref(answer);
	free(supervisor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_h2_a_day_and_no_more),
		cmocka_unit_test(test_h2_two_parts_of_a_minute_are_one),
		cmocka_unit_test(test_h2_clock_set_back_and_forward),
		cmocka_unit_test(test_h2_rate_in_hundredths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
