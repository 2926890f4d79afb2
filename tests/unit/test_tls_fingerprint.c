/* SPDX-License-Identifier: Apache-2.0 */
/* D11: fingerprints of clients, against the vectors that the formats' authors published. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/common.h"
#include "tls/fingerprint.h"

#define GREASE 0x3a3a

struct hello_bytes {
	uint8_t data[2048];
	size_t len;
};

static void put(struct hello_bytes *b, unsigned int bytes, uint32_t value)
{
	while (bytes--)
		b->data[b->len++] = value >> 8 * bytes;
}

static void put_codes(struct hello_bytes *b, const uint16_t *codes, size_t n)
{
	put(b, 2, 2 * n);
	for (size_t i = 0; i < n; i++)
		put(b, 2, codes[i]);
}

/* an extension of a body that the parser accepts; what a fingerprint reads from it stands in the vectors */
static void put_extension(struct hello_bytes *b, uint16_t type, const uint16_t *codes, size_t n, const char *text)
{
	size_t at;

	put(b, 2, type);
	at = b->len;
	put(b, 2, 0);
	if (codes)
		put_codes(b, codes, n);
	for (size_t i = 0; text && i < n; i++)
		put(b, 1, (uint8_t)text[i]);
	b->data[at] = (b->len - at - 2) >> 8;
	b->data[at + 1] = b->len - at - 2;
}

#define TEXT(literal) NULL, sizeof(literal) - 1, literal
#define CODES(array) array, ARRAY_SIZE(array), NULL

static void begin(struct hello_bytes *b, uint16_t version, const uint16_t *suites, size_t n)
{
	memset(b, 0, sizeof(*b));
	put(b, 2, version);
	b->len += 32;
	put(b, 1, 0);
	put_codes(b, suites, n);
	put(b, 2, 0x0100); /* no compression */
}

static size_t begin_extensions(struct hello_bytes *b)
{
	put(b, 2, 0);
	return b->len;
}

static void end_extensions(struct hello_bytes *b, size_t at)
{
	b->data[at - 2] = (b->len - at) >> 8;
	b->data[at - 1] = b->len - at;
}

static struct fingerprint print_of(const struct hello_bytes *b)
{
	struct fingerprint print;
	struct client_hello hello;

	assert_true(client_hello_parse(SPAN(b->data, b->len), &hello));
	fingerprint_client(&hello, &print);
	return print;
}

/* the two examples of the JA3 description */
static void test_d11_ja3_vectors(void **state)
{
	static const uint16_t a[] = {47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4};
	static const uint16_t b[] = {4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99};
	static const uint16_t groups[] = {23, 24, 25};
	struct hello_bytes hello;
	size_t at;

	begin(&hello, 769, a, ARRAY_SIZE(a));
	at = begin_extensions(&hello);
	put_extension(&hello, 0, TEXT("\0\4\0\0\1a"));
	put_extension(&hello, 10, CODES(groups));
	put_extension(&hello, 11, TEXT("\1\0"));
	end_extensions(&hello, at);
	assert_string_equal(print_of(&hello).ja3, "ada70206e40642a3e4461f35503241d5");
	begin(&hello, 769, b, ARRAY_SIZE(b));
	assert_string_equal(print_of(&hello).ja3, "de350869b8c85de67a350c8d186f11e6");
	assert_string_equal(print_of(&hello).ja4 + 10, "_3609b414f052_000000000000");
	assert_memory_equal(print_of(&hello).ja4, "t10i110000", 10);
}

static const uint16_t browser_suites[] = {GREASE, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9,
	0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
static const uint16_t browser_groups[] = {GREASE, 29, 23, 24};
static const uint16_t browser_signatures[] = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};

static void browser_hello(struct hello_bytes *b, const char *alpn, size_t alpn_len)
{
	static const uint16_t empty[] = {0x001b, 0x0015, 0x4469, 0x0012, 0x0005, 0x0017, 0x0023, 0x002d, 0xff01};
	size_t at;

	begin(b, 0x0303, browser_suites, ARRAY_SIZE(browser_suites));
	at = begin_extensions(b);
	put_extension(b, GREASE, TEXT(""));
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++)
		put_extension(b, empty[i], TEXT(""));
	put_extension(b, 0x0000, TEXT("\0\6\0\0\3a.b"));
	put_extension(b, 0x0010, NULL, alpn_len, alpn);
	put_extension(b, 0x000a, CODES(browser_groups));
	put_extension(b, 0x000b, TEXT("\1\0"));
	put_extension(b, 0x000d, CODES(browser_signatures));
	put_extension(b, 0x002b, TEXT("\4\x03\x04\x03\x03"));
	put_extension(b, 0x0033, TEXT("\0\5\0\x1d\0\1x"));
	end_extensions(b, at);
}

/* the example of FoxIO's description of JA4, its extensions in another order: they are sorted */
static void test_d11_ja4_vector(void **state)
{
	static const char h2[] = "\0\14\2h2\10http/1.1";
	struct hello_bytes hello;

	browser_hello(&hello, h2, sizeof(h2) - 1);
	assert_string_equal(print_of(&hello).ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

static void test_d11_ja4_alpn_letters(void **state)
{
	static const char http11[] = "\0\11\10http/1.1", one[] = "\0\2\1q", binary[] = "\0\3\2\xab\xcd";
	struct hello_bytes hello;

	browser_hello(&hello, http11, sizeof(http11) - 1);
	assert_memory_equal(print_of(&hello).ja4, "t13d1516h1_", 11);
	browser_hello(&hello, one, sizeof(one) - 1);
	assert_memory_equal(print_of(&hello).ja4, "t13d1516qq_", 11);
	browser_hello(&hello, binary, sizeof(binary) - 1);
	assert_memory_equal(print_of(&hello).ja4, "t13d1516ad_", 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_d11_ja3_vectors),
		cmocka_unit_test(test_d11_ja4_vector),
		cmocka_unit_test(test_d11_ja4_alpn_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
