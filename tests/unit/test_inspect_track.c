/* SPDX-License-Identifier: Apache-2.0 */
/* threshold, detection_filter and xbits (C1): what is reported, what is blocked, and for how long. */
#include "inspect_rig.h"

#include "inspect/track.h"

#define RULE(action, options, sid) \
	action " http any any -> any any (flow:to_server; http.uri; content:\"/a\"; " options " sid:" #sid ";)\n"
#define REQUEST "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

static uint64_t now_ms = 1000000;

static uint64_t fake_clock(void *data)
{
	return now_ms;
}

static void open_rig(struct rig *rig, const char *rules)
{
	rig_open(rig, rules);
	if (rig->report.n_refused)
		fail_msg("%s: %s", rules, rig->report.refused[0].reason);
	inspect_scratch_set_clock(rig->scratch, fake_clock, NULL);
}

/* what one matching request does: 'r' recorded, 'b' blocked, 'x' both, '.' nothing */
static char request(struct rig *rig)
{
	static const char signs[] = ".rbx";

	rig_stream(rig);
	rig_text(rig, INSPECT_TO_SERVER, REQUEST);
	assert_in_range(rig->n_hits, 0, 1);
	return signs[rig->n_hits + (rig->verdict[0].block ? 2 : 0)];
}

struct rate_case {
	const char *rate;
	const char *alert, *drop; /* the fates of requests a second apart */
};

static const struct rate_case rates[] = {
	{"", "rrrr", "xxxx"},
	{"threshold:type limit, track by_src, count 2, seconds 60;", "rr...", "xxbbb"},
	{"threshold:type limit, track by_src, count 1, seconds 3;", "r..r..r", "xbbxbbx"},
	{"threshold:type threshold, track by_src, count 3, seconds 60;", "..r..r.", "..x..x."},
	{"threshold:type threshold, track by_src, count 3, seconds 2;", ".......", "......."},
	{"threshold: type both,track by_src,count 3,seconds 60;", "..r...", "..xbbb"},
	{"threshold: type both,track by_src,count 2,seconds 3;", ".r..r..", ".xb.xb."},
	{"detection_filter:track by_src, count 2, seconds 60;", "..rrr", "..xxx"},
	{"detection_filter:track by_src, count 2, seconds 4;", "..rr..rr", "..xx..xx"},
	{"threshold:type limit, track by_rule, count 1, seconds 60;", "r..", "xbb"},
	{"threshold:type limit, track by_both, count 1, seconds 60;", "r..", "xbb"},
	{"threshold:type limit, track by_dst, count 1, seconds 60;", "r..", "xbb"},
	{"threshold:type limit, count 1, seconds 60, track by_src; noalert;", "...", "bbb"},
};

static void check_fates(const char *action, const struct rate_case *c, const char *fates)
{
	char rule[512];
	struct rig rig;

	snprintf(rule, sizeof(rule),
		"%s http any any -> any any (flow:to_server; http.uri; content:\"/a\"; %s sid:1;)\n", action, c->rate);
	open_rig(&rig, rule);
	for (size_t i = 0; fates[i]; i++) {
		char fate = request(&rig);

		if (fate != fates[i])
			fail_msg("%s %s: request %zu is %c, not %c", action, c->rate, i + 1, fate, fates[i]);
		now_ms += 1000;
	}
	rig_close(&rig);
}

static void test_c1_rates(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		check_fates("alert", &rates[i], rates[i].alert);
		check_fates("drop", &rates[i], rates[i].drop);
	}
}

static void test_c1_rates_are_tracked_apart(void **state)
{
	static const struct {
		const char *by;
		const char *fates; /* client 1, client 2, client 1 to another server, client 1 once more */
		unsigned int suppressed;
	} cases[] = {{"by_src", "rr..", 2}, {"by_dst", "r.r.", 2}, {"by_both", "rrr.", 1}, {"by_rule", "r...", 3}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char rule[256], fates[5] = "";
		struct rig rig;

		snprintf(rule, sizeof(rule), RULE("alert", "threshold:type limit, track %s, count 1, seconds 9;", 1),
			cases[i].by);
		open_rig(&rig, rule);
		fates[0] = request(&rig);
		rig.options.client_ip = htonl(0x0a090003);
		fates[1] = request(&rig);
		rig.options.client_ip = htonl(0x0a090001);
		rig.options.server_ip = htonl(0x0a090004);
		fates[2] = request(&rig);
		fates[3] = request(&rig);
		assert_string_equal(fates, cases[i].fates);
		assert_int_equal(inspect_scratch_stats(rig.scratch)->rate_suppressed, cases[i].suppressed);
		rig_close(&rig);
	}
}

