/* SPDX-License-Identifier: Apache-2.0 */
/* Mail services (C3): their lines are followed, and the parts of the messages in them are decoded into the body's
 * window, one part after the other. */
#include "base/span.h"
#include "inspect/stream_parts.h"

static const struct judgement goes_on;

/* --- parts ------------------------------------------------------------------------------------------------------- */
/* the next part may match the same filters again */
static void forget_part(struct parts *parts)
{
	const struct ruleset *set = &parts->walk.stream->engine->set;
	struct bits *hits = parts->walk.half->hits;

	for (size_t word = 0; hits && (word = bits_next_word(hits, NULL, word)) != BITS_END; word++)
		for (uint64_t left = hits->words[word]; left; left &= left - 1) {
			size_t index = word * 64 + (size_t)__builtin_ctzll(left);

			if (filter_uses(set->filters[index], BUFFER_FILE_DATA))
				bits_remove(hits, index);
		}
	stream_reset_body(parts->walk.stream, parts->walk.dir);
}

static void end_part(struct parts *parts, const uint8_t *end)
{
	static const struct judgement ends = {.part = true};
	struct inspect_stream *stream = parts->walk.stream;
	struct half *half = parts->walk.half;

	parts_search(parts);
	if (window_end(&half->body_window, stream_body_group(stream, parts->walk.dir), stream->scratch,
		    &half->candidates) < 0)
		stream_fail(stream);
	parts_judge(parts, end, &ends);
	forget_part(parts);
}

static void take_news(struct parts *parts, const uint8_t *at, const struct mime_news *news)
{
	if (news->failed)
		stream_coding_failed(parts->walk.stream, parts->walk.dir);
	if (news->n)
		parts_add(parts, at, SPAN(news->bytes, news->n));
	if (news->ends && !stream_is_over(parts->walk.stream))
		end_part(parts, at + 1);
}

static void take_message(struct parts *parts, struct span bytes)
{
	struct half *half = parts->walk.half;
	struct mime_news news;

	if (!half->mime) {
		half->mime = malloc(sizeof(*half->mime));
		if (!half->mime) {
			stream_fail(parts->walk.stream);
			return;
		}
		mime_start(half->mime);
	}
	for (size_t i = 0; i < bytes.len && !stream_is_over(parts->walk.stream); i++) {
		mime_byte(half->mime, bytes.data[i], &news);
		take_news(parts, bytes.data + i, &news);
	}
}

/* end: past the byte that told of the message's end, or that came last */
static void end_message(struct parts *parts, const uint8_t *end)
{
	struct mime_news news;

	mime_finish(parts->walk.half->mime, &news);
	take_news(parts, end - 1, &news);
	free(TAKE_PTR(parts->walk.half->mime));
}

void stream_end_mail(struct inspect_stream *stream, enum inspect_dir dir)
{
	static const uint8_t nothing[1];
	struct parts parts = {.walk = {stream, dir, &stream->half[dir], nothing + 1}};

	end_message(&parts, nothing + 1);
}

/* --- the stream -------------------------------------------------------------------------------------------------- */
static bool looks_at_parts(const struct inspect_stream *stream, enum inspect_dir dir)
{
	return stream->half[dir].scan && stream->engine->looks_at_parts[dir];
}

/* The end of a line that asks for TLS is yet to be taken: what came before it is judged first, and where the policy
 * does not let it pass it is never sent, so that the server never sees the command (B12). */
static bool admits_starttls(struct parts *parts, const uint8_t *end)
{
	struct inspect_stream *stream = parts->walk.stream;

	parts_judge(parts, end, &goes_on);
	stream_release(stream, INSPECT_TO_SERVER);
	if (stream_is_over(stream))
		return false;
	stream->scratch->stats.mail_starttls++;
	stream_hit_limit(stream, INSPECT_LIMIT_STARTTLS, true);
	if (stream->limit_blocks)
		stream_block_for_limit(stream, INSPECT_TO_SERVER);
	return !stream->block;
}

void stream_take_mail(struct inspect_stream *stream, enum inspect_dir dir, struct span *bytes)
{
	struct half *half = &stream->half[dir];
	struct parts parts = {.walk = {stream, dir, half, bytes->data}};
	struct span slice, left;

	span_take(bytes, MIN(bytes->len, STREAM_SLICE), &slice);
	left = slice;
	stream_note_turn(half);
	while (left.len && !stream_is_over(stream)) {
		struct mail_news news;

		span_skip(&left, dir == INSPECT_TO_SERVER ? mail_client(&stream->mail, left, &news)
							  : mail_server(&stream->mail, left, &news));
		if (news.starttls && !admits_starttls(&parts, left.data - 1))
			return;
		if (news.message.len && looks_at_parts(stream, dir))
			take_message(&parts, news.message);
		if (news.ends && half->mime && !stream_is_over(stream))
			end_message(&parts, left.data);
	}
	if (stream_is_over(stream))
		return;
	parts_judge(&parts, slice.data + slice.len, &goes_on);
	stream_release(stream, dir);
}
