/* SPDX-License-Identifier: Apache-2.0 */
/* What is held, what is released, and that no verdict depends on how data is cut (B8, C2, C4). */
#include <zlib.h>

#include "inspect_rig.h"

#define RULE(action, dir, options, sid) \
	action " http any any -> any any (msg:\"t\"; flow:established," dir "; " options " sid:" #sid "; rev:1;)\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(len) "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: " #len "\r\n\r\n"

static void test_b8_head_is_held_until_judged(void **state)
{
	struct rig rig;

	rig_open(&rig, RULE("drop", "to_server", "http.uri; content:\"/evil\";", 1));
	rig_text(&rig, INSPECT_TO_SERVER, "GET /good HTTP/1.1\r\nHost: a\r\n");
	assert_int_equal(rig.verdict[0].release, 0);
	rig_text(&rig, INSPECT_TO_SERVER, "\r\n");
	assert_int_equal(rig.verdict[0].release, strlen(GET("/good")));
	rig_text(&rig, INSPECT_TO_SERVER, GET("/evil"));
	assert_int_equal(rig.verdict[0].release, strlen(GET("/good")));
	assert_int_equal(rig.verdict[0].block->sid, 1);
	assert_int_equal(rig.verdict[0].block->action, INSPECT_BLOCK);
	assert_int_equal(rig.n_hits, 1);
	assert_string_equal(rig.hits[0].uri, "/evil");
	rig_text(&rig, INSPECT_TO_SERVER, GET("/good"));
	assert_int_equal(rig.verdict[0].release, strlen(GET("/good")));
	rig_close(&rig);
}

static void test_b8_reject_asks_for_reset(void **state)
{
	struct rig rig;

	rig_open(&rig, RULE("reject", "to_server", "http.method; content:\"GET\";", 1));
	rig_text(&rig, INSPECT_TO_SERVER, GET("/"));
	assert_int_equal(rig.verdict[0].block->reject, INSPECT_REJECT_BOTH);
	rig_close(&rig);
}

static void test_b8_body_is_held_up_to_the_bound(void **state)
{
	struct rig rig;
	size_t head = strlen(POST(100));

	rig_open(&rig, RULE("drop", "to_server", "http.request_body; content:\"evil\";", 1));
	rig_text(&rig, INSPECT_TO_SERVER, POST(100));
	assert_int_equal(rig.verdict[0].release, 0);
	for (int i = 0; i < 9; i++)
		rig_text(&rig, INSPECT_TO_SERVER, "0123456789");
	assert_int_equal(rig.verdict[0].release, 0);
	rig_text(&rig, INSPECT_TO_SERVER, "0123456789");
	assert_int_equal(rig.verdict[0].release, head + 100);

	rig.options.body_hold_bytes = 50;
	rig_stream(&rig);
	rig_text(&rig, INSPECT_TO_SERVER, POST(100) "0123456789012345678901234567890123456789");
	assert_int_equal(rig.verdict[0].release, 0);
	rig_text(&rig, INSPECT_TO_SERVER, "0123456789");
	assert_int_equal(rig.verdict[0].release, head + 50);
	rig_text(&rig, INSPECT_TO_SERVER, "01ev");
	assert_int_equal(rig.verdict[0].release, head + 54);
	rig_text(&rig, INSPECT_TO_SERVER, "il..");
	assert_non_null(rig.verdict[0].block);
	assert_int_equal(rig.verdict[0].release, head + 55); /* not the byte that completes the match */
	assert_int_equal(rig.hits[0].offset, head + 55);
	rig_close(&rig);
}

static void test_b8_expect_continue_is_not_held(void **state)
{
	static const char head[] = "POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n";
	struct rig rig;

	rig_open(&rig, RULE("drop", "to_server", "http.request_body; content:\"evil\";", 1));
	rig_text(&rig, INSPECT_TO_SERVER, head);
	assert_int_equal(rig.verdict[0].release, strlen(head));
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_text(&rig, INSPECT_TO_SERVER, "....evil..");
	assert_non_null(rig.verdict[0].block);
	assert_int_equal(rig.verdict[0].release, strlen(head) + 7);
	rig_close(&rig);
}

