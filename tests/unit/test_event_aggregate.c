/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "events/event_aggregate.h"
#include "events/event_record.h"

#define PERIOD (10 * NSEC_PER_SEC)
#define BEGIN (1000 * NSEC_PER_SEC)

static struct {
	unsigned int n;
	uint64_t hits, last_hits, last_session, last_seconds;
} seen;

static void on_emit(void *owner, struct event *event)
{
	struct event_field_view view;
	struct span rest = SPAN(event->bytes + sizeof(struct event_header), event->used - sizeof(struct event_header));

	(void)owner;
	((struct event_header *)event->bytes)->len = event->used;
	assert_int_equal(event_check(event->bytes, event->used), 0);
	seen.n++;
	seen.last_hits = 0;
	seen.last_seconds = 0;
	while (event_next_field(&rest, &view)) {
		if (view.field == EVENT_HITS)
			seen.last_hits = event_field_u64(&view);
		if (view.field == EVENT_SESSION_ID)
			seen.last_session = event_field_u64(&view);
		if (view.field == EVENT_AGGREGATION_SECONDS)
			seen.last_seconds = event_field_u64(&view);
	}
	seen.hits += seen.last_hits;
}

static int aggregate_setup(void **state)
{
	memset(&seen, 0, sizeof(seen));
	return event_aggregate_new((struct event_aggregate **)state, on_emit, NULL);
}

static int aggregate_teardown(void **state)
{
	event_aggregate_free((struct event_aggregate **)state);
	return 0;
}

static void hit(struct event_aggregate *aggregate, uint64_t session, uint64_t filter, uint64_t now, uint64_t period)
{
	struct event_kind kind = {.filter = filter, .client = 1, .server = 2, .port = 443, .log = EVENT_LOG_BLOCK};
	static struct event event;

	event_begin(&event, EVENT_LOG_BLOCK);
	event_u64(&event, EVENT_SESSION_ID, session);
	event_aggregate_add(aggregate, &event, &kind, now, period);
}

static void test_the_first_goes_out_at_once_and_the_rest_is_counted(void **state)
{
	struct event_aggregate *aggregate = *state;

	hit(aggregate, 1, 7, BEGIN, PERIOD);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.last_hits, 1);
	assert_int_equal(seen.last_seconds, 0);
	for (uint64_t session = 2; session <= 10; session++)
		hit(aggregate, session, 7, BEGIN + session, PERIOD);
	assert_int_equal(seen.n, 1);
	assert_true(event_aggregate_tick(aggregate, BEGIN + PERIOD - 1));
	assert_int_equal(seen.n, 1);
	assert_true(event_aggregate_tick(aggregate, BEGIN + PERIOD));
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.last_hits, 9);
	assert_int_equal(seen.last_session, 10);
	assert_int_equal(seen.last_seconds, 10);
	/* a period without any ends it, and the next is a first one again */
	hit(aggregate, 11, 7, BEGIN + PERIOD + 1, PERIOD);
	assert_int_equal(seen.n, 2);
	assert_true(event_aggregate_tick(aggregate, BEGIN + 2 * PERIOD));
	assert_false(event_aggregate_tick(aggregate, BEGIN + 3 * PERIOD));
	assert_int_equal(seen.hits, 11);
	hit(aggregate, 12, 7, BEGIN + 4 * PERIOD, PERIOD);
	assert_int_equal(seen.last_session, 12);
	assert_int_equal(seen.hits, 12);
}

static void test_other_kinds_and_no_period_do_not_wait(void **state)
{
	struct event_aggregate *aggregate = *state;

	hit(aggregate, 1, 7, BEGIN, PERIOD);
	hit(aggregate, 2, 8, BEGIN, PERIOD);
	hit(aggregate, 3, 7, BEGIN, 0);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.last_session, 3);
	assert_int_equal(seen.last_hits, 0);
	hit(aggregate, 4, 8, BEGIN, PERIOD);
	event_aggregate_flush(aggregate);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.last_session, 4);
	assert_false(event_aggregate_tick(aggregate, BEGIN));
}

/* a flood of kinds: every match is in some record's count */
static void test_a_full_table_hides_nothing(void **state)
{
	struct event_aggregate *aggregate = *state;
	const unsigned int kinds = 3 * EVENT_AGGREGATE_KINDS;
	uint64_t overflows;

	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int filter = 0; filter < kinds; filter++)
			hit(aggregate, 1, filter, BEGIN + round, PERIOD);
	overflows = event_aggregate_overflows(aggregate);
	assert_true(overflows >= 3 * (kinds - EVENT_AGGREGATE_KINDS));
	assert_int_equal(event_aggregate_overflows(aggregate), 0);
	event_aggregate_flush(aggregate);
	assert_int_equal(seen.hits, 3 * kinds);
}

static void test_memory_is_bounded(void **state)
{
	static uint8_t text[EVENT_STR_MAX];
	struct event_aggregate *aggregate = *state;
	static struct event event;

	for (unsigned int filter = 0; filter < 200; filter++)
		for (unsigned int i = 0; i < 3; i++) {
			struct event_kind kind = {.filter = filter, .log = EVENT_LOG_BLOCK};

			event_begin(&event, EVENT_LOG_BLOCK);
			event_bytes(&event, EVENT_HTTP_URI, SPAN(text, sizeof(text)));
			event_aggregate_add(aggregate, &event, &kind, BEGIN, PERIOD);
		}
	assert_true(event_aggregate_overflows(aggregate) > 0);
	event_aggregate_flush(aggregate);
	assert_int_equal(seen.hits, 600);
}

#define AGGREGATE_TEST(f) cmocka_unit_test_setup_teardown(f, aggregate_setup, aggregate_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AGGREGATE_TEST(test_the_first_goes_out_at_once_and_the_rest_is_counted),
		AGGREGATE_TEST(test_other_kinds_and_no_period_do_not_wait),
		AGGREGATE_TEST(test_a_full_table_hides_nothing),
		AGGREGATE_TEST(test_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
