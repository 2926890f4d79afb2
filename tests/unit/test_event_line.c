/* SPDX-License-Identifier: Apache-2.0 */
/* What log targets are sent: EVE's JSON, CEF, structured data and masks, from a record with text of the worst kind. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "events/event.h"
#include "events/event_document.h"
#include "events/event_line.h"
#include "events/event_query.h"

static char json[EVENT_JSON_MAX], out[EVENT_TARGET_MAX], scratch[EVENT_MASK_SCRATCH(EVENT_JSON_MAX)];
static struct event event;
static struct event_line line;

#define TEXT(literal) SPAN(literal, sizeof(literal) - 1)

static void begin(enum event_log log)
{
	event_begin(&event, log);
	((struct event_header *)event.bytes)->time_us = 1795435200123456;
}

static void end(void)
{
	int len;

	((struct event_header *)event.bytes)->len = event.used;
	len = event_encode_json(event.bytes, &(struct event_origin){"sluice-1", 0x1f, 7}, json, sizeof(json));
	assert_true(len > 0);
	assert_int_equal(event_line_parse(SPAN(json, (size_t)len), &line), 0);
}

static void fill(struct span url)
{
	begin(EVENT_LOG_BLOCK);
	event_u64(&event, EVENT_SESSION_ID, 0x1a2b);
	event_ip4(&event, EVENT_CLIENT_IP, (struct in_addr){htonl(0x0a090063)});
	event_mac(&event, EVENT_CLIENT_MAC, (const uint8_t[]){2, 0, 0, 0xa, 0xbc, 0xff});
	event_u64(&event, EVENT_FILTER_ID, 2000001);
	event_str(&event, EVENT_FILTER_NAME, "a|b=c\\d");
	event_str(&event, EVENT_JA3, "771");
	event_str(&event, EVENT_SNI, "www.example.com");
	event_str(&event, EVENT_SERVER_VERSION, "TLSv1.2");
	event_bytes(&event, EVENT_HTTP_URI, url);
	event_u64(&event, EVENT_STARTED, 951782400000001);
	end();
}

static void test_g5_eve_has_suricatas_objects(void **state)
{
	static const char *const wanted =
		"{\"timestamp\":\"2026-11-23T12:00:00.123456+0000\",\"event_type\":\"alert\",\"log\":\"block\","
		"\"device\":\"sluice-1\",\"boot\":\"000000000000001f\",\"sequence\":7,\"producer\":0,"
		"\"producer_sequence\":0,\"session_id\":\"0000000000001a2b\",\"src_ip\":\"10.9.0.99\","
		"\"ssl_inspect\":false,\"alert\":{\"action\":\"blocked\",\"signature\":\"a|b=c\\\\d\","
		"\"signature_id\":2000001},\"ether\":{\"src_mac\":\"02:00:00:0a:bc:ff\"},"
		"\"flow\":{\"start\":\"2000-02-29T00:00:00.000001+0000\"},\"http\":{\"url\":\"/x\"},"
		"\"tls\":{\"ja3\":{\"hash\":\"771\"},\"server_leg\":{\"version\":\"TLSv1.2\"},\"sni\":\"www.example."
		"com\"}}";

	fill(TEXT("/x"));
	assert_int_equal(event_encode_eve(&line, EVENT_LOG_BLOCK, out, sizeof(out)), strlen(wanted));
	assert_string_equal(out, wanted);
	assert_int_equal(event_encode_eve(&line, EVENT_LOG_BLOCK, out, strlen(wanted)), -ENOBUFS);
	(void)state;
}

static void test_g5_cef_and_structured_data(void **state)
{
	fill(TEXT("/?a=b|c\\d \"]\n\r\x01\xff \\u00ff"));
	assert_true(event_encode_cef(&line, EVENT_LOG_BLOCK, 4, out, sizeof(out)) > 0);
	assert_string_equal(out,
		"CEF:0|Sluice|Sluice|" SLUICE_VERSION "|2000001|a\\|b=c\\\\d|7|rt=1795435200123 SluiceLog=block "
		"dvchost=sluice-1 SluiceBoot=000000000000001f SluiceSequence=7 externalId=0000000000001a2b "
		"src=10.9.0.99 smac=02:00:00:0a:bc:ff SluiceSni=www.example.com SluiceJa3=771 "
		"SluiceServerTlsVersion=TLSv1.2 start=951782400000 SluiceSslInspect=false SluiceSignatureId=2000001 "
		"SluiceSignature=a|b\\=c\\\\d "
		"request=/?a\\=b|c\\\\d \"]\\n\\r\\\\u0001\\\\u00ff \\\\u005cu00ff");
	assert_true(event_encode_parameters(&line, out, sizeof(out)) > 0);
	assert_string_equal(out, " device=\"sluice-1\" boot=\"000000000000001f\" sequence=\"7\" "
				 "session_id=\"0000000000001a2b\" src_ip=\"10.9.0.99\" ssl_inspect=\"false\" "
				 "signature_id=\"2000001\"");
	begin(EVENT_LOG_AUDIT);
	event_bytes(&event, EVENT_USER, TEXT("a\"b]c\\d\n"));
	end();
	event_encode_parameters(&line, out, sizeof(out));
	assert_non_null(strstr(out, " user=\"a\\\"b\\]c\\\\d\\\\u000a\""));
	(void)state;
}

/* a long value is cut between characters */
static void test_parameters_are_bounded(void **state)
{
	static char text[4000];

	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	begin(EVENT_LOG_AUDIT);
	event_bytes(&event, EVENT_USER, SPAN(text, sizeof(text) - 1));
	end();
	assert_in_range(event_encode_parameters(&line, out, sizeof(out)), 255, 400);
	assert_non_null(strstr(out, "\xe2\x82\xac\""));
	(void)state;
}

