/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Text under construction, for the module's encoders: what does not fit sets overflow, and nothing is written past it.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"

struct text_out {
	char *text;
	size_t len, size;
	bool overflow;
};

static inline void text_put(struct text_out *out, const void *bytes, size_t len)
{
	if (out->overflow || len > out->size - out->len) {
		out->overflow = true;
		return;
	}
	memcpy(out->text + out->len, bytes, len);
	out->len += len;
}

static inline void text_put_text(struct text_out *out, const char *text)
{
	text_put(out, text, strlen(text));
}

static inline void text_put_span(struct text_out *out, struct span bytes)
{
	text_put(out, bytes.data, bytes.len);
}

/* short ones: at most 63 characters */
__attribute__((format(printf, 2, 3))) static inline void text_put_format(struct text_out *out, const char *fmt, ...)
{
	char text[64];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	text_put(out, text, MIN((size_t)n, sizeof(text) - 1));
}
