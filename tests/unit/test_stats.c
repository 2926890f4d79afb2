/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/common.h"
#include "base/shm.h"
#include "stats/stats.h"

static void test_h6_every_counter_is_named_once(void **state)
{
	for (unsigned int i = 0; i < COUNTER_N; i++) {
		const struct counter_info *info = &counter_info[i];

		assert_true(strlen(info->name) > 2 && strlen(info->unit) && strlen(info->meaning));
		for (const char *c = info->name; *c; c++)
			assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
		assert_int_equal(info->gauge, !strncmp(info->name, "gauge_", 6));
		for (unsigned int other = 0; other < i; other++)
			assert_string_not_equal(info->name, counter_info[other].name);
	}
	assert_string_equal(counter_info[COUNTER_SESSIONS_NEW].name, "sessions_new");
	assert_int_equal(counter_info[COUNTER_SESSIONS_NEW].scope, COUNTER_SCOPE_SERVER);
	(void)state;
}

static void test_close_reasons(void **state)
{
	assert_string_equal(close_reason_info[CLOSE_CLEARTEXT_BEFORE_HELLO].name, "cleartext_before_hello");
	assert_true(close_reason_info[CLOSE_BLOCKED].reset);
	assert_false(close_reason_info[CLOSE_DONE].reset);
	assert_int_equal(close_reason_info[CLOSE_INTERNAL].severity, CLOSE_SEVERITY_ERROR);
	(void)state;
}

static void test_writers_in_other_processes_are_summed(void **state)
{
	struct stats_page *page = NULL, *reader = NULL;

	assert_int_equal(stats_page_create(&page), 0);
	for (unsigned int w = 0; w < 3; w++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			struct stats_page *mine = NULL;

			if (stats_page_map(&mine, stats_page_fd(page), true))
				_exit(1);
			stats_add(stats_cells(mine, w), COUNTER_SESSIONS_NEW, 10 + w);
			stats_add(stats_server_cells(mine, w, 7), COUNTER_SESSIONS_NEW, w);
			stats_cells(mine, w)->closed[CLOSE_DONE] += 2;
			stats_server_cells(mine, w, 255)->closed[CLOSE_DONE] += 1;
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_int_equal(stats_page_map(&reader, stats_page_fd(page), false), 0);
	assert_int_equal(stats_sum(reader, COUNTER_SESSIONS_NEW), 33);
	assert_int_equal(stats_writer_value(reader, 1, COUNTER_SESSIONS_NEW), 11);
	assert_int_equal(stats_writer_value(reader, 3, COUNTER_SESSIONS_NEW), 0);
	assert_int_equal(stats_server_sum(reader, 7, COUNTER_SESSIONS_NEW), 3);
	assert_int_equal(stats_server_sum(reader, 8, COUNTER_SESSIONS_NEW), 0);
	assert_int_equal(stats_sum_closed(reader, CLOSE_DONE), 6);
	assert_int_equal(stats_server_sum_closed(reader, 255, CLOSE_DONE), 3);
	stats_page_free(&reader);
	stats_page_free(&page);
	(void)state;
}

static void test_a_dead_workers_gauges_fall_and_its_counters_stay(void **state)
{
	struct stats_page *page = NULL;

	assert_int_equal(stats_page_create(&page), 0);
	for (unsigned int w = 0; w < 2; w++) {
		stats_add(stats_cells(page, w), COUNTER_GAUGE_SESSIONS_ACTIVE, 5);
		stats_add(stats_cells(page, w), COUNTER_SESSIONS_NEW, 5);
		stats_add(stats_server_cells(page, w, 0), COUNTER_GAUGE_SESSIONS_ACTIVE, 5);
	}
	stats_clear_gauges(page, 0);
	assert_int_equal(stats_sum(page, COUNTER_GAUGE_SESSIONS_ACTIVE), 5);
	assert_int_equal(stats_server_sum(page, 0, COUNTER_GAUGE_SESSIONS_ACTIVE), 5);
	assert_int_equal(stats_sum(page, COUNTER_SESSIONS_NEW), 10);
	stats_page_free(&page);
	(void)state;
}

static void test_bounds_and_foreign_pages(void **state)
{
	struct stats_page *page = NULL, *reader = NULL;
	int fd;

	assert_int_equal(stats_page_create(&page), 0);
	assert_null(stats_cells(page, STATS_WRITERS));
	assert_null(stats_server_cells(page, 0, STATS_SERVERS_MAX));
	assert_int_equal(stats_sum(page, COUNTER_N), 0);
	assert_int_equal(stats_page_map(&reader, stats_page_fd(page), false), 0);
	assert_null(stats_cells(reader, 0));
	stats_page_free(&reader);
	assert_int_equal(shm_create("x", 64, &fd), 0);
	assert_int_equal(stats_page_map(&reader, fd, false), -EINVAL);
	close(fd);
	assert_int_equal(shm_create("x", 64 << 20, &fd), 0);
	assert_int_equal(stats_page_map(&reader, fd, false), -EPROTO);
	close(fd);
	stats_page_free(&page);
	(void)state;
}

static void test_unused_blocks_take_no_memory(void **state)
{
	struct stats_page *page = NULL;
	struct stat st;

	assert_int_equal(stats_page_create(&page), 0);
	stats_add(stats_cells(page, 0), COUNTER_SESSIONS_NEW, 1);
	for (unsigned int id = 0; id < COUNTER_N; id++)
		stats_server_sum(page, 3, id);
	assert_int_equal(fstat(stats_page_fd(page), &st), 0);
	assert_true(st.st_blocks * 512 < 64 << 10);
	stats_page_free(&page);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_h6_every_counter_is_named_once),
		cmocka_unit_test(test_close_reasons),
		cmocka_unit_test(test_writers_in_other_processes_are_summed),
		cmocka_unit_test(test_a_dead_workers_gauges_fall_and_its_counters_stay),
		cmocka_unit_test(test_bounds_and_foreign_pages),
		cmocka_unit_test(test_unused_blocks_take_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
