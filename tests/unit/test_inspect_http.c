/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 syntax as pure functions (C4). */
#include "inspect_rig.h"

#include "base/span.h"
#include "inspect/http.h"
#include "inspect/uri.h"

static void test_c4_uri_normalisation(void **state)
{
	static const struct {
		const char *target, *normal;
	} uris[] = {
		{"/a/b", "/a/b"},
		{"/a//b///c", "/a/b/c"},
		{"/a/./b", "/a/b"},
		{"/a/../b", "/b"},
		{"/../../b", "/b"},
		{"/a/b/..", "/a/"},
		{"/a/b/.", "/a/b/"},
		{"/a/...", "/a/..."},
		{"/%61%2fb", "/a/b"},
		{"/%2e%2e/b", "/b"},
		{"/a%2f%2e%2e%2fb", "/b"},
		{"/a%zzb%4", "/a%zzb%4"},
		{"/a%", "/a%"},
		{"/%u0061%uff0fb", "/a/b"},
		{"/%u12g", "/%u12g"},
		{"/a\\b", "/a/b"},
		{"/%2561", "/%61"},
		{"/a?x=%61//../b", "/a?x=%61//../b"},
		{"/a#/../b", "/a#/../b"},
		{"http://user@h:80/a/../b?c", "/b?c"},
		{"http://h", ""},
		{"*", "*"},
		{"host:443", "host:443"},
		{"/", "/"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		size_t len = strlen(uris[i].target), n;
		uint8_t *out = malloc(len + 1);

		n = uri_normalize(SPAN(uris[i].target, len), out);
		if (!span_is(SPAN(out, n), uris[i].normal))
			fail_msg("%s became %.*s", uris[i].target, (int)n, out);
		free(out);
	}
}

static void test_c4_uri_host(void **state)
{
	assert_true(span_is(uri_host(SPAN("http://u:p@h.x:80/a", 19)), "h.x"));
	assert_true(span_is(uri_host(SPAN("http://[::1]:80/a", 17)), "[::1]"));
	assert_int_equal(uri_host(SPAN("/a://b", 6)).len, 0);
}

static void test_c4_request_head(void **state)
{
	static const char text[] =
		"\r\nGET /a b HTTP/1.1\r\nHost: x\r\nFolded: one\r\n two\r\nodd line\nLast:v\r\n\r\nrest";
	struct http_head head;
	size_t scanned = 0;

	assert_int_equal(http_head_length(SPAN(text, sizeof(text) - 1), &scanned), sizeof(text) - 5);
	assert_int_equal(http_request_parse(SPAN(text, sizeof(text) - 5), &head), 0);
	assert_true(span_is(head.method, "GET"));
	assert_true(span_is(head.target, "/a b"));
	assert_true(span_is(head.protocol, "HTTP/1.1"));
	assert_int_equal(head.n_fields, 4);
	assert_true(span_is(http_field_find(&head, "folded")->value, "one\r\n two"));
	assert_true(span_is(http_field_find(&head, "LAST")->value, "v"));
	assert_true(span_is(head.fields[2].value, "odd line"));
}

static void test_c4_head_length_grows(void **state)
{
	static const char *const heads[] = {"GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\n\n",
		"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\n\r\n", "\n\r\nGET / HTTP/1.1\r\nA:b\n\r\n"};

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		size_t scanned = 0, len = strlen(heads[i]);

		for (size_t n = 0; n < len; n++)
			assert_int_equal(http_head_length(SPAN(heads[i], n), &scanned), 0);
		assert_int_equal(http_head_length(SPAN(heads[i], len), &scanned), len);
	}
}

static void test_c4_plausible_beginnings(void **state)
{
	assert_true(http_request_is_plausible(SPAN("", 0)));
	assert_true(http_request_is_plausible(SPAN("\r\nPROPFIND", 10)));
	assert_true(http_request_is_plausible(SPAN("X-Y /", 5)));
	assert_false(http_request_is_plausible(SPAN(" GET", 4)));
	assert_false(http_request_is_plausible(SPAN("GE\0T", 4)));
	assert_false(http_request_is_plausible(SPAN("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ", 36)));
	assert_true(http_response_is_plausible(SPAN("HT", 2)));
	assert_false(http_response_is_plausible(SPAN("HX", 2)));
}

static void test_c4_too_many_fields(void **state)
{
	static char text[8192];
	struct http_head head;
	size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n");

	for (int i = 0; i < HTTP_FIELDS_MAX; i++)
		n += (size_t)sprintf(text + n, "A: b\r\n");
	assert_int_equal(http_request_parse(SPAN(text, n), &head), 0);
	n += (size_t)sprintf(text + n, "A: b\r\n");
	assert_int_equal(http_request_parse(SPAN(text, n), &head), -E2BIG);
}

