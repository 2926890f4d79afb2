/* SPDX-License-Identifier: Apache-2.0 */
/* F1, B11: override before category before default, each with and without an action set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/common.h"
#include "policy/treatment.h"

#define DOCUMENT                                                                                         \
	"device: {name: d}\n"                                                                            \
	"action_sets: [{name: a, action: block}, {name: b, action: permit}, {name: c, action: trust}]\n" \
	"profiles: [{name: p, %s}]\n"

static const struct {
	const char *profile;
	uint32_t sid;
	const char *category;
	bool off;
	const char *action_set; /* NULL: the filter's own */
} cases[] = {
	{"monitor_only: off", 7, "x", false, NULL},
	{"default_action_set: a", 7, "x", false, "a"},
	{"default_action_set: a, filter_categories: [{category: x}]", 7, "x", false, "a"},
	{"default_action_set: a, filter_categories: [{category: x, action_set: b}]", 7, "x", false, "b"},
	{"default_action_set: a, filter_categories: [{category: x, action_set: b}]", 7, "y", false, "a"},
	{"default_action_set: a, filter_categories: [{category: x, action_set: b}]", 7, "", false, "a"},
	{"filter_categories: [{category: none, action_set: b}]", 7, "", false, "b"},
	{"filter_categories: [{category: x, enabled: off}]", 7, "x", true, NULL},
	{"filter_categories: [{category: x, enabled: off}]", 7, "y", false, NULL},
	{"filter_categories: [{category: x, enabled: off}], filter_overrides: [{filter: 7}]", 7, "x", false, NULL},
	{"filter_categories: [{category: x, action_set: b}], filter_overrides: [{filter: 7}]", 7, "x", false, "b"},
	{"filter_categories: [{category: x, action_set: b}], filter_overrides: [{filter: 7, action_set: c}]", 7, "x",
		false, "c"},
	{"filter_categories: [{category: x, action_set: b}], filter_overrides: [{filter: 7, enabled: off}]", 7, "x",
		true, "b"},
	{"filter_overrides: [{filter: 9, action_set: c}, {filter: 7, action_set: a}, {filter: 8, enabled: off}]", 7,
		"x", false, "a"},
	{"filter_overrides: [{filter: 9, action_set: c}, {filter: 7, action_set: a}, {filter: 8, enabled: off}]", 9,
		"x", false, "c"},
	{"filter_overrides: [{filter: 9, action_set: c}, {filter: 7, action_set: a}, {filter: 8, enabled: off}]", 8,
		"x", true, NULL},
	/* inherited from a parent profile, entry by entry */
	{"parent: q, filter_overrides: [{filter: 9, action_set: c}]}, {name: q, filter_overrides: [{filter: 7, "
	 "action_set: a}]",
		7, "x", false, "a"},
	{"parent: q, filter_overrides: [{filter: 7, action_set: c}]}, {name: q, filter_overrides: [{filter: 7, "
	 "action_set: a}]",
		7, "x", false, "c"},
	{"parent: q, filter_categories: [{category: y}]}, {name: q, filter_categories: [{category: x, enabled: off}]",
		7, "x", true, NULL},
	{"filter_overrides: [{filter: 4294967295, action_set: c}]", UINT32_MAX, "x", false, "c"},
};

static void test_f1_what_is_said_of_a_filter_in_its_order(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config_problems problems = {0};
		struct treatments *treatments;
		struct treatment treatment;
		struct config *config;
		char text[1024];

		snprintf(text, sizeof(text), DOCUMENT, cases[i].profile);
		if (config_parse(text, strlen(text), &config, &problems) < 0)
			fail_msg("%s: %s", text, problems.items[0].message);
		config_problems_clear(&problems);
		assert_int_equal(treatments_new(&treatments, &config->profiles[0]), 0);
		treatment = treatments_find(treatments, cases[i].sid, cases[i].category);
		if (treatment.off != cases[i].off)
			fail_msg("case %zu: off is %d", i, treatment.off);
		if (!cases[i].action_set != !treatment.action_set ||
			(treatment.action_set && strcmp(treatment.action_set->name, cases[i].action_set)))
			fail_msg("case %zu: action set %s", i,
				treatment.action_set ? treatment.action_set->name : "none");
		treatments_free(&treatments);
		config_unref(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_f1_what_is_said_of_a_filter_in_its_order)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
