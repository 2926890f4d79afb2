/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A cursor over hostile bytes: every take either moves past well-formed data or fails and leaves the cursor alone.
 * Big-endian integers, as on the wire. */
#include <string.h>

#include "base/common.h"

static inline bool span_skip(struct span *s, size_t n)
{
	if (s->len < n)
		return false;
	s->data += n;
	s->len -= n;
	return true;
}

static inline bool span_take(struct span *s, size_t n, struct span *out)
{
	if (s->len < n)
		return false;
	*out = SPAN(s->data, n);
	return span_skip(s, n);
}

/* an integer of 1 to 4 bytes */
static inline bool span_take_be(struct span *s, unsigned int bytes, uint32_t *out)
{
	uint32_t v = 0;

	if (s->len < bytes)
		return false;
	for (unsigned int i = 0; i < bytes; i++)
		v = v << 8 | s->data[i];
	*out = v;
	return span_skip(s, bytes);
}

/* a length of len_bytes bytes, then that many bytes (TLS vectors) */
static inline bool span_take_vector(struct span *s, unsigned int len_bytes, struct span *out)
{
	struct span at = *s;
	uint32_t n;

	if (!span_take_be(&at, len_bytes, &n) || !span_take(&at, n, out))
		return false;
	*s = at;
	return true;
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
	return span_equal(a, SPAN(text, strlen(text)));
}
