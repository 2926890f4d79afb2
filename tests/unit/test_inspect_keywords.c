/* SPDX-License-Identifier: Apache-2.0 */
/* Every keyword with a match and a near miss (C1), whole and in random cuts (C2). */
#include "inspect_rig.h"

#define HEAD                                                                                                      \
	"POST /cgi-bin/%6cogin.php?id=1%20or&b=2 HTTP/1.1\r\nHost: Shop.Example:8443\r\nUser-Agent: curl/8.0\r\n" \
	"Cookie: sid=abc\r\nContent-Type: text/plain\r\nReferer: http://a/b\r\nAccept: */*\r\nContent-Length: "   \
	"26\r\n\r\n"
#define BODY               \
	"\x00\x04"         \
	"abcdefghijklmnop" \
	"0012zZ|;"
#define REPLY                                                                                            \
	"HTTP/1.1 404 Not Found\r\nServer: nginx\r\nSet-Cookie: t=9\r\nLocation: /x\r\nContent-Length: " \
	"11\r\n\r\nhello world"

struct keyword_case {
	const char *options;
	bool to_client, match;
};

static const struct keyword_case cases[] = {
	/* content and its modifiers */
	{"http.request_body; content:\"abcdef\";", false, true},
	{"http.request_body; content:\"ABCDEF\";", false, false},
	{"http.request_body; content:\"ABCdef\"; nocase;", false, true},
	{"http.request_body; content:\"|61 62 63|def\";", false, true},
	{"http.request_body; content:\"zZ|7c|\\;\";", false, true},
	{"http.request_body; content:\"|00 04|\"; depth:2;", false, true},
	{"http.request_body; content:\"abc\"; depth:4;", false, false},
	{"http.request_body; content:\"abc\"; depth:5;", false, true},
	{"http.request_body; content:\"abc\"; offset:2; depth:3;", false, true},
	{"http.request_body; content:\"abc\"; offset:3;", false, false},
	{"http.request_body; content:\"abc\"; content:\"ghi\"; distance:3;", false, true},
	{"http.request_body; content:\"abc\"; content:\"ghi\"; distance:4;", false, false},
	{"http.request_body; content:\"abc\"; content:\"ghi\"; within:6;", false, true},
	{"http.request_body; content:\"abc\"; content:\"ghi\"; within:5;", false, false},
	{"http.request_body; content:\"ghi\"; content:\"abc\"; distance:-9; within:3;", false, true},
	{"http.request_body; content:\"ghi\"; content:\"abc\"; distance:0;", false, false},
	{"http.request_body; content:\"ghi\"; content:\"abc\";", false, true},
	{"http.request_body; content:\"0\"; content:\"2\"; distance:1; within:1;", false, true},
	{"http.request_body; content:\"|00|\"; startswith;", false, true},
	{"http.request_body; content:\"abc\"; startswith;", false, false},
	{"http.request_body; content:\"|7c 3b|\"; endswith;", false, true},
	{"http.request_body; content:\"z\"; endswith;", false, false},
	{"http.request_body; content:\"abc\"; content:!\"xyz\";", false, true},
	{"http.request_body; content:\"abc\"; content:!\"ghi\";", false, false},
	{"http.request_body; content:\"abc\"; content:!\"ghi\"; within:5;", false, true},
	{"http.request_body; content:\"abc\"; content:!\"ghi\"; within:6;", false, false},
	{"http.request_body; content:!\"xyz\";", false, true}, {"http.request_body; content:!\"abc\";", false, false},
	{"http.request_body; content:\"xxx\"; fast_pattern; content:\"abc\";", false, false},
	{"http.request_body; content:\"ab\"; content:\"ghijk\"; fast_pattern:1,3;", false, true},
	{"http.request_body; content:\"abc\"; rawbytes;", false, true},
	/* old spellings */
	{"content:\"abc\"; http_client_body;", false, true}, {"content:\"/cgi-bin/login.php\"; http_uri;", false, true},
	{"content:\"%6cogin\"; http_uri;", false, false}, {"content:\"%6cogin\"; http_raw_uri;", false, true},
	{"uricontent:\"login.php\";", false, true}, {"content:\"POST\"; http_method;", false, true},
	{"content:\"sid=abc\"; http_cookie;", false, true}, {"content:\"404\"; http_stat_code;", true, true},
	{"file_data; content:\"hello\";", true, true},
	/* buffers */
	{"http.method; content:\"POST\"; bsize:4;", false, true},
	{"http.method; content:\"POST\"; bsize:>4;", false, false},
	{"http.uri; content:\"login.php?id=1%20or\";", false, true},
	{"http.uri; content:\"&b=2\"; endswith;", false, true},
	{"http.host; content:\"shop.example\"; bsize:12;", false, true},
	{"http.host.raw; content:\"Shop.Example\"; bsize:12;", false, true},
	{"http.user_agent; content:\"curl/\"; startswith;", false, true},
	{"http.cookie; content:\"sid=abc\"; bsize:7;", false, true},
	{"http.content_type; content:\"text/plain\"; bsize:10;", false, true},
	{"http.referer; content:\"http|3a|//a/b\";", false, true}, {"http.accept; content:\"*/*\";", false, true},
	{"http.content_len; content:\"26\";", false, true},
	{"http.protocol; content:\"HTTP/1.1\"; bsize:8;", false, true},
	{"http.request_line; content:\"POST /cgi-bin/%6c\"; startswith;", false, true},
	{"http.header; content:\"User-Agent|3a 20|curl/8.0|0d 0a|\";", false, true},
	{"http.header; content:\"Cookie\";", false, false},
	{"http.header.raw; content:\"Cookie|3a 20|sid\";", false, true},
	{"http.header_names; content:\"|0d 0a|Host|0d 0a|User-Agent|0d 0a|\"; startswith;", false, true},
	{"http.header_names; content:!\"Accept-Language\"; content:\"Accept\";", false, true},
	{"http.start; content:\"HTTP/1.1|0d 0a|Host|3a|\";", false, true},
	{"http.accept_lang; content:!\"de\";", false, false}, /* absent buffer */
	{"http.stat_code; content:\"404\";", true, true}, {"http.stat_msg; content:\"Not Found\";", true, true},
	{"http.location; content:\"/x\";", true, true}, {"http.server; content:\"nginx\";", true, true},
	{"http.cookie; content:\"t=9\";", true, true}, {"http.response_line; content:\"404 Not\";", true, true},
	{"http.response_body; content:\"world\"; endswith;", true, true},
	{"file.data; content:\"hello\"; startswith; content:\"world\"; distance:1; within:5;", true, true},
	{"http.response_body; content:\"hello\"; bsize:11;", true, true},
	{"http.response_body; content:\"hello\"; bsize:12;", true, false},
	{"content:\"User-Agent|3a|\"; content:\"abcdef\"; distance:0;", false, true}, /* raw: head and body */
	{"pkt_data; content:\"nginx\"; content:\"hello\";", true, true},
	/* sizes */
	{"urilen:32; http.method; content:\"POST\";", false, true},
	{"urilen:34,raw; http.method; content:\"POST\";", false, true},
	{"urilen:>32; http.method; content:\"POST\";", false, false},
	{"urilen:31<>33; http.method; content:\"POST\";", false, true},
	{"urilen:32<>40; http.method; content:\"POST\";", false, false},
	{"http.request_body; bsize:26; content:\"abc\";", false, true},
	{"http.request_body; isdataat:25;", false, true}, {"http.request_body; isdataat:26;", false, false},
	{"http.request_body; content:\"ghi\"; isdataat:15,relative;", false, true},
	{"http.request_body; content:\"ghi\"; isdataat:16,relative;", false, false},
	{"http.request_body; content:\"ghi\"; isdataat:!16,relative;", false, true},
	{"http.request_body; content:\"ghi\"; isdataat:!15,relative;", false, false},
	/* pcre */
	{"http.request_body; pcre:\"/a.c/\";", false, true}, {"http.request_body; pcre:\"/A.C/\";", false, false},
	{"http.request_body; pcre:\"/A.C/i\";", false, true}, {"pcre:\"/a.cdef/P\";", false, true},
	{"pcre:\"/^\\/cgi-bin\\/log[il]n/U\";", false, true}, {"pcre:\"/^\\/cgi-bin\\/log[xy]n/U\";", false, false},
	{"http.request_body; content:\"abc\"; pcre:\"/^def/R\";", false, true},
	{"http.request_body; content:\"abc\"; pcre:\"/^ef/R\";", false, false},
	{"http.request_body; content:\"z\"; nocase; pcre:\"/^\\x7c/R\";", false, true}, /* second z */
	{"http.request_body; content:\"abc\"; pcre:!\"/xyz/\";", false, true},
	{"http.request_body; content:\"abc\"; pcre:!\"/ghi/\";", false, false},
	{"http.request_body; pcre:\"/a b c/x\";", false, true},
	{"http.request_body; pcre:\"/(?<=b)c(?=d)/\";", false, true}, /* Hyperscan only prefilters */
	{"http.request_body; pcre:\"/(.)\\1/\";", false, true},       /* "00" */
	{"http.request_body; pcre:\"/([a-y])\\1/\";", false, false},
	{"http.request_body; pcre:\"/abc/A\";", false, false}, {"http.request_body; pcre:\"/\\x3b$/E\";", false, true},
	{"http.request_body; pcre:\"/a(b)/\"; content:\"cd\"; distance:0; within:2;", false, true},
	/* bytes */
	{"http.request_body; byte_test:2,=,4,0; content:\"abc\";", false, true},
	{"http.request_body; byte_test:2,>,4,0; content:\"abc\";", false, false},
	{"http.request_body; byte_test:2,=,0x400,0,little; content:\"abc\";", false, true},
	{"http.request_body; byte_test:2,!=,5,0; content:\"abc\";", false, true},
	{"http.request_body; byte_test:1,&,4,1; content:\"abc\";", false, true},
	{"http.request_body; byte_test:1,&,3,1; content:\"abc\";", false, false},
	{"http.request_body; content:\"op\"; byte_test:4,=,12,0,relative,string,dec;", false, true},
	{"http.request_body; content:\"op\"; byte_test:4,=,18,0,relative,string,hex;", false, true},
	{"http.request_body; content:\"op\"; byte_test:4,=,13,0,relative,string,dec;", false, false},
	{"http.content_len; byte_test:0,=,26,0,string,dec; content:\"2\";", false, true},
	{"http.content_len; byte_test:0,>,26,0,string,dec; content:\"2\";", false, false},
	{"http.request_body; content:\"p\"; byte_jump:8,0,relative,string,dec,from_beginning; content:\"k\"; within:1;",
		false, true},
	{"http.request_body; byte_jump:2,0; content:\"ef\"; within:2;", false, true},
	{"http.request_body; byte_jump:2,0; content:\"ef\"; within:2; distance:1;", false, false},
	{"http.request_body; byte_jump:2,0,multiplier 2; content:\"ij\"; within:2;", false, true},
	{"http.request_body; byte_jump:2,0,from_beginning; content:\"cd\"; within:2;", false, true},
	{"http.request_body; byte_jump:2,0,from_beginning,post_offset -1; content:\"bc\"; within:2;", false, true},
	{"http.request_body; byte_extract:2,0,n; content:\"cd\"; offset:n; depth:2;", false, true},
	{"http.request_body; byte_extract:2,0,n; content:\"de\"; offset:n; depth:2;", false, false},
	{"http.request_body; byte_extract:2,0,n; content:\"ab\"; content:\"gh\"; distance:n; within:2;", false, true},
	{"http.request_body; byte_extract:1,1,n; byte_test:1,=,n,1; content:\"ab\";", false, true},
	{"http.request_body; byte_test:2,=,1,0,bitmask 0x0004; content:\"abc\";", false, true},
	{"http.request_body; byte_test:2,=,1,0,bitmask 0x0008; content:\"abc\";", false, false},
	{"http.request_body; byte_jump:1,2,bitmask 0x03; content:\"cd\"; within:2;", false, true},
	{"http.request_body; byte_jump:1,2,bitmask 0x03; content:\"de\"; distance:0; within:2;", false, false},
	{"http.request_body; byte_jump:1,2,bitmask 0x03; content:\"ef\"; distance:1; within:2;", false, false},
	{"http.request_body; byte_jump:1,2,bitmask 0x03; content:\"c\"; distance:0; within:1;", false, true},
	{"http.request_body; byte_extract:2,0,n,bitmask 0x06; byte_test:1,=,n,1,bitmask 0x06; content:\"ab\";", false,
		true},
	/* byte_math: 0x0004 and sums with it */
	{"http.request_body; byte_math:bytes 2,offset 0,oper +,rvalue 1,result n; content:\"def\"; offset:n; depth:3;",
		false, true},
	{"http.request_body; byte_math:bytes 2,offset 0,oper +,rvalue 2,result n; content:\"def\"; offset:n; depth:3;",
		false, false},
	{"http.request_body; byte_math:bytes 2,offset 0,oper -,rvalue 1,result n; content:\"bc\"; offset:n; depth:2;",
		false, true},
	{"http.request_body; byte_math:bytes 2,offset 0,oper *,rvalue 2,result n; content:\"gh\"; offset:n; depth:2;",
		false, true},
	{"http.request_body; byte_math:bytes 2,offset 0,oper /,rvalue 2,result n; content:\"ab\"; offset:n; depth:2;",
		false, true},
	{"http.request_body; byte_math:bytes 2,offset 0,oper <<,rvalue 1,result n; content:\"gh\"; offset:n; depth:2;",
		false, true},
	{"http.request_body; byte_math:bytes 2,offset 0,oper >>,rvalue 1,result n; content:\"ab\"; offset:n; depth:2;",
		false, true},
	{"http.request_body; byte_extract:1,0,z; byte_math:bytes 2,offset 0,oper /,rvalue z,result n; content:\"ab\";",
		false, false}, /* by 0 */
	{"http.request_body; content:\"op\"; byte_math:bytes 4,offset 0,oper +,rvalue 4,result n,relative,string dec; "
	 "content:\"op\"; offset:n; depth:2;",
		false, true},
	{"http.request_body; byte_math:bytes 2,offset 0,oper +,rvalue 0,result n,endian little; "
	 "byte_test:2,=,n,0,little; "
	 "content:\"ab\";",
		false, true},
	/* base64: "abcdefghijklmnop0012z" up to Z|, "Shop" of the host, "cgi" of the URI */
	{"http.request_body; content:\"|04|\"; base64_decode:relative; base64_data; content:\"|69 b7 1d 79|\"; "
	 "startswith;",
		false, true},
	{"http.request_body; content:\"|04|\"; base64_decode:relative; base64_data; content:\"|69 b7 1d 78|\";", false,
		false},
	{"http.request_body; base64_decode:offset 2; base64_data; content:\"|69 b7 1d|\"; depth:3;", false, true},
	{"http.request_body; base64_decode:bytes 4,offset 2; base64_data; content:\"|69 b7 1d|\"; bsize:3;", false,
		true},
	{"http.request_body; base64_decode:bytes 4,offset 2; base64_data; content:\"|79|\";", false, false},
	{"http.request_body; base64_decode; base64_data; content:\"|69|\";", false, false},
	{"http.request_body; content:\"d\"; base64_decode:relative; base64_data; content:\"|7a|\"; startswith;", false,
		false},
	{"http.request_body; content:\"ab\"; base64_decode:bytes 4,relative; base64_data; content:!\"x\"; "
	 "content:\"|71 d7 9f|\";",
		false, true},
	{"http.request_body; content:\"0\"; base64_decode:bytes 2,offset 0,relative; base64_data; "
	 "content:\"|d7|\";",
		false, true}, /* from the second 0 */
	{"http.content_type; base64_decode:bytes 4; base64_data; content:\"|b5 ec 6d|\"; bsize:3; http.method; "
	 "content:\"POST\";",
		false, true},
	{"base64_decode:bytes 4,relative; base64_data; content:\"|3c|\"; http.method; content:\"POST\";", false, true},
	/* transforms */
	{"http.host; dotprefix; content:\".example\"; endswith;", false, true},
	{"http.host; dotprefix; content:\".shop.example\"; bsize:13;", false, true},
	{"http.host; dotprefix; content:\".hop.example\";", false, false},
	{"http.host; dotprefix; content:\".\"; startswith; content:\"shop\"; distance:0; within:4;", false, true},
	{"http.host; content:\"shop\"; startswith; http.host; dotprefix; content:\".shop\"; startswith;", false, true},
	{"http.host.raw; to_lowercase; content:\"shop.example\"; bsize:12;", false, true},
	{"http.host.raw; to_lowercase; content:\"Shop\";", false, false},
	{"http.host.raw; to_uppercase; content:\"SHOP\";", false, true},
	{"http.uri.raw; url_decode; content:\"login.php?id=1 or\";", false, true},
	{"http.request_line; strip_whitespace; content:\"POST/cgi\"; startswith;", false, true},
	{"http.header; compress_whitespace; content:\"example:8443 User-Agent\"; nocase;", false, true},
	{"http.header; header_lowercase; content:\"user-agent|3a 20|curl\";", false, true},
	{"http.header; header_lowercase; strip_whitespace; content:\"host|3a|Shop.Example\"; startswith;", false, true},
	{"http.user_agent; dotprefix; to_uppercase; pcre:\"/^\\.CURL/\";", false, true},
	{"http.user_agent; dotprefix; content:!\".wget\"; content:\"curl\";", false, true},
	{"http.request_body; content:\"abc\"; file.data; content:\"hij\";", false, true},
	{"file.data; content:\"hij\"; startswith;", false, false},
	/* conditions over several buffers */
	{"http.method; content:\"POST\"; http.uri; content:\"login\"; http.request_body; content:\"abc\";", false,
		true},
	{"http.method; content:\"GET\"; http.uri; content:\"login\"; http.request_body; content:\"abc\";", false,
		false},
	{"http.stat_code; content:\"404\"; http.response_body; content:\"world\";", true, true},
	{"http.uri; content:\"a\"; http.method; content:\"P\"; http.uri; content:\"b\";", false, false}, /* no "a" */
};

