/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/http_views.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"
#include "inspect/uri.h"

struct field_view {
	const char *name;
	size_t len;
	enum buffer_id buffer;
};
#define FIELD(name, buffer) {(name), sizeof(name) - 1, BUFFER_##buffer}

static const struct field_view request_fields[] = {
	FIELD("User-Agent", USER_AGENT),
	FIELD("Referer", REFERER),
	FIELD("Accept", ACCEPT),
	FIELD("Accept-Encoding", ACCEPT_ENC),
	FIELD("Accept-Language", ACCEPT_LANG),
	FIELD("Connection", CONNECTION),
	FIELD("Content-Length", CONTENT_LEN),
	FIELD("Content-Type", CONTENT_TYPE),
	FIELD("Cookie", COOKIE),
	FIELD("Host", HOST_RAW), /* of the value only the host, see show_host() */
	{0},
};

static const struct field_view response_fields[] = {
	FIELD("Location", LOCATION),
	FIELD("Server", SERVER),
	FIELD("Connection", CONNECTION),
	FIELD("Content-Length", CONTENT_LEN),
	FIELD("Content-Type", CONTENT_TYPE),
	FIELD("Set-Cookie", COOKIE),
	{0},
};

static void show(struct views *views, enum buffer_id buffer, struct span bytes)
{
	static const uint8_t nothing[1];

	if (!bytes.len)
		bytes.data = nothing;
	views->view[buffer] = (struct view){.bytes = bytes, .present = true, .complete = true};
}

/* --- the arena --------------------------------------------------------------------------------------------------- */
static void arena_add(struct arena *arena, struct span bytes)
{
	size_t n = MIN(bytes.len, arena->size - arena->used);

	if (n)
		memcpy(arena->data + arena->used, bytes.data, n);
	arena->used += n;
}

#define arena_add_text(arena, text) arena_add(arena, SPAN(text, sizeof(text) - 1))

static struct span arena_since(const struct arena *arena, size_t start)
{
	return SPAN(arena->data + start, arena->used - start);
}

/* a folded value without its line ends */
static void arena_add_value(struct arena *arena, struct span value)
{
	while (value.len) {
		const uint8_t *end = memchr(value.data, '\n', value.len);
		size_t n = end ? (size_t)(end - value.data) : value.len;
		const uint8_t *cr = memchr(value.data, '\r', n);

		n = cr ? (size_t)(cr - value.data) : n;
		arena_add(arena, SPAN(value.data, n));
		span_skip(&value, n);
		while (value.len && (value.data[0] == '\r' || value.data[0] == '\n'))
			span_skip(&value, 1);
	}
}

/* the same bytes where they stand in a copy of the line, or in a copy of their own */
static struct span arena_find(struct arena *arena, struct span line, struct span copy, struct span bytes)
{
	size_t at = bytes.data >= line.data ? (size_t)(bytes.data - line.data) : SIZE_MAX, start = arena->used;

	if (at <= copy.len && bytes.len <= copy.len - at && !memcmp(copy.data + at, bytes.data, bytes.len))
		return SPAN(copy.data + at, bytes.len);
	arena_add(arena, bytes);
	return arena_since(arena, start);
}

/* --- fields ------------------------------------------------------------------------------------------------------ */
/* the values of this field and the later ones of its name, joined as Suricata joins them */
static void add_joined(struct arena *arena, const struct http_head *head, const struct http_field *field)
{
	arena_add_value(arena, field->value);
	while (field->next) {
		field = &head->fields[field->next];
		arena_add_text(arena, ", ");
		arena_add_value(arena, field->value);
	}
}

static const struct field_view *find_view(const struct field_view *known, struct span name)
{
	for (; known->name; known++)
		if (known->len == name.len && !strncasecmp((const char *)name.data, known->name, name.len))
			return known;
	return NULL;
}

static bool is_cookie(struct span name)
{
	return span_equal_nocase(name, "Cookie") || span_equal_nocase(name, "Set-Cookie");
}

/* every field once; true: a cookie is among them */
static bool add_fields(
	struct views *views, struct arena *arena, const struct http_head *head, const struct field_view *known)
{
	bool cookies = false;

	for (size_t i = 0; i < head->n_fields; i++) {
		const struct http_field *field = &head->fields[i];
		const struct field_view *view = field->repeat ? NULL : find_view(known, field->name);
		size_t start;

		if (field->repeat)
			continue;
		arena_add(arena, field->name);
		arena_add_text(arena, ": ");
		start = arena->used;
		add_joined(arena, head, field);
		if (view)
			show(views, view->buffer, arena_since(arena, start));
		arena_add_text(arena, "\r\n");
		cookies |= is_cookie(field->name);
	}
	return cookies;
}

