/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/common.h"
#include "stats/bypass_table.h"

static int table_setup(void **state)
{
	struct bypass_table *table = NULL;
	int err = bypass_table_create(&table);

	*state = table;
	return err;
}

static int table_teardown(void **state)
{
	struct bypass_table *table = *state;

	bypass_table_free(&table);
	return 0;
}

static struct bypass_row row_of(unsigned int n, uint64_t expires_ns)
{
	struct bypass_row row = {.key = {.server = {1}, .server_port = 443}, .expires_ns = expires_ns, .cause = n % 9};

	snprintf(row.key.ssl_server, sizeof(row.key.ssl_server), "server-%u", n % 2);
	snprintf(row.key.sni, sizeof(row.key.sni), "host-%u.example.test", n);
	return row;
}

static void test_d6_found_until_it_ends(void **state)
{
	struct bypass_row row = row_of(7, 1000), rows[4];
	struct bypass_key other = row.key;
	uint32_t cause = 99;

	assert_false(bypass_table_find(*state, &row.key, 1, &cause));
	assert_true(bypass_table_is_empty(*state, 0));
	assert_false(bypass_table_learn(*state, &row, 1));
	assert_false(bypass_table_is_empty(*state, 999));
	assert_true(bypass_table_is_empty(*state, 1000));
	assert_true(bypass_table_find(*state, &row.key, 999, &cause));
	assert_int_equal(cause, 7);
	assert_false(bypass_table_find(*state, &row.key, 1000, &cause));
	other.server_port = 444;
	assert_false(bypass_table_find(*state, &other, 1, &cause));
	assert_int_equal(bypass_table_read(*state, 1, rows, 4), 1);
	assert_int_equal(rows[0].sessions, 1);
	assert_string_equal(rows[0].key.sni, "host-7.example.test");
	assert_int_equal(bypass_table_read(*state, 1000, rows, 4), 0);
}

static void test_d6_learned_again_it_is_renewed(void **state)
{
	struct bypass_row row = row_of(1, 1000), rows[4];

	assert_false(bypass_table_learn(*state, &row, 1));
	row.expires_ns = 2000;
	assert_false(bypass_table_learn(*state, &row, 1));
	assert_int_equal(bypass_table_read(*state, 1500, rows, 4), 1);
}

/* bounded: the number of entries never passes the slots, and who gives way is told */
static void test_d6_full_sets_give_way(void **state)
{
	static struct bypass_row rows[BYPASS_TABLE_SLOTS];
	unsigned int gave_way = 0, n = 4 * BYPASS_TABLE_SLOTS;
	struct bypass_row last;
	uint32_t cause;

	for (unsigned int i = 0; i < n; i++) {
		last = row_of(i, 1000 + i);
		gave_way += bypass_table_learn(*state, &last, 1);
		assert_true(bypass_table_find(*state, &last.key, 1, &cause));
	}
	assert_int_equal(bypass_table_read(*state, 1, rows, BYPASS_TABLE_SLOTS) + gave_way, n);
	assert_true(gave_way >= n - BYPASS_TABLE_SLOTS);
}

static void test_d6_cleared_by_server_and_all(void **state)
{
	for (unsigned int i = 0; i < 10; i++) {
		struct bypass_row row = row_of(i, 1000);

		bypass_table_learn(*state, &row, 1);
	}
	assert_int_equal(bypass_table_clear(*state, 1, "server-1"), 5);
	assert_int_equal(bypass_table_clear(*state, 1, "server-1"), 0);
	assert_int_equal(bypass_table_clear(*state, 1, NULL), 5);
}

static void test_d6_another_process_sees_the_same(void **state)
{
	struct bypass_row row = row_of(3, 1000);
	struct bypass_table *second;
	uint32_t cause;

	assert_int_equal(bypass_table_map(&second, bypass_table_fd(*state)), 0);
	bypass_table_learn(second, &row, 1);
	assert_true(bypass_table_find(*state, &row.key, 1, &cause));
	bypass_table_free(&second);
}

#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, table_setup, table_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(test_d6_found_until_it_ends),
		TABLE_TEST(test_d6_learned_again_it_is_renewed),
		TABLE_TEST(test_d6_full_sets_give_way),
		TABLE_TEST(test_d6_cleared_by_server_and_all),
		TABLE_TEST(test_d6_another_process_sees_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
