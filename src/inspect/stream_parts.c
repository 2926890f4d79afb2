/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/stream_parts.h"

#include <string.h>

void parts_search(struct parts *parts)
{
	struct inspect_scratch *scratch = parts->walk.stream->scratch;

	stream_feed_body(parts->walk.stream, parts->walk.dir, SPAN(scratch->decoded, parts->n));
	parts->n = 0;
}

void parts_judge(struct parts *parts, const uint8_t *end, const struct judgement *judgement)
{
	parts_search(parts);
	walk_to(&parts->walk, end);
	stream_judge(parts->walk.stream, parts->walk.dir, judgement);
}

static void note_piece(struct parts *parts, const uint8_t *at, size_t decoded)
{
	struct inspect_scratch *scratch = parts->walk.stream->scratch;
	uint64_t stream = parts->walk.half->offset + (uint64_t)(at - parts->walk.at);
	uint64_t body = parts->walk.half->body_len + parts->n;
	struct piece *last = scratch->n_pieces ? &scratch->pieces[scratch->n_pieces - 1] : NULL;

	if (last && decoded == 1 && last->len == last->decoded && last->stream + last->len == stream &&
		last->body + last->len == body) {
		last->len++;
		last->decoded++;
	} else {
		scratch->pieces[scratch->n_pieces++] = (struct piece){stream, body, 1, decoded};
	}
}

void parts_add(struct parts *parts, const uint8_t *at, struct span bytes)
{
	static const struct judgement goes_on;
	struct inspect_scratch *scratch = parts->walk.stream->scratch;

	if (parts->n + bytes.len > sizeof(scratch->decoded))
		parts_search(parts);
	note_piece(parts, at, bytes.len);
	memcpy(scratch->decoded + parts->n, bytes.data, bytes.len);
	parts->n += bytes.len;
	if (scratch->n_pieces == SCRATCH_PIECES)
		parts_judge(parts, at + 1, &goes_on);
}
