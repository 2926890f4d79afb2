/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/stream.h"

#include <errno.h>
#include <string.h>

#include "base/span.h"

#define EFFORT_START (16ull * CONFIRM_EFFORT)

void stream_hit_limit(struct inspect_stream *stream, enum inspect_limit limit, bool blocks)
{
	stream->scratch->stats.limit_streams += !stream->limited;
	stream->limited = true;
	if (!blocks || stream->options.on_limit[limit] == INSPECT_ON_LIMIT_BYPASS || stream->limit_blocks)
		return;
	stream->limit_blocks = true;
	stream->limit = limit;
}

void stream_fail(struct inspect_stream *stream)
{
	stream->scratch->stats.engine_failed++;
	stream_hit_limit(stream, INSPECT_LIMIT_ENGINE, stream->engine->blocks);
}

struct bits *stream_bits(struct inspect_stream *stream, struct bits **bits)
{
	if (!*bits)
		*bits = bits_take(&stream->scratch->bits);
	if (!*bits)
		stream_fail(stream);
	return *bits;
}

static struct bits **half_bits(struct half *half, unsigned int i)
{
	struct bits **const all[HALF_BITS] = {&half->candidates, &half->hits, &half->raw_hits, &half->older};

	return all[i];
}

/* a call begins, and ends: between them the sets of filters are spread out in the scratch, and windows may be large */
static void stream_wake(struct inspect_stream *stream)
{
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		for (unsigned int i = 0; i < HALF_BITS; i++)
			if (stream->half[dir].packed[i])
				bits_unpack(&stream->scratch->bits, &stream->half[dir].packed[i],
					half_bits(&stream->half[dir], i));
}

static void stream_rest(struct inspect_stream *stream)
{
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
		struct half *half = &stream->half[dir];

		for (unsigned int i = 0; i < HALF_BITS; i++)
			if (*half_bits(half, i) && bits_pack(half_bits(half, i), &half->packed[i]) < 0)
				stream_fail(stream);
		window_rest(&half->raw, stream->scratch);
		window_rest(&half->body_window, stream->scratch);
	}
}

static bool direction_is_scanned(
	const struct inspect_engine *engine, const struct inspect_stream_options *options, enum inspect_dir dir)
{
	if (options->service == INSPECT_NONE || (dir == INSPECT_TO_CLIENT && !options->inspect_response))
		return false;
	if (engine->looks_at_start[dir])
		return true;
	if (options->service == INSPECT_HTTP && (engine->looks_at_head[dir] || engine->looks_at_body[dir]))
		return true;
	if (options->service <= INSPECT_POP3 && engine->looks_at_parts[dir])
		return true;
	return engine->looks_at_raw[dir];
}

static void begin_mail(struct inspect_stream *stream)
{
	static const struct {
		enum inspect_service service;
		enum mail_protocol protocol;
	} services[] = {{INSPECT_SMTP, MAIL_SMTP}, {INSPECT_IMAP, MAIL_IMAP}, {INSPECT_POP3, MAIL_POP3}};

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (stream->options.service != services[i].service)
			continue;
		stream->has_mail = true;
		mail_init(&stream->mail, services[i].protocol);
	}
}

int inspect_stream_new(struct inspect_stream **out, const struct inspect_engine *engine,
	struct inspect_scratch *scratch, const struct inspect_stream_options *options)
{
	struct inspect_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return -ENOMEM;
	stream->engine = engine;
	stream->scratch = scratch;
	stream->options = *options;
	TAILQ_INIT(&stream->transactions);
	begin_mail(stream);
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
		stream->half[dir].effort = EFFORT_START;
		stream->half[dir].scan = direction_is_scanned(engine, options, dir);
		stream->half[dir].phase = options->service == INSPECT_HTTP ? PHASE_HEAD : PHASE_RAW;
	}
	*out = stream;
	return 0;
}

static void half_clear(struct inspect_stream *stream, struct half *half)
{
	window_reset(&half->raw, NULL, NULL);
	window_reset(&half->body_window, NULL, NULL);
	for (unsigned int i = 0; i < HALF_BITS; i++) {
		free(TAKE_PTR(half->packed[i]));
		if (*half_bits(half, i)) /* never between calls */
			bits_give(half_bits(half, i));
	}
	decoder_free(&half->decoder);
	free(TAKE_PTR(half->mime));
	stream_websocket_free(&half->websocket, stream->scratch);
	free(TAKE_PTR(half->head));
	free(TAKE_PTR(half->waits));
	half->head_size = half->n_waits = 0;
}

