/* SPDX-License-Identifier: Apache-2.0 */
/* The held ClientHello: tables of well-formed and hostile messages, every truncation, every way to cut it (D10, D11).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tls/client_hello.h"

/* --- building ----------------------------------------------------------------------------------------------------- */

struct buf {
	uint8_t data[40000];
	size_t len;
};

static void add(struct buf *b, const void *data, size_t len)
{
	assert_true(b->len + len <= sizeof(b->data));
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void add_be(struct buf *b, unsigned int bytes, uint32_t value)
{
	while (bytes--) {
		uint8_t byte = value >> 8 * bytes;

		add(b, &byte, 1);
	}
}

static void add_extension(struct buf *b, uint16_t type, const char *data, size_t len)
{
	add_be(b, 2, type);
	add_be(b, 2, len);
	add(b, data, len);
}

#define ADD_EXTENSION(b, type, literal) add_extension((b), (type), (literal), sizeof(literal) - 1)

struct hello_spec {
	uint16_t legacy_version;
	uint8_t session_id_len;
	const char *suites;
	uint16_t suites_len;
	const char *compression;
	bool no_extensions;
};

static const struct hello_spec plain = {.legacy_version = 0x0303,
	.session_id_len = 32,
	.suites = "\x13\x01\xc0\x2f",
	.suites_len = 4,
	.compression = ""};

/* the message with its header */
static void make_message(struct buf *out, const struct hello_spec *spec, const struct buf *extensions)
{
	struct buf body = {.len = 0};
	uint8_t filler[255];

	memset(filler, 'r', sizeof(filler));
	add_be(&body, 2, spec->legacy_version);
	add(&body, filler, 32);
	add_be(&body, 1, spec->session_id_len);
	add(&body, filler, spec->session_id_len);
	add_be(&body, 2, spec->suites_len);
	add(&body, spec->suites, spec->suites_len);
	add_be(&body, 1, spec->compression ? 1 : 0);
	if (spec->compression)
		add(&body, "", 1);
	if (!spec->no_extensions) {
		add_be(&body, 2, extensions->len);
		add(&body, extensions->data, extensions->len);
	}
	out->len = 0;
	add_be(out, 1, 1);
	add_be(out, 3, body.len);
	add(out, body.data, body.len);
}

static void make_records(struct buf *out, const struct buf *message, size_t fragment)
{
	out->len = 0;
	for (size_t at = 0; at < message->len; at += fragment) {
		size_t n = MIN(fragment, message->len - at);

		add_be(out, 1, 0x16);
		add_be(out, 2, 0x0301);
		add_be(out, 2, n);
		add(out, message->data + at, n);
	}
}

static void typical_extensions(struct buf *e)
{
	e->len = 0;
	ADD_EXTENSION(e, 0x0a0a, "");
	ADD_EXTENSION(e, 0, "\0\x12\0\0\x0fwww.example.org");
	ADD_EXTENSION(e, 10, "\0\x06\x0a\x0a\0\x1d\0\x17");
	ADD_EXTENSION(e, 13, "\0\x04\x04\x03\x08\x04");
	ADD_EXTENSION(e, 16, "\0\x0c\x02h2\x08http/1.1");
	ADD_EXTENSION(e, 35, "");
	ADD_EXTENSION(e, 43, "\x08\x1a\x1a\x03\x04\x03\x03\x7f\x1c");
	ADD_EXTENSION(e, 51, "\0\x07\0\x1d\0\x03key");
}

static enum client_hello_result read_hello(const uint8_t *data, size_t len, struct client_hello *out)
{
	static uint8_t message[CLIENT_HELLO_MAX];
	static uint8_t *copy; /* exact size, for the sanitizer; lives until the next call, as spans point into it */

	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, data, len);
	return client_hello_read(copy, len, message, out);
}

static enum client_hello_result read_message(const struct buf *message, size_t fragment, struct client_hello *out)
{
	struct buf records;

	make_records(&records, message, fragment);
	return read_hello(records.data, records.len, out);
}

static enum client_hello_result read_extensions(const struct buf *extensions, struct client_hello *out)
{
	struct buf message;

	make_message(&message, &plain, extensions);
	return read_message(&message, 16384, out);
}

