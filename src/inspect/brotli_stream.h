/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The coding br (RFC 7932). The only user of libbrotli. A peer chooses the window, up to 16 MB: what all streams of
 * this process hold together is bounded, and a stream that would take more fails. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/common.h"

#define BROTLI_MEMORY_MAX (64u << 20) /* of all streams of a process */

struct brotli_stream;
int brotli_stream_new(struct brotli_stream **out);
void brotli_stream_free(struct brotli_stream **stream);
/* bytes that it holds now */
size_t brotli_stream_memory(const struct brotli_stream *stream);

enum brotli_result { BROTLI_STREAM_GOES_ON, BROTLI_STREAM_DONE, BROTLI_STREAM_FAILED };
/* takes from in, writes up to size bytes to out; *n: those written */
enum brotli_result brotli_stream_run(
	struct brotli_stream *stream, struct span *in, uint8_t *out, size_t size, size_t *n);
