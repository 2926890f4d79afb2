/* SPDX-License-Identifier: Apache-2.0 */
/* content and its modifiers */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "inspect/parser.h"

#define CONTENT_MAX 1024

int keyword_content(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_CONTENT);
	uint8_t bytes[CONTENT_MAX];
	struct span quoted = {0};
	ssize_t n;

	if (!condition)
		return -EINVAL;
	p->content = (int)(condition - p->filter->conditions);
	if (!filter_lex_quoted(value, &condition->negated, &quoted))
		return parser_fail(p, "content is not a quoted text");
	n = filter_lex_content(quoted, bytes, sizeof(bytes));
	if (n <= 0)
		return parser_fail(p, n ? "content has a wrong escape or is too long" : "content is empty");
	condition->content.bytes = malloc((size_t)n);
	if (!condition->content.bytes)
		return -ENOMEM;
	memcpy(condition->content.bytes, bytes, (size_t)n);
	condition->content.len = (size_t)n;
	return 0;
}

int keyword_uricontent(struct parser *p, char *value)
{
	int r = keyword_content(p, value);

	if (r == 0)
		p->filter->conditions[p->content].buffer = BUFFER_URI;
	return r;
}

static struct condition *modified(struct parser *p, const char *modifier)
{
	if (p->content < 0) {
		parser_fail(p, "%s without a content before it", modifier);
		return NULL;
	}
	return &p->filter->conditions[p->content];
}

int keyword_nocase(struct parser *p, char *value)
{
	struct condition *condition = modified(p, "nocase");

	if (!condition)
		return -EINVAL;
	condition->content.nocase = true;
	for (size_t i = 0; i < condition->content.len; i++)
		condition->content.bytes[i] = (uint8_t)tolower(condition->content.bytes[i]);
	return 0;
}

/* a modifier with a number: stored once per content */
static int number_modifier(struct parser *p, const char *name, bool *has, struct number *number, const char *value)
{
	int r;

	if (*has)
		return parser_fail(p, "%s twice for one content", name);
	r = parser_number(p, value, number);
	*has = r == 0;
	return r;
}

static bool is_negative(const struct number *number)
{
	return number->variable < 0 && number->value < 0;
}

int keyword_depth(struct parser *p, char *value)
{
	struct condition *condition = modified(p, "depth");
	struct content *content;
	int r;

	if (!condition)
		return -EINVAL;
	content = &condition->content;
	if (content->starts)
		return parser_fail(p, "depth together with startswith");
	r = number_modifier(p, "depth", &content->has_depth, &content->depth, value);
	if (r == 0 && content->depth.variable < 0 && content->depth.value < (int64_t)content->len)
		return parser_fail(p, "depth is smaller than the content");
	return r;
}

int keyword_offset(struct parser *p, char *value)
{
	struct condition *condition = modified(p, "offset");
	int r;

	if (!condition)
		return -EINVAL;
	if (condition->content.starts)
		return parser_fail(p, "offset together with startswith");
	r = number_modifier(p, "offset", &condition->content.has_offset, &condition->content.offset, value);
	return r == 0 && is_negative(&condition->content.offset) ? parser_fail(p, "offset is negative") : r;
}

int keyword_distance(struct parser *p, char *value)
{
	struct condition *condition = modified(p, "distance");

	if (!condition)
		return -EINVAL;
	condition->relative = true;
	return number_modifier(p, "distance", &condition->content.has_distance, &condition->content.distance, value);
}

int keyword_within(struct parser *p, char *value)
{
	struct condition *condition = modified(p, "within");
	struct content *content;
	int r;

	if (!condition)
		return -EINVAL;
	content = &condition->content;
	condition->relative = true;
	r = number_modifier(p, "within", &content->has_within, &content->within, value);
	if (r == 0 && content->within.variable < 0 && content->within.value < (int64_t)content->len)
		return parser_fail(p, "within is smaller than the content");
	return r;
}

int keyword_startswith(struct parser *p, char *value)
{
	struct condition *condition = modified(p, "startswith");

	if (!condition)
		return -EINVAL;
	if (condition->content.has_depth || condition->content.has_offset || condition->relative)
		return parser_fail(p, "startswith together with another position");
	condition->content.starts = true;
	return 0;
}

int keyword_endswith(struct parser *p, char *value)
{
	struct condition *condition = modified(p, "endswith");

	if (!condition)
		return -EINVAL;
	condition->content.ends = true;
	return 0;
}

/* Suricata accepts it and looks at the same bytes as ever */
int keyword_rawbytes(struct parser *p, char *value)
{
	return modified(p, "rawbytes") ? 0 : -EINVAL;
}

static int fast_part(struct parser *p, struct content *content, char *value)
{
	uint64_t offset, len;
	char *part, *rest = value;

	if (!filter_lex_item(&rest, &part) || parser_unsigned(p, part, CONTENT_MAX, &offset) < 0 ||
		!filter_lex_item(&rest, &part) || parser_unsigned(p, part, CONTENT_MAX, &len) < 0 || rest)
		return parser_fail(p, "fast_pattern is not \"offset,length\"");
	if (!len || offset + len > content->len)
		return parser_fail(p, "fast_pattern lies outside its content");
	content->fast_offset = (uint16_t)offset;
	content->fast_len = (uint16_t)len;
	return 0;
}

int keyword_fast_pattern(struct parser *p, char *value)
{
	struct condition *condition = modified(p, "fast_pattern");

	if (!condition)
		return -EINVAL;
	if (condition->negated) /* Suricata allows it without positions; here a candidate needs presence */
		return 0;
	condition->content.fast = true;
	return *value && strcmp(value, "only") ? fast_part(p, &condition->content, value) : 0;
}
