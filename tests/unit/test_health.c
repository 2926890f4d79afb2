/* SPDX-License-Identifier: Apache-2.0 */
/* J2: below the minimum SSL inspection is refused with the reason; what is only recommended warns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/common.h"
#include "health/health.h"

static const struct health_facts whole = {.rdrand_announced = true,
	.rdrand_works = true,
	.ssse3 = true,
	.aes = true,
	.pclmul = true,
	.avx2 = true,
	.avx512_ifma = true,
	.cpus = 2,
	.memory_bytes = 2000ull << 20,
	.entropy = true};

static const struct health_check *check_of(const char *name)
{
	for (size_t i = 0; i < health_n_checks; i++)
		if (strcmp(health_checks[i].name, name) == 0)
			return &health_checks[i];
	fail_msg("no check %s", name);
	return NULL;
}

static void test_a_whole_machine_is_good(void **state)
{
	for (size_t i = 0; i < health_n_checks; i++)
		assert_int_equal(health_judge(&health_checks[i], &whole), HEALTH_GOOD);
	assert_null(health_refusal(&whole));
}

static void test_each_minimum_refuses_and_each_recommendation_warns(void **state)
{
	struct health_facts no_ssse3 = whole, one_cpu = whole, little = whole, no_rdrand = whole, no_aes = whole,
			    no_ifma = whole;

	no_ssse3.ssse3 = false;
	one_cpu.cpus = 1;
	little.memory_bytes = 1024ull << 20;
	no_rdrand.rdrand_works = false;
	no_aes.aes = false;
	no_ifma.avx512_ifma = false;
	assert_ptr_equal(health_refusal(&no_ssse3), check_of("ssse3"));
	assert_ptr_equal(health_refusal(&one_cpu), check_of("cpus"));
	assert_ptr_equal(health_refusal(&little), check_of("memory"));
	assert_null(health_refusal(&no_rdrand));
	assert_int_equal(health_judge(check_of("rdrand"), &no_rdrand), HEALTH_WARNING);
	assert_int_equal(health_judge(check_of("aes"), &no_aes), HEALTH_WARNING);
	assert_int_equal(health_judge(check_of("avx512_ifma"), &no_ifma), HEALTH_NOTE);
}

static void test_rdrand_that_is_only_announced_is_told(void **state)
{
	struct health_facts facts = whole;
	char text[160];

	facts.rdrand_works = false;
	health_describe(check_of("rdrand"), &facts, text, sizeof(text));
	assert_string_equal(text, "announced, but it does not work");
}

/* the tests' own machine runs the whole suite, so it has the minimum; RDRAND is executed where it is announced */
static void test_this_machine(void **state)
{
	struct health_facts facts;

	health_find(&facts);
	assert_null(health_refusal(&facts));
	assert_true(facts.cpus >= 1 && facts.memory_bytes > 0);
	if (!facts.rdrand_announced)
		assert_false(facts.rdrand_works);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_machine_is_good),
		cmocka_unit_test(test_each_minimum_refuses_and_each_recommendation_warns),
		cmocka_unit_test(test_rdrand_that_is_only_announced_is_told),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