/* a response's source is the server */
static void test_c1_rate_of_responses(void **state)
{
	struct rig rig;

	open_rig(&rig, "alert http any any -> any any (flow:to_client; http.stat_code; content:\"401\"; "
		       "detection_filter:track by_dst, count 2, seconds 9; sid:1;)\n");
	for (int i = 0; i < 5; i++) {
		rig_text(&rig, INSPECT_TO_SERVER, REQUEST);
		rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
	}
	assert_int_equal(rig.n_hits, 3);
	rig_close(&rig);
}

/* state is changed by every match, whether recorded or not */
static void test_c1_rate_does_not_stop_flowbits(void **state)
{
	struct rig rig;

	open_rig(&rig, RULE("alert", "flowbits:set,seen; detection_filter:track by_src, count 9, seconds 9;", 1)
			       RULE("alert", "flowbits:isset,seen;", 2));
	assert_int_equal(request(&rig), 'r');
	assert_int_equal(rig.hits[0].sid, 2);
	rig_close(&rig);
}

static void test_c1_rate_does_not_depend_on_cuts(void **state)
{
	static const char requests[] = REQUEST REQUEST REQUEST REQUEST REQUEST REQUEST REQUEST;
	struct rig rig;

	open_rig(&rig, RULE("alert", "threshold:type both, track by_src, count 3, seconds 9;", 1)
			       RULE("drop", "detection_filter:track by_src, count 5, seconds 9;", 2));
	for (uint32_t seed = 0; seed < 50; seed++) {
		rig_stream(&rig);
		rig_data_cut(&rig, INSPECT_TO_SERVER, requests, strlen(requests), seed);
		assert_int_equal(rig.n_hits, 2);
		assert_int_equal(rig.hits[0].offset, 3 * strlen(REQUEST) - 1);
		assert_int_equal(rig.verdict[0].block->sid, 2);
		assert_int_equal(rig.verdict[0].release, 5 * strlen(REQUEST));
		now_ms += 9000;
	}
	rig_close(&rig);
}

/* --- xbits ------------------------------------------------------------------------------------------------------- */
#define XRULE(options, sid) \
	"alert http any any -> any any (flow:to_server; http.uri; content:\"/" #sid "\"; " options " sid:" #sid ";)\n"

/* requests /1, /2 ... in turn; the hits' filters as text */
static void xbit_hits(struct rig *rig, const char *order, char *hits)
{
	for (; *order; order++) {
		char text[64];

		if (*order == '+') {
			now_ms += 10000;
			continue;
		}
		snprintf(text, sizeof(text), "GET /%c HTTP/1.1\r\nHost: a\r\n\r\n", *order);
		rig_stream(rig);
		rig_text(rig, INSPECT_TO_SERVER, text);
		if (rig->n_hits)
			*hits++ = (char)('0' + rig->hits[0].sid);
	}
	*hits = '\0';
}

static void test_c1_xbits(void **state)
{
	static const char rules[] = XRULE("xbits:set,a,track ip_src,expire 25; noalert;", 1)
		XRULE("xbits:isset,a,track ip_src;", 2) XRULE("xbits:isnotset,a,track ip_src;", 3)
			XRULE("xbits:unset,a,track ip_src; xbits:noalert;", 4)
				XRULE("xbits:toggle, a, track ip_src, expire 10; noalert;", 5)
					XRULE("xbits:isset,a,track ip_pair;", 6)
						XRULE("xbits:isset,a,track ip_dst;", 7);
	static const struct {
		const char *order, *hits;
	} cases[] = {{"23", "3"}, {"123", "2"}, {"1423", "3"}, {"523", "2"}, {"5523", "3"}, {"1+2+2+23", "223"},
		{"1+1+2+2", "22"}, {"5+2", ""}, {"167", ""}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char hits[32];
		struct rig rig;

		open_rig(&rig, rules);
		xbit_hits(&rig, cases[i].order, hits);
		if (strcmp(hits, cases[i].hits))
			fail_msg("%s: %s, not %s", cases[i].order, hits, cases[i].hits);
		rig_close(&rig);
	}
}

