/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a body: out of their framing, out of their coding (C4), into the body's window. */
#include "base/span.h"
#include "inspect/stream.h"

#define BODY_UNJUDGED_MAX (2 * WINDOW_KEEP) /* a few bytes may decode to many: those are judged on the way */

void stream_begin_decoding(struct inspect_stream *stream, enum inspect_dir dir, const struct decode_codings *codings)
{
	struct half *half = &stream->half[dir];

	if (!half->scan || !stream->engine->looks_at_body[dir])
		return;
	stream->scratch->stats.decode_failed += codings->unknown;
	if (codings->n && decoder_new(&half->decoder, codings, &half->decode_budget) < 0)
		stream_fail(stream);
}

static void note_piece(struct inspect_stream *stream, const struct half *half, uint64_t at, size_t len, uint64_t body)
{
	struct inspect_scratch *scratch = stream->scratch;

	if (!half->holding && half->scan && scratch->n_pieces < SCRATCH_PIECES)
		scratch->pieces[scratch->n_pieces++] = (struct piece){at, body, len, (size_t)(half->body_len - body)};
}

/* One byte at a time: what a byte decodes to is then the same however calls cut the body, and a match ends at the byte
 * that completed it. */
static void decode_byte(struct inspect_stream *stream, enum inspect_dir dir, struct span byte)
{
	struct inspect_scratch *scratch = stream->scratch;
	struct decoder *decoder = stream->half[dir].decoder;
	enum decode_result result = DECODE_MORE;

	while (result == DECODE_MORE) {
		size_t n;

		result = decoder_run(decoder, &byte, scratch->decoded, sizeof(scratch->decoded), &n);
		stream_feed_body(stream, dir, SPAN(scratch->decoded, n));
	}
	if (result == DECODE_LIMIT) {
		scratch->stats.decode_limit++;
		stream_hit_limit(stream, stream->engine->blocks_body[dir]);
	}
	scratch->stats.decode_failed += result == DECODE_FAILED;
}

struct walk {
	struct inspect_stream *stream;
	enum inspect_dir dir;
	struct half *half;
	const uint8_t *at; /* what stands at half->offset */
};

/* the stream's bytes up to there are taken */
static void walk_to(struct walk *walk, const uint8_t *end)
{
	size_t n = (size_t)(end - walk->at);

	stream_feed_raw(walk->stream, walk->dir, SPAN(walk->at, n));
	walk->half->offset += n;
	walk->at = end;
}

static void judge_on_the_way(struct walk *walk, const uint8_t *end)
{
	struct judgement judgement = {0};

	if (walk->half->body_window.len <= BODY_UNJUDGED_MAX)
		return;
	walk_to(walk, end);
	stream_judge(walk->stream, walk->dir, &judgement);
}

static void feed_decoded(struct walk *walk, struct span run)
{
	struct half *half = walk->half;

	for (size_t i = 0; i < run.len && !walk->stream->block; i++) {
		uint64_t body = half->body_len;

		decode_byte(walk->stream, walk->dir, SPAN(run.data + i, 1));
		if (half->body_len != body)
			note_piece(walk->stream, half, half->offset + (uint64_t)(run.data + i - walk->at), 1, body);
		judge_on_the_way(walk, run.data + i + 1);
	}
}

static void feed_run(struct walk *walk, struct span run)
{
	uint64_t body = walk->half->body_len;

	if (walk->half->decoder) {
		feed_decoded(walk, run);
		return;
	}
	stream_feed_body(walk->stream, walk->dir, run);
	note_piece(walk->stream, walk->half, walk->half->offset + (uint64_t)(run.data - walk->at), run.len, body);
}

enum http_body_result stream_walk_body(struct inspect_stream *stream, enum inspect_dir dir, struct span *part)
{
	struct walk walk = {stream, dir, &stream->half[dir], part->data};
	const struct inspect_scratch *scratch = stream->scratch;
	enum http_body_result result;

	do {
		struct span piece = {0}, slice = *part;

		if (walk.half->decoder) /* every byte may need a note */
			slice.len = MIN(slice.len, SCRATCH_PIECES - scratch->n_pieces);
		result = http_body_take(&walk.half->body, &slice, &piece);
		span_skip(part, (size_t)(slice.data - part->data));
		if (piece.len)
			feed_run(&walk, piece);
	} while (result == HTTP_BODY_PIECE && scratch->n_pieces < SCRATCH_PIECES && !stream->block);
	walk_to(&walk, part->data);
	return result;
}
