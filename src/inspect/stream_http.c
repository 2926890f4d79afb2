/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 messages of a stream (C4): heads are held until judged (B8), bodies as far as the policy says. Where two
 * readers could disagree about the framing, the stream goes on as raw payload. */
#include <errno.h>
#include <string.h>

#include "base/span.h"
#include "inspect/stream.h"

#define HEAD_START 512

/* --- transactions ------------------------------------------------------------------------------------------------ */
static void transaction_drop(struct inspect_stream *stream, struct transaction *t)
{
	TAILQ_REMOVE(&stream->transactions, t, link);
	stream->n_transactions--;
	free(t->head);
	free(t);
}

void transactions_clear(struct inspect_stream *stream)
{
	while (!TAILQ_EMPTY(&stream->transactions))
		transaction_drop(stream, TAILQ_FIRST(&stream->transactions));
}

static void transaction_done(struct inspect_stream *stream, struct transaction *t)
{
	if (t && t->request_done && t->response_done)
		transaction_drop(stream, t);
}

/* the request whose response comes next */
static struct transaction *transaction_awaiting(const struct inspect_stream *stream)
{
	struct transaction *t;

	TAILQ_FOREACH (t, &stream->transactions, link)
		if (!t->response_done)
			return t;
	return NULL;
}

/* the head that was collected becomes a transaction, which owns it */
static int transaction_new(struct inspect_stream *stream, struct span method)
{
	struct half *half = &stream->half[INSPECT_TO_SERVER];
	struct transaction *t;

	if (stream->n_transactions == STREAM_TRANSACTIONS_MAX)
		return -E2BIG;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->head = TAKE_PTR(half->head);
	t->head_len = half->head_len;
	t->method = method; /* the bytes stay where they are */
	t->response_done = stream->half[INSPECT_TO_CLIENT].phase == PHASE_RAW;
	half->head_len = half->head_size = 0;
	half->transaction = t;
	TAILQ_INSERT_TAIL(&stream->transactions, t, link);
	stream->n_transactions++;
	return 0;
}

/* --- heads ------------------------------------------------------------------------------------------------------- */
/* complete: no more will come */
static int head_append(struct half *half, struct span bytes, bool complete)
{
	size_t size = half->head_size ? half->head_size : complete ? bytes.len : HEAD_START;
	uint8_t *grown;

	while (size - half->head_len < bytes.len)
		size *= 2;
	if (size != half->head_size) {
		grown = realloc(half->head, size);
		if (!grown)
			return -ENOMEM;
		half->head = grown;
		half->head_size = size;
	}
	memcpy(half->head + half->head_len, bytes.data, bytes.len);
	half->head_len += bytes.len;
	return 0;
}

/* the head is complete, and no larger than it need be while it is kept */
static void head_close(struct half *half, size_t length)
{
	uint8_t *fitted = length == half->head_size ? NULL : realloc(half->head, length);

	if (fitted)
		half->head = fitted;
	half->head_len = half->head_size = length;
}

static bool head_is_plausible(struct span begun, enum inspect_dir dir)
{
	return dir == INSPECT_TO_SERVER ? http_request_is_plausible(begun) : http_response_is_plausible(begun);
}

/* 0: it is not complete, or none */
static size_t head_length(struct half *half, enum inspect_dir dir, struct span begun)
{
	return head_is_plausible(begun, dir) ? http_head_length(begun, &half->head_scanned) : 0;
}

/* from here on the stream is no HTTP that could be followed; a policy may end it instead (B12) */
static void leave_http(struct inspect_stream *stream, enum inspect_dir dir, enum inspect_limit limit)
{
	struct inspect_stats *stats = &stream->scratch->stats;

	*(limit == INSPECT_LIMIT_SMUGGLING ? &stats->http_smuggling : &stats->http_anomaly) += 1;
	stream_hit_limit(stream, limit, true);
	if (stream->limit_blocks && !stream_is_over(stream))
		stream_block_for_limit(stream, dir);
	else
		stream_enter_raw(stream, dir);
}

/* a head that cannot be followed is the beginning of raw payload */
static void head_give_up(struct inspect_stream *stream, enum inspect_dir dir)
{
	if (dir == INSPECT_TO_SERVER && stream->half[dir].transaction) { /* keeps the bytes of the head */
		stream->half[dir].head = TAKE_PTR(stream->half[dir].transaction->head);
		stream->half[dir].head_len = stream->half[dir].transaction->head_len;
		transaction_drop(stream, stream->half[dir].transaction);
		stream->half[dir].transaction = NULL;
	}
	leave_http(stream, dir, INSPECT_LIMIT_ANOMALY);
}