static enum http_body_kind request_kind(const char *fields)
{
	char text[512];
	struct http_head head;
	struct http_body body;
	int n = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n%s\r\n", fields);

	assert_int_equal(http_request_parse(SPAN(text, (size_t)n), &head), 0);
	http_request_body(&head, &body);
	return body.kind;
}

static void test_c4_body_framing(void **state)
{
	assert_int_equal(request_kind(""), HTTP_BODY_NONE);
	assert_int_equal(request_kind("Content-Length: 0\r\n"), HTTP_BODY_NONE);
	assert_int_equal(request_kind("Content-Length: 7\r\n"), HTTP_BODY_LENGTH);
	assert_int_equal(request_kind("Content-Length: 7\r\ncontent-length: 7\r\n"), HTTP_BODY_LENGTH);
	assert_int_equal(request_kind("Content-Length: 7\r\nContent-Length: 8\r\n"), HTTP_BODY_BAD);
	assert_int_equal(request_kind("Content-Length: 99999999999999999999\r\n"), HTTP_BODY_BAD);
	assert_int_equal(request_kind("Content-Length: 0x7\r\n"), HTTP_BODY_BAD);
	assert_int_equal(request_kind("Content-Length:\r\n"), HTTP_BODY_BAD);
	assert_int_equal(request_kind("Transfer-Encoding: chunked\r\n"), HTTP_BODY_CHUNKED);
	assert_int_equal(request_kind("Transfer-Encoding: gzip, Chunked\r\n"), HTTP_BODY_CHUNKED);
	assert_int_equal(request_kind("Transfer-Encoding: chunked, gzip\r\n"), HTTP_BODY_BAD);
	assert_int_equal(request_kind("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), HTTP_BODY_BAD);
	assert_int_equal(request_kind("Transfer-Encoding : chunked\r\n"), HTTP_BODY_BAD);
	assert_int_equal(request_kind("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), HTTP_BODY_BAD);
	assert_int_equal(request_kind("Transfer-Encoding:\r\n chunked\r\n"), HTTP_BODY_CHUNKED);
}

/* walks a body byte by byte or whole; returns its last result, the body in out */
static enum http_body_result walk(const char *text, size_t step, char *out)
{
	struct http_body body = {.kind = HTTP_BODY_CHUNKED};
	enum http_body_result result = HTTP_BODY_MORE;
	size_t n = 0, len = strlen(text);

	for (size_t at = 0; at < len && result == HTTP_BODY_MORE; at += step) {
		struct span in = SPAN(text + at, MIN(step, len - at)), piece;

		do {
			result = http_body_take(&body, &in, &piece);
			if (piece.len)
				memcpy(out + n, piece.data, piece.len);
			n += piece.len;
		} while (result == HTTP_BODY_PIECE);
	}
	out[n] = '\0';
	return result;
}

static void test_c4_chunked(void **state)
{
	static const struct {
		const char *text, *body;
		enum http_body_result result;
	} bodies[] = {
		{"3\r\nabc\r\n0\r\n\r\n", "abc", HTTP_BODY_DONE},
		{"3\nabc\n0\n\n", "abc", HTTP_BODY_DONE},
		{"0A ; x=\"y\"\r\n0123456789\r\n1\r\nx\r\n000\r\nA: b\r\nC: d\r\n\r\n", "0123456789x", HTTP_BODY_DONE},
		{"3\r\nab", "ab", HTTP_BODY_MORE},
		{"\r\nabc", "", HTTP_BODY_BROKEN},
		{"g\r\n", "", HTTP_BODY_BROKEN},
		{"3 x\rabc", "", HTTP_BODY_BROKEN},
		{"3\rabc", "", HTTP_BODY_BROKEN},
		{"3\r\nabcd\r\n", "abc", HTTP_BODY_BROKEN},
		{"3\r\nabc\rx", "abc", HTTP_BODY_BROKEN},
		{"fffffffffffffffff\r\n", "", HTTP_BODY_BROKEN},
		{"-3\r\nabc", "", HTTP_BODY_BROKEN},
		{"0\r\n\rx", "", HTTP_BODY_BROKEN},
	};
	char out[128];

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		for (size_t step = 1; step < 64; step++) {
			if (walk(bodies[i].text, step, out) != bodies[i].result || strcmp(out, bodies[i].body) != 0)
				fail_msg("%s in steps of %zu: %s", bodies[i].text, step, out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c4_uri_normalisation),
		cmocka_unit_test(test_c4_uri_host),
		cmocka_unit_test(test_c4_request_head),
		cmocka_unit_test(test_c4_head_length_grows),
		cmocka_unit_test(test_c4_plausible_beginnings),
		cmocka_unit_test(test_c4_too_many_fields),
		cmocka_unit_test(test_c4_body_framing),
		cmocka_unit_test(test_c4_chunked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