void inspect_stream_free(struct inspect_stream **stream)
{
	if (!*stream)
		return;
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		half_clear(*stream, &(*stream)->half[dir]);
	transactions_clear(*stream);
	free((*stream)->flowbits);
	free(*stream);
	*stream = NULL;
}

struct group *stream_body_group(const struct inspect_stream *stream, enum inspect_dir dir)
{
	return stream->engine->groups.group[dir][stream->half[dir].websocket ? BUFFER_RAW : body_buffer(dir)];
}

static void feed(struct inspect_stream *stream, enum inspect_dir dir, enum buffer_id buffer, struct window *window,
	struct span bytes)
{
	struct group *group = stream->engine->groups.group[dir][buffer];

	if (window_feed(window, group, stream->scratch, bytes, &stream->half[dir].candidates) < 0)
		stream_fail(stream);
}

void stream_feed_raw(struct inspect_stream *stream, enum inspect_dir dir, struct span bytes)
{
	struct half *half = &stream->half[dir];

	if (half->scan && stream->engine->looks_at_raw[dir] && !half->websocket)
		feed(stream, dir, BUFFER_RAW, &half->raw, bytes);
}

/* bytes that are in the raw window as well */
static void search_body(struct inspect_stream *stream, enum inspect_dir dir, struct span bytes)
{
	struct half *half = &stream->half[dir];

	if (window_search(
		    &half->body_window, stream_body_group(stream, dir), stream->scratch, bytes, &half->candidates) < 0)
		stream_fail(stream);
}

void stream_feed_body(struct inspect_stream *stream, enum inspect_dir dir, struct span bytes)
{
	struct half *half = &stream->half[dir];

	if (half->websocket)
		feed(stream, dir, BUFFER_RAW, &half->body_window, bytes);
	else if (!half->scan || !stream->engine->looks_at_body[dir])
		;
	else if (half->body_in_raw)
		search_body(stream, dir, bytes);
	else
		feed(stream, dir, body_buffer(dir), &half->body_window, bytes);
	half->body_len += bytes.len;
}

void stream_end_windows(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct group *raw = stream->engine->groups.group[dir][BUFFER_RAW];
	struct half *half = &stream->half[dir];
	struct bits **candidates = &half->candidates;

	if (window_end(&half->raw, raw, stream->scratch, candidates) < 0 ||
		window_end(&half->body_window, stream_body_group(stream, dir), stream->scratch, candidates) < 0)
		stream_fail(stream);
}

void stream_reset_body(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct half *half = &stream->half[dir];

	window_reset(&half->body_window, stream_body_group(stream, dir), stream->scratch);
	decoder_free(&half->decoder);
	half->body_len = half->body_start = half->judged_body = 0;
	half->body_in_raw = false;
}

void stream_reset_unit(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct half *half = &stream->half[dir];

	window_reset(&half->raw, stream->engine->groups.group[dir][BUFFER_RAW], stream->scratch);
	stream_reset_body(stream, dir);
	bits_give(&half->candidates);
	bits_give(&half->older);
	bits_give(&half->hits);
	free(half->waits);
	half->waits = NULL;
	half->n_waits = 0;
	half->judged_raw = 0;
	half->unit = half->rotated = half->judged = half->offset;
	half->transaction = NULL;
	half->head_len = half->head_scanned = 0;
}

void stream_note_turn(struct half *half)
{
	if (!half->turn)
		half->turn_start = half->offset;
	half->turn = true;
}

static void take_slice(struct inspect_stream *stream, enum inspect_dir dir, struct span slice)
{
	struct half *half = &stream->half[dir];
	struct judgement judgement = {0};

	stream_note_turn(half);
	stream_feed_raw(stream, dir, slice);
	half->offset += slice.len;
	stream_judge(stream, dir, &judgement);
	stream_release(stream, dir);
}

static void take_raw(struct inspect_stream *stream, enum inspect_dir dir, struct span bytes)
{
	while (bytes.len && !stream_is_over(stream)) {
		struct span slice = {0};

		if (stream->has_mail || stream->half[dir].websocket) {
			(stream->has_mail ? stream_take_mail : stream_take_websocket)(stream, dir, &bytes);
			continue;
		}
		span_take(&bytes, MIN(bytes.len, STREAM_SLICE), &slice);
		take_slice(stream, dir, slice);
	}
}

