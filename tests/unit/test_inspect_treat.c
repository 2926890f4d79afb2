/* SPDX-License-Identifier: Apache-2.0 */
/* F1, B8, B11, G3: what a profile makes of filters, trust, and several matches at one point. */
#include "inspect_rig.h"

#define RULES                                                                                                \
	"drop tcp any any -> any any (msg:\"b\"; flow:to_server; content:\"bad\"; sid:1;)\n"                 \
	"alert tcp any any -> any any (msg:\"n\"; flow:to_server; content:\"bad\"; sid:2;)\n"                \
	"alert tcp any any -> any any (msg:\"t\"; flow:to_server; content:\"friend\"; sid:3;)\n"             \
	"alert tcp any any -> any any (msg:\"l\"; flow:to_server; content:\"bad!\"; sid:4;)\n"               \
	"drop http any any -> any any (msg:\"u\"; flow:to_server; http.uri; content:\"/evil\"; sid:5;)\n"    \
	"alert http any any -> any any (msg:\"v\"; flow:to_server; http.uri; content:\"/friend\"; sid:6;)\n" \
	"drop http any any -> any any (msg:\"w\"; flow:to_client; http.response_body; content:\"leak\"; sid:7;)\n"

struct plan {
	uint32_t off[4], trust[4], notify[4]; /* sids */
};

static bool has(const uint32_t *sids, uint32_t sid)
{
	for (size_t i = 0; i < 4; i++)
		if (sids[i] == sid)
			return true;
	return false;
}

static bool treat(void *data, struct inspect_filter *filter)
{
	const struct plan *plan = data;

	filter->treatment = plan;
	if (has(plan->trust, filter->sid))
		filter->action = INSPECT_TRUST;
	if (has(plan->notify, filter->sid))
		filter->action = INSPECT_NOTIFY;
	return !has(plan->off, filter->sid);
}

static void open_treated(struct rig *rig, enum inspect_service service, struct plan *plan)
{
	rig_open(rig, RULES);
	inspect_engine_treat(rig->engine, treat, plan);
	rig->options.service = service;
	rig_stream(rig);
}

static void test_g3_all_that_match_at_one_point_are_told_of(void **state)
{
	static const char text[] = "a bad! day, bad";
	struct plan plan = {0};
	struct rig rig;

	open_treated(&rig, INSPECT_RAW, &plan);
	for (uint32_t seed = 0; seed < 30; seed++) {
		rig_stream(&rig);
		rig_data_cut(&rig, INSPECT_TO_SERVER, text, strlen(text), seed);
		assert_int_equal(rig.n_hits, 2);
		assert_true(rig_has_hit(&rig, 1));
		assert_true(rig_has_hit(&rig, 2));
		assert_int_equal(rig.verdict[0].block->sid, 1);
		assert_int_equal(rig.verdict[0].block_dir, INSPECT_TO_SERVER);
		assert_int_equal(rig.verdict[0].release, 4);
		assert_ptr_equal(rig.verdict[0].block->treatment, &plan);
	}
	rig_close(&rig);
}

static void test_b11_a_filter_that_is_off_does_nothing(void **state)
{
	struct plan plan = {.off = {1, 4}};
	struct rig rig;

	open_treated(&rig, INSPECT_RAW, &plan);
	assert_int_equal(inspect_engine_filters(rig.engine), 5);
	rig_text(&rig, INSPECT_TO_SERVER, "a bad! day");
	assert_int_equal(rig.n_hits, 1);
	assert_true(rig_has_hit(&rig, 2));
	assert_null(rig.verdict[0].block);
	assert_int_equal(rig.verdict[0].release, 10);
	rig_close(&rig);
}

static void test_f1_notify_in_place_of_block_goes_on_to_later_matches(void **state)
{
	struct plan plan = {.notify = {1}};
	struct rig rig;

	open_treated(&rig, INSPECT_RAW, &plan);
	rig_text(&rig, INSPECT_TO_SERVER, "a bad! day");
	assert_int_equal(rig.n_hits, 3);
	assert_int_equal(rig.verdict[0].release, 10);
	assert_null(rig.verdict[0].block);
	rig_close(&rig);
}