/* bytes: those of the arena, in which the views lie */
static void scan_head(struct inspect_stream *stream, enum inspect_dir dir, struct span bytes, const struct views *views)
{
	const struct groups *groups = &stream->engine->groups;
	const struct group *together = groups->group[dir][GROUP_HEAD];
	struct bits **candidates = &stream->half[dir].candidates;
	int r = together ? group_scan_head(together, stream->scratch, bytes, views, candidates) : 0;

	for (uint64_t left = groups->heads[dir]; r == 0 && left; left &= left - 1) {
		unsigned int buffer = (unsigned int)__builtin_ctzll(left);

		if (views->view[buffer].present)
			r = group_scan(
				groups->group[dir][buffer], stream->scratch, views->view[buffer].bytes, candidates);
	}
	if (r < 0)
		stream_fail(stream);
}

static bool holds_body(const struct inspect_stream *stream, enum inspect_dir dir, const struct http_head *head,
	const struct http_body *body)
{
	const struct http_field *expect = http_field_find(head, "Expect");

	if (dir != INSPECT_TO_SERVER || !stream->engine->looks_at_body[dir] || !stream->options.body_hold_bytes)
		return false;
	if (body->kind != HTTP_BODY_LENGTH && body->kind != HTTP_BODY_CHUNKED)
		return false;
	/* the body comes only after the server has seen the head */
	return !expect || !http_list_has(expect->value, "100-continue");
}

static void message_done(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct half *half = &stream->half[dir];
	struct transaction *t = half->transaction;

	if (t && dir == INSPECT_TO_SERVER)
		t->request_done = true;
	if (t && dir == INSPECT_TO_CLIENT && !half->interim)
		t->response_done = true;
	stream_release(stream, dir);
	half->phase = PHASE_HEAD;
	half->holding = false;
	free(half->head);
	half->head = NULL;
	half->head_size = 0;
	stream_reset_unit(stream, dir);
	transaction_done(stream, t);
}

/* both directions leave HTTP: CONNECT accepted, 101, preface of HTTP/2 */
static void enter_tunnel(struct inspect_stream *stream, enum inspect_dir dir, const struct http_head *head)
{
	enum inspect_dir other = dir == INSPECT_TO_SERVER ? INSPECT_TO_CLIENT : INSPECT_TO_SERVER;
	const struct http_field *upgrade = head->status == 101 ? http_field_find(head, "Upgrade") : NULL;
	bool both = dir == INSPECT_TO_CLIENT && stream->half[other].phase == PHASE_HEAD;

	if (upgrade && http_list_has(upgrade->value, "websocket")) {
		stream_begin_websocket(stream, dir, head);
		if (both)
			stream_begin_websocket(stream, other, head);
	}
	if (both)
		stream_enter_raw(stream, other);
	stream_enter_raw(stream, dir);
}

/* after the head was judged: what follows it */
static void head_follow(struct inspect_stream *stream, enum inspect_dir dir, const struct http_head *head,
	const struct http_body *body, bool hold, const struct decode_codings *codings)
{
	struct half *half = &stream->half[dir];

	half->phase = PHASE_BODY;
	half->body = *body;
	half->holding = hold;
	half->hold_left = stream->options.body_hold_bytes;
	if (stream_is_over(stream))
		return;
	if (body->kind == HTTP_BODY_BAD) { /* its head is not released before the policy was asked */
		leave_http(stream, dir, INSPECT_LIMIT_SMUGGLING);
		stream_release(stream, dir);
		return;
	}
	if (!hold)
		stream_release(stream, dir);
	if (body->kind == HTTP_BODY_NONE)
		message_done(stream, dir);
	else if (body->kind == HTTP_BODY_TUNNEL)
		enter_tunnel(stream, dir, head);
	else
		stream_begin_decoding(stream, dir, codings);
}

static void judge_head(struct inspect_stream *stream, enum inspect_dir dir, const struct http_head *head,
	struct span bytes, const struct http_body *body)
{
	struct arena arena = {stream->scratch->arena, 0, SCRATCH_ARENA};
	struct judgement judgement = {.head = true, .complete = body->kind == HTTP_BODY_NONE};
	struct views views = {0};

	stream->half[dir].offset += bytes.len;
	if (!stream->half[dir].scan)
		return;
	if (dir == INSPECT_TO_SERVER)
		http_request_views(head, &arena, &views);
	else
		http_response_views(head, &arena, &views);
	scan_head(stream, dir, SPAN(arena.data, arena.used), &views);
	stream_feed_raw(stream, dir, bytes);
	if (judgement.complete)
		stream_end_windows(stream, dir);
	judgement.views = &views;
	stream_judge(stream, dir, &judgement);
}

