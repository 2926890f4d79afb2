/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/loop.h"

#define TIMERS 60

static struct loop *loop;
static unsigned int fired;
static uint64_t last_deadline_ns;

struct probe {
	struct loop_timer timer;
	uint64_t deadline_ns;
};

static void probe_fired(struct loop_timer *timer)
{
	struct probe *probe = container_of(timer, struct probe, timer);

	assert_true(loop_now_ns(loop) >= probe->deadline_ns);
	assert_true(probe->deadline_ns >= last_deadline_ns);
	last_deadline_ns = probe->deadline_ns;
	if (++fired == TIMERS)
		loop_stop(loop);
}

static void probe_arm(struct probe *probe, uint64_t delay_ns)
{
	loop_timer_arm(loop, &probe->timer, delay_ns, probe_fired);
	probe->deadline_ns = loop_now_ns(loop) + delay_ns;
}

/* more different delays than there are lists, the long ones first: none may keep a shorter one waiting */
static void test_timers_of_many_delays_fire_in_order(void **state)
{
	struct probe probes[TIMERS] = {0};

	fired = 0;
	last_deadline_ns = 0;
	assert_int_equal(loop_new(&loop), 0);
	for (unsigned int i = 0; i < TIMERS; i++)
		probe_arm(&probes[i], (TIMERS - i) * NSEC_PER_MSEC);
	assert_int_equal(loop_run(loop), 0);
	loop_free(&loop);
}

/* delays that come and go, as of configuration versions, do not use the lists up: a long timer among short ones */
static void test_delays_that_are_no_longer_used_make_room(void **state)
{
	struct probe probe = {0}, hour = {0}, last = {0};

	fired = TIMERS - 1;
	last_deadline_ns = 0;
	assert_int_equal(loop_new(&loop), 0);
	for (unsigned int i = 1; i <= 1000; i++)
		probe_arm(&probe, i * NSEC_PER_SEC);
	probe_arm(&hour, 3600 * NSEC_PER_SEC);
	probe_arm(&last, NSEC_PER_MSEC);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_disarm(loop, &probe.timer);
	loop_timer_disarm(loop, &hour.timer);
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_of_many_delays_fire_in_order),
		cmocka_unit_test(test_delays_that_are_no_longer_used_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