static void test_b8_no_body_filter_no_hold(void **state)
{
	struct rig rig;

	rig_open(&rig, RULE("drop", "to_server", "http.uri; content:\"/evil\";", 1));
	rig_text(&rig, INSPECT_TO_SERVER, POST(100));
	assert_int_equal(rig.verdict[0].release, strlen(POST(100)));
	rig_text(&rig, INSPECT_TO_SERVER, "abc");
	assert_int_equal(rig.verdict[0].release, strlen(POST(100)) + 3);
	rig_close(&rig);
}

/* C2: a record of the largest size whose last byte completes the match */
static void test_c2_match_at_byte_16384(void **state)
{
	static char body[16384];
	static const char head[] = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n";
	struct rig rig;

	memset(body, 'x', sizeof(body));
	memcpy(body + sizeof(body) - 4, "evil", 4);
	rig_open(&rig, RULE("drop", "to_server", "http.request_body; content:\"evil\"; endswith;", 1) RULE(
			       "drop", "to_server", "http.request_body; content:\"evil\"; isdataat:!1,relative;", 2));
	rig_text(&rig, INSPECT_TO_SERVER, head);
	rig_data(&rig, INSPECT_TO_SERVER, body, sizeof(body));
	assert_non_null(rig.verdict[0].block);
	assert_int_equal(rig.verdict[0].release, 0);
	rig_close(&rig);
	rig_open(&rig, RULE("drop", "to_client", "http.response_body; content:\"evil\";", 1));
	rig_text(&rig, INSPECT_TO_SERVER, GET("/"));
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n");
	rig_data(&rig, INSPECT_TO_CLIENT, body, sizeof(body));
	assert_non_null(rig.verdict[1].block);
	assert_int_equal(rig.verdict[1].release, strlen("HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n") + 16383);
	assert_int_equal(rig.hits[0].status, 200);
	assert_string_equal(rig.hits[0].uri, "/");
	rig_close(&rig);
}

