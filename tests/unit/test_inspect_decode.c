/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded bodies (C4): what is found in them, where it ends, and what a bomb costs. */
#include "inspect_rig.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>

#include "inspect/brotli_stream.h"

#define BOMB_BYTES (100u << 20)

struct bytes {
	uint8_t *data;
	size_t len;
};

enum format { BROTLI = -2, PLAIN = -1, GZIP = MAX_WBITS + 16, ZLIB = MAX_WBITS, RAW = -MAX_WBITS };

static void bytes_add(struct bytes *to, const void *data, size_t len)
{
	to->data = realloc(to->data, to->len + len + 1);
	assert_non_null(to->data);
	memcpy(to->data + to->len, data, len);
	to->len += len;
	to->data[to->len] = 0;
}

static struct bytes encode(struct span in, enum format format)
{
	struct bytes out = {0};
	z_stream z = {0};
	int r = Z_OK;

	if (format == PLAIN) {
		bytes_add(&out, in.data, in.len);
		return out;
	}
	if (format == BROTLI) {
		out.len = BrotliEncoderMaxCompressedSize(in.len) + 16;
		out.data = malloc(out.len);
		assert_true(BrotliEncoderCompress(
			9, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, in.len, in.data, &out.len, out.data));
		return out;
	}
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, (int)format, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)in.data;
	z.avail_in = (uInt)in.len;
	while (r == Z_OK) {
		uint8_t chunk[4096];

		z.next_out = chunk;
		z.avail_out = sizeof(chunk);
		r = deflate(&z, Z_FINISH);
		bytes_add(&out, chunk, sizeof(chunk) - z.avail_out);
	}
	deflateEnd(&z);
	return out;
}

static struct bytes encode_twice(struct span in, enum format first, enum format second)
{
	struct bytes one = encode(in, first), two = encode(SPAN(one.data, one.len), second);

	free(one.data);
	return two;
}

/* a body in which "evil" comes late, after much that does not compress well */
static struct span body_text(void)
{
	static char text[20000];
	uint32_t seed = 1;

	for (size_t i = 0; i < sizeof(text); i++) {
		seed = seed * 1664525 + 1013904223;
		text[i] = (char)('A' + (seed >> 24) % 50);
	}
	memcpy(text + 15000, "evil", 4);
	return SPAN(text, sizeof(text));
}

static struct bytes message(enum inspect_dir dir, const char *fields, struct bytes body, bool chunked)
{
	struct bytes out = {0};
	char head[256];
	int n = snprintf(head, sizeof(head), "%s\r\nHost: a\r\n%s",
		dir == INSPECT_TO_SERVER ? "POST / HTTP/1.1" : "HTTP/1.1 200 OK", fields);

	bytes_add(&out, head, (size_t)n);
	if (!chunked) {
		n = snprintf(head, sizeof(head), "Content-Length: %zu\r\n\r\n", body.len);
		bytes_add(&out, head, (size_t)n);
		bytes_add(&out, body.data, body.len);
		return out;
	}
	bytes_add(&out, "\r\n", 2);
	for (size_t at = 0, step; at < body.len; at += step) {
		step = body.len - at < 1000 ? body.len - at : 1000;
		n = snprintf(head, sizeof(head), "%zx\r\n", step);
		bytes_add(&out, head, (size_t)n);
		bytes_add(&out, body.data + at, step);
		bytes_add(&out, "\r\n", 2);
	}
	bytes_add(&out, "0\r\n\r\n", 5);
	return out;
}

