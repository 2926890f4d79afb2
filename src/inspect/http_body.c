/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"
#include "inspect/http.h"

#define HTTP_SIZE_LINE_MAX 1024
#define HTTP_TRAILER_MAX 8192

enum chunk_state {
	CHUNK_SIZE_FIRST, /* a digit must come */
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER_START, /* at the start of a trailer line */
	CHUNK_TRAILER,
	CHUNK_TRAILER_LF, /* CR of the last, empty line seen */
};

/* what the fields say about the length; what they say twice or vaguely is a smuggling sign */
struct lengths {
	unsigned int n_length, n_coding;
	bool bad, chunked;
	uint64_t length;
};

static bool parse_length(struct span text, uint64_t *out)
{
	*out = 0;
	if (!text.len || text.len > 18)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!isdigit(text.data[i]))
			return false;
		*out = *out * 10 + (uint64_t)(text.data[i] - '0');
	}
	return true;
}

static bool ends_in_chunked(struct span value)
{
	const uint8_t *comma = value.len ? memrchr(value.data, ',', value.len) : NULL;
	struct span last = comma ? SPAN(comma + 1, value.len - (size_t)(comma + 1 - value.data)) : value;

	while (last.len && (last.data[0] == ' ' || last.data[0] == '\t'))
		span_skip(&last, 1);
	return span_equal_nocase(last, "chunked");
}

static void read_length_field(struct lengths *lengths, struct span value)
{
	uint64_t length = 0;

	lengths->bad |= !parse_length(value, &length) || (lengths->n_length && length != lengths->length);
	lengths->length = length;
	lengths->n_length++;
}

static void read_lengths(const struct http_head *head, struct lengths *out)
{
	*out = (struct lengths){0};
	for (size_t i = 0; i < head->n_fields; i++) {
		struct span name = head->fields[i].name, value = head->fields[i].value;
		struct span bare = name;

		while (bare.len && isspace(bare.data[bare.len - 1]))
			bare.len--;
		if (span_equal_nocase(bare, "content-length")) {
			read_length_field(out, value);
		} else if (span_equal_nocase(bare, "transfer-encoding")) {
			out->n_coding++;
			out->chunked = ends_in_chunked(value);
			out->bad |= value.len && memchr(value.data, '\n', value.len);
		} else {
			continue;
		}
		out->bad |= bare.len != name.len; /* a space before the colon: some skip such a field */
	}
	out->bad |= out->n_coding > 1 || (out->n_coding && out->n_length);
}

static void set_body(const struct lengths *lengths, enum http_body_kind without, struct http_body *out)
{
	*out = (struct http_body){.kind = without};
	if (lengths->bad)
		out->kind = HTTP_BODY_BAD;
	else if (lengths->chunked)
		out->kind = HTTP_BODY_CHUNKED;
	else if (lengths->n_length)
		*out = (struct http_body){
			.kind = lengths->length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE, .left = lengths->length};
}

void http_request_body(const struct http_head *head, struct http_body *out)
{
	struct lengths lengths;

	read_lengths(head, &lengths);
	lengths.bad |= lengths.n_coding && !lengths.chunked;
	set_body(&lengths, HTTP_BODY_NONE, out);
	if (out->kind != HTTP_BODY_BAD && span_is(head->method, "CONNECT"))
		*out = (struct http_body){.kind = HTTP_BODY_TUNNEL};
	if (span_is(head->method, "PRI")) /* the preface of HTTP/2 (RFC 9113 section 3.4) */
		*out = (struct http_body){.kind = HTTP_BODY_TUNNEL};
}

void http_response_body(const struct http_head *head, struct span method, struct http_body *out)
{
	struct lengths lengths;

	read_lengths(head, &lengths);
	*out = (struct http_body){.kind = HTTP_BODY_NONE};
	if (head->status == 101 || (span_is(method, "CONNECT") && head->status / 100 == 2))
		out->kind = HTTP_BODY_TUNNEL;
	else if (head->status / 100 != 1 && head->status != 204 && head->status != 304 && !span_is(method, "HEAD"))
		set_body(&lengths, HTTP_BODY_UNTIL_CLOSE, out);
}