static void test_c4_pipelined_requests(void **state)
{
	struct rig rig;
	size_t two = strlen(GET("/1")) + strlen(GET("/2"));

	rig_open(&rig, RULE("alert", "to_server", "http.uri; content:\"/1\";", 1)
			       RULE("drop", "to_server", "http.uri; content:\"/3\";", 3)
				       RULE("alert", "to_client", "http.stat_code; content:\"404\";", 4));
	rig_text(&rig, INSPECT_TO_SERVER, GET("/1") GET("/2"));
	assert_int_equal(rig.verdict[0].release, two);
	rig_text(&rig, INSPECT_TO_CLIENT,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(rig.n_hits, 2);
	assert_int_equal(rig.hits[1].sid, 4);
	assert_string_equal(rig.hits[1].uri, "/2");
	assert_int_equal(rig.hits[1].status, 404);
	rig_text(&rig, INSPECT_TO_SERVER, GET("/1") GET("/3"));
	assert_int_equal(rig.verdict[0].release, two + strlen(GET("/1")));
	assert_int_equal(rig.n_hits, 4); /* /1 again: once per transaction */
	rig_close(&rig);
}

static void test_c4_chunked_both_ways(void **state)
{
	static const char request[] = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
				      "2\r\nev\r\n2;x=y\r\nil\r\n0\r\nT: v\r\n\r\n";
	static const char response[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n3\r\nass\r\n0\r\n\r\n";
	struct rig rig;

	rig_open(&rig, RULE("alert", "to_server", "http.request_body; content:\"evil\"; bsize:4;", 1)
			       RULE("alert", "to_client", "http.response_body; content:\"badass\"; bsize:6;", 2)
				       RULE("alert", "to_server", "http.uri; content:\"/next\";", 3));
	for (uint32_t seed = 0; seed < 30; seed++) {
		rig_stream(&rig);
		rig_data_cut(&rig, INSPECT_TO_SERVER, request, strlen(request), seed);
		assert_int_equal(rig.verdict[0].release, strlen(request));
		rig_data_cut(&rig, INSPECT_TO_CLIENT, response, strlen(response), seed);
		assert_int_equal(rig.verdict[1].release, strlen(response));
		rig_text(&rig, INSPECT_TO_SERVER, GET("/next"));
		assert_int_equal(rig.n_hits, 3);
	}
	assert_int_equal(inspect_scratch_stats(rig.scratch)->http_anomaly, 0);
	rig_close(&rig);
}

static void test_c4_response_without_body(void **state)
{
	struct rig rig;

	rig_open(&rig, RULE("alert", "to_client", "http.stat_code; content:\"2\"; startswith;", 1));
	rig_text(&rig, INSPECT_TO_SERVER, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/a") GET("/b"));
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n");
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\n\r\nuntil close");
	assert_int_equal(rig.n_hits, 3);
	assert_string_equal(rig.hits[1].uri, "/a");
	assert_string_equal(rig.hits[2].uri, "/b");
	rig_end(&rig, INSPECT_TO_CLIENT);
	assert_int_equal(inspect_scratch_stats(rig.scratch)->http_anomaly, 0);
	rig_close(&rig);
}

static void test_c4_upgrade_becomes_raw(void **state)
{
	struct rig rig;

	rig_open(&rig, "drop tcp any any -> any any (content:\"evil\"; sid:1;)\n");
	rig_text(&rig, INSPECT_TO_SERVER, "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: other\r\n\r\n");
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 101 Switching\r\nUpgrade: other\r\n\r\n\x81\x02hi");
	rig_text(&rig, INSPECT_TO_SERVER, "\x81\x04ok..");
	assert_null(rig.verdict[0].block);
	rig_text(&rig, INSPECT_TO_SERVER, "..ev");
	rig_text(&rig, INSPECT_TO_CLIENT, "\x81\x02hi");
	rig_text(&rig, INSPECT_TO_SERVER, "il");
	assert_non_null(rig.verdict[0].block);
	rig_close(&rig);
}

/* --- WebSocket ---------------------------------------------------------------------------------------------------- */
struct frames {
	size_t n;
	uint8_t bytes[200000];
};

/* a client's frame, masked */
static void frame(struct frames *frames, uint8_t first, const void *payload, size_t len)
{
	static const uint8_t mask[] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t *at = frames->bytes + frames->n;

	*at++ = first;
	*at++ = 0x80 | (len < 126 ? (uint8_t)len : 126);
	if (len >= 126) {
		*at++ = (uint8_t)(len >> 8);
		*at++ = (uint8_t)len;
	}
	memcpy(at, mask, 4);
	at += 4;
	for (size_t i = 0; i < len; i++)
		*at++ = ((const uint8_t *)payload)[i] ^ mask[i % 4];
	frames->n = (size_t)(at - frames->bytes);
}

static void upgrade(struct rig *rig, const char *extensions)
{
	char text[256];

	rig_text(rig, INSPECT_TO_SERVER, "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
	snprintf(text, sizeof(text), "HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n%s\r\n", extensions);
	rig_text(rig, INSPECT_TO_CLIENT, text);
}

/* the data of a raw deflate stream up to here, without the four bytes that a sender leaves out */
static size_t deflated(z_stream *z, const char *text, uint8_t *out, size_t size)
{
	z->next_in = (Bytef *)text;
	z->avail_in = (uInt)strlen(text);
	z->next_out = out;
	z->avail_out = (uInt)size;
	assert_int_equal(deflate(z, Z_SYNC_FLUSH), Z_OK);
	return size - z->avail_out - 4;
}

static void test_c4_websocket_messages_are_unmasked_and_joined(void **state)
{
	static struct frames frames;
	struct rig rig;

	frames.n = 0;
	frame(&frames, 0x81, "harmless", 8);
	frame(&frames, 0x01, "xx e", 4);
	frame(&frames, 0x89, "ping", 4);
	frame(&frames, 0x00, "", 0);
	frame(&frames, 0x00, "vil", 3);
	rig_open(&rig, "drop tcp any any -> any any (flow:to_server; content:\"evil\"; depth:8; offset:3; sid:1;)\n"
		       "alert tcp any any -> any any (flow:to_server; content:\"xx\"; startswith; dsize:>3; sid:2;)\n"
		       "alert tcp any any -> any any (flow:to_client; content:\"secret\"; sid:3;)\n");
	for (uint32_t seed = 0; seed < 40; seed++) {
		rig_stream(&rig);
		upgrade(&rig, "");
		rig_data_cut(&rig, INSPECT_TO_CLIENT, "\x01\x03sec\x80\x03ret", 10, seed);
		assert_true(rig_has_hit(&rig, 3));
		rig_data_cut(&rig, INSPECT_TO_SERVER, (const char *)frames.bytes, frames.n, seed);
		assert_true(rig_has_hit(&rig, 1) && rig_has_hit(&rig, 2));
		assert_non_null(rig.verdict[0].block);
		assert_int_equal(rig.verdict[0].release, 49 + frames.n - 1);
		assert_int_equal(inspect_scratch_stats(rig.scratch)->websocket_anomaly, 0);
	}
	rig_close(&rig);
}

static void test_c4_websocket_messages_are_inflated(void **state)
{
	static struct frames frames;
	uint8_t out[256];
	z_stream z = {0};
	struct rig rig;
	size_t n;

	frames.n = 0;
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	n = deflated(&z, "an innocent message of some length", out, sizeof(out));
	frame(&frames, 0xc1, out, n);
	n = deflated(&z, "an innocent message of evil length", out, sizeof(out));
	frame(&frames, 0x41, out, 5);
	frame(&frames, 0x80, out + 5, n - 5);
	frame(&frames, 0x81, "not compressed", 14);
	deflateEnd(&z);
	rig_open(&rig, "alert tcp any any -> any any (flow:to_server; content:\"of evil length\"; sid:1;)\n"
		       "alert tcp any any -> any any (flow:to_server; content:\"not compressed\"; sid:2;)\n");
	for (uint32_t seed = 0; seed < 40; seed++) {
		rig_stream(&rig);
		upgrade(&rig, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
		rig_data_cut(&rig, INSPECT_TO_SERVER, (const char *)frames.bytes, frames.n, seed);
		assert_true(rig_has_hit(&rig, 1) && rig_has_hit(&rig, 2));
		assert_int_equal(inspect_scratch_stats(rig.scratch)->websocket_anomaly, 0);
		assert_int_equal(inspect_scratch_stats(rig.scratch)->decode_failed, 0);
	}
	rig_close(&rig);
}

static void test_c4_forbidden_frames_are_anomalies(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{"\x81\x02hi", 4},                          /* not masked */
		{"\x83\x80\0\0\0\0", 6},                    /* opcode 3 */
		{"\x8b\x80\0\0\0\0", 6},                    /* opcode 11 */
		{"\xc1\x80\0\0\0\0", 6},                    /* compressed, which was not agreed on */
		{"\xa1\x80\0\0\0\0", 6},                    /* a reserved bit */
		{"\x80\x80\0\0\0\0", 6},                    /* goes on with nothing */
		{"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 12},   /* a message inside of another */
		{"\x09\x80\0\0\0\0", 6},                    /* a ping in pieces */
		{"\x89\xfe\0\x7e\0\0\0\0", 8},              /* a long ping */
		{"\x81\xfe\0\x01\0\0\0\0", 8},              /* a length longer than it need be */
		{"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14}, /* a negative length */
	};
	struct rig rig;

	rig_open(&rig, "alert tcp any any -> any any (flow:to_server; content:\"evil\"; sid:1;)\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int policy = INSPECT_ON_LIMIT_BYPASS; policy <= INSPECT_ON_LIMIT_BLOCK; policy++) {
			uint64_t before = inspect_scratch_stats(rig.scratch)->websocket_anomaly;

			rig.options.on_limit[INSPECT_LIMIT_WEBSOCKET] = policy;
			rig_stream(&rig);
			upgrade(&rig, "");
			rig_data_cut(&rig, INSPECT_TO_SERVER, cases[i].bytes, cases[i].len, (uint32_t)i);
			assert_int_equal(inspect_scratch_stats(rig.scratch)->websocket_anomaly, before + 1);
			assert_int_equal(rig.verdict[0].block != NULL, policy == INSPECT_ON_LIMIT_BLOCK);
			if (policy == INSPECT_ON_LIMIT_BLOCK)
				continue;
			rig_text(&rig, INSPECT_TO_SERVER, "evil");
			assert_true(rig_has_hit(&rig, 1));
			assert_int_equal(rig.verdict[0].release, 49 + cases[i].len + 4);
		}
	rig_close(&rig);
}

static void test_c4_smuggling_signs_become_raw(void **state)
{
	static const struct {
		const char *text;
		bool smuggling;
		uint64_t kept; /* bytes at its end that are not released when the session ends for it */
	} requests[] = {
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", true, 0},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", true, 0},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\n", true, 0},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\n", true, 0},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\n", true, 0},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", true, 0},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nTransfer-Encoding: x\r\n\r\n", true,
			0},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", true, 4},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", true, 2},
		{"\x16\x03\x01 binary", false, 0},
		{"GET /\r\n\r\n", false, 0},
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(requests); i++) {
		const char *text = requests[i / 2].text;
		uint64_t len = strlen(text), kept = requests[i / 2].kept ? requests[i / 2].kept : len;
		bool smuggling = requests[i / 2].smuggling, blocks = i % 2;
		const struct inspect_stats *stats;
		struct rig rig;

		rig_open(&rig, "drop tcp any any -> any any (content:\"evil\"; sid:1;)\n");
		rig.options.on_limit[smuggling ? INSPECT_LIMIT_SMUGGLING : INSPECT_LIMIT_ANOMALY] =
			blocks ? INSPECT_ON_LIMIT_RESET : INSPECT_ON_LIMIT_BYPASS;
		rig_stream(&rig);
		stats = inspect_scratch_stats(rig.scratch);
		rig_text(&rig, INSPECT_TO_SERVER, text);
		assert_int_equal(stats->http_anomaly, !smuggling);
		assert_int_equal(stats->http_smuggling, smuggling);
		assert_int_equal(stats->limit_streams, 1);
		assert_int_equal(stats->limit_blocked, blocks);
		assert_int_equal(rig.verdict[0].release, blocks ? len - kept : len);
		rig_text(&rig, INSPECT_TO_SERVER, "..evil..");
		assert_non_null(rig.verdict[0].block);
		assert_int_equal(rig.verdict[0].block->sid, !blocks);
		assert_int_equal(rig.verdict[0].block->reject, blocks ? INSPECT_REJECT_BOTH : INSPECT_REJECT_NONE);
		assert_int_equal(rig.verdict[0].release, blocks ? len - kept : len + 5);
		rig_close(&rig);
	}
}

static void test_c4_head_over_the_limit_becomes_raw(void **state)
{
	static char filler[70000];
	struct rig rig;

	memset(filler, 'a', sizeof(filler));
	rig_open(&rig, "drop tcp any any -> any any (content:\"GET /aaa\"; content:\"evil\"; sid:1;)\n");
	rig_text(&rig, INSPECT_TO_SERVER, "GET /");
	rig_data(&rig, INSPECT_TO_SERVER, filler, 60000);
	assert_int_equal(rig.verdict[0].release, 0);
	rig_data(&rig, INSPECT_TO_SERVER, filler, 5531);
	assert_int_equal(rig.verdict[0].release, 65536);
	assert_int_equal(inspect_scratch_stats(rig.scratch)->http_anomaly, 1);
	rig_data(&rig, INSPECT_TO_SERVER, filler, 100);
	rig_text(&rig, INSPECT_TO_SERVER, "evil");
	assert_null(rig.verdict[0].block); /* farther apart than the window */
	rig_text(&rig, INSPECT_TO_SERVER, "GET /aaa");
	assert_non_null(rig.verdict[0].block);
	rig_close(&rig);
}

static void test_b11_response_uninspected(void **state)
{
	struct rig rig;

	rig_open(&rig, RULE("drop", "to_client", "http.response_body; content:\"evil\";", 1)
			       RULE("drop", "to_server", "http.uri; content:\"/evil\";", 2));
	rig.options.inspect_response = false;
	rig_stream(&rig);
	rig_text(&rig, INSPECT_TO_SERVER, GET("/"));
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-");
	assert_int_equal(rig.verdict[1].release, 25);
	rig_text(&rig, INSPECT_TO_CLIENT, "Length: 4\r\n\r\nevil");
	assert_int_equal(rig.verdict[1].release, 42);
	assert_null(rig.verdict[1].block);
	rig_text(&rig, INSPECT_TO_SERVER, GET("/evil"));
	assert_non_null(rig.verdict[0].block);
	rig_close(&rig);
}

static void test_c3_service_other_is_not_inspected(void **state)
{
	struct rig rig;

	rig_open(&rig, "drop tcp any any -> any any (content:\"evil\"; sid:1;)\n");
	rig.options.service = INSPECT_NONE;
	rig_stream(&rig);
	rig_text(&rig, INSPECT_TO_SERVER, "evil");
	assert_int_equal(rig.verdict[0].release, 4);
	assert_null(rig.verdict[0].block);
	rig.options.service = INSPECT_RAW;
	rig_stream(&rig);
	rig_text(&rig, INSPECT_TO_SERVER, "evil");
	assert_int_equal(rig.verdict[0].release, 3);
	assert_non_null(rig.verdict[0].block);
	rig_close(&rig);
}

static void test_c3_ports(void **state)
{
	static const struct {
		const char *port;
		bool http, raw; /* server port 8443 */
	} ports[] = {{"any", true, true}, {"$HTTP_PORTS", true, false}, {"80", true, false}, {"443", true, false},
		{"8443", true, true}, {"8000:9000", true, true}, {"25", false, false}, {"!25", true, true},
		{"[1:100,!80]", false, false}, {"!8443", true, false}};

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		char rule[256];
		struct rig rig;

		snprintf(rule, sizeof(rule), "alert tcp any any -> any %s (flow:to_server; content:\"evil\"; sid:1;)\n",
			ports[i].port);
		rig_open(&rig, rule);
		rig_text(&rig, INSPECT_TO_SERVER, GET("/evil"));
		assert_int_equal(rig.n_hits, ports[i].http);
		rig.options.service = INSPECT_RAW;
		rig_stream(&rig);
		rig_text(&rig, INSPECT_TO_SERVER, GET("/evil"));
		assert_int_equal(rig.n_hits, ports[i].raw);
		rig_close(&rig);
	}
}

