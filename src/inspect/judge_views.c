/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "inspect/judge.h"

void stream_head_views(struct inspect_stream *stream, enum inspect_dir dir, struct views *out)
{
	struct half *half = &stream->half[dir];
	struct arena arena = {stream->scratch->arena, 0, SCRATCH_ARENA};
	struct http_head head;

	if (dir == INSPECT_TO_SERVER && half->transaction &&
		http_request_parse(SPAN(half->transaction->head, half->transaction->head_len), &head) == 0)
		http_request_views(&head, &arena, out);
	if (dir == INSPECT_TO_CLIENT && half->head_len &&
		http_response_parse(SPAN(half->head, half->head_len), &head) == 0)
		http_response_views(&head, &arena, out);
}

/* --- views of the growing buffers -------------------------------------------------------------------------------- */
/* body bytes that came before stream offset limit, limit lying within what the pieces cover */
static uint64_t body_length_at(const struct judge *j, uint64_t limit)
{
	const struct inspect_scratch *scratch = j->stream->scratch;
	uint64_t length = scratch->n_pieces ? scratch->pieces[0].body : j->half->body_len;

	for (size_t i = 0; i < scratch->n_pieces && scratch->pieces[i].stream < limit; i++)
		length = stream_piece_length(j->stream, i, limit - scratch->pieces[i].stream);
	return length;
}

/* What there is of a growing buffer once it has that length. seen: its length at the last judgement; of what was before
 * that, the last WINDOW_KEEP bytes show, whether more is still in memory or not. */
static struct view window_view(const struct window *window, uint64_t length, uint64_t seen, bool complete)
{
	static const uint8_t nothing[1];
	uint64_t base = MAX(window->base, seen > WINDOW_KEEP ? seen - WINDOW_KEEP : 0);
	uint64_t end = MIN(length, window->base + window->len);

	return (struct view){
		.bytes = end > base ? SPAN(window->data + (base - window->base), end - base) : SPAN(nothing, 0),
		.base = base,
		.present = length > 0,
		.complete = complete,
	};
}

uint64_t stream_turn_skip(const struct half *half)
{
	if (half->websocket)
		return stream_websocket_message(half->websocket);
	return half->phase == PHASE_RAW && half->turn_start > half->unit ? half->turn_start - half->unit : 0;
}

/* of the raw stream what came from there on: since a turn began, or a body */
static struct view view_from(const struct view *raw, uint64_t skip)
{
	struct view view = *raw;
	uint64_t drop = skip > raw->base ? MIN(skip - raw->base, raw->bytes.len) : 0;

	view.bytes = SPAN(raw->bytes.data + drop, raw->bytes.len - drop);
	view.base = raw->base > skip ? raw->base - skip : 0;
	view.present = view.base + view.bytes.len > 0;
	return view;
}

uint64_t stream_body_seen(const struct half *half)
{
	return half->body_in_raw ? half->body_len : half->body_window.base + half->body_window.len;
}

static struct view body_view(const struct half *half, uint64_t length, bool complete)
{
	struct view raw;

	if (!half->body_in_raw)
		return window_view(&half->body_window, length, half->judged_body, complete);
	raw = window_view(&half->raw, half->body_start + length, half->body_start + half->judged_body, complete);
	return view_from(&raw, half->body_start);
}

/* shows the growing buffers as they were when the stream had limit bytes */
void judge_show_windows(struct judge *j, uint64_t limit, bool complete)
{
	bool body_complete = j->half->mime ? j->judgement->part && limit == j->half->offset : complete;
	uint64_t body = limit == j->half->offset ? j->half->body_len : body_length_at(j, limit);

	if (j->half->websocket)
		j->views->view[BUFFER_RAW] = body_view(j->half, body, complete);
	else
		j->views->view[BUFFER_RAW] =
			window_view(&j->half->raw, limit - j->half->unit, j->half->judged_raw, complete);
	j->views->view[BUFFER_TURN] = view_from(&j->views->view[BUFFER_RAW], stream_turn_skip(j->half));
	if (j->half->websocket)
		return;
	j->views->view[body_buffer(j->dir)] = body_view(j->half, body, body_complete);
	j->views->view[BUFFER_FILE_DATA] = j->views->view[body_buffer(j->dir)];
}

static struct view text_view(const char *text)
{
	return (struct view){
		.bytes = text ? SPAN(text, strlen(text)) : SPAN(NULL, 0), .present = text, .complete = true};
}

void judge_show_session(struct judge *j)
{
	const struct inspect_tls_facts *tls = &j->stream->options.tls;

	j->views->view[BUFFER_TLS_SNI] = text_view(tls->sni);
	j->views->view[BUFFER_TLS_VERSION] = text_view(tls->version);
	j->views->view[BUFFER_JA3_HASH] = text_view(tls->ja3);
	j->views->view[BUFFER_JA4_HASH] = text_view(tls->ja4);
}

void judge_show_head(struct judge *j)
{
	if (j->head_shown)
		return;
	j->head_shown = true;
	if (j->half->phase != PHASE_RAW)
		stream_head_views(j->stream, j->dir, j->views);
}
