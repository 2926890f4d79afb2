/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that look at the session itself (addresses, handshake, how it began), filters that speak of packets, and
 * which decrypted service a filter's protocol and ports mean (C1, C3). */
#include "inspect_rig.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

static void set_facts(struct rig *rig, enum inspect_service service)
{
	rig->options.service = service;
	rig->options.tls =
		(struct inspect_tls_facts){.sni = "Shop.example", .ja3 = "771f", .ja4 = "t13d", .version = "1.2"};
	rig_stream(rig);
}

/* hits of one filter after the first byte of each direction */
static size_t hits_at_start(const char *rule)
{
	struct rig rig;
	size_t n;

	rig_open(&rig, rule);
	if (rig.report.n_loaded != 1)
		fail_msg("%s refused: %s", rule, rig.report.refused[0].reason);
	set_facts(&rig, INSPECT_HTTP);
	rig_text(&rig, INSPECT_TO_SERVER, GET GET);
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 204 N\r\n\r\n");
	n = rig.n_hits;
	rig_close(&rig);
	return n;
}

static void test_c1_filters_on_the_session(void **state)
{
	static const struct {
		const char *head, *options;
		size_t hits; /* client 10.9.0.1, server 10.9.0.2:8443 */
	} cases[] = {
		{"tcp 10.9.0.1 any -> any any", "flow:to_server;", 1},
		{"tcp [10.0.0.0/9,!10.9.0.1] any -> any any", "flow:to_server;", 0},
		{"ip [1.2.3.4,10.9.0.0/24] any -> any any", "flow:to_server;", 1},
		{"tcp any any -> any any", "", 2}, /* once each way */
		{"tcp any any -> 10.9.0.2 any", "flags:S;", 1},
		{"tcp 10.9.0.2 any -> any any", "flags:S;", 0},
		{"tcp 10.9.0.2 any -> any any", "flags:SA;", 1},
		{"tcp any any -> any [8443]", "flags:S,12;", 1},
		{"tcp any any -> any 22", "flags:S;", 0},
		{"tls any any -> any any", "tls.sni; content:\"shop\"; nocase; startswith;", 1},
		{"tls any any -> any any", "tls.sni; content:\"shop\";", 0},
		{"tls any any -> any any", "tls.sni; dotprefix; content:\".example\"; endswith;", 1},
		{"tls any any -> any any", "tls_sni; content:\".example\"; endswith; bsize:12;", 1},
		{"tls any any -> any any", "tls.sni; pcre:\"/^s[a-h]op/i\";", 1},
		{"tls any any -> any any", "ja3.hash; content:\"771f\"; tls.sni; content:\"Shop\";", 1},
		{"tls any any -> any any", "ja3_hash; content:\"771e\"; tls.sni; content:\"Shop\";", 0},
		{"tls any any -> any any", "ja4.hash; content:\"t13d\";", 1},
		{"tls any any -> any any", "flow:to_server; tls.version:\"1.2\";", 1},
		{"tls any any -> any any", "flow:to_server; tls.version:1.3;", 0},
		{"http any any -> any any", "tls.sni; content:\"Shop\"; http.uri; content:\"/a\";", 2},
		{"http any any -> any any", "tls.sni; content:\"shop\"; http.uri; content:\"/a\";", 0},
		{"tcp any any -> any any", "tls.sni; content:\"Shop\"; pkt_data; content:\"GET\";", 2},
	};
	char rule[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t hits;

		snprintf(rule, sizeof(rule), "alert %s (%s sid:1;)\n", cases[i].head, cases[i].options);
		hits = hits_at_start(rule);
		if (hits != cases[i].hits)
			fail_msg("%s: %zu hits", rule, hits);
	}
}

static void test_b8_a_filter_on_the_session_blocks_its_first_byte(void **state)
{
	struct rig rig;

	rig_open(&rig, "drop tcp 10.9.0.1 any -> any any (flow:to_server; sid:1;)\n");
	for (enum inspect_service service = INSPECT_HTTP; service <= INSPECT_RAW; service++) {
		set_facts(&rig, service);
		rig_text(&rig, INSPECT_TO_SERVER, "G");
		assert_non_null(rig.verdict[0].block);
		assert_int_equal(rig.verdict[0].release, 0);
		assert_int_equal(rig.n_hits, 1);
	}
	rig_close(&rig);
}

