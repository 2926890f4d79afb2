/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/transform.h"

#include <ctype.h>
#include <string.h>

const char *const transform_names[TRANSFORM_N] = {
	[TRANSFORM_NONE] = "",
	[TRANSFORM_DOTPREFIX] = "dotprefix",
	[TRANSFORM_TO_LOWERCASE] = "to_lowercase",
	[TRANSFORM_TO_UPPERCASE] = "to_uppercase",
	[TRANSFORM_STRIP_WHITESPACE] = "strip_whitespace",
	[TRANSFORM_COMPRESS_WHITESPACE] = "compress_whitespace",
	[TRANSFORM_URL_DECODE] = "url_decode",
	[TRANSFORM_HEADER_LOWERCASE] = "header_lowercase",
};

enum transform transform_find(const char *name)
{
	for (unsigned int i = TRANSFORM_NONE + 1; i < TRANSFORM_N; i++)
		if (!strcmp(name, transform_names[i]))
			return (enum transform)i;
	return TRANSFORM_NONE;
}

bool transform_add(transform_chain *chain, enum transform transform)
{
	for (unsigned int i = 0; i < TRANSFORMS_MAX; i++) {
		if (*chain >> 8 * i & 0xff)
			continue;
		*chain |= (transform_chain)transform << 8 * i;
		return true;
	}
	return false;
}

/* --- in place, each returns the new length ------------------------------------------------------------------------ */
static size_t dotprefix(uint8_t *data, size_t len, size_t size)
{
	len = MIN(len, size - 1);
	memmove(data + 1, data, len);
	data[0] = '.';
	return len + 1;
}

static size_t to_lowercase(uint8_t *data, size_t len, size_t size)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)tolower(data[i]);
	return len;
}

static size_t to_uppercase(uint8_t *data, size_t len, size_t size)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)toupper(data[i]);
	return len;
}

static size_t strip_whitespace(uint8_t *data, size_t len, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (!isspace(data[i]))
			data[n++] = data[i];
	return n;
}

static size_t compress_whitespace(uint8_t *data, size_t len, size_t size)
{
	bool space = false;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (!isspace(data[i]))
			data[n++] = data[i];
		else if (!space)
			data[n++] = ' ';
		space = isspace(data[i]);
	}
	return n;
}

static int hex_value(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* an invalid escape stands for itself */
static size_t url_decode(uint8_t *data, size_t len, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = data[i] == '+' ? ' ' : data[i];

		if (c == '%' && len - i > 2 && hex_value(data[i + 1]) >= 0 && hex_value(data[i + 2]) >= 0) {
			c = (uint8_t)(hex_value(data[i + 1]) << 4 | hex_value(data[i + 2]));
			i += 2;
		}
		data[n++] = c;
	}
	return n;
}

/* names of fields, up to the colon */
static size_t header_lowercase(uint8_t *data, size_t len, size_t size)
{
	bool name = true;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' || data[i] == ':')
			name = data[i] == '\n';
		else if (name)
			data[i] = (uint8_t)tolower(data[i]);
	}
	return len;
}

size_t transform_apply(transform_chain chain, struct span in, uint8_t *out, size_t size)
{
	static size_t (*const functions[])(uint8_t *, size_t, size_t) = {
		[TRANSFORM_DOTPREFIX] = dotprefix,
		[TRANSFORM_TO_LOWERCASE] = to_lowercase,
		[TRANSFORM_TO_UPPERCASE] = to_uppercase,
		[TRANSFORM_STRIP_WHITESPACE] = strip_whitespace,
		[TRANSFORM_COMPRESS_WHITESPACE] = compress_whitespace,
		[TRANSFORM_URL_DECODE] = url_decode,
		[TRANSFORM_HEADER_LOWERCASE] = header_lowercase,
	};
	size_t len = MIN(in.len, size);

	if (len)
		memcpy(out, in.data, len);
	for (; chain; chain >>= 8)
		len = functions[chain & 0xff](out, len, size);
	return len;
}

/* --- base64 ------------------------------------------------------------------------------------------------------ */
static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t transform_base64(struct span in, uint8_t *out, bool *stopped)
{
	uint32_t bits = 0;
	unsigned int n_bits = 0;
	size_t n = 0;

	*stopped = false;
	for (size_t i = 0; i < in.len; i++) {
		int value = base64_value(in.data[i]);

		if (value < 0) {
			*stopped = true;
			break;
		}
		bits = bits << 6 | (uint32_t)value;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		out[n++] = (uint8_t)(bits >> n_bits);
	}
	return n;
}
