/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <errno.h>
#include <string.h>

#include "base/common.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* four characters to three bytes; pads: '=' at the end of this group */
static int base64_group(const char *in, unsigned int pads, uint8_t *out)
{
	uint32_t bits = 0;

	for (unsigned int i = 0; i < 4; i++) {
		int value = i >= 4 - pads ? 0 : base64_value(in[i]);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
	}
	for (unsigned int i = 0; i < 3 - pads; i++)
		out[i] = bits >> (16 - 8 * i);
	return 0;
}

int base64_decode(const char *text, size_t len, uint8_t **out, size_t *out_len)
{
	_cleanup_free_ uint8_t *bytes = malloc(len / 4 * 3 + 1);
	unsigned int pads = 0;

	if (!bytes)
		return -ENOMEM;
	if (len % 4)
		return -EINVAL;
	while (pads < 2 && pads < len && text[len - 1 - pads] == '=')
		pads++;
	for (size_t at = 0; at < len; at += 4)
		if (base64_group(text + at, at + 4 == len ? pads : 0, bytes + at / 4 * 3) < 0)
			return -EINVAL;
	*out_len = len / 4 * 3 - pads;
	*out = TAKE_PTR(bytes);
	return 0;
}

char *base64_encode(const uint8_t *data, size_t len)
{
	char *text = malloc((len + 2) / 3 * 4 + 1), *out = text;

	for (size_t at = 0; text && at < len; at += 3) {
		size_t n = MIN(len - at, (size_t)3);
		uint32_t bits = (uint32_t)data[at] << 16 | (n > 1 ? (uint32_t)data[at + 1] << 8 : 0) |
				(n > 2 ? data[at + 2] : 0);

		for (unsigned int i = 0; i < 4; i++)
			*out++ = i > n ? '=' : alphabet[bits >> (18 - 6 * i) & 63];
	}
	if (text)
		*out = '\0';
	return text;
}

void base64_write_pem(FILE *out, const char *text)
{
	fputs("-----BEGIN CERTIFICATE-----\n", out);
	for (size_t left = strlen(text), line; left; text += line, left -= line) {
		line = left < 64 ? left : 64;
		fprintf(out, "%.64s\n", text);
	}
	fputs("-----END CERTIFICATE-----\n", out);
}
