/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/brotli_stream.h"

#include <brotli/decode.h>
#include <errno.h>
#include <stdlib.h>

#include "base/span.h"

struct brotli_stream {
	BrotliDecoderState *state;
	size_t memory;
};

struct block { /* in front of each piece that the library asks for */
	size_t size;
	_Alignas(16) uint8_t bytes[];
};

static size_t memory; /* of all streams: workers have one thread */

static void *take_memory(void *opaque, size_t size)
{
	struct brotli_stream *stream = opaque;
	struct block *block = size < BROTLI_MEMORY_MAX - memory ? malloc(sizeof(*block) + size) : NULL;

	if (!block)
		return NULL;
	block->size = size;
	stream->memory += size;
	memory += size;
	return block->bytes;
}

static void give_memory(void *opaque, void *address)
{
	struct brotli_stream *stream = opaque;
	struct block *block;

	if (!address)
		return;
	block = container_of(address, struct block, bytes);
	stream->memory -= block->size;
	memory -= block->size;
	free(block);
}

int brotli_stream_new(struct brotli_stream **out)
{
	struct brotli_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return -ENOMEM;
	stream->state = BrotliDecoderCreateInstance(take_memory, give_memory, stream);
	if (!stream->state) {
		free(stream);
		return -ENOMEM;
	}
	*out = stream;
	return 0;
}

void brotli_stream_free(struct brotli_stream **stream)
{
	if (!*stream)
		return;
	BrotliDecoderDestroyInstance((*stream)->state);
	free(*stream);
	*stream = NULL;
}

size_t brotli_stream_memory(const struct brotli_stream *stream)
{
	return stream ? sizeof(*stream) + stream->memory : 0;
}

enum brotli_result brotli_stream_run(
	struct brotli_stream *stream, struct span *in, uint8_t *out, size_t size, size_t *n)
{
	const uint8_t *next = in->data;
	size_t left = in->len, room = size;
	BrotliDecoderResult result = BrotliDecoderDecompressStream(stream->state, &left, &next, &room, &out, NULL);

	span_skip(in, in->len - left);
	*n = size - room;
	if (result == BROTLI_DECODER_RESULT_ERROR)
		return BROTLI_STREAM_FAILED;
	return result == BROTLI_DECODER_RESULT_SUCCESS ? BROTLI_STREAM_DONE : BROTLI_STREAM_GOES_ON;
}
