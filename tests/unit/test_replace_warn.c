/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/common.h"
#include "daemon/replace_warn.h"

static const struct {
	const char *before, *after; /* names */
	const char *ended, *ends;   /* NULL: the same */
	const char *warnings[2];    /* parts of them, in order */
} rows[] = {
	{"www.example.com", "www.example.com", NULL, NULL, {NULL}},
	{"www.example.com mail.example.com", "MAIL.example.com www.example.com", NULL, NULL, {NULL}},
	{"www.example.com", "*.example.com", NULL, NULL, {NULL}},
	{"", "www.example.com", NULL, NULL, {NULL}},
	{"a.b.example.com", "*.example.com", NULL, NULL, {"it does not name a.b.example.com, as"}},
	{"example.com", "*.example.com", NULL, NULL, {"it does not name example.com, as"}},
	{"*.example.com", "www.example.com", NULL, NULL, {"it does not name *.example.com, as"}},
	{"a.x b.x c.x d.x e.x", "a.x", NULL, NULL, {"it does not name b.x, c.x, d.x and 1 more, as"}},
	{"a.x b.x", "", NULL, NULL, {"it does not name a.x, b.x, as"}},
	{"a.x", "a.x", "2027-01-02T00:00:00Z", "2027-01-01T23:59:59Z", {"it ends at 2027-01-01T23:59:59Z, before"}},
	{"a.x", "a.x", "2027-01-02T00:00:00Z", "2028-01-01T00:00:00Z", {NULL}},
	{"a.x", "b.x", "2027-01-02T00:00:00Z", "2026-01-01T00:00:00Z", {"it does not name a.x", "it ends at"}},
};

static json_t *facts_of(const char *names, const char *end)
{
	json_t *sans = json_array();
	char copy[200], *rest = copy, *name;

	snprintf(copy, sizeof(copy), "%s", names);
	while ((name = strsep(&rest, " ")))
		if (*name)
			json_array_append_new(sans, json_string(name));
	return json_pack("{s:o, s:s}", "sans", sans, "not_after", end ? end : "2027-01-02T00:00:00Z");
}

static void test_e3_what_clients_would_notice(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *before = facts_of(rows[i].before, rows[i].ended),
		       *after = facts_of(rows[i].after, rows[i].ends);
		const json_t *warnings;
		size_t n = 0;

		replace_warn(before, after);
		warnings = json_object_get(after, "warnings");
		for (; n < ARRAY_SIZE(rows[i].warnings) && rows[i].warnings[n]; n++)
			assert_non_null(
				strstr(json_string_value(json_array_get(warnings, n)) ?: "", rows[i].warnings[n]));
		assert_int_equal(json_array_size(warnings), n);
		json_decref(before);
		json_decref(after);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_e3_what_clients_would_notice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