static const char *value_of(enum event_field field)
{
	static char text[512];

	snprintf(text, sizeof(text), "%.*s", (int)line.field[field].len, (const char *)line.field[field].data);
	return text;
}

static void test_g8_masks_leave_what_the_table_says(void **state)
{
	static const struct {
		enum event_field field;
		const char *in, *out;
	} cases[] = {
		{EVENT_HTTP_URI, "/a/b?secret=1", "\"/a/b?masked\""},
		{EVENT_HTTP_URI, "/a/b", "\"/a/b\""},
		{EVENT_HTTP_HOST, "secret.www.example.com", "\"*.example.com\""},
		{EVENT_HTTP_HOST, "example.com", "\"example.com\""},
		{EVENT_HTTP_HOST, "10.9.0.99:443", "\"10.9.0.0:443\""},
		{EVENT_HTTP_HOST, "localhost", "\"localhost\""},
		{EVENT_HTTP_XFF, "10.9.0.99, 10.9.0.98", "\"masked\""},
		{EVENT_EXCERPT, "secret", "\"masked\""},
		{EVENT_USER, "root", "\"masked\""},
		{EVENT_TRUE_CLIENT, "10.9.0.99", "\"10.9.0.0\""},
		{EVENT_TRUE_CLIENT, "2001:db8::1", "\"masked\""},
		{EVENT_MESSAGE, "client 10.9.0.99, server 192.0.2.200:443; 1.2.3 x10.1.1.1 \"",
			"\"client 10.9.0.0, server 192.0.2.0:443; 1.2.3 x10.1.1.0 \\\"\""},
		{EVENT_MESSAGE, "\t10.9.0.99", "\"\\u000910.9.0.0\""},
		{EVENT_MESSAGE, "10.9.0.99", "\"10.9.0.0\""},
	};
	const struct event_masks all = {.mask = UINT32_MAX}, none = {.omit = UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(EVENT_LOG_SYSTEM);
		event_str(&event, cases[i].field, cases[i].in);
		end();
		event_line_mask(&line, all, scratch);
		assert_string_equal(value_of(cases[i].field), cases[i].out);
	}
	fill(TEXT("/x?y"));
	event_line_mask(&line, all, scratch);
	assert_string_equal(value_of(EVENT_CLIENT_IP), "\"10.9.0.0\"");
	assert_string_equal(value_of(EVENT_CLIENT_MAC), "\"02:00:00:00:00:00\"");
	assert_string_equal(value_of(EVENT_SNI), "\"*.example.com\"");
	assert_string_equal(value_of(EVENT_FILTER_ID), "2000001");
	fill(TEXT("/x?y"));
	event_line_mask(&line, none, scratch);
	for (enum event_field field = 0; field < EVENT_FIELD_N; field++)
		if (event_field_info[field].privacy != EVENT_PRIVACY_NONE)
			assert_null(line.field[field].data);
	assert_non_null(line.field[EVENT_FILTER_ID].data);
	(void)state;
}

static void test_values_come_back_byte_for_byte(void **state)
{
	static uint8_t all[1024];
	static char back[8192];
	struct span got;

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)(i * 7 + i / 256);
	fill(SPAN(all, sizeof(all)));
	got = event_value_bytes(line.field[EVENT_HTTP_URI], back);
	assert_int_equal(got.len, sizeof(all));
	assert_memory_equal(got.data, all, sizeof(all));
	assert_int_equal(event_value_time_us(line.field[EVENT_STARTED]), 951782400000001);
	assert_int_equal(event_value_time_us(line.head[EVENT_LINE_TIMESTAMP]), 1795435200123456);
	assert_int_equal(event_value_time_us(line.field[EVENT_FILTER_ID]), 0);
	(void)state;
}