static void assert_typical(const struct client_hello *h)
{
	assert_int_equal(h->legacy_version, 0x0303);
	assert_int_equal(h->version_min, 0x0303);
	assert_int_equal(h->version_max, 0x0304);
	assert_int_equal(h->random.len, 32);
	assert_int_equal(h->session_id.len, 32);
	assert_int_equal(h->cipher_suites.len, 4);
	assert_int_equal(h->sni.len, 15);
	assert_memory_equal(h->sni.data, "www.example.org", 15);
	assert_int_equal(h->alpn.len, 12);
	assert_int_equal(h->groups.len, 6);
	assert_int_equal(h->signature_algorithms.len, 4);
	assert_int_equal(h->key_shares.len, 7);
	assert_false(h->has_ticket);
	assert_false(h->early_data);
	assert_true(client_hello_offers_alpn(h, "http/1.1"));
	assert_true(client_hello_offers_alpn(h, "h2"));
	assert_false(client_hello_offers_alpn(h, "http"));
	assert_false(client_hello_offers_alpn(h, ""));
}

/* --- well-formed ---------------------------------------------------------------------------------------------------
 */

static void test_typical_hello_cut_into_records_of_any_size(void **state)
{
	struct buf extensions, message;
	struct client_hello h;

	typical_extensions(&extensions);
	make_message(&message, &plain, &extensions);
	for (size_t fragment = 1; fragment <= message.len; fragment++) {
		assert_int_equal(read_message(&message, fragment, &h), CLIENT_HELLO_COMPLETE);
		assert_typical(&h);
	}
}

static void test_every_truncation_needs_more(void **state)
{
	static const size_t fragments[] = {1, 3, 50, 16384};
	struct buf extensions, message, records;
	struct client_hello h;

	typical_extensions(&extensions);
	make_message(&message, &plain, &extensions);
	for (size_t i = 0; i < ARRAY_SIZE(fragments); i++) {
		make_records(&records, &message, fragments[i]);
		for (size_t n = 0; n < records.len; n++)
			assert_int_equal(read_hello(records.data, n, &h), CLIENT_HELLO_NEED_MORE);
		assert_int_equal(read_hello(records.data, records.len, &h), CLIENT_HELLO_COMPLETE);
	}
}

/* a body that ends early, with lengths that say so, is never read past its end */
static void test_every_shortened_body_is_malformed_or_complete(void **state)
{
	struct buf extensions, message, cut;
	struct client_hello h;

	typical_extensions(&extensions);
	make_message(&message, &plain, &extensions);
	for (size_t n = 4; n < message.len; n++) {
		cut.len = 0;
		add_be(&cut, 1, 1);
		add_be(&cut, 3, n - 4);
		add(&cut, message.data + 4, n - 4);
		/* without the extensions block it is a hello of TLS 1.2 */
		assert_int_equal(read_message(&cut, 16384, &h),
			n == message.len - extensions.len - 2 ? CLIENT_HELLO_COMPLETE : CLIENT_HELLO_MALFORMED);
	}
}

static void test_bytes_after_the_hello_are_left_alone(void **state)
{
	struct buf extensions, message, records;
	struct client_hello h;

	typical_extensions(&extensions);
	make_message(&message, &plain, &extensions);
	make_records(&records, &message, 16384);
	add(&records, "\x17\x03\x03 early data", 14);
	assert_int_equal(read_hello(records.data, records.len, &h), CLIENT_HELLO_COMPLETE);
	assert_typical(&h);
}

static void test_post_quantum_sized_hello(void **state)
{
	static char shares[2 + 4 + 1216];
	struct buf extensions = {.len = 0}, message;
	struct client_hello h;

	memcpy(shares, "\x04\xc4\x11\xec\x04\xc0", 6);
	typical_extensions(&extensions);
	extensions.len -= 4 + 9; /* the small key share */
	add_extension(&extensions, 51, shares, sizeof(shares));
	add_extension(&extensions, 21, (char[400]){0}, 400);
	make_message(&message, &plain, &extensions);
	assert_true(message.len > 1536);
	for (size_t fragment = 64; fragment < 2048; fragment += 61) {
		assert_int_equal(read_message(&message, fragment, &h), CLIENT_HELLO_COMPLETE);
		assert_int_equal(h.key_shares.len, 1220);
	}
}

static void test_tickets_and_early_data(void **state)
{
	struct buf e = {.len = 0};
	struct client_hello h;

	ADD_EXTENSION(&e, 35, "ticket");
	assert_int_equal(read_extensions(&e, &h), CLIENT_HELLO_COMPLETE);
	assert_true(h.has_ticket && !h.early_data);
	e.len = 0;
	ADD_EXTENSION(&e, 42, "");
	ADD_EXTENSION(&e, 41, "psk");
	assert_int_equal(read_extensions(&e, &h), CLIENT_HELLO_COMPLETE);
	assert_true(h.has_ticket && h.early_data);
	assert_int_equal(h.sni.len, 0);
	assert_int_equal(h.alpn.len, 0);
}

