/* SPDX-License-Identifier: Apache-2.0 */
/* Rule files: what loads, what is refused and with which words, and the image (C1, C5). */
#include "inspect_rig.h"

static const struct {
	const char *text, *reason; /* reason: a part of it */
} refused[] = {
	{"log http any any -> any any (content:\"a\"; sid:1;)", "action log"},
	{"alert udp any any -> any any (content:\"a\"; sid:1;)", "protocol udp"},
	{"alert tls any any -> any any (content:\"a\"; sid:1;)", "protocol tls"},
	{"alert udp any any -> any any (content:\"a\"; sid:1;)", "protocol udp"},
	{"alert http any any => any any (content:\"a\"; sid:1;)", "direction"},
	{"alert http any any -> any (content:\"a\"; sid:1;)", "incomplete"},
	{"alert http any any -> any any content:\"a\"; sid:1;", "no ("},
	{"alert http any", "incomplete"},
	{"alert http any any -> any any (content:\"a\"; sid:1", "malformed"},
	{"alert http any any -> any any (content:\"a\"; sid:1;) x", "malformed"},
	{"alert http any any -> any any (content:\"a\";)", "no sid"},
	{"alert http any any -> any any (content:\"a\"; sid:0;)", "sid 0"},
	{"alert http any any -> any any (content:\"a\"; sid:4294967296;)", "not a number from 0 to"},
	{"alert tcp any any -> any any (flags:S; content:\"a\"; sid:1;)", "has no payload"},
	{"alert tcp any any -> any any (flags:F; sid:1;)", "flags:F"},
	{"alert tcp any any -> any any (flow:to_client; flags:S; sid:1;)", "in the direction"},
	{"alert smtp any any -> any any (http.uri; content:\"a\"; sid:1;)", "a buffer of http's in a filter"},
	{"alert tls any any -> any any (tls.version:2; sid:1;)", "none of 1.0"},
	{"alert tcp any any -> any any (byte_math:bytes 1,offset 0,oper +,rvalue 1; sid:1;)", "byte_math needs"},
	{"alert tcp any any -> any any (byte_math:bytes 1,offset 0,oper %,rvalue 1,result a; sid:1;)", "operator"},
	{"alert tcp any any -> any any (byte_math:bytes 1,offset 0,oper /,rvalue 0,result a; sid:1;)", "divides by 0"},
	{"alert tcp any any -> any any (byte_math:bytes 1,bytes 1,oper +,rvalue 1,result a; sid:1;)", "given twice"},
	{"alert tcp any any -> any any (byte_test:1,=,1,0,bitmask 0; sid:1;)", "bitmask"},
	{"alert http any any -> any any (content:\"\"; sid:1;)", "empty"},
	{"alert http any any -> any any (content:\"|4|\"; sid:1;)", "wrong escape"},
	{"alert http any any -> any any (content:\"|41\"; sid:1;)", "wrong escape"},
	{"alert http any any -> any any (content:\"a\\x\"; sid:1;)", "wrong escape"},
	{"alert http any any -> any any (content:a; sid:1;)", "not a quoted text"},
	{"alert http any any -> any any (nocase; content:\"a\"; sid:1;)", "nocase without a content"},
	{"alert http any any -> any any (http_uri; content:\"a\"; sid:1;)", "without a content"},
	{"alert http any any -> any any (content:\"abc\"; depth:2; sid:1;)", "depth is smaller"},
	{"alert http any any -> any any (content:\"abc\"; within:2; sid:1;)", "within is smaller"},
	{"alert http any any -> any any (content:\"a\"; offset:-1; sid:1;)", "negative"},
	{"alert http any any -> any any (content:\"a\"; depth:x; sid:1;)", "neither a number nor a variable"},
	{"alert http any any -> any any (content:\"a\"; depth:1; depth:2; sid:1;)", "twice"},
	{"alert http any any -> any any (content:\"a\"; startswith; depth:5; sid:1;)", "startswith"},
	{"alert http any any -> any any (content:\"abc\"; fast_pattern:2,3; sid:1;)", "outside"},
	{"alert http any any -> any any (pcre:\"/a(/\"; sid:1;)", "pcre: missing closing parenthesis"},
	{"alert http any any -> any any (pcre:\"/a/k\"; sid:1;)", "flag k"},
	{"alert http any any -> any any (pcre:\"a\"; sid:1;)", "/pattern/flags"},
	{"alert http any any -> any any (base64_data; content:\"a\"; sid:1;)", "base64_data without base64_decode"},
	{"alert http any any -> any any (base64_decode; base64_decode; base64_data; content:\"a\"; sid:1;)",
		"more than one base64_decode"},
	{"alert http any any -> any any (base64_decode:bytes x; base64_data; content:\"a\"; sid:1;)", "not a number"},
	{"alert http any any -> any any (file.data; dotprefix; content:\"a\"; sid:1;)", "dotprefix of a buffer"},
	{"alert http any any -> any any (http.uri; dotprefix; dotprefix; dotprefix; dotprefix; dotprefix; "
	 "content:\"a\"; sid:1;)",
		"too many transforms"},
	{"alert http any any -> any any (content:\"a\"; dsize:x; sid:1;)", "not a number"},
	{"alert http any any -> any any (content:\"a\"; app-layer-event:http.x; sid:1;)",
		"keyword app-layer-event is not supported yet"},
	{"alert http any any -> any any (content:\"a\"; flow:not_established; sid:1;)", "flow:not_established"},
	{"alert http any any -> any any (content:\"a\"; flow:to_server,to_client; sid:1;)", "both directions"},
	{"alert http any any -> any any (flow:to_client; http.uri; content:\"a\"; sid:1;)", "both directions"},
	{"alert http any any -> any any (http.uri; content:\"a\"; http.stat_code; content:\"2\"; sid:1;)",
		"both directions"},
	{"alert http any any -> any any (byte_test:9,=,1,0; sid:1;)", "number of bytes"},
	{"alert http any any -> any any (byte_test:1,~,1,0; sid:1;)", "unknown operator"},
	{"alert http any any -> any any (byte_test:1,=,1; sid:1;)", "needs"},
	{"alert http any any -> any any (bsize:4; content:\"a\"; sid:1;)", "bsize needs a buffer"},
	{"alert http any any -> any any (flowbits:sett,a; content:\"a\"; sid:1;)", "unknown command"},
	{"alert http 300.1.1.1 any -> any any (content:\"a\"; sid:1;)", "not an IPv4 address"},
	{"alert http 10.0.0.0/33 any -> any any (content:\"a\"; sid:1;)", "prefix length"},
	{"alert http any 70000 -> any any (content:\"a\"; sid:1;)", "port"},
	{"alert http any 9:8 -> any any (content:\"a\"; sid:1;)", "port range"},
	{"alert http any $NO_PORTS -> any any (content:\"a\"; sid:1;)", "unknown port variable"},
	{"alert http [10.0.0.1,[10.0.0.2] any -> any any (content:\"a\"; sid:1;)", "list without its end"},
};