static void give(struct rig *rig, enum inspect_dir dir, struct bytes message, uint32_t seed)
{
	if (dir == INSPECT_TO_CLIENT)
		rig_text(rig, INSPECT_TO_SERVER, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	if (seed % 2) {
		rig_data_cut(rig, dir, (const char *)message.data, message.len, seed);
		return;
	}
	/* large cuts, too: runs of bytes are decoded at once */
	for (size_t at = 0, n; at < message.len; at += n) {
		n = seed && seed * 211 < message.len - at ? seed * 211 : message.len - at;
		rig_data(rig, dir, message.data + at, n);
	}
}

static const char find_rules[] =
	"alert http any any -> any any (flow:to_server; http.request_body; content:\"evil\"; offset:15000; depth:4; "
	"sid:1;)\n"
	"alert http any any -> any any (flow:to_client; file.data; content:\"evil\"; sid:2;)\n"
	"alert http any any -> any any (flow:to_client; http.response_body; bsize:20000; content:\"A\"; sid:3;)\n";

struct coding_case {
	const char *fields;
	enum format first, second;
	bool chunked, found;
};

static const struct coding_case codings[] = {
	{"", PLAIN, PLAIN, false, true},
	{"Content-Encoding: gzip\r\n", GZIP, PLAIN, false, true},
	{"content-encoding: X-GZip\r\n", GZIP, PLAIN, true, true},
	{"Content-Encoding: deflate\r\n", ZLIB, PLAIN, false, true},
	{"Content-Encoding: deflate\r\n", RAW, PLAIN, true, true},
	{"Content-Encoding: deflate\r\n", GZIP, PLAIN, false, true}, /* the first bytes tell better */
	{"Content-Encoding: gzip\r\n", ZLIB, PLAIN, false, true},
	{"Content-Encoding: gzip\r\n", PLAIN, PLAIN, false, true}, /* the label is wrong */
	{"Content-Encoding: deflate, gzip\r\n", ZLIB, GZIP, false, true},
	{"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", GZIP, GZIP, true, true},
	{"Content-Encoding: identity , gzip\r\n", GZIP, PLAIN, false, true},
	{"Transfer-Encoding: gzip, chunked\r\n", GZIP, PLAIN, true, true},
	{"Content-Encoding: br\r\n", BROTLI, PLAIN, false, true},
	{"Content-Encoding: br\r\n", BROTLI, PLAIN, true, true},
	{"Content-Encoding: br, gzip\r\n", BROTLI, GZIP, false, true},
	{"Content-Encoding: gzip, br\r\n", GZIP, BROTLI, true, true},
	{"Content-Encoding: br\r\n", GZIP, PLAIN, false, false},   /* nothing tells it from br but that it fails */
	{"Content-Encoding: zstd\r\n", PLAIN, PLAIN, false, true}, /* unknown: as it comes */
	{"Content-Encoding: zstd, gzip\r\n", GZIP, PLAIN, false, false},
	{"Content-Encoding: gzip, gzip, gzip\r\n", GZIP, GZIP, false, false},
	{"", GZIP, PLAIN, false, false},
};

static struct bytes coding_message(const struct coding_case *c, enum inspect_dir dir)
{
	struct bytes body = encode_twice(body_text(), c->first, c->second), out;
	char fields[128];

	snprintf(fields, sizeof(fields), "%s%s", c->fields,
		c->chunked && !strstr(c->fields, "chunked") ? "Transfer-Encoding: chunked\r\n" : "");
	out = message(dir, fields, body, c->chunked);
	free(body.data);
	return out;
}

static void test_c4_codings(void **state)
{
	struct rig rig;

	rig_open(&rig, find_rules);
	assert_int_equal(rig.report.n_refused, 0);
	for (size_t i = 0; i < ARRAY_SIZE(codings); i++)
		for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
			struct bytes in = coding_message(&codings[i], dir);

			for (uint32_t seed = 0; seed < 12; seed++) {
				rig.options.body_hold_bytes = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 5000 : 65536;
				rig_stream(&rig);
				give(&rig, dir, in, seed);
				if (rig_has_hit(&rig, dir == INSPECT_TO_SERVER ? 1 : 2) != codings[i].found)
					fail_msg("%s seed %u dir %d: %zu hits", codings[i].fields, seed, (int)dir,
						rig.n_hits);
				if (dir == INSPECT_TO_CLIENT)
					assert_int_equal(rig_has_hit(&rig, 3), codings[i].found);
				assert_int_equal(rig.verdict[dir].release, in.len);
				assert_true(inspect_stream_memory(rig.stream) < 2048);
			}
			free(in.data);
		}
	rig_close(&rig);
}