void stream_enter_raw(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct half *half = &stream->half[dir];
	_cleanup_free_ uint8_t *head = TAKE_PTR(half->head);
	size_t head_len = half->phase == PHASE_HEAD ? half->head_len : 0;

	half->phase = PHASE_RAW;
	half->holding = false;
	half->transaction = NULL;
	half->head_len = half->head_size = half->head_scanned = 0;
	stream_reset_body(stream, dir);
	take_raw(stream, dir, SPAN(head, head_len));
}

/* The other side speaks: what came before was a whole message of a protocol that is not known here, so conditions
 * that wait for an end are judged. */
static void end_turn(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct half *half = &stream->half[dir];
	struct judgement judgement = {.complete = true};

	if (half->phase == PHASE_RAW && half->turn)
		stream_judge(stream, dir, &judgement);
	half->turn = false;
}

static void take(struct inspect_stream *stream, enum inspect_dir dir, struct span in)
{
	struct half *half = &stream->half[dir];

	while (in.len && !stream_is_over(stream)) {
		switch (half->phase) {
		case PHASE_HEAD:
			stream_take_head(stream, dir, &in);
			break;
		case PHASE_BODY:
			stream_take_body(stream, dir, &in);
			break;
		case PHASE_RAW:
			take_raw(stream, dir, in);
			in.len = 0;
			break;
		}
	}
}

static bool is_followed(const struct inspect_stream *stream)
{
	return stream->has_mail || stream->half[INSPECT_TO_SERVER].scan || stream->half[INSPECT_TO_CLIENT].scan;
}

/* trusted: what was kept for filters goes, and everything is released */
static void let_go(struct inspect_stream *stream)
{
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
		half_clear(stream, &stream->half[dir]);
		stream->half[dir].transaction = NULL;
		stream->half[dir].release = stream->half[dir].received;
	}
	transactions_clear(stream);
}

static void tell(struct inspect_stream *stream, enum inspect_dir dir, struct inspect_verdict *out)
{
	if (stream->trusted)
		let_go(stream);
	out->block_dir = stream->block_dir;
	out->release = stream->half[dir].release;
	out->block = stream->block;
	out->limited = stream->limited;
}

void inspect_data(struct inspect_stream *stream, enum inspect_dir dir, const uint8_t *data, size_t len,
	struct inspect_verdict *out)
{
	struct half *half = &stream->half[dir];

	stream_forget_pieces(stream);
	half->received += len;
	if (!is_followed(stream)) {
		half->release += len;
	} else if (!stream_is_over(stream) && len) {
		stream_wake(stream);
		end_turn(stream, dir == INSPECT_TO_SERVER ? INSPECT_TO_CLIENT : INSPECT_TO_SERVER);
		if (!half->started)
			stream_start(stream, dir);
		take(stream, dir, SPAN(data, len));
		if (!half->scan && !stream_is_over(stream))
			half->release = half->offset + (half->phase == PHASE_HEAD ? half->head_len : 0);
		stream_rest(stream);
	}
	tell(stream, dir, out);
}

void inspect_end(struct inspect_stream *stream, enum inspect_dir dir, struct inspect_verdict *out)
{
	struct half *half = &stream->half[dir];
	struct judgement judgement = {.complete = true};

	stream_forget_pieces(stream);
	if (is_followed(stream) && !stream_is_over(stream)) {
		stream_wake(stream);
		if (half->phase == PHASE_HEAD && half->head_len)
			stream_enter_raw(stream, dir);
		if (half->mime)
			stream_end_mail(stream, dir);
		stream_end_windows(stream, dir);
		if (half->phase == PHASE_BODY)
			stream_end_body(stream, dir);
		else if (half->phase == PHASE_RAW)
			stream_judge(stream, dir, &judgement);
		stream_release(stream, dir);
		stream_rest(stream);
	}
	tell(stream, dir, out);
}

size_t inspect_stream_memory(const struct inspect_stream *stream)
{
	size_t total = sizeof(*stream);
	const struct transaction *t;

	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
		const struct half *half = &stream->half[dir];

		total += half->n_waits * sizeof(*half->waits) + (half->mime ? sizeof(*half->mime) : 0) +
			 half->head_size + stream_websocket_memory(half->websocket) + window_memory(&half->raw) +
			 window_memory(&half->body_window) + decoder_memory(half->decoder);
		for (unsigned int i = 0; i < HALF_BITS; i++)
			total += packed_bits_memory(half->packed[i]);
	}
	TAILQ_FOREACH (t, &stream->transactions, link)
		total += sizeof(*t) + t->head_len;
	if (stream->flowbits)
		total += (stream->engine->set.flowbits.n + 63) / 64 * sizeof(uint64_t);
	return total;
}
