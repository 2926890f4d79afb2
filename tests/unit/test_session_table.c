/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/common.h"
#include "stats/session_table.h"

static int table_setup(void **state)
{
	struct session_table *table = NULL;
	int err = session_table_create(&table);

	*state = table;
	return err;
}

static int table_teardown(void **state)
{
	struct session_table *table = *state;

	session_table_free(&table);
	return 0;
}

/* a row whose every part tells the same number, so that a torn copy shows */
static struct session_row row_of(uint64_t n, uint64_t started)
{
	struct session_row row = {.id = n, .started_us = started, .bytes = {n, n}, .vlan = (uint16_t)n};

	snprintf(row.ssl_server, sizeof(row.ssl_server), "%lu", (unsigned long)n);
	snprintf(row.sni, sizeof(row.sni), "%lu", (unsigned long)n);
	snprintf(row.alpn, sizeof(row.alpn), "%lu", (unsigned long)(n % 1000000));
	return row;
}

static int row_is_whole(const struct session_row *row)
{
	struct session_row want = row_of(row->id, row->started_us);

	return !memcmp(&want, row, sizeof(want));
}

static void test_h1_newest_first(void **state)
{
	struct session_table *table = *state;
	struct session_row rows[50];
	unsigned int total;

	assert_int_equal(session_table_read(table, rows, 50, &total), 0);
	assert_int_equal(total, 0);
	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t started = 1 + i * 7919 % 1000;
		struct session_row row = row_of(started, started);

		assert_int_equal(session_table_take(table), i);
		session_table_write(table, i, &row);
	}
	assert_int_equal(session_table_read(table, rows, 50, &total), 50);
	assert_int_equal(total, 1000);
	for (unsigned int i = 0; i < 50; i++) {
		assert_int_equal(rows[i].id, 1000 - i);
		assert_true(row_is_whole(&rows[i]));
	}
	assert_int_equal(session_table_read(table, rows, 0, &total), 0);
	assert_int_equal(total, 1000);
}

static void test_h1_an_entry_lives_as_long_as_its_session(void **state)
{
	struct session_table *table = *state;
	struct session_row rows[4], row = row_of(1, 1);

	assert_int_equal(session_table_take(table), 0);
	assert_int_equal(session_table_read(table, rows, 4, NULL), 0);
	session_table_write(table, 0, &row);
	session_table_write_bytes(table, 0, 11, 22);
	assert_int_equal(session_table_read(table, rows, 4, NULL), 1);
	assert_int_equal(rows[0].bytes[0], 11);
	assert_int_equal(rows[0].bytes[1], 22);
	session_table_release(table, 0);
	assert_int_equal(session_table_read(table, rows, 4, NULL), 0);
	assert_int_equal(session_table_take(table), 0);
	assert_int_equal(session_table_read(table, rows, 4, NULL), 0);
}

static void test_a_full_table_says_so(void **state)
{
	struct session_table *table = *state;
	struct session_row row = row_of(3, 3);
	struct stat st;

	for (unsigned int i = 0; i < SESSION_TABLE_SLOTS; i++)
		assert_int_equal(session_table_take(table), i);
	assert_int_equal(session_table_take(table), -ENOSPC);
	session_table_write(table, 99, &row);
	session_table_release(table, 99);
	assert_int_equal(session_table_take(table), 99);
	assert_int_equal(fstat(session_table_fd(table), &st), 0);
	assert_true(st.st_blocks * 512 < 64 << 10); /* slots without a row are holes */
}

static void test_a_taken_over_table_keeps_and_clears(void **state)
{
	struct session_table *table = *state, *heir = NULL;
	struct session_row row = row_of(3, 3), rows[4];
	unsigned int total;

	for (unsigned int i = 0; i < 3; i++)
		session_table_write(table, session_table_take(table), &row);
	session_table_release(table, 1);
	assert_int_equal(session_table_map(&heir, session_table_fd(table), true), 0);
	assert_int_equal(session_table_take(heir), 1);
	assert_int_equal(session_table_take(heir), 3);
	session_table_clear(heir);
	assert_int_equal(session_table_read(table, rows, 4, &total), 0);
	assert_int_equal(total, 0);
	assert_int_equal(session_table_take(heir), 0);
	session_table_write(heir, 0, &row);
	assert_int_equal(session_table_read(table, rows, 4, &total), 1);
	session_table_free(&heir);
	assert_int_equal(session_table_map(&heir, session_table_fd(table), false), 0);
	assert_int_equal(session_table_take(heir), -EBADF);
	session_table_free(&heir);
}

struct writer {
	struct session_table *table;
	_Atomic int stop;
};

static void *write_rows(void *arg)
{
	struct writer *writer = arg;
	uint64_t n = 1;

	while (!writer->stop) {
		int slot = session_table_take(writer->table);

		for (int i = 0; i < 4; i++) {
			struct session_row row = row_of(n, n);

			n++;
			session_table_write(writer->table, slot, &row);
		}
		session_table_release(writer->table, slot);
	}
	return NULL;
}

static void test_rows_are_never_torn(void **state)
{
	struct writer writer = {.table = *state};
	struct session_row rows[8];
	unsigned int seen = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, write_rows, &writer), 0);
	for (unsigned int i = 0; i < 100000 || (!seen && i < 10000000); i++) {
		unsigned int n = session_table_read(writer.table, rows, 8, NULL);

		for (unsigned int r = 0; r < n; r++)
			assert_true(row_is_whole(&rows[r]));
		seen += n;
	}
	writer.stop = 1;
	pthread_join(thread, NULL);
	assert_true(seen > 0);
}

/* F4: what a worker without control socket is asked; what does not fit is refused, nothing is lost in the ring */
static void test_clear_requests_come_in_order_and_are_bounded(void **state)
{
	struct session_table *table = *state;
	struct session_clear clear;
	unsigned int asked = 0;

	assert_false(session_table_next_clear(table, &clear));
	for (unsigned int round = 0; round < 3; round++) {
		unsigned int first = asked;

		while (session_table_ask_clear(table, &(struct session_clear){.id = asked + 1}) == 0)
			asked++;
		assert_int_equal(asked - first, 16);
		for (unsigned int i = first; i < asked; i++) {
			assert_true(session_table_next_clear(table, &clear));
			assert_int_equal(clear.id, i + 1);
		}
		assert_false(session_table_next_clear(table, &clear));
	}
}

#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, table_setup, table_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(test_h1_newest_first),
		TABLE_TEST(test_h1_an_entry_lives_as_long_as_its_session),
		TABLE_TEST(test_a_full_table_says_so),
		TABLE_TEST(test_a_taken_over_table_keeps_and_clears),
		TABLE_TEST(test_rows_are_never_torn),
		TABLE_TEST(test_clear_requests_come_in_order_and_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