/* the same of a br body */
static size_t shortest_brotli_prefix(struct bytes body)
{
	static uint8_t out[65536];
	BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	uint8_t *next_out = out;
	size_t n = 0, room = sizeof(out);

	assert_non_null(state);
	while (!memmem(out, sizeof(out) - room, "evil", 4)) {
		const uint8_t *next_in = body.data + n++;
		size_t one = 1;

		assert_int_not_equal(BrotliDecoderDecompressStream(state, &one, &next_in, &room, &next_out, NULL),
			BROTLI_DECODER_RESULT_ERROR);
	}
	BrotliDecoderDestroyInstance(state);
	return n;
}

/* the fewest bytes of a gzip body that decode to something with "evil" in it */
static size_t shortest_prefix(struct bytes body)
{
	static uint8_t out[65536];
	z_stream z = {.next_out = out, .avail_out = sizeof(out)};
	size_t n = 0;

	assert_int_equal(inflateInit2(&z, GZIP), Z_OK);
	while (!memmem(out, sizeof(out) - z.avail_out, "evil", 4)) {
		z.next_in = body.data + n++;
		z.avail_in = 1;
		assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
	}
	inflateEnd(&z);
	return n;
}

/* B8: the byte that completes the match is never sent, though it is the decoded bytes that match */
static void block_in_an_encoded_body(enum format format, const char *coding)
{
	struct bytes body = encode(body_text(), format);
	size_t completes = format == BROTLI ? shortest_brotli_prefix(body) : shortest_prefix(body);
	char fields[128];
	struct rig rig;

	rig_open(&rig, "drop http any any -> any any (flow:to_client; file.data; content:\"evil\"; sid:1;)\n"
		       "alert http any any -> any any (flow:to_client; http.response_body; content:\"A\"; sid:2;)\n");
	for (int chunked = 0; chunked <= 1; chunked++) {
		struct bytes in;
		size_t head, end;

		snprintf(fields, sizeof(fields), "Content-Encoding: %s\r\n%s", coding,
			chunked ? "Transfer-Encoding: chunked\r\n" : "");
		in = message(INSPECT_TO_CLIENT, fields, body, chunked);
		head = (size_t)((uint8_t *)memmem(in.data, in.len, "\r\n\r\n", 4) - in.data) + 4;
		end = head + completes + (chunked ? 5 + 7 * ((completes - 1) / 1000) : 0);

		for (uint32_t seed = 0; seed < 100; seed++) {
			rig_stream(&rig);
			give(&rig, INSPECT_TO_CLIENT, in, seed);
			assert_non_null(rig.verdict[1].block);
			assert_int_equal(rig.verdict[1].release, end - 1);
			assert_int_equal(rig.n_hits, 2);
			assert_int_equal(rig.hits[1].offset, end - 1);
		}
		free(in.data);
	}
	free(body.data);
	rig_close(&rig);
}

static void test_b8_block_in_an_encoded_body(void **state)
{
	block_in_an_encoded_body(GZIP, "gzip");
	block_in_an_encoded_body(BROTLI, "br");
}