static void request_head_complete(struct inspect_stream *stream)
{
	struct half *half = &stream->half[INSPECT_TO_SERVER];
	struct http_head head;
	struct http_body body;
	struct decode_codings codings;
	struct span bytes;

	if (http_request_parse(SPAN(half->head, half->head_len), &head) < 0 ||
		transaction_new(stream, head.method) < 0) {
		head_give_up(stream, INSPECT_TO_SERVER);
		return;
	}
	bytes = SPAN(half->transaction->head, half->transaction->head_len);
	http_request_body(&head, &body);
	decode_codings_read(&head, &codings);
	judge_head(stream, INSPECT_TO_SERVER, &head, bytes, &body);
	head_follow(
		stream, INSPECT_TO_SERVER, &head, &body, holds_body(stream, INSPECT_TO_SERVER, &head, &body), &codings);
}

static void response_head_complete(struct inspect_stream *stream)
{
	struct half *half = &stream->half[INSPECT_TO_CLIENT];
	struct http_head head;
	struct http_body body;
	struct decode_codings codings;

	if (http_response_parse(SPAN(half->head, half->head_len), &head) < 0) {
		head_give_up(stream, INSPECT_TO_CLIENT);
		return;
	}
	half->transaction = transaction_awaiting(stream);
	half->interim = head.status / 100 == 1;
	http_response_body(&head, half->transaction ? half->transaction->method : SPAN(NULL, 0), &body);
	decode_codings_read(&head, &codings);
	judge_head(stream, INSPECT_TO_CLIENT, &head, SPAN(half->head, half->head_len), &body);
	head_follow(stream, INSPECT_TO_CLIENT, &head, &body, false, &codings);
}

/* a response to nothing that was understood as a request */
static bool response_is_lost(const struct inspect_stream *stream, enum inspect_dir dir)
{
	return dir == INSPECT_TO_CLIENT && stream->half[INSPECT_TO_SERVER].phase == PHASE_RAW &&
	       !transaction_awaiting(stream);
}

void stream_take_head(struct inspect_stream *stream, enum inspect_dir dir, struct span *in)
{
	struct half *half = &stream->half[dir];
	size_t before = half->head_len, n = MIN(in->len, HTTP_HEAD_MAX - before), length = 0;

	if (!before && response_is_lost(stream, dir)) {
		stream_enter_raw(stream, dir);
		return;
	}
	if (!before) /* most come in one piece, and are copied once, without what follows them */
		length = head_length(half, dir, SPAN(in->data, n));
	if (head_append(half, SPAN(in->data, length ? length : n), length) < 0) {
		stream_fail(stream);
		leave_http(stream, dir, INSPECT_LIMIT_ANOMALY);
		return;
	}
	if (!length)
		length = head_length(half, dir, SPAN(half->head, half->head_len));
	span_skip(in, length ? length - before : n);
	if (length) {
		head_close(half, length);
		if (dir == INSPECT_TO_SERVER)
			request_head_complete(stream);
		else
			response_head_complete(stream);
	} else if (half->head_len == HTTP_HEAD_MAX || !head_is_plausible(SPAN(half->head, half->head_len), dir)) {
		head_give_up(stream, dir);
	}
}

/* --- bodies ------------------------------------------------------------------------------------------------------ */
void stream_end_body(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct judgement judgement = {.complete = true};

	stream_end_windows(stream, dir);
	stream_judge(stream, dir, &judgement);
	if (!stream_is_over(stream))
		message_done(stream, dir);
}

/* the body goes on: judged now unless it is held, or held no longer */
static void body_goes_on(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct half *half = &stream->half[dir];
	struct judgement judgement = {0};

	if (half->holding && half->hold_left)
		return;
	stream_judge(stream, dir, &judgement);
	half->holding = false;
	stream_release(stream, dir);
}

/* The byte that shows the framing to be broken is yet to be taken: what came before it is judged before that tells of
 * an end. */
static void body_breaks(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct judgement judgement = {.complete = true};

	if (!stream->half[dir].holding)
		body_goes_on(stream, dir);
	stream_judge(stream, dir, &judgement);
	stream_release(stream, dir);
	if (!stream_is_over(stream))
		leave_http(stream, dir, INSPECT_LIMIT_SMUGGLING);
}

void stream_take_body(struct inspect_stream *stream, enum inspect_dir dir, struct span *in)
{
	struct half *half = &stream->half[dir];
	struct span part = *in;
	enum http_body_result result;
	size_t taken;

	if (half->holding)
		part.len = (size_t)MIN(part.len, half->hold_left);
	result = stream_walk_body(stream, dir, &part);
	taken = (size_t)(part.data - in->data);
	span_skip(in, taken);
	half->hold_left -= half->holding ? taken : 0;
	if (result == HTTP_BODY_DONE) {
		stream_end_body(stream, dir);
	} else if (result == HTTP_BODY_BROKEN) {
		body_breaks(stream, dir);
	} else {
		body_goes_on(stream, dir);
	}
}