static void test_addresses_of_a_filter(void **state)
{
	static const struct {
		const char *source;
		bool match; /* client 10.9.0.1 */
	} sources[] = {{"10.9.0.1", true}, {"10.9.0.0/24", true}, {"!10.9.0.0/24", false}, {"$EXTERNAL_NET", true},
		{"[10.9.0.0/16,!10.9.0.1]", false}, {"192.0.2.1", false}, {"[192.0.2.1, 10.9.0.1]", true},
		{"2001:db8::1", false}};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		char rule[256];
		struct rig rig;

		snprintf(rule, sizeof(rule),
			"alert http %s any -> any any (flow:to_server; http.uri; content:\"evil\"; sid:1;)\n",
			sources[i].source);
		rig_open(&rig, rule);
		rig_text(&rig, INSPECT_TO_SERVER, GET("/evil"));
		if (rig.n_hits != sources[i].match)
			fail_msg("%s", sources[i].source);
		rig_close(&rig);
	}
}

static void test_c1_flowbits(void **state)
{
	struct rig rig;

	rig_open(&rig,
		RULE("drop", "to_client", "flowbits:isset,seen; http.response_body; content:\"x\";", 2) RULE(
			"alert", "to_server", "http.uri; content:\"/a\"; flowbits:set,seen; flowbits:noalert;", 1));
	rig_text(&rig, INSPECT_TO_SERVER, GET("/b"));
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
	assert_null(rig.verdict[1].block);
	rig_text(&rig, INSPECT_TO_SERVER, GET("/a"));
	rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
	assert_non_null(rig.verdict[1].block);
	assert_int_equal(rig.n_hits, 1);
	rig_close(&rig);
}