static void test_versions(void **state)
{
	static const struct {
		uint16_t legacy;
		const char *supported; /* with its length byte; NULL: no extension */
		uint16_t min, max;
	} cases[] = {
		{0x0303, NULL, 0x0300, 0x0303}, {0x0301, NULL, 0x0300, 0x0301}, {0x0300, NULL, 0x0300, 0x0300},
		{0x0002, NULL, 0x0002, 0x0002},
		{0x0399, NULL, 0x0300, 0x0303}, /* RFC 8446 section 4.2.1: not 1.3 without the extension */
		{0x0303, "\x02\x03\x04", 0x0304, 0x0304}, {0x0303, "\x06\x03\x04\x03\x02\x03\x03", 0x0302, 0x0304},
		{0x0303, "\x04\xda\xda\x03\x03", 0x0303, 0x0303},
		{0x0303, "\x04\x0a\x0a\x7f\x1c", 0, 0}, /* GREASE and a draft */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct hello_spec spec = plain;
		struct buf e = {.len = 0}, message;
		struct client_hello h;

		spec.legacy_version = cases[i].legacy;
		if (cases[i].supported)
			add_extension(&e, 43, cases[i].supported, 1 + cases[i].supported[0]);
		make_message(&message, &spec, &e);
		assert_int_equal(read_message(&message, 16384, &h), CLIENT_HELLO_COMPLETE);
		assert_int_equal(h.version_min, cases[i].min);
		assert_int_equal(h.version_max, cases[i].max);
	}
}

/* --- hostile -------------------------------------------------------------------------------------------------------
 */

struct extension_case {
	const char *what;
	uint16_t type;
	const char *data;
	size_t len;
};
#define CASE(what, type, literal) {what, type, literal, sizeof(literal) - 1}

static const struct extension_case bad_extensions[] = {
	CASE("SNI without a list", 0, ""),
	CASE("SNI with an empty list", 0, "\0\0"),
	CASE("SNI with an empty name", 0, "\0\x03\0\0\0"),
	CASE("SNI longer than its list", 0,
		"\0\x04\0\0\x09"
		"a"),
	CASE("SNI list longer than the extension", 0,
		"\xff\xff\0\0\x01"
		"a"),
	CASE("SNI followed by bytes", 0,
		"\0\x04\0\0\x01"
		"a!"),
	CASE("SNI of another type", 0,
		"\0\x04\x01\0\x01"
		"a"),
	CASE("two names in one list", 0,
		"\0\x08\0\0\x01"
		"a\0\0\x01"
		"b"),
	CASE("ALPN empty", 16, "\0\0"),
	CASE("ALPN with an empty name", 16, "\0\x01\0"),
	CASE("ALPN name past its list", 16, "\0\x03\x05h2"),
	CASE("groups of odd length", 10, "\0\x03\0\x1d\0"),
	CASE("groups empty", 10, "\0\0"),
	CASE("signature algorithms past the end", 13, "\0\x08\x04\x03"),
	CASE("supported versions empty", 43, "\0"),
	CASE("supported versions odd", 43, "\x03\x03\x04\x03"),
	CASE("supported versions past the end", 43, "\xfe\x03\x04"),
	CASE("key share empty", 51, "\0\x04\0\x1d\0\0"),
	CASE("key share past the end", 51,
		"\0\x06\0\x1d\xff\xff"
		"kk"),
};

static void test_malformed_extensions(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_extensions); i++) {
		struct buf e = {.len = 0};
		struct client_hello h;

		add_extension(&e, bad_extensions[i].type, bad_extensions[i].data, bad_extensions[i].len);
		if (read_extensions(&e, &h) != CLIENT_HELLO_MALFORMED)
			fail_msg("not refused: %s", bad_extensions[i].what);
	}
}

static void test_an_extension_twice_is_malformed(void **state)
{
	struct client_hello h;
	struct buf e;

	typical_extensions(&e);
	ADD_EXTENSION(&e, 0,
		"\0\x0a\0\0\x07"
		"b.other");
	assert_int_equal(read_extensions(&e, &h), CLIENT_HELLO_MALFORMED);
}

static void test_malformed_bodies(void **state)
{
	static const struct hello_spec specs[] = {
		{.legacy_version = 0x0303,
			.session_id_len = 33,
			.suites = "\x13\x01",
			.suites_len = 2,
			.compression = ""},
		{.legacy_version = 0x0303, .suites = "", .suites_len = 0, .compression = ""},
		{.legacy_version = 0x0303, .suites = "\x13\x01\x02", .suites_len = 3, .compression = ""},
		{.legacy_version = 0x0303, .suites = "\x13\x01", .suites_len = 2, .compression = NULL},
	};
	struct buf none = {.len = 0}, message;
	struct client_hello h;

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		make_message(&message, &specs[i], &none);
		assert_int_equal(read_message(&message, 16384, &h), CLIENT_HELLO_MALFORMED);
	}
}