/* a peer that asks for large windows in many sessions gets no more than all of them may have */
static void test_b12_brotli_memory_is_bounded(void **state)
{
	struct brotli_stream *streams[18] = {0};
	struct bytes text = {0}, body;
	static uint8_t out[65536];
	size_t failed = 0, held = 0;

	for (size_t i = 0; i < 4300000; i += body_text().len)
		bytes_add(&text, body_text().data, body_text().len);
	body.len = BrotliEncoderMaxCompressedSize(text.len);
	body.data = malloc(body.len);
	assert_true(BrotliEncoderCompress(1, 22, BROTLI_MODE_TEXT, text.len, text.data, &body.len, body.data));
	for (size_t n_streams = ARRAY_SIZE(streams); n_streams >= 3; n_streams /= 6) {
		for (size_t i = 0; i < n_streams; i++) {
			struct span in = SPAN(body.data, body.len);
			enum brotli_result result = BROTLI_STREAM_GOES_ON;
			size_t n = 1, before = body.len + 1;

			assert_int_equal(brotli_stream_new(&streams[i]), 0);
			while (result == BROTLI_STREAM_GOES_ON && (n || in.len < before)) {
				before = in.len;
				in.len -= in.len == body.len; /* the last byte never comes: the stream stays open */
				result = brotli_stream_run(streams[i], &in, out, sizeof(out), &n);
			}
			failed += result == BROTLI_STREAM_FAILED;
		}
		for (size_t i = 0; i < n_streams; i++) {
			held += brotli_stream_memory(streams[i]);
			brotli_stream_free(&streams[i]);
		}
		assert_in_range(held, n_streams * 3000000 < BROTLI_MEMORY_MAX / 2 ? 0 : BROTLI_MEMORY_MAX / 2,
			BROTLI_MEMORY_MAX + 100000);
		assert_int_equal(failed > 0, n_streams == ARRAY_SIZE(streams)); /* what was held is given back */
		held = failed = 0;
	}
	free(text.data);
	free(body.data);
}

static void test_c4_gzip_members(void **state)
{
	struct bytes one = encode(SPAN("..ev", 4), GZIP), two = encode(SPAN("il..", 4), GZIP), body = {0}, in;
	struct rig rig;

	bytes_add(&body, one.data, one.len);
	bytes_add(&body, two.data, two.len);
	bytes_add(&body, "rubbish", 7);
	in = message(INSPECT_TO_CLIENT, "Content-Encoding: gzip\r\n", body, false);
	rig_open(&rig, find_rules);
	for (uint32_t seed = 0; seed < 20; seed++) {
		rig_stream(&rig);
		give(&rig, INSPECT_TO_CLIENT, in, seed);
		assert_true(rig_has_hit(&rig, 2));
	}
	rig_close(&rig);
	free(one.data);
	free(two.data);
	free(body.data);
	free(in.data);
}