/* set by a request for its source, asked in the response for its destination; another client has none */
static void test_c1_xbits_of_hosts(void **state)
{
	struct rig rig;

	open_rig(&rig, XRULE("xbits:set,a,track ip_src,expire 10; noalert;", 1) XRULE(
			       "xbits:set,p,track ip_pair,expire 10; noalert;",
			       2) "alert http any any -> any any (flow:to_client; http.stat_code; content:\"200\"; "
				  "xbits:isset,a,track ip_dst; sid:3;)\n"
				  "alert http any any -> any any (flow:to_client; http.stat_code; content:\"200\"; "
				  "xbits:isset,p,track ip_pair; sid:4;)\n");
	rig_text(&rig, INSPECT_TO_SERVER, "GET /1/2 HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(rig.n_hits, 2);
	rig.options.client_ip++;
	rig_stream(&rig);
	rig_text(&rig, INSPECT_TO_SERVER, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(rig.n_hits, 0);
	rig_close(&rig);
}

/* --- the table --------------------------------------------------------------------------------------------------- */
static void test_track_table_is_bounded(void **state)
{
	enum { ENTRIES = TRACK_BUCKETS * TRACK_WAYS };
	struct track_table table;
	unsigned int kept = 0;

	assert_int_equal(track_table_new(&table), 0);
	for (uint32_t i = 0; i < 2 * ENTRIES; i++)
		track_take(&table, &(struct track_key){1, i, 0}, 100, 1000 + i)->count = i + 1;
	assert_in_range(table.evicted, ENTRIES, 2 * ENTRIES);
	for (uint32_t i = 0; i < 2 * ENTRIES; i++) {
		struct track_entry *entry = track_find(&table, &(struct track_key){1, i, 0}, 100);

		assert_true(!entry || entry->count == i + 1);
		kept += entry != NULL;
	}
	assert_int_equal(kept + table.evicted, 2 * ENTRIES);
	/* what has lapsed gives way without being counted */
	track_take(&table, &(struct track_key){2, 0, 0}, 1000 + 2 * ENTRIES, UINT64_MAX);
	assert_int_equal(kept + table.evicted, 2 * ENTRIES);
	assert_non_null(track_find(&table, &(struct track_key){2, 0, 0}, UINT64_MAX - 1));
	assert_null(track_find(&table, &(struct track_key){2, 0, 1}, 0));
	track_table_clear(&table);
}

static void test_c1_malformed_is_refused(void **state)
{
	static const char *const wrong[] = {"threshold:type limit, track by_src, count 1;",
		"threshold:type limit, track by_src, count 0, seconds 1;",
		"threshold:type x, track by_src, count 1, seconds 1;",
		"threshold:type limit, track by_flow, count 1, seconds 1;",
		"threshold:type limit, type limit, track by_src, count 1, seconds 1;", "threshold:limit;",
		"threshold:type limit, track by_src, count 1, seconds 1; detection_filter:track by_src, count 1, "
		"seconds 1;",
		"detection_filter:type limit, track by_src, count 1, seconds 1;",
		"detection_filter:count 1, seconds 99999999;", "xbits:set;", "xbits:set,a;", "xbits:set,,track ip_src;",
		"xbits:sett,a,track ip_src;", "xbits:set,a,track tx;", "xbits:set,a,track ip_src,expire 0;",
		"xbits:set,a,track ip_src,x 1;"};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char rule[512];
		struct rig rig;

		snprintf(rule, sizeof(rule), RULE("alert", "%s", 1), wrong[i]);
		rig_open(&rig, rule);
		if (rig.report.n_refused != 1)
			fail_msg("%s was loaded", wrong[i]);
		rig_close(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c1_rates),
		cmocka_unit_test(test_c1_rates_are_tracked_apart),
		cmocka_unit_test(test_c1_rate_of_responses),
		cmocka_unit_test(test_c1_rate_does_not_stop_flowbits),
		cmocka_unit_test(test_c1_rate_does_not_depend_on_cuts),
		cmocka_unit_test(test_c1_xbits),
		cmocka_unit_test(test_c1_xbits_of_hosts),
		cmocka_unit_test(test_track_table_is_bounded),
		cmocka_unit_test(test_c1_malformed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
