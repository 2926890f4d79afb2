/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/fingerprint.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/md5.h>
#include <openssl/sha.h>

#include "base/span.h"

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_POINT_FORMATS 11
#define EXTENSION_ALPN 16
#define CODES_MAX (CLIENT_HELLO_MAX / 2)

/* 16-bit code points of a hello, GREASE left out (RFC 8701) */
struct codes {
	size_t n;
	uint16_t items[CODES_MAX];
};

static void codes_add(struct codes *codes, uint32_t value)
{
	bool grease = (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);

	if (!grease && codes->n < CODES_MAX)
		codes->items[codes->n++] = value;
}

static void codes_read(struct codes *codes, struct span list)
{
	uint32_t value;

	codes->n = 0;
	while (span_take_be(&list, 2, &value))
		codes_add(codes, value);
}

/* the types of the extensions; *point_formats borrows that extension's list */
static void codes_read_extensions(struct codes *codes, struct span block, struct span *point_formats)
{
	struct span body;
	uint32_t type;

	codes->n = 0;
	*point_formats = SPAN(NULL, 0);
	while (span_take_be(&block, 2, &type) && span_take_vector(&block, 2, &body)) {
		codes_add(codes, type);
		if (type == EXTENSION_POINT_FORMATS && !span_take_vector(&body, 1, point_formats))
			*point_formats = SPAN(NULL, 0);
	}
}

static int code_compare(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static void codes_sort(struct codes *codes)
{
	qsort(codes->items, codes->n, sizeof(codes->items[0]), code_compare);
}

static const char hex_digits[] = "0123456789abcdef";

static void hex_write(char *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*out++ = hex_digits[bytes[i] >> 4];
		*out++ = hex_digits[bytes[i] & 15];
	}
	*out = 0;
}

/* --- JA3 -------------------------------------------------------------------------------------------------------- */

/* by hand: snprintf() took as long as all of parsing and hashing */
static void ja3_add(MD5_CTX *hash, char separator, uint16_t value)
{
	char text[8], *at = text + sizeof(text);

	do
		*--at = '0' + value % 10;
	while (value /= 10);
	if (separator)
		*--at = separator;
	MD5_Update(hash, at, text + sizeof(text) - at);
}

static void ja3_add_codes(MD5_CTX *hash, const struct codes *codes)
{
	MD5_Update(hash, ",", 1);
	for (size_t i = 0; i < codes->n; i++)
		ja3_add(hash, i ? '-' : 0, codes->items[i]);
}

static void ja3_add_bytes(MD5_CTX *hash, struct span bytes)
{
	MD5_Update(hash, ",", 1);
	for (size_t i = 0; i < bytes.len; i++)
		ja3_add(hash, i ? '-' : 0, bytes.data[i]);
}

static void ja3_write(const struct client_hello *hello, struct codes *codes, char out[33])
{
	uint8_t digest[MD5_DIGEST_LENGTH];
	struct span point_formats;
	MD5_CTX hash;

	MD5_Init(&hash);
	ja3_add(&hash, 0, hello->legacy_version);
	codes_read(codes, hello->cipher_suites);
	ja3_add_codes(&hash, codes);
	codes_read_extensions(codes, hello->extensions, &point_formats);
	ja3_add_codes(&hash, codes);
	codes_read(codes, hello->groups);
	ja3_add_codes(&hash, codes);
	ja3_add_bytes(&hash, point_formats);
	MD5_Final(digest, &hash);
	hex_write(out, digest, sizeof(digest));
}

/* --- JA4 -------------------------------------------------------------------------------------------------------- */

static const char *ja4_version(uint16_t version)
{
	switch (version) {
	case 0x0304:
		return "13";
	case 0x0303:
		return "12";
	case 0x0302:
		return "11";
	case 0x0301:
		return "10";
	case 0x0300:
		return "s3";
	default:
		return "00";
	}
}

/* the first protocol's first and last character; where one is no letter or digit, those of the name in hex */
static void ja4_alpn(const struct client_hello *hello, char out[3])
{
	struct span list = hello->alpn, name;
	uint8_t first, last;

	memcpy(out, "00", 3);
	if (!span_take_vector(&list, 1, &name) || !name.len)
		return;
	first = name.data[0];
	last = name.data[name.len - 1];
	if (first < 0x80 && last < 0x80 && isalnum(first) && isalnum(last)) {
		out[0] = first;
		out[1] = last;
	} else {
		out[0] = hex_digits[first >> 4];
		out[1] = hex_digits[last & 15];
	}
}

static void ja4_add_codes(SHA256_CTX *hash, const struct codes *codes, char first_separator)
{
	for (size_t i = 0; i < codes->n; i++) {
		char separator = i ? ',' : first_separator, text[6] = {separator};

		hex_write(text + 1, (const uint8_t[]){codes->items[i] >> 8, codes->items[i] & 0xff}, 2);
		SHA256_Update(hash, separator ? text : text + 1, separator ? 5 : 4);
	}
}

/* twelve digits; zeros where there is nothing to hash */
static void ja4_finish(SHA256_CTX *hash, bool any, char out[13])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256_Final(digest, hash);
	if (!any)
		memset(digest, 0, sizeof(digest));
	hex_write(out, digest, 6);
}

static void codes_remove(struct codes *codes, uint16_t value)
{
	size_t kept = 0;

	for (size_t i = 0; i < codes->n; i++)
		if (codes->items[i] != value)
			codes->items[kept++] = codes->items[i];
	codes->n = kept;
}

/* the suites, sorted; *n: how many */
static void ja4_suites(const struct client_hello *hello, struct codes *codes, size_t *n, char out[13])
{
	SHA256_CTX hash;

	codes_read(codes, hello->cipher_suites);
	*n = codes->n;
	codes_sort(codes);
	SHA256_Init(&hash);
	ja4_add_codes(&hash, codes, 0);
	ja4_finish(&hash, codes->n, out);
}

/* the extensions, sorted, without those that change with the destination; then the signature algorithms in order */
static void ja4_extensions(const struct client_hello *hello, struct codes *codes, size_t *n, char out[13])
{
	struct span point_formats;
	SHA256_CTX hash;
	bool any;

	codes_read_extensions(codes, hello->extensions, &point_formats);
	*n = codes->n;
	any = codes->n;
	codes_remove(codes, EXTENSION_SERVER_NAME);
	codes_remove(codes, EXTENSION_ALPN);
	codes_sort(codes);
	SHA256_Init(&hash);
	ja4_add_codes(&hash, codes, 0);
	codes_read(codes, hello->signature_algorithms);
	ja4_add_codes(&hash, codes, '_');
	ja4_finish(&hash, any, out);
}

static void ja4_write(const struct client_hello *hello, struct codes *codes, char out[37])
{
	char suites[13], extensions[13], alpn[3];
	size_t n_suites, n_extensions;

	ja4_suites(hello, codes, &n_suites, suites);
	ja4_extensions(hello, codes, &n_extensions, extensions);
	ja4_alpn(hello, alpn);
	snprintf(out, 37, "t%s%c%02u%02u%s_%s_%s", ja4_version(hello->version_max), hello->sni.len ? 'd' : 'i',
		(unsigned int)MIN(n_suites, (size_t)99), (unsigned int)MIN(n_extensions, (size_t)99), alpn, suites,
		extensions);
}

void fingerprint_client(const struct client_hello *hello, struct fingerprint *out)
{
	struct codes codes;

	ja3_write(hello, &codes, out->ja3);
	ja4_write(hello, &codes, out->ja4);
}