/* what follows a trusted match passes, in both directions, and nothing is kept for it */
static void test_b8_trust_ends_inspection(void **state)
{
	static const char text[] = "a friend with a bad! idea";
	struct plan plan = {.trust = {3}};
	struct rig rig;

	open_treated(&rig, INSPECT_RAW, &plan);
	for (uint32_t seed = 0; seed < 30; seed++) {
		rig_stream(&rig);
		rig_data_cut(&rig, INSPECT_TO_SERVER, text, strlen(text), seed);
		assert_int_equal(rig.n_hits, 1);
		assert_int_equal(rig.verdict[0].release, strlen(text));
		rig_text(&rig, INSPECT_TO_CLIENT, "bad");
		assert_int_equal(rig.verdict[1].release, 3);
		assert_null(rig.verdict[1].block);
		assert_in_range(inspect_stream_memory(rig.stream), 1, 4096);
	}
	rig_close(&rig);
}

static void test_b8_a_block_before_or_at_the_trusted_match_holds(void **state)
{
	struct plan plan = {.trust = {2, 3}};
	struct rig rig;

	open_treated(&rig, INSPECT_RAW, &plan);
	rig_text(&rig, INSPECT_TO_SERVER, "a bad friend");
	assert_non_null(rig.verdict[0].block);
	assert_int_equal(rig.verdict[0].release, 4);
	assert_int_equal(rig.n_hits, 2);
	rig_close(&rig);
}

/* pass goes before all that the same byte completes, leaves no record, and what came before it holds */
static void test_c1_pass_goes_before_all_others(void **state)
{
	static const char rules[] = "drop tcp any any -> any any (flow:to_server; content:\"bad\"; sid:1;)\n"
				    "alert tcp any any -> any any (flow:to_server; content:\"good\"; sid:2;)\n"
				    "pass tcp any any -> any any (flow:to_server; content:\"friend bad\"; sid:3;)\n";
	static const struct {
		const char *text;
		size_t hits;
		bool blocked;
	} cases[] = {{"a good friend bad, bad good", 1, false}, {"bad, friend bad", 1, true}, {"friend, bad", 1, true}};
	struct rig rig;

	rig_open(&rig, rules);
	rig.options.service = INSPECT_RAW;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (uint32_t seed = 0; seed < 30; seed++) {
			rig_stream(&rig);
			rig_data_cut(&rig, INSPECT_TO_SERVER, cases[i].text, strlen(cases[i].text), seed);
			assert_int_equal(rig.n_hits, cases[i].hits);
			assert_int_equal(rig.verdict[0].block != NULL, cases[i].blocked);
			if (!cases[i].blocked)
				assert_int_equal(rig.verdict[0].release, strlen(cases[i].text));
		}
	rig_close(&rig);
}

/* requests held back are let go with everything else */
static void test_b8_trust_in_http(void **state)
{
	static const char requests[] = "GET /friend HTTP/1.1\r\nHost: a\r\n\r\n"
				       "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nbadGET /evil HT";
	struct plan plan = {.trust = {6}};
	struct rig rig;

	open_treated(&rig, INSPECT_HTTP, &plan);
	for (uint32_t seed = 0; seed < 60; seed++) {
		rig_stream(&rig);
		rig_data_cut(&rig, INSPECT_TO_SERVER, requests, strlen(requests), seed);
		assert_int_equal(rig.n_hits, 2); /* 3 too: in the raw stream */
		assert_int_equal(rig.verdict[0].release, strlen(requests));
		rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nleak");
		assert_null(rig.verdict[1].block);
		rig_end(&rig, INSPECT_TO_SERVER);
		rig_end(&rig, INSPECT_TO_CLIENT);
		assert_null(rig.verdict[0].block);
	}
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_g3_all_that_match_at_one_point_are_told_of),
		cmocka_unit_test(test_b11_a_filter_that_is_off_does_nothing),
		cmocka_unit_test(test_f1_notify_in_place_of_block_goes_on_to_later_matches),
		cmocka_unit_test(test_b8_trust_ends_inspection),
		cmocka_unit_test(test_b8_a_block_before_or_at_the_trusted_match_holds),
		cmocka_unit_test(test_b8_trust_in_http),
		cmocka_unit_test(test_c1_pass_goes_before_all_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