/* a run of body bytes: up to body->left of in */
static void take_run(struct http_body *body, struct span *in, struct span *piece)
{
	size_t n = (size_t)MIN(body->left, in->len);

	span_take(in, n, piece);
	body->left -= n;
}

static int hex_value(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

static bool size_digit(struct http_body *body, uint8_t c)
{
	if (body->left >> 59)
		return false;
	body->left = body->left << 4 | (uint64_t)hex_value(c);
	body->state = CHUNK_SIZE;
	return true;
}

static void size_line_done(struct http_body *body)
{
	body->state = body->left ? CHUNK_DATA : CHUNK_TRAILER_START;
	body->line = 0;
}

/* one byte of a size line; false when it is invalid */
static bool size_byte(struct http_body *body, uint8_t c)
{
	if (++body->line > HTTP_SIZE_LINE_MAX)
		return false;
	if (body->state == CHUNK_SIZE_LF) {
		size_line_done(body);
		return c == '\n';
	}
	if (body->state != CHUNK_EXTENSION && hex_value(c) >= 0)
		return size_digit(body, c);
	if (body->state == CHUNK_SIZE_FIRST)
		return false;
	if (c == '\r')
		body->state = CHUNK_SIZE_LF;
	else if (c == '\n')
		size_line_done(body);
	else if (body->state == CHUNK_EXTENSION || c == ';' || c == ' ' || c == '\t')
		body->state = CHUNK_EXTENSION;
	else
		return false;
	return true;
}

/* the line end after a chunk's data */
static bool data_end_byte(struct http_body *body, uint8_t c)
{
	if (body->state == CHUNK_DATA_CR && c == '\r') {
		body->state = CHUNK_DATA_LF;
		return true;
	}
	body->state = CHUNK_SIZE_FIRST;
	return c == '\n';
}

/* a byte of the trailer; *done after its empty line */
static bool trailer_byte(struct http_body *body, uint8_t c, bool *done)
{
	if (++body->line > HTTP_TRAILER_MAX)
		return false;
	*done = c == '\n' && body->state != CHUNK_TRAILER;
	if (body->state == CHUNK_TRAILER_LF)
		return *done;
	if (c == '\n')
		body->state = CHUNK_TRAILER_START;
	else
		body->state = body->state == CHUNK_TRAILER_START && c == '\r' ? CHUNK_TRAILER_LF : CHUNK_TRAILER;
	return true;
}

static bool frame_byte(struct http_body *body, uint8_t c, bool *done)
{
	if (body->state >= CHUNK_TRAILER_START)
		return trailer_byte(body, c, done);
	return body->state >= CHUNK_DATA_CR ? data_end_byte(body, c) : size_byte(body, c);
}

static enum http_body_result take_chunked(struct http_body *body, struct span *in, struct span *piece)
{
	while (in->len) {
		bool done = false;

		if (body->state == CHUNK_DATA) {
			take_run(body, in, piece);
			body->state = body->left ? CHUNK_DATA : CHUNK_DATA_CR;
			return HTTP_BODY_PIECE;
		}
		if (!frame_byte(body, in->data[0], &done))
			return HTTP_BODY_BROKEN;
		span_skip(in, 1);
		if (done)
			return HTTP_BODY_DONE;
	}
	return HTTP_BODY_MORE;
}

enum http_body_result http_body_take(struct http_body *body, struct span *in, struct span *piece)
{
	*piece = SPAN(in->data, 0);
	switch (body->kind) {
	case HTTP_BODY_CHUNKED:
		return take_chunked(body, in, piece);
	case HTTP_BODY_LENGTH:
		if (!body->left)
			return HTTP_BODY_DONE;
		if (!in->len)
			return HTTP_BODY_MORE;
		take_run(body, in, piece);
		return HTTP_BODY_PIECE;
	case HTTP_BODY_UNTIL_CLOSE:
		if (!in->len)
			return HTTP_BODY_MORE;
		span_take(in, in->len, piece);
		return HTTP_BODY_PIECE;
	case HTTP_BODY_NONE:
	case HTTP_BODY_TUNNEL:
	case HTTP_BODY_BAD:
		break;
	}
	return HTTP_BODY_DONE;
}