/* a pattern that makes a backtracking engine stall, over a full window of the worst bytes */
static void test_c2_hostile_regex_is_bounded(void **state)
{
	static char body[65000];
	struct timespec start, end;
	struct rig rig;

	memset(body, '1', sizeof(body));
	rig_open(&rig, RULE("alert", "to_server", "http.request_body; content:\"11\"; pcre:\"/(1+)+z/\";", 1)
			       RULE("alert", "to_server", "http.request_body; content:\"11\"; pcre:\"/\\d+x/\";", 2)
				       RULE("alert", "to_server",
					       "http.request_body; content:\"1\"; content:\"1\"; distance:1; "
					       "content:\"2\"; distance:1; within:9;",
					       3) RULE("alert", "to_server", "http.request_body; content:\"111\";", 4));
	body[sizeof(body) - 1] = 'x';
	body[sizeof(body) - 2] = 'z';
	body[sizeof(body) - 3] = '-';
	rig_text(&rig, INSPECT_TO_SERVER, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\n");
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	rig_data(&rig, INSPECT_TO_SERVER, body, sizeof(body));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	assert_true((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 < 500);
	assert_int_equal(rig.n_hits, 1);
	assert_in_range(inspect_scratch_stats(rig.scratch)->confirm_limit, 2, 3);
	rig_close(&rig);
}

/* B12: an evaluation that is given up lets the session pass, or ends it where the filter would have */
static void test_b12_engine_limit(void **state)
{
	static const struct {
		const char *action;
		enum inspect_on_limit on_limit;
		bool blocked;
	} cases[] = {{"alert", INSPECT_ON_LIMIT_BYPASS, false}, {"alert", INSPECT_ON_LIMIT_BLOCK, false},
		{"drop", INSPECT_ON_LIMIT_BYPASS, false}, {"drop", INSPECT_ON_LIMIT_BLOCK, true}};
	static char body[4000];

	memset(body, '1', sizeof(body));
	memcpy(body + sizeof(body) - 2, "-z", 2); /* or PCRE2 sees at once that there is no z */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t head = strlen(POST(4000));
		char rule[256];
		struct rig rig;

		snprintf(rule, sizeof(rule),
			"%s http any any -> any any (flow:to_server; http.request_body; content:\"11\"; "
			"pcre:\"/(1+)+z/\"; sid:1;)\n",
			cases[i].action);
		rig_open(&rig, rule);
		rig.options.on_limit[INSPECT_LIMIT_CONFIRM] = cases[i].on_limit;
		rig.options.body_hold_bytes = 0;
		rig_stream(&rig);
		rig_text(&rig, INSPECT_TO_SERVER, POST(4000));
		assert_false(rig.verdict[0].limited);
		rig_data(&rig, INSPECT_TO_SERVER, body, sizeof(body));
		assert_true(rig.verdict[0].limited);
		assert_int_equal(inspect_scratch_stats(rig.scratch)->limit_streams, 1);
		assert_int_equal(inspect_scratch_stats(rig.scratch)->limit_blocked, cases[i].blocked);
		assert_int_equal(rig.verdict[0].release, cases[i].blocked ? head : head + sizeof(body));
		assert_int_equal(rig.verdict[0].block != NULL, cases[i].blocked);
		assert_int_equal(rig.n_hits, cases[i].blocked);
		rig_close(&rig);
	}
}

static void test_idle_stream_is_small(void **state)
{
	struct rig rig;

	rig_open(&rig, "alert tcp any any -> any any (content:\"evil\"; sid:9;)\n" RULE(
			       "alert", "to_server", "http.request_body; content:\"evil\";", 1));
	for (int i = 0; i < 3; i++) {
		rig_text(&rig, INSPECT_TO_SERVER, POST(4) "abcd");
		rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
	}
	assert_true(inspect_stream_memory(rig.stream) < 2048);
	rig_close(&rig);
}

/* --- cuts ----------------------------------------------------------------------------------------------------------
 */
struct turn {
	enum inspect_dir dir;
	const char *data;
};

static const char cut_rules[] = RULE("alert", "to_server", "http.uri; content:\"/a\";", 1) RULE("alert", "to_server",
	"http.method; content:\"POST\"; http.request_body; content:\"tail\"; endswith;", 2) RULE("alert", "to_server",
	"http.request_body; content:\"one\"; content:\"two\"; distance:0; pcre:\"/^\\s*three/R\";", 3)
	RULE("alert", "to_client", "http.response_body; content:\"stop\"; content:!\"go\"; within:5;", 4) RULE("drop",
		"to_client", "http.response_body; content:\"never\"; content:\"ever\"; distance:2;", 5) RULE("alert",
		"to_client", "http.stat_code; content:\"200\"; file.data; content:\"stop\"; isdataat:!8,relative;",
		6) "alert tcp any any -> any any (content:\"tw\"; content:\"hre\"; distance:0; sid:7;)\n"
		   "alert tcp any any -> any any (content:\"stop\"; content:!\"zzz\"; sid:8;)\n"
		   "alert tcp any any -> any any (pcre:\"/HTTP\\/1\\.1 [0-9]+ O+K/\"; sid:9;)\n";

static const struct turn conversation[] = {
	{INSPECT_TO_SERVER, GET("/a")},
	{INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n..stop..go....."},
	{INSPECT_TO_SERVER, POST(29) "one two one two    three tail" GET("/b") POST(4) "tail"},
	{INSPECT_TO_CLIENT,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n..sto\r\n7\r\np....go\r\n0\r\n\r\n"},
	{INSPECT_TO_CLIENT, "HTTP/1.1 304 Not\r\n\r\n"},
	{INSPECT_TO_SERVER, "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n "
			    "one\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"},
	{INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n.never.......................ev"},
	{INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: "
			    "63\r\n\r\n.never....never......ever..........never......ever.........ever"},
};

static void converse(struct rig *rig, size_t hold, bool whole, uint32_t seed)
{
	rig->options.body_hold_bytes = hold;
	rig_stream(rig);
	for (size_t i = 0; i < ARRAY_SIZE(conversation); i++)
		if (whole)
			rig_text(rig, conversation[i].dir, conversation[i].data);
		else
			rig_data_cut(rig, conversation[i].dir, conversation[i].data, strlen(conversation[i].data),
				seed + (uint32_t)i);
}

static void test_c2_verdict_does_not_depend_on_cuts(void **state)
{
	static const size_t holds[] = {0, 1, 7, 20, 65536};
	struct rig rig;

	rig_open(&rig, cut_rules);
	assert_int_equal(rig.report.n_refused, 0);
	for (size_t h = 0; h < ARRAY_SIZE(holds); h++) {
		static struct rig_hit hits[RIG_HITS];
		struct inspect_verdict verdict[INSPECT_DIRS];
		size_t n_hits;

		converse(&rig, holds[h], true, 0);
		memcpy(verdict, rig.verdict, sizeof(verdict));
		memcpy(hits, rig.hits, sizeof(hits));
		n_hits = rig.n_hits;
		assert_non_null(verdict[1].block);
		for (uint32_t sid = 1; sid <= 9; sid++)
			if (!rig_has_hit(&rig, sid))
				fail_msg("filter %u without a hit", sid);
		for (uint32_t seed = 0; seed < 300; seed++) {
			converse(&rig, holds[h], false, seed);
			assert_int_equal(rig.n_hits, n_hits);
			for (size_t i = 0; i < n_hits; i++)
				if (rig.hits[i].sid != hits[i].sid || rig.hits[i].offset != hits[i].offset)
					fail_msg("hold %zu seed %u: hit %zu is %u at %llu, not %u at %llu", holds[h],
						seed, i, rig.hits[i].sid, (unsigned long long)rig.hits[i].offset,
						hits[i].sid, (unsigned long long)hits[i].offset);
			assert_ptr_equal(rig.verdict[1].block, verdict[1].block);
			assert_int_equal(rig.verdict[1].release, verdict[1].release);
		}
	}
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_b8_head_is_held_until_judged),
		cmocka_unit_test(test_b8_reject_asks_for_reset),
		cmocka_unit_test(test_b8_body_is_held_up_to_the_bound),
		cmocka_unit_test(test_b8_expect_continue_is_not_held),
		cmocka_unit_test(test_b8_no_body_filter_no_hold),
		cmocka_unit_test(test_c2_match_at_byte_16384),
		cmocka_unit_test(test_c4_pipelined_requests),
		cmocka_unit_test(test_c4_chunked_both_ways),
		cmocka_unit_test(test_c4_response_without_body),
		cmocka_unit_test(test_c4_upgrade_becomes_raw),
		cmocka_unit_test(test_c4_websocket_messages_are_unmasked_and_joined),
		cmocka_unit_test(test_c4_websocket_messages_are_inflated),
		cmocka_unit_test(test_c4_forbidden_frames_are_anomalies),
		cmocka_unit_test(test_c4_smuggling_signs_become_raw),
		cmocka_unit_test(test_c4_head_over_the_limit_becomes_raw),
		cmocka_unit_test(test_b11_response_uninspected),
		cmocka_unit_test(test_c3_service_other_is_not_inspected),
		cmocka_unit_test(test_c3_ports),
		cmocka_unit_test(test_addresses_of_a_filter),
		cmocka_unit_test(test_c1_flowbits),
		cmocka_unit_test(test_c2_hostile_regex_is_bounded),
		cmocka_unit_test(test_b12_engine_limit),
		cmocka_unit_test(test_idle_stream_is_small),
		cmocka_unit_test(test_c2_verdict_does_not_depend_on_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