static void test_c1_refusals_name_the_reason(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct rig rig;

		rig_open(&rig, refused[i].text);
		if (rig.report.n_refused != 1 || !strstr(rig.report.refused[0].reason, refused[i].reason))
			fail_msg("%s: %s", refused[i].text,
				rig.report.n_refused ? rig.report.refused[0].reason : "loaded");
		rig_close(&rig);
	}
}

static void test_c1_report_has_file_line_and_sid(void **state)
{
	static const char rules[] = "# a comment about alert, no filter\n"
				    "\n"
				    "alert http any any -> any any (http.uri; content:\"a\"; sid:1;)\r\n"
				    "#alert http any any -> any any (http.uri; content:\"b\"; sid:2;)\n"
				    "  # drop http any any -> any any (http.uri; content:\"b\"; sid:3;)\n"
				    "alert http any any -> any any ( \\\n"
				    "    http.uri; content:\"c\"; \\\n"
				    "    sid:4; )\n"
				    "alert http any any -> any any (http.uri; content:\"d\"; wrong; sid: 5;)\n"
				    "alert http any any -> any any (http.uri; content:\"e\"; sid:1;)";
	struct rig rig;

	rig_open(&rig, rules);
	assert_int_equal(rig.report.n_loaded, 2);
	assert_int_equal(rig.report.n_disabled, 2);
	assert_int_equal(rig.report.n_refused, 2);
	assert_string_equal(rig.report.refused[0].file, "test.rules");
	assert_int_equal(rig.report.refused[0].line, 9);
	assert_int_equal(rig.report.refused[0].sid, 5);
	assert_string_equal(rig.report.refused[0].reason, "keyword wrong is not supported yet");
	assert_int_equal(rig.report.refused[1].line, 10);
	assert_int_equal(rig.report.refused[1].sid, 1);
	assert_int_equal(inspect_engine_filters(rig.engine), 2);
	rig_close(&rig);
}