static void test_d10_first_bytes(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		enum client_hello_result result;
	} cases[] = {
		{"", 0, CLIENT_HELLO_NEED_MORE}, {"G", 1, CLIENT_HELLO_CLEARTEXT},
		{"EHLO client\r\n", 13, CLIENT_HELLO_CLEARTEXT},
		{"\x80\x2e\x01\x00\x02", 5, CLIENT_HELLO_CLEARTEXT},         /* SSLv2 hello */
		{"\x15\x03\x01\x00\x02\x02\x28", 7, CLIENT_HELLO_CLEARTEXT}, /* an alert begins nothing */
		{"\x16", 1, CLIENT_HELLO_NEED_MORE}, {"\x16\x03", 2, CLIENT_HELLO_NEED_MORE},
		{"\x16\x02", 2, CLIENT_HELLO_MALFORMED},
		{"\x16\x03\x01\x00\x00", 5, CLIENT_HELLO_MALFORMED},                 /* empty fragment */
		{"\x16\x03\x01\x40\x01", 5, CLIENT_HELLO_MALFORMED},                 /* 16385 bytes */
		{"\x16\x03\x01\x00\x04\x02", 6, CLIENT_HELLO_MALFORMED},             /* ServerHello */
		{"\x16\x03\x01\x00\x04\x01\x00\x41\x00", 9, CLIENT_HELLO_MALFORMED}, /* 16640 and the header */
		{"\x16\x03\x01\x00\x04\x01\x00\x40\xfc", 9, CLIENT_HELLO_NEED_MORE},
		{"\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9, CLIENT_HELLO_MALFORMED},
		{"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9, CLIENT_HELLO_MALFORMED},
		{"\x16\x03\x01\x00\x01\x01\x17\x03\x03\x00\x01", 11,
			CLIENT_HELLO_MALFORMED}, /* another record between */
	};
	struct client_hello h;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (read_hello((const uint8_t *)cases[i].data, cases[i].len, &h) != cases[i].result)
			fail_msg("case %zu", i);
}

static void test_largest_hello_and_too_many_records(void **state)
{
	static char padding[CLIENT_HELLO_MAX];
	struct buf e = {.len = 0}, message;
	struct client_hello h;

	make_message(&message, &plain, &e);
	add_extension(&e, 21, padding, CLIENT_HELLO_MAX - message.len - 4);
	make_message(&message, &plain, &e);
	assert_int_equal(message.len, CLIENT_HELLO_MAX);
	assert_int_equal(read_message(&message, 16384, &h), CLIENT_HELLO_COMPLETE);
	assert_int_equal(read_message(&message, 65, &h), CLIENT_HELLO_COMPLETE); /* 256 records */
	assert_int_equal(read_message(&message, 64, &h), CLIENT_HELLO_MALFORMED);
	add_extension(&e, 22, padding, 0);
	make_message(&message, &plain, &e);
	assert_int_equal(read_message(&message, 16384, &h), CLIENT_HELLO_MALFORMED);
}

static void test_sni_characters(void **state)
{
	char name[257];

	assert_true(client_hello_sni_is_valid(SPAN("www.Example-1.org", 17)));
	assert_true(client_hello_sni_is_valid(SPAN("_dmarc.x", 8)));
	assert_false(client_hello_sni_is_valid(SPAN("", 0)));
	assert_false(client_hello_sni_is_valid(SPAN("a\0b", 3)));
	assert_false(client_hello_sni_is_valid(SPAN("a\"b", 3)));
	assert_false(client_hello_sni_is_valid(SPAN("a b", 3)));
	assert_false(client_hello_sni_is_valid(SPAN("b\xc3\xbc", 3)));
	memset(name, 'a', sizeof(name));
	assert_true(client_hello_sni_is_valid(SPAN(name, 255)));
	assert_false(client_hello_sni_is_valid(SPAN(name, 256)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typical_hello_cut_into_records_of_any_size),
		cmocka_unit_test(test_every_truncation_needs_more),
		cmocka_unit_test(test_every_shortened_body_is_malformed_or_complete),
		cmocka_unit_test(test_bytes_after_the_hello_are_left_alone),
		cmocka_unit_test(test_post_quantum_sized_hello),
		cmocka_unit_test(test_tickets_and_early_data),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_malformed_extensions),
		cmocka_unit_test(test_an_extension_twice_is_malformed),
		cmocka_unit_test(test_malformed_bodies),
		cmocka_unit_test(test_d10_first_bytes),
		cmocka_unit_test(test_largest_hello_and_too_many_records),
		cmocka_unit_test(test_sni_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
