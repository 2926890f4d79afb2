/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a body: out of their framing, out of their coding (C4), into the body's window. */
#include "base/span.h"
#include "inspect/stream.h"

#define BODY_DECODED_MAX WINDOW_KEEP
#define BODY_COARSE_MIN 64 /* below, a copy of the decoder costs more than it saves */
#define BODY_UNJUDGED_MAX                                                                               \
	(WINDOW_TRIM_BODY + WINDOW_KEEP) /* a few bytes may decode to many: those are judged on the way \
					  */

void stream_coding_failed(struct inspect_stream *stream, enum inspect_dir dir)
{
	stream->scratch->stats.decode_failed++;
	stream_hit_limit(stream, INSPECT_LIMIT_CODING, stream->engine->blocks_body[dir]);
}

void stream_begin_decoding(struct inspect_stream *stream, enum inspect_dir dir, const struct decode_codings *codings)
{
	struct half *half = &stream->half[dir];

	if (!half->scan || !stream->engine->looks_at_body[dir])
		return;
	if (codings->unknown)
		stream_coding_failed(stream, dir);
	if (codings->n && decoder_new(&half->decoder, codings, &half->decode_budget) < 0)
		stream_fail(stream);
	/* a body without chunks and codings is kept once */
	half->body_in_raw = stream->engine->looks_at_raw[dir] && half->body.kind != HTTP_BODY_CHUNKED && !half->decoder;
	half->body_start = half->offset - half->unit;
}

static void note_piece(struct inspect_stream *stream, const struct half *half, uint64_t at, size_t len, uint64_t body)
{
	struct inspect_scratch *scratch = stream->scratch;

	if (!half->holding && half->scan && scratch->n_pieces < SCRATCH_PIECES)
		scratch->pieces[scratch->n_pieces++] = (struct piece){at, body, len, (size_t)(half->body_len - body)};
}

/* --- pieces ------------------------------------------------------------------------------------------------------ */
void stream_forget_pieces(struct inspect_stream *stream)
{
	stream->scratch->n_pieces = 0;
	decoder_free(&stream->scratch->coarse.before);
}

static void decode_again(struct inspect_scratch *scratch)
{
	struct coarse *coarse = &scratch->coarse;
	uint32_t total = 0;

	coarse->known = true;
	for (size_t i = 0; i < coarse->run.len; i++) {
		struct span byte = SPAN(coarse->run.data + i, 1);
		enum decode_result result = DECODE_MORE;

		while (result == DECODE_MORE) {
			size_t n;

			result = decoder_run(coarse->before, &byte, scratch->decoded, sizeof(scratch->decoded), &n);
			total += (uint32_t)n;
		}
		coarse->decoded[i] = total;
	}
}

uint64_t stream_piece_length(struct inspect_stream *stream, size_t index, uint64_t bytes)
{
	struct inspect_scratch *scratch = stream->scratch;
	const struct piece *piece = &scratch->pieces[index];

	if (bytes >= piece->len)
		return piece->body + piece->decoded;
	if (!scratch->coarse.before || scratch->coarse.piece != index)
		return piece->body + bytes;
	if (!scratch->coarse.known)
		decode_again(scratch);
	return piece->body + scratch->coarse.decoded[bytes - 1];
}

/* --- decoding ---------------------------------------------------------------------------------------------------- */
/* What the bytes decode to, into the body's window; the outcome is the same for one byte at a time and for a run that
 * cannot meet a limit on the way. Stops between bytes once much has come out. Returns the bytes taken. */
static size_t decode(struct inspect_stream *stream, enum inspect_dir dir, struct span in)
{
	struct inspect_scratch *scratch = stream->scratch;
	struct half *half = &stream->half[dir];
	uint64_t before = half->body_len;
	enum decode_result result = DECODE_MORE;
	struct span left = in, none;

	while (result == DECODE_MORE) {
		size_t n;

		none = SPAN(left.data, 0); /* what is inside the decoder comes out, no more goes in */
		result = decoder_run(half->decoder, half->body_len - before > BODY_DECODED_MAX ? &none : &left,
			scratch->decoded, sizeof(scratch->decoded), &n);
		stream_feed_body(stream, dir, SPAN(scratch->decoded, n));
	}
	if (result == DECODE_FAILED)
		stream_coding_failed(stream, dir);
	if (result == DECODE_LIMIT) {
		scratch->stats.decode_limit++;
		stream_hit_limit(stream, INSPECT_LIMIT_DECODE, stream->engine->blocks_body[dir]);
	}
	return in.len - left.len;
}

/* --- the walk ---------------------------------------------------------------------------------------------------- */
void walk_to(struct walk *walk, const uint8_t *end)
{
	size_t n = (size_t)(end - walk->at);

	stream_feed_raw(walk->stream, walk->dir, SPAN(walk->at, n));
	walk->half->offset += n;
	walk->at = end;
}

/* judged as if the call's data ended there, without a release */
static void walk_judge(struct walk *walk, const uint8_t *end)
{
	struct judgement judgement = {0};

	walk_to(walk, end);
	stream_judge(walk->stream, walk->dir, &judgement);
}

/* One byte at a time, so that a match ends at the byte that completed it; or at once, where it can be found out later.
 */
static size_t feed_some(struct walk *walk, struct span run)
{
	struct inspect_scratch *scratch = walk->stream->scratch;
	struct half *half = walk->half;
	size_t n = MIN(MIN(run.len, SCRATCH_COARSE), decoder_safe_input(half->decoder)), note = scratch->n_pieces;
	uint64_t body = half->body_len, at = half->offset + (uint64_t)(run.data - walk->at);
	_cleanup_(decoder_free) struct decoder *before = NULL;

	if (n < BODY_COARSE_MIN || (!half->holding && decoder_copy(&before, half->decoder) < 0))
		n = 1;
	n = decode(walk->stream, walk->dir, SPAN(run.data, n));
	if (half->body_len != body)
		note_piece(walk->stream, half, at, n, body);
	if (before && n > 1 && scratch->n_pieces > note) {
		scratch->coarse.before = TAKE_PTR(before);
		scratch->coarse.piece = note;
		scratch->coarse.run = SPAN(run.data, n);
		scratch->coarse.known = false;
	}
	return n;
}

static void feed_decoded(struct walk *walk, struct span run)
{
	const struct inspect_scratch *scratch = walk->stream->scratch;

	while (run.len && !stream_is_over(walk->stream)) {
		span_skip(&run, feed_some(walk, run));
		if (walk->half->body_window.len > BODY_UNJUDGED_MAX || (run.len && scratch->coarse.before) ||
			scratch->n_pieces == SCRATCH_PIECES)
			walk_judge(walk, run.data);
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
		struct span piece = {0};

		result = http_body_take(&walk.half->body, part, &piece);
		if (piece.len && scratch->coarse.before) /* one at a time */
			walk_judge(&walk, piece.data);
		if (piece.len)
			feed_run(&walk, piece);
	} while (result == HTTP_BODY_PIECE && scratch->n_pieces < SCRATCH_PIECES && !stream_is_over(stream));
	walk_to(&walk, part->data);
	return result;
}