static const struct inspect_filter *seen;

static void keep_filter(void *owner, const struct inspect_hit *hit)
{
	seen = hit->filter;
}

static void test_c1_facts_of_a_filter(void **state)
{
	static const struct {
		const char *options, *category;
		unsigned int severity, revision, generator;
	} facts[] = {
		{"classtype:trojan-activity; rev:7;", "trojan-activity", 1, 7, 1},
		{"classtype:misc-attack; gid:3;", "misc-attack", 2, 0, 3},
		{"classtype:tcp-connection; priority:2;", "tcp-connection", 2, 0, 1},
		{"priority:1; classtype:network-scan;", "network-scan", 1, 0, 1},
		{"classtype:no-such-class;", "no-such-class", 3, 0, 1},
		{"metadata:created_at 2020_01_01, signature_severity Critical;", "", 1, 0, 1},
		{"classtype:no-such-class; metadata:signature_severity  minor , former_category X;", "no-such-class", 2,
			0, 1},
		{"classtype:misc-attack; metadata:signature_severity Informational;", "misc-attack", 2, 0, 1},
		{"metadata:signature_severity Major; classtype:misc-attack;", "misc-attack", 2, 0, 1},
		{"priority:4; metadata:signature_severity Major;", "", 4, 0, 1},
		{"metadata:signature_severity Grave;", "", 3, 0, 1},
		{"reference:url,example.com; metadata:a b, c d; target:dest_ip;", "", 3, 0, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		char rule[512];
		struct rig rig;

		snprintf(rule, sizeof(rule),
			"alert http any any -> any any (msg:\"a \\\"b\\\"\\; c\"; http.uri; content:\"/x\"; %s "
			"sid:77;)",
			facts[i].options);
		rig_open(&rig, rule);
		rig.options.on_hit = keep_filter;
		rig_stream(&rig);
		seen = NULL;
		rig_text(&rig, INSPECT_TO_SERVER, "GET /x HTTP/1.1\r\n\r\n");
		assert_non_null(seen);
		assert_int_equal(seen->sid, 77);
		assert_string_equal(seen->name, "a \"b\"; c");
		assert_string_equal(seen->category, facts[i].category);
		assert_int_equal(seen->severity, facts[i].severity);
		assert_int_equal(seen->revision, facts[i].revision);
		assert_int_equal(seen->generator, facts[i].generator);
		rig_close(&rig);
	}
}

static void test_c5_damaged_image_is_refused(void **state)
{
	static const char rules[] = "alert http any any -> any any (http.uri; content:\"abc\"; sid:1;)\n";
	struct inspect_source source = {"test.rules", SPAN(rules, sizeof(rules) - 1)};
	struct inspect_engine *engine = NULL;
	struct inspect_report report;
	uint8_t *image;
	size_t len;

	assert_int_equal(inspect_compile(&source, 1, NULL, &image, &len, &report), 0);
	for (size_t i = 0; i < len; i += 7) {
		image[i] ^= 0x10;
		assert_int_equal(inspect_engine_load(&engine, image, len), -EINVAL);
		image[i] ^= 0x10;
	}
	for (size_t i = 0; i < len; i += 13)
		assert_int_equal(inspect_engine_load(&engine, image, i), -EINVAL);
	assert_int_equal(inspect_engine_load(&engine, image, len), 0);
	inspect_engine_free(&engine);
	inspect_report_clear(&report);
	free(image);
}

static void test_no_filters_at_all(void **state)
{
	struct rig rig;

	rig_open(&rig, "# nothing\n");
	rig_text(&rig, INSPECT_TO_SERVER, "GET / HT");
	assert_int_equal(rig.verdict[0].release, 8);
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.");
	assert_int_equal(rig.verdict[1].release, 7);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c1_refusals_name_the_reason),
		cmocka_unit_test(test_c1_report_has_file_line_and_sid),
		cmocka_unit_test(test_c1_facts_of_a_filter),
		cmocka_unit_test(test_c5_damaged_image_is_refused),
		cmocka_unit_test(test_no_filters_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
