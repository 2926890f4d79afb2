/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket (C4): what filters on the raw stream see of it is the payload of its messages, unmasked, put together and
 * inflated. A message stands for a packet. */
#include <errno.h>
#include <string.h>

#include "base/span.h"
#include "inspect/stream_parts.h"
#include "inspect/websocket.h"

#define WEBSOCKET_INFLATED_MAX 4096 /* by one byte at a time that comes out of the decoder */

struct stream_websocket {
	struct websocket frames;
	struct decoder *decoder;
	struct decode_budget budget;
	bool forgets;           /* each message is compressed by itself (RFC 7692 section 7.1.1) */
	uint64_t message_start; /* in the payload */
};

static const struct judgement goes_on;

uint64_t stream_websocket_message(const struct stream_websocket *ws)
{
	return ws->message_start;
}

void stream_websocket_free(struct stream_websocket **ws, struct inspect_scratch *scratch)
{
	if (!*ws)
		return;
	scratch->n_inflating -= (*ws)->decoder != NULL;
	decoder_free(&(*ws)->decoder);
	free(TAKE_PTR(*ws));
}

size_t stream_websocket_memory(const struct stream_websocket *ws)
{
	return ws ? sizeof(*ws) + decoder_memory(ws->decoder) : 0;
}

void stream_begin_websocket(struct inspect_stream *stream, enum inspect_dir dir, const struct http_head *response)
{
	static const char *const takeovers[] = {"client_no_context_takeover", "server_no_context_takeover"};
	const struct http_field *agreed = http_field_find(response, "Sec-WebSocket-Extensions");
	struct half *half = &stream->half[dir];
	struct stream_websocket *ws = half->scan && stream->engine->looks_at_raw[dir] ? calloc(1, sizeof(*ws)) : NULL;

	if (!ws)
		return;
	ws->frames.client = dir == INSPECT_TO_SERVER;
	if (agreed) {
		ws->frames.may_compress = memmem(agreed->value.data, agreed->value.len, "permessage-deflate", 18);
		ws->forgets = memmem(agreed->value.data, agreed->value.len, takeovers[dir], strlen(takeovers[dir]));
	}
	stream_reset_body(stream, dir);
	half->websocket = ws;
}

/* --- messages ---------------------------------------------------------------------------------------------------- */
static bool has_decoder(struct parts *parts)
{
	static const struct decode_codings codings = {.n = 1, .coding = {DECODE_BARE_DEFLATE}};
	struct stream_websocket *ws = parts->walk.half->websocket;
	struct inspect_scratch *scratch = parts->walk.stream->scratch;

	if (ws->decoder)
		return true;
	if (scratch->n_inflating == SCRATCH_INFLATING_MAX || decoder_new(&ws->decoder, &codings, &ws->budget) < 0)
		return false;
	scratch->n_inflating++;
	return true;
}

static void drop_decoder(struct parts *parts)
{
	struct stream_websocket *ws = parts->walk.half->websocket;

	parts->walk.stream->scratch->n_inflating -= ws->decoder != NULL;
	decoder_free(&ws->decoder);
}

/* at: the byte of the stream that it is counted to */
static void inflate_some(struct parts *parts, struct span in, const uint8_t *at)
{
	struct inspect_stream *stream = parts->walk.stream;
	struct stream_websocket *ws = parts->walk.half->websocket;
	enum decode_result result = DECODE_MORE;

	while (result == DECODE_MORE && !stream_is_over(stream)) {
		uint8_t out[WEBSOCKET_INFLATED_MAX];
		size_t n;

		result = decoder_run(ws->decoder, &in, out, sizeof(out), &n);
		if (n)
			parts_add(parts, at, SPAN(out, n));
		if (parts->walk.half->body_window.len > WINDOW_TRIM_BODY + WINDOW_KEEP)
			parts_judge(parts, at, &goes_on);
	}
	if (result == DECODE_FAILED)
		stream_coding_failed(stream, parts->walk.dir);
	if (result == DECODE_LIMIT) {
		stream->scratch->stats.decode_limit++;
		stream_hit_limit(stream, INSPECT_LIMIT_DECODE, stream->engine->blocks);
	}
}

static void take_payload(struct parts *parts, struct span piece)
{
	struct stream_websocket *ws = parts->walk.half->websocket;
	bool inflates = ws->frames.compressed && has_decoder(parts);

	if (ws->frames.compressed && !inflates)
		stream_coding_failed(parts->walk.stream, parts->walk.dir);
	for (size_t i = 0; i < piece.len && !stream_is_over(parts->walk.stream); i++) {
		uint8_t c;

		websocket_unmask(&ws->frames, SPAN(piece.data + i, 1), &c);
		if (inflates)
			inflate_some(parts, SPAN(&c, 1), piece.data + i);
		else
			parts_add(parts, piece.data + i, SPAN(&c, 1));
	}
}

/* end: past the byte that tells of it */
static void end_message(struct parts *parts, const uint8_t *end)
{
	static const uint8_t tail[] = {0, 0, 0xff, 0xff}; /* left out by the sender (RFC 7692 section 7.2.1) */
	static const struct judgement ends = {.complete = true};
	struct half *half = parts->walk.half;
	struct stream_websocket *ws = half->websocket;

	if (ws->frames.compressed && ws->decoder) {
		inflate_some(parts, SPAN(tail, sizeof(tail)), end - 1);
		decoder_begin_message(ws->decoder);
		if (ws->forgets)
			drop_decoder(parts);
	}
	parts_judge(parts, end, &ends);
	ws->message_start = half->body_len;
}

/* A frame that must not be sent: from the byte that shows it on the stream is raw, unless the policy ends it there
 * (B12).
 */
static void leave(struct parts *parts, const uint8_t *at)
{
	struct inspect_stream *stream = parts->walk.stream;
	enum inspect_dir dir = parts->walk.dir;

	parts_judge(parts, at, &goes_on);
	stream_release(stream, dir);
	if (stream_is_over(stream))
		return;
	stream->scratch->stats.websocket_anomaly++;
	stream_hit_limit(stream, INSPECT_LIMIT_WEBSOCKET, true);
	if (stream->limit_blocks) {
		stream_block_for_limit(stream, dir);
		return;
	}
	stream_reset_body(stream, dir);
	stream_websocket_free(&parts->walk.half->websocket, stream->scratch);
}

void stream_take_websocket(struct inspect_stream *stream, enum inspect_dir dir, struct span *bytes)
{
	struct half *half = &stream->half[dir];
	struct parts parts = {.walk = {stream, dir, half, bytes->data}};
	bool more = true;

	while (more && !stream_is_over(stream)) {
		struct span piece = {0};

		switch (websocket_take(&half->websocket->frames, bytes, &piece)) {
		case WEBSOCKET_PAYLOAD:
			take_payload(&parts, piece);
			break;
		case WEBSOCKET_END:
			end_message(&parts, bytes->data);
			break;
		case WEBSOCKET_BROKEN:
			leave(&parts, bytes->data);
			return;
		case WEBSOCKET_MORE:
			more = false;
			break;
		}
	}
	if (stream_is_over(stream))
		return;
	parts_judge(&parts, bytes->data, &goes_on);
	stream_release(stream, dir);
}
