/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/common.h"
#include "base/suggest.h"

static void test_distance(void **state)
{
	char longer[80];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(suggest_distance("", ""), 0);
	assert_int_equal(suggest_distance("abc", ""), 3);
	assert_int_equal(suggest_distance("", "abc"), 3);
	assert_int_equal(suggest_distance("segment", "segments"), 1);
	assert_int_equal(suggest_distance("segmetn", "segment"), 1);
	assert_int_equal(suggest_distance("Workers", "workers"), 0);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	assert_int_equal(suggest_distance(longer, "x"), UINT_MAX);
}

static const char *nearest(const char *word)
{
	static const char *const candidates[] = {"name", "destinations", "detection_ports", "certificates", "logging"};
	struct suggest suggest = {.word = word};

	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++)
		suggest_try(&suggest, candidates[i]);
	return suggest.best;
}

static void test_nearest(void **state)
{
	assert_string_equal(nearest("detection_port"), "detection_ports");
	assert_string_equal(nearest("detectoin-ports"), "detection_ports");
	assert_string_equal(nearest("certificate"), "certificates");
	assert_string_equal(nearest("nmae"), "name");
	assert_null(nearest("zebra"));
	assert_null(nearest(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