static void test_c4_bombs_are_bounded(void **state)
{
	static const char *const fields[] = {
		"Content-Encoding: gzip\r\n", "Content-Encoding: gzip, gzip\r\n", "Content-Encoding: br\r\n"};
	uint8_t *zeros = calloc(1, BOMB_BYTES);
	struct rig rig;

	assert_non_null(zeros);
	memcpy(zeros + 200000, "evil", 4);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct bytes body =
			encode_twice(SPAN(zeros, BOMB_BYTES), i == 2 ? BROTLI : GZIP, i == 1 ? GZIP : PLAIN);
		struct bytes in = message(INSPECT_TO_CLIENT, fields[i], body, false);
		size_t most = 0;

		rig_open(&rig, find_rules);
		rig_text(&rig, INSPECT_TO_SERVER, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		for (size_t at = 0, n; at < in.len; at += n) {
			n = in.len - at < 100 ? in.len - at : 100;
			rig_data(&rig, INSPECT_TO_CLIENT, in.data + at, n);
			if (inspect_stream_memory(rig.stream) > most)
				most = inspect_stream_memory(rig.stream);
		}
		assert_int_equal(inspect_scratch_stats(rig.scratch)->decode_limit, 1);
		assert_true(rig_has_hit(&rig, 2));
		assert_int_equal(rig.verdict[1].release, in.len);
		assert_true(most < (i == 2 ? 6u : 3u) << 20); /* a window of br: 4 MB */
		/* the stream goes on */
		rig.n_hits = 0;
		rig_text(&rig, INSPECT_TO_SERVER, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		rig_text(&rig, INSPECT_TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
		assert_true(rig_has_hit(&rig, 2));
		rig_close(&rig);
		free(body.data);
		free(in.data);
	}
	free(zeros);
}

/* B12: with on_limit block a bomb ends the session, where a filter that blocks looks at such bodies */
static void test_b12_bomb(void **state)
{
	uint8_t *zeros = calloc(1, BOMB_BYTES);
	struct bytes body, in;

	assert_non_null(zeros);
	body = encode(SPAN(zeros, BOMB_BYTES), GZIP);
	in = message(INSPECT_TO_CLIENT, "Content-Encoding: gzip\r\n", body, false);
	for (int blocks = 0; blocks <= 1; blocks++) {
		struct rig rig;
		uint64_t release = 0;

		rig_open(&rig,
			blocks ? "drop http any any -> any any (flow:to_client; file.data; content:\"evil\"; sid:1;)\n"
			       : find_rules);
		rig.options.on_limit[INSPECT_LIMIT_DECODE] = INSPECT_ON_LIMIT_BLOCK;
		for (uint32_t seed = 1; seed < 4; seed++) {
			rig_stream(&rig);
			give(&rig, INSPECT_TO_CLIENT, in, seed * 20);
			assert_int_equal(rig.verdict[1].block != NULL, blocks);
			assert_true(rig.verdict[1].limited);
			assert_true(blocks == (rig.verdict[1].release < in.len));
			release = rig.verdict[1].release;
		}
		assert_true(release);
		rig_close(&rig);
	}
	free(zeros);
	free(body.data);
	free(in.data);
}

/* much that decodes from little, below the limits: judged on the way, in the same places whatever the cuts */
static void test_c2_large_decoded_body(void **state)
{
	static char text[900000];
	struct bytes body, in;
	struct rig rig;
	uint64_t release = 0;

	memset(text, ' ', sizeof(text));
	memcpy(text + 700000, "evil", 4);
	body = encode(SPAN(text, sizeof(text)), GZIP);
	in = message(INSPECT_TO_CLIENT, "Content-Encoding: gzip\r\n", body, false);
	rig_open(&rig, "drop http any any -> any any (flow:to_client; file.data; content:\"evil\"; sid:1;)\n"
		       "drop http any any -> any any (flow:to_client; file.data; content:\"evil\"; distance:0; "
		       "content:\"evil\"; sid:2;)\n");
	for (uint32_t seed = 0; seed < 20; seed++) {
		rig_stream(&rig);
		give(&rig, INSPECT_TO_CLIENT, in, seed);
		assert_int_equal(rig.n_hits, 2);
		if (seed)
			assert_int_equal(rig.verdict[1].release, release);
		release = rig.verdict[1].release;
		assert_in_range(release, in.len / 2, in.len - 1);
	}
	rig_close(&rig);
	free(body.data);
	free(in.data);
}

static void test_c4_broken_codings_are_counted(void **state)
{
	struct bytes body = encode(body_text(), GZIP), in;
	struct rig rig;

	body.data[body.len / 2] ^= 0x55;
	body.data[body.len / 2 + 1] ^= 0xff;
	in = message(INSPECT_TO_CLIENT, "Content-Encoding: gzip\r\n", body, false);
	rig_open(&rig, find_rules);
	for (uint32_t seed = 0; seed < 10; seed++) {
		rig_stream(&rig);
		give(&rig, INSPECT_TO_CLIENT, in, seed);
		assert_int_equal(rig.verdict[1].release, in.len);
		assert_null(rig.verdict[1].block);
	}
	assert_int_equal(inspect_scratch_stats(rig.scratch)->decode_failed, 10);
	rig_close(&rig);
	free(body.data);
	free(in.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c4_codings),
		cmocka_unit_test(test_b8_block_in_an_encoded_body),
		cmocka_unit_test(test_c4_gzip_members),
		cmocka_unit_test(test_c4_bombs_are_bounded),
		cmocka_unit_test(test_b12_brotli_memory_is_bounded),
		cmocka_unit_test(test_b12_bomb),
		cmocka_unit_test(test_c2_large_decoded_body),
		cmocka_unit_test(test_c4_broken_codings_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