/* http.header is without cookies */
static struct span copy_without_cookies(struct arena *arena, const struct http_head *head)
{
	size_t start = arena->used;

	for (size_t i = 0; i < head->n_fields; i++) {
		const struct http_field *field = &head->fields[i];

		if (field->repeat || is_cookie(field->name))
			continue;
		arena_add(arena, field->name);
		arena_add_text(arena, ": ");
		add_joined(arena, head, field);
		arena_add_text(arena, "\r\n");
	}
	return arena_since(arena, start);
}

static void show_header_names(struct views *views, struct arena *arena, const struct http_head *head)
{
	size_t start = arena->used;

	arena_add_text(arena, "\r\n");
	for (size_t i = 0; i < head->n_fields; i++) {
		if (head->fields[i].repeat)
			continue;
		arena_add(arena, head->fields[i].name);
		arena_add_text(arena, "\r\n");
	}
	arena_add_text(arena, "\r\n");
	if (head->n_fields)
		show(views, BUFFER_HEADER_NAMES, arena_since(arena, start));
}

/* the whole head, within which most other buffers lie; returns its first line */
static struct span show_head(
	struct views *views, struct arena *arena, const struct http_head *head, const struct field_view *known)
{
	size_t start = arena->used, fields;
	struct span line, header;
	bool cookies;

	arena_add(arena, head->line);
	line = arena_since(arena, start);
	arena_add_text(arena, "\r\n");
	fields = arena->used;
	cookies = add_fields(views, arena, head, known);
	header = arena_since(arena, fields);
	arena_add_text(arena, "\r\n");
	show(views, BUFFER_START, arena_since(arena, start));
	if (cookies)
		header = copy_without_cookies(arena, head);
	if (header.len)
		show(views, BUFFER_HEADER, header);
	if (head->fields_raw.len)
		show(views, BUFFER_HEADER_RAW, head->fields_raw);
	show(views, BUFFER_PROTOCOL, arena_find(arena, head->line, line, head->protocol));
	show_header_names(views, arena, head);
	return line;
}

/* --- the request's host and target ------------------------------------------------------------------------------- */
struct span http_request_host(const struct http_head *head)
{
	const struct http_field *field = http_field_find(head, "Host");
	struct span host = uri_host(head->target);

	return host.len || !field ? host : authority_host(field->value);
}

static void show_host(struct views *views, struct arena *arena, const struct http_head *head)
{
	const struct http_field *field = http_field_find(head, "Host");
	struct view *raw = &views->view[BUFFER_HOST_RAW];
	struct span host = http_request_host(head), copy = raw->present ? raw->bytes : SPAN(NULL, 0);
	bool upper = false;
	size_t start;

	*raw = (struct view){0};
	if (!host.len)
		return;
	show(views, BUFFER_HOST_RAW, arena_find(arena, field ? field->value : host, copy, host));
	for (size_t i = 0; i < host.len; i++)
		upper |= isupper(host.data[i]) != 0;
	views->view[BUFFER_HOST] = *raw;
	if (!upper)
		return;
	start = arena->used;
	arena_add(arena, host);
	for (size_t i = start; i < arena->used; i++)
		arena->data[i] = (uint8_t)tolower(arena->data[i]);
	show(views, BUFFER_HOST, arena_since(arena, start));
}

static void show_uri(struct views *views, struct arena *arena, const struct http_head *head, struct span line)
{
	struct span raw = arena_find(arena, head->line, line, head->target);
	size_t start = arena->used, len;

	show(views, BUFFER_URI_RAW, raw);
	if (arena->size - start < head->target.len)
		return;
	len = uri_normalize(head->target, arena->data + start);
	if (len == raw.len && !memcmp(raw.data, arena->data + start, len)) {
		show(views, BUFFER_URI, raw);
		return;
	}
	arena->used += len;
	show(views, BUFFER_URI, arena_since(arena, start));
}

/* --- whole heads ------------------------------------------------------------------------------------------------- */
void http_request_views(const struct http_head *head, struct arena *arena, struct views *out)
{
	struct span line = show_head(out, arena, head, request_fields);

	show(out, BUFFER_REQUEST_LINE, line);
	show(out, BUFFER_METHOD, arena_find(arena, head->line, line, head->method));
	show_uri(out, arena, head, line);
	show_host(out, arena, head);
}

void http_response_views(const struct http_head *head, struct arena *arena, struct views *out)
{
	struct span line = show_head(out, arena, head, response_fields);

	show(out, BUFFER_RESPONSE_LINE, line);
	show(out, BUFFER_STAT_CODE, arena_find(arena, head->line, line, head->status_text));
	if (head->reason.len)
		show(out, BUFFER_STAT_MSG, arena_find(arena, head->line, line, head->reason));
}
