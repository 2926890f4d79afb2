/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/http_views.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"
#include "inspect/uri.h"

struct field_view {
	const char *name;
	enum buffer_id buffer;
};

static const struct field_view request_fields[] = {
	{"User-Agent", BUFFER_USER_AGENT},
	{"Referer", BUFFER_REFERER},
	{"Accept", BUFFER_ACCEPT},
	{"Accept-Encoding", BUFFER_ACCEPT_ENC},
	{"Accept-Language", BUFFER_ACCEPT_LANG},
	{"Connection", BUFFER_CONNECTION},
	{"Content-Length", BUFFER_CONTENT_LEN},
	{"Content-Type", BUFFER_CONTENT_TYPE},
	{"Cookie", BUFFER_COOKIE},
};

static const struct field_view response_fields[] = {
	{"Location", BUFFER_LOCATION},
	{"Server", BUFFER_SERVER},
	{"Connection", BUFFER_CONNECTION},
	{"Content-Length", BUFFER_CONTENT_LEN},
	{"Content-Type", BUFFER_CONTENT_TYPE},
	{"Set-Cookie", BUFFER_COOKIE},
};

static void show(struct views *views, enum buffer_id buffer, struct span bytes)
{
	static const uint8_t nothing[1];

	if (!bytes.len)
		bytes.data = nothing;
	views->view[buffer] = (struct view){.bytes = bytes, .present = true, .complete = true};
}

static void arena_add(struct arena *arena, struct span bytes)
{
	size_t n = MIN(bytes.len, arena->size - arena->used);

	if (n)
		memcpy(arena->data + arena->used, bytes.data, n);
	arena->used += n;
}

static void arena_add_text(struct arena *arena, const char *text)
{
	arena_add(arena, SPAN(text, strlen(text)));
}

static struct span arena_since(const struct arena *arena, size_t start)
{
	return SPAN(arena->data + start, arena->used - start);
}

/* a folded value without its line ends */
static void arena_add_value(struct arena *arena, struct span value)
{
	while (value.len) {
		size_t n = 0;

		while (n < value.len && value.data[n] != '\r' && value.data[n] != '\n')
			n++;
		arena_add(arena, SPAN(value.data, n));
		span_skip(&value, n);
		while (value.len && (value.data[0] == '\r' || value.data[0] == '\n'))
			span_skip(&value, 1);
	}
}

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

static void show_field(
	struct views *views, struct arena *arena, const struct http_head *head, const struct field_view *field)
{
	const struct http_field *first = http_field_find(head, field->name);
	size_t start = arena->used;

	if (!first)
		return;
	add_joined(arena, head, first);
	show(views, field->buffer, arena_since(arena, start));
}

static void add_headers(struct arena *arena, const struct http_head *head, bool cookies)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		struct span name = head->fields[i].name;

		if (head->fields[i].repeat ||
			(!cookies && (span_equal_nocase(name, "Cookie") || span_equal_nocase(name, "Set-Cookie"))))
			continue;
		arena_add(arena, name);
		arena_add_text(arena, ": ");
		add_joined(arena, head, &head->fields[i]);
		arena_add_text(arena, "\r\n");
	}
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

static void show_headers(struct views *views, struct arena *arena, const struct http_head *head)
{
	size_t start = arena->used;

	add_headers(arena, head, false);
	if (arena->used > start)
		show(views, BUFFER_HEADER, arena_since(arena, start));
	if (head->fields_raw.len)
		show(views, BUFFER_HEADER_RAW, head->fields_raw);
	start = arena->used;
	arena_add(arena, head->line);
	arena_add_text(arena, "\r\n");
	add_headers(arena, head, true);
	arena_add_text(arena, "\r\n");
	show(views, BUFFER_START, arena_since(arena, start));
	show(views, BUFFER_PROTOCOL, head->protocol);
	show_header_names(views, arena, head);
}

struct span http_request_host(const struct http_head *head)
{
	const struct http_field *field = http_field_find(head, "Host");
	struct span host = uri_host(head->target);

	return host.len || !field ? host : authority_host(field->value);
}

static void show_host(struct views *views, struct arena *arena, const struct http_head *head)
{
	struct span host = http_request_host(head);
	size_t start = arena->used;

	if (!host.len)
		return;
	show(views, BUFFER_HOST_RAW, host);
	arena_add(arena, host);
	for (size_t i = start; i < arena->used; i++)
		arena->data[i] = (uint8_t)tolower(arena->data[i]);
	show(views, BUFFER_HOST, arena_since(arena, start));
}

static void show_uri(struct views *views, struct arena *arena, const struct http_head *head)
{
	size_t start = arena->used;

	show(views, BUFFER_URI_RAW, head->target);
	if (arena->size - start < head->target.len)
		return;
	arena->used += uri_normalize(head->target, arena->data + start);
	show(views, BUFFER_URI, arena_since(arena, start));
}

void http_request_views(const struct http_head *head, struct arena *arena, struct views *out)
{
	show(out, BUFFER_METHOD, head->method);
	show(out, BUFFER_REQUEST_LINE, head->line);
	show_uri(out, arena, head);
	show_host(out, arena, head);
	for (size_t i = 0; i < ARRAY_SIZE(request_fields); i++)
		show_field(out, arena, head, &request_fields[i]);
	show_headers(out, arena, head);
}

void http_response_views(const struct http_head *head, struct arena *arena, struct views *out)
{
	show(out, BUFFER_RESPONSE_LINE, head->line);
	show(out, BUFFER_STAT_CODE, head->status_text);
	if (head->reason.len)
		show(out, BUFFER_STAT_MSG, head->reason);
	for (size_t i = 0; i < ARRAY_SIZE(response_fields); i++)
		show_field(out, arena, head, &response_fields[i]);
	show_headers(out, arena, head);
}