/* a line protocol: the server speaks first */
static void converse(struct rig *rig, uint32_t seed)
{
	static const char *const lines[] = {"220 hi\r\n", "EHLO me\r\n", "250 ok\r\n", "BDAT 5\r\nabcde", "250 ok\r\n"};

	rig_stream(rig);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		rig_data_cut(rig, i % 2 ? INSPECT_TO_SERVER : INSPECT_TO_CLIENT, lines[i], strlen(lines[i]), seed + i);
}

static void test_c1_filters_that_speak_of_packets(void **state)
{
	static const struct {
		const char *options;
		bool match;
	} cases[] = {
		{"dsize:9; content:\"EHLO\";", true},
		{"dsize:8; content:\"EHLO\";", false},
		{"dsize:<10; content:\"EHLO\";", true},
		{"dsize:>12; content:\"BDAT\";", true},
		{"dsize:>13; content:\"BDAT\";", false},
		{"dsize:12<>14;", true},
		{"dsize:13<>15;", false},
		{"dsize:9; content:\"EHLO\"; content:\"BDAT\";", false}, /* never in one turn */
		{"content:\"EHLO\"; content:\"BDAT\"; distance:0;", true},
		{"flow:no_stream; content:\"EHLO\"; content:\"BDAT\";", false},
		{"flow:no_stream; content:\"BDAT\"; depth:4;", true},
		/* a beginning is that of the stream or of a turn */
		{"content:\"EHLO\"; startswith;", true},
		{"content:\"BDAT\"; depth:4;", true},
		{"content:\"BDAT\"; offset:9; depth:4;", true},
		{"content:\"DAT\"; depth:4; offset:2;", false},
		{"content:\"abcde\"; offset:8; depth:5; isdataat:!1,relative;", true},
		{"content:\"EHLO\"; depth:4; content:\"BDAT\"; distance:5; within:4;", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char rule[512];
		struct rig rig;

		snprintf(rule, sizeof(rule), "alert tcp any any -> any any (flow:to_server; %s sid:1;)\n",
			cases[i].options);
		rig_open(&rig, rule);
		if (rig.report.n_loaded != 1)
			fail_msg("%s refused: %s", rule, rig.report.refused[0].reason);
		rig.options.service = INSPECT_RAW;
		for (uint32_t seed = 0; seed < 12; seed++) {
			converse(&rig, seed * 17);
			if (rig_has_hit(&rig, 1) != cases[i].match)
				fail_msg("%s, cut by seed %u", cases[i].options, seed);
		}
		rig_close(&rig);
	}
}

static void test_c1_variables(void **state)
{
	static const struct {
		const char *variables, *head;
		size_t hits; /* client 10.9.0.1, server 10.9.0.2:8443, HTTP */
	} cases[] = {
		{"", "tcp $EXTERNAL_NET any -> $HOME_NET any", 1},
		{"var HOME_NET [10.9.0.2]\n", "tcp $EXTERNAL_NET any -> $HOME_NET any", 1},
		{"var HOME_NET [10.9.0.3]\n", "tcp $EXTERNAL_NET any -> $HOME_NET any", 0},
		{"ipvar HOME_NET 10.9.0.0/24\nvar EXTERNAL_NET !$HOME_NET\n", "tcp $EXTERNAL_NET any -> $HOME_NET any",
			0},
		{"var HOME_NET [10.9.0.0/24,!10.9.0.1]\nvar EXTERNAL_NET [!$HOME_NET]\n",
			"tcp any any -> $HOME_NET any", 1},
		{"var HOME_NET 10.9.0.2\n", "tcp [10.9.0.0/24,!$HOME_NET] any -> [$HOME_NET,192.0.2.1] any", 1},
		{"portvar HTTP_PORTS [8000:8100]\n", "tcp any any -> any $HTTP_PORTS", 1}, /* 8080 is usual for HTTP */
		{"portvar HTTP_PORTS 81\n", "tcp any any -> any $HTTP_PORTS", 0},
		{"portvar MY_PORTS [$MORE,1]\nportvar MORE 8443\n", "tcp any any -> any $MY_PORTS", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char rules[512];
		size_t hits;

		snprintf(rules, sizeof(rules), "%salert %s (flow:to_server; sid:1;)\n", cases[i].variables,
			cases[i].head);
		hits = hits_at_start(rules);
		if (hits != cases[i].hits)
			fail_msg("%s: %zu hits", rules, hits);
	}
}

static void test_c1_variables_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *rules, *reason;
	} cases[] = {
		{"var HOME_NET 10.0.0.1\nvar HOME_NET 10.0.0.2\n", "another value already: 10.0.0.1"},
		{"var HOME_NET\n", "without a name or a value"},
		{"var A $A\nalert tcp $A any -> any any (sid:1;)\n", "nested too deeply"},
		{"var A 10.0.0.1 10.0.0.2\nalert tcp $A any -> any any (sid:1;)\n", "more than one item"},
		{"var A [10.0.0.1\nalert tcp $A any -> any any (sid:1;)\n", "list without its end"},
		{"alert tcp any $A -> any any (sid:1;)\n", "unknown port variable"},
		{"var A [![1::1],!1::1,!1::1,!1::1,!1::1,!1::1,!1::1,!1::1]\nvar B [$A,$A,$A,$A,$A,$A,$A,$A]\n"
		 "var C [$B,$B,$B,$B,$B,$B,$B,$B]\nvar D [$C,$C,$C,$C,$C,$C,$C,$C]\nvar E [$D,$D,$D,$D,$D,$D,$D,$D]\n"
		 "var F [$E,$E,$E,$E,$E,$E,$E,$E]\nalert tcp $F any -> any any (sid:1;)\n",
			"too long"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;

		rig_open(&rig, cases[i].rules);
		if (rig.report.n_refused != 1 || !strstr(rig.report.refused[0].reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].rules,
				rig.report.n_refused ? rig.report.refused[0].reason : "loaded");
		rig_close(&rig);
	}
}

static void test_c3_protocol_and_ports_of_a_service(void **state)
{
	static const struct {
		const char *protocol, *port;
		bool match[INSPECT_NONE]; /* by service, the server's port is 8443 */
	} cases[] = {
		{"tcp", "any", {true, true, true, true, true}},
		{"smtp", "any", {[INSPECT_SMTP] = true}},
		{"imap", "any", {[INSPECT_IMAP] = true}},
		{"pop3", "any", {[INSPECT_POP3] = true}},
		{"tcp", "25", {[INSPECT_SMTP] = true}},
		{"tcp", "143", {[INSPECT_IMAP] = true}},
		{"tcp", "110", {[INSPECT_POP3] = true}},
		{"tcp", "80", {[INSPECT_HTTP] = true}},
		{"smtp", "25", {[INSPECT_SMTP] = true}},
		{"imap", "[1:100]", {0}},
		{"tcp", "8443", {true, true, true, true, true}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char rule[256];
		struct rig rig;

		snprintf(rule, sizeof(rule), "alert %s any any -> any %s (flow:to_server; content:\"/a\"; sid:1;)\n",
			cases[i].protocol, cases[i].port);
		rig_open(&rig, rule);
		for (enum inspect_service service = INSPECT_HTTP; service < INSPECT_NONE; service++) {
			set_facts(&rig, service);
			rig_text(&rig, INSPECT_TO_SERVER, GET);
			if (rig_has_hit(&rig, 1) != cases[i].match[service])
				fail_msg("%s port %s, service %d", cases[i].protocol, cases[i].port, service);
		}
		rig_close(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c1_filters_on_the_session),
		cmocka_unit_test(test_b8_a_filter_on_the_session_blocks_its_first_byte),
		cmocka_unit_test(test_c1_filters_that_speak_of_packets),
		cmocka_unit_test(test_c1_variables),
		cmocka_unit_test(test_c1_variables_are_refused_with_a_reason),
		cmocka_unit_test(test_c3_protocol_and_ports_of_a_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
