/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"
#include "inspect/http.h"

#define HTTP_METHOD_MAX 32
#define HTTP_BLANK_LINES 8 /* bytes of empty lines tolerated before a message (RFC 9112 section 2.2) */

static bool is_token(uint8_t c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct span skip_blank_lines(struct span s)
{
	for (unsigned int i = 0; i < HTTP_BLANK_LINES && s.len && (s.data[0] == '\r' || s.data[0] == '\n'); i++)
		span_skip(&s, 1);
	return s;
}

bool http_request_is_plausible(struct span begun)
{
	struct span s = skip_blank_lines(begun);

	for (size_t i = 0; i < s.len; i++) {
		if (i && (s.data[i] == ' ' || s.data[i] == '\t'))
			return true;
		if (i == HTTP_METHOD_MAX || !is_token(s.data[i]))
			return false;
	}
	return true;
}

bool http_response_is_plausible(struct span begun)
{
	struct span s = skip_blank_lines(begun);

	return !s.len || memcmp(s.data, "HTTP/", MIN(s.len, 5)) == 0;
}

size_t http_head_length(struct span data, size_t *scanned)
{
	size_t start = data.len - skip_blank_lines(data).len;
	size_t at = MAX(start, *scanned);

	while (at < data.len) {
		const uint8_t *lf = memchr(data.data + at, '\n', data.len - at);
		size_t next;

		if (!lf)
			break;
		next = (size_t)(lf - data.data) + 1;
		if (next < data.len && data.data[next] == '\r')
			next++;
		if (next >= data.len) { /* what follows this line is not known yet */
			*scanned = (size_t)(lf - data.data);
			return 0;
		}
		if (data.data[next] == '\n')
			return next + 1;
		at = (size_t)(lf - data.data) + 1;
	}
	*scanned = data.len;
	return 0;
}

static struct span trim(struct span s)
{
	while (s.len && isspace(s.data[0]))
		span_skip(&s, 1);
	while (s.len && isspace(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* the next line without its end; false when nothing is left */
static bool take_line(struct span *text, struct span *line)
{
	const uint8_t *lf = text->len ? memchr(text->data, '\n', text->len) : NULL;

	if (!text->len)
		return false;
	*line = SPAN(text->data, lf ? (size_t)(lf - text->data) : text->len);
	span_skip(text, line->len + (lf != NULL));
	if (line->len && line->data[line->len - 1] == '\r')
		line->len--;
	return true;
}

static int parse_field(struct http_head *head, struct span line)
{
	const uint8_t *colon = memchr(line.data, ':', line.len);
	struct http_field *last = head->n_fields ? &head->fields[head->n_fields - 1] : NULL;
	size_t name = colon ? (size_t)(colon - line.data) : 0;

	if (last && (line.data[0] == ' ' || line.data[0] == '\t')) { /* obs-fold */
		last->value = trim(SPAN(last->value.data, (size_t)(line.data + line.len - last->value.data)));
		return 0;
	}
	if (head->n_fields == HTTP_FIELDS_MAX)
		return -E2BIG;
	head->fields[head->n_fields++] = (struct http_field){
		.name = SPAN(line.data, name),
		.value = colon ? trim(SPAN(colon + 1, line.len - name - 1)) : trim(line),
	};
	return 0;
}

/* the same whatever the case of letters */
static uint32_t name_hash(struct span name)
{
	uint32_t hash = (uint32_t)name.len;

	for (size_t i = 0; i < name.len; i++)
		hash = hash * 31 + (name.data[i] | 0x20u);
	return hash;
}

static bool same_name(const struct http_field *a, const struct http_field *b)
{
	return a->hash == b->hash && a->name.len == b->name.len &&
	       !strncasecmp((const char *)a->name.data, (const char *)b->name.data, a->name.len);
}

/* for what asks after each name whether it stands there more than once */
static void link_fields(struct http_head *head)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		struct http_field *field = &head->fields[i];

		field->hash = name_hash(field->name);
		field->next = 0;
		field->repeat = false;
		for (size_t before = i; before--;)
			if (same_name(&head->fields[before], field)) {
				head->fields[before].next = (uint16_t)i;
				field->repeat = true;
				break;
			}
	}
}

static int parse_fields(struct http_head *head)
{
	struct span text = head->fields_raw, line = {0};
	int r = 0;

	while (r == 0 && take_line(&text, &line))
		if (line.len)
			r = parse_field(head, line);
	link_fields(head);
	return r;
}

static bool take_word(struct span *line, struct span *word)
{
	size_t n = 0;

	while (line->len && (line->data[0] == ' ' || line->data[0] == '\t'))
		span_skip(line, 1);
	while (n < line->len && line->data[n] != ' ' && line->data[n] != '\t')
		n++;
	return n && span_take(line, n, word);
}

static int parse_first_line(struct span head, struct http_head *out)
{
	memset(out, 0, offsetof(struct http_head, fields)); /* the fields are many, and counted */
	head = skip_blank_lines(head);
	if (!take_line(&head, &out->line))
		return -EINVAL;
	out->fields_raw = head;
	return 0;
}

/* the target is all between the method and the protocol, so one with spaces stays whole */
int http_request_parse(struct span head, struct http_head *out)
{
	struct span line;
	const uint8_t *last;

	if (parse_first_line(head, out) < 0)
		return -EINVAL;
	line = out->line;
	if (!take_word(&line, &out->method))
		return -EINVAL;
	line = trim(line);
	last = line.len ? memrchr(line.data, ' ', line.len) : NULL;
	if (last && line.len - (size_t)(last + 1 - line.data) >= 5 && !memcmp(last + 1, "HTTP/", 5)) {
		out->protocol = SPAN(last + 1, line.len - (size_t)(last + 1 - line.data));
		line.len = (size_t)(last - line.data);
	} else {
		return -EINVAL; /* HTTP/0.9 or not HTTP */
	}
	out->target = trim(line);
	return out->target.len ? parse_fields(out) : -EINVAL;
}

int http_response_parse(struct span head, struct http_head *out)
{
	struct span line;

	if (parse_first_line(head, out) < 0)
		return -EINVAL;
	line = out->line;
	if (!take_word(&line, &out->protocol) || out->protocol.len < 5 || memcmp(out->protocol.data, "HTTP/", 5))
		return -EINVAL;
	if (!take_word(&line, &out->status_text) || out->status_text.len != 3)
		return -EINVAL;
	for (size_t i = 0; i < 3; i++) {
		if (!isdigit(out->status_text.data[i]))
			return -EINVAL;
		out->status = out->status * 10 + (unsigned int)(out->status_text.data[i] - '0');
	}
	out->reason = trim(line);
	return parse_fields(out);
}

bool http_list_has(struct span list, const char *token)
{
	while (list.len) {
		const uint8_t *comma = memchr(list.data, ',', list.len);
		size_t n = comma ? (size_t)(comma - list.data) : list.len;

		if (span_equal_nocase(trim(SPAN(list.data, n)), token))
			return true;
		span_skip(&list, MIN(n + 1, list.len));
	}
	return false;
}