static void make_rule(char *rule, size_t size, const struct keyword_case *c)
{
	snprintf(rule, size, "alert http any any -> any any (msg:\"t\"; flow:established,%s; %s sid:1; rev:1;)\n",
		c->to_client ? "to_client" : "to_server", c->options);
}

static void run(struct rig *rig, uint32_t seed)
{
	rig_stream(rig);
	rig_data_cut(rig, INSPECT_TO_SERVER, HEAD BODY, sizeof(HEAD BODY) - 1, seed);
	rig_data_cut(rig, INSPECT_TO_CLIENT, REPLY, sizeof(REPLY) - 1, seed + 7);
}

static void test_c1_keywords_match_and_near_miss(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char rule[1024];
		struct rig rig;

		make_rule(rule, sizeof(rule), &cases[i]);
		rig_open(&rig, rule);
		if (rig.report.n_loaded != 1)
			fail_msg("%s refused: %s", cases[i].options, rig.report.refused[0].reason);
		rig_text(&rig, INSPECT_TO_SERVER, "");
		rig_data(&rig, INSPECT_TO_SERVER, HEAD BODY, sizeof(HEAD BODY) - 1);
		rig_data(&rig, INSPECT_TO_CLIENT, REPLY, sizeof(REPLY) - 1);
		if ((rig.n_hits == 1) != cases[i].match)
			fail_msg("%s: %zu hits", cases[i].options, rig.n_hits);
		for (uint32_t seed = 0; seed < 12; seed++) {
			run(&rig, seed * 13);
			if ((rig.n_hits == 1) != cases[i].match)
				fail_msg("%s cut by seed %u: %zu hits", cases[i].options, seed, rig.n_hits);
		}
		rig_close(&rig);
	}
}

/* all filters together: each one's verdict is its own */
static void test_c1_keywords_together(void **state)
{
	static char rules[64 * 1024];
	size_t n = 0;
	struct rig rig;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		n += (size_t)snprintf(rules + n, sizeof(rules) - n,
			"alert http any any -> any any (flow:%s; %s sid:%zu;)\n",
			cases[i].to_client ? "to_client" : "to_server", cases[i].options, i + 1);
	}
	rig_open(&rig, rules);
	assert_int_equal(rig.report.n_loaded, ARRAY_SIZE(cases));
	for (uint32_t seed = 0; seed < 40; seed++) {
		run(&rig, seed * 5);
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			if (rig_has_hit(&rig, (uint32_t)i + 1) != cases[i].match)
				fail_msg("%s among others, cut by seed %u", cases[i].options, seed);
	}
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c1_keywords_match_and_near_miss),
		cmocka_unit_test(test_c1_keywords_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