static void test_what_is_no_line_is_refused(void **state)
{
	static const char *const bad[] = {"", "{", "{}", "x", "{\"a\":1", "{\"a\":1,}", "{\"a\"}", "{\"a\":}",
		"{\"a\":\"b}", "{\"a\":1}}", "{\"a\":1}x}", "{\"a\":{}}", "{a:1}", "{\"a\":\"\\\"}"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(event_line_parse(SPAN(bad[i], strlen(bad[i])), &line), -EBADMSG);
	assert_int_equal(event_line_parse(TEXT("{\"a_later_version\":\"x\",\"log\":\"block\"}"), &line), 0);
	assert_int_equal(line.head[EVENT_LINE_LOG].len, 7);
	(void)state;
}

static bool finds(const char *conditions)
{
	struct event_query *query;
	char error[EVENT_QUERY_ERROR] = "";
	bool found;

	assert_int_equal(event_query_new(&query), 0);
	if (event_query_add(query, conditions, error))
		fail_msg("%s: %s", conditions, error);
	found = event_query_matches(query, SPAN(json, strlen(json)));
	event_query_free(&query);
	return found;
}

static void test_g7_conditions(void **state)
{
	static const struct {
		const char *conditions;
		bool found;
	} cases[] = {
		{"", true},
		{"src_ip=10.9.0.99", true},
		{"src_ip=10.9.0.9", false},
		{"src_ip=10.9.0.0/24", true},
		{"src_ip=10.9.1.0/24", false},
		{"src_ip=0.0.0.0/0", true},
		{"true_client_ip|src_ip=10.9.0.99", true},
		{"src_ip|true_client_ip=10.9.0.98", false},
		{"src_ip!=10.9.0.0/24", false},
		{"dest_ip!=10.9.0.0/24", true},
		{"signature_id=2000001 log=block", true},
		{"signature_id=200000", false},
		{"signature_id>2000000 signature_id<=2000001", true},
		{"signature_id<2000001", false},
		{"http_status>=0", false},
		{"url~SQL", true},
		{"url!~sql", false},
		{"url=\"/?q=\xc3\xa9 sql\x01\"", true},
		{"ssl_inspect=false", true},
		{"src_mac=02:00:00:0a:bc:ff", true},
		{"device=sluice-1 sequence=7", true},
		{"signature=\"a|b=c\\d\"", true},
	};

	fill(TEXT("/?q=\xc3\xa9 sql\x01"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (finds(cases[i].conditions) != cases[i].found)
			fail_msg("%s", cases[i].conditions);
	(void)state;
}

static void test_g7_conditions_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *conditions, *says;
	} cases[] = {
		{"nosuch=1", "no field"},
		{"src_ip", "followed by"},
		{"src_ip|", "no field"},
		{"url=\"x", "closing quote"},
		{"signature_id>x", "no number"},
	};
	struct event_query *query;
	char error[EVENT_QUERY_ERROR];

	assert_int_equal(event_query_new(&query), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(event_query_add(query, cases[i].conditions, error), -EINVAL);
		assert_non_null(strstr(error, cases[i].says));
	}
	assert_int_equal(event_query_since(query, "yesterday", 0, error), -EINVAL);
	for (unsigned int i = 0; i < EVENT_CONDITIONS_MAX; i++)
		assert_int_equal(event_query_add(query, "log=block", error), 0);
	assert_int_equal(event_query_add(query, "log=block", error), -EINVAL);
	event_query_free(&query);
	(void)state;
}

/* the record is of 2026-11-23T12:00:00.123456Z */
static void test_g7_times_and_text(void **state)
{
	static const struct {
		const char *since, *until, *text;
		bool found;
	} cases[] = {
		{"2026-11-23T12:00:00Z", NULL, NULL, true},
		{"2026-11-23T12:00:01Z", NULL, NULL, false},
		{NULL, "2026-11-23T12:00:01Z", NULL, true},
		{NULL, "2026-11-23T12:00:00Z", NULL, false},
		{"2026-11-23T11:00Z", "2026-11-23T13:00Z", NULL, true},
		{"10s", NULL, NULL, true},
		{"9s", NULL, NULL, false},
		{"1h", NULL, "WWW.example", true},
		{NULL, NULL, "c\\d", true},
		{NULL, NULL, "nosuch", false},
	};

	fill(TEXT("/"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event_query *query;
		char error[EVENT_QUERY_ERROR];
		const uint64_t now = 1795435210123456; /* ten seconds later */

		assert_int_equal(event_query_new(&query), 0);
		if (cases[i].since)
			assert_int_equal(event_query_since(query, cases[i].since, now, error), 0);
		if (cases[i].until)
			assert_int_equal(event_query_until(query, cases[i].until, now, error), 0);
		if (cases[i].text)
			assert_int_equal(event_query_text(query, cases[i].text, error), 0);
		if (event_query_matches(query, SPAN(json, strlen(json))) != cases[i].found)
			fail_msg("case %zu", i);
		event_query_free(&query);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_g5_eve_has_suricatas_objects),
		cmocka_unit_test(test_g5_cef_and_structured_data),
		cmocka_unit_test(test_parameters_are_bounded),
		cmocka_unit_test(test_g8_masks_leave_what_the_table_says),
		cmocka_unit_test(test_values_come_back_byte_for_byte),
		cmocka_unit_test(test_what_is_no_line_is_refused),
		cmocka_unit_test(test_g7_conditions),
		cmocka_unit_test(test_g7_conditions_that_are_none_are_refused),
		cmocka_unit_test(test_g7_times_and_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
