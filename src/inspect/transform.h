/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Transforms of a head buffer ("http.host; dotprefix; content:..."), and base64. Pure functions over hostile bytes. */
#include "base/common.h"

#define TRANSFORMS_MAX 4 /* on one buffer */

enum transform {
	TRANSFORM_NONE,
	TRANSFORM_DOTPREFIX,
	TRANSFORM_TO_LOWERCASE,
	TRANSFORM_TO_UPPERCASE,
	TRANSFORM_STRIP_WHITESPACE,
	TRANSFORM_COMPRESS_WHITESPACE,
	TRANSFORM_URL_DECODE,
	TRANSFORM_HEADER_LOWERCASE,
	TRANSFORM_N
};
typedef uint32_t transform_chain; /* the first in the lowest byte; 0: none */

extern const char *const transform_names[TRANSFORM_N];
/* TRANSFORM_NONE when there is none of that name */
enum transform transform_find(const char *name);
/* false when the chain is full */
bool transform_add(transform_chain *chain, enum transform transform);
/* writes at most size bytes, returns how many */
size_t transform_apply(transform_chain chain, struct span in, uint8_t *out, size_t size);

/* Decodes up to the first byte outside the alphabet (RFC 4648 section 3.3), which *stopped tells of; out holds 3/4 of
 * in.len, rounded up to 3. Returns the bytes written. */
size_t transform_base64(struct span in, uint8_t *out, bool *stopped);
