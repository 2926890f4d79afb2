/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/filter_lex.h"

#include <ctype.h>
#include <string.h>

#include "base/span.h"

static void skip_spaces(struct span *text)
{
	while (text->len && isspace(text->data[0]))
		span_skip(text, 1);
}

bool filter_lex_word(struct span *text, char *word, size_t size)
{
	unsigned int depth = 0;
	size_t n = 0;

	skip_spaces(text);
	while (n < text->len) {
		uint8_t c = text->data[n];

		if (!depth && (isspace(c) || c == '('))
			break;
		depth += c == '[';
		depth -= c == ']' && depth;
		n++;
	}
	if (!n || n >= size || memchr(text->data, '\0', n))
		return false;
	memcpy(word, text->data, n);
	word[n] = '\0';
	return span_skip(text, n);
}

bool filter_lex_open(struct span *text)
{
	skip_spaces(text);
	return text->len && text->data[0] == '(' && span_skip(text, 1);
}

/* length up to the ';' that ends the option: not one after a backslash */
static size_t option_length(struct span text)
{
	size_t n = 0;

	while (n < text.len && text.data[n] != ';')
		n += text.data[n] == '\\' && n + 1 < text.len ? 2 : 1;
	return n;
}

static struct span trimmed(struct span s)
{
	skip_spaces(&s);
	while (s.len && isspace(s.data[s.len - 1]))
		s.len--;
	return s;
}

static bool copy_text(char *to, size_t size, struct span from)
{
	if (from.len >= size || (from.len && memchr(from.data, '\0', from.len)))
		return false;
	if (from.len)
		memcpy(to, from.data, from.len);
	to[from.len] = '\0';
	return true;
}

enum filter_lex_result filter_lex_option(struct span *text, struct filter_option *out)
{
	struct span option, name;
	const uint8_t *colon;

	skip_spaces(text);
	if (text->len && text->data[0] == ')') {
		span_skip(text, 1);
		skip_spaces(text);
		return text->len ? LEX_MALFORMED : LEX_END;
	}
	option = SPAN(text->data, option_length(*text));
	if (!option.len || !span_skip(text, option.len + 1)) /* no ';' */
		return LEX_MALFORMED;
	colon = memchr(option.data, ':', option.len);
	name = colon ? SPAN(option.data, (size_t)(colon - option.data)) : option;
	out->has_value = colon;
	out->value[0] = '\0';
	if (!copy_text(out->name, sizeof(out->name), trimmed(name)))
		return LEX_MALFORMED;
	if (colon && !copy_text(out->value, sizeof(out->value), trimmed(SPAN(colon + 1, option.len - name.len - 1))))
		return LEX_MALFORMED;
	return LEX_OPTION;
}

bool filter_lex_quoted(const char *value, bool *negated, struct span *out)
{
	size_t len;

	*negated = *value == '!';
	if (*negated)
		value++;
	value += strspn(value, " \t");
	len = strlen(value);
	if (len < 2 || value[0] != '"' || value[len - 1] != '"')
		return false;
	*out = SPAN(value + 1, len - 2);
	return true;
}

static int hex_digit(uint8_t c)
{
	if (isdigit(c))
		return c - '0';
	c = (uint8_t)tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* the bytes of |..|, text standing after the first bar; moves past the second */
static ssize_t hex_run(struct span *text, uint8_t *out, size_t size)
{
	int high = -1;
	size_t n = 0;

	while (text->len && text->data[0] != '|') {
		int digit = hex_digit(text->data[0]);

		span_skip(text, 1);
		if (digit < 0 && high < 0 && isspace(text->data[-1]))
			continue;
		if (digit < 0 || n == size)
			return -1;
		if (high >= 0)
			out[n++] = (uint8_t)(high << 4 | digit);
		high = high >= 0 ? -1 : digit;
	}
	return high < 0 && span_skip(text, 1) ? (ssize_t)n : -1;
}

ssize_t filter_lex_content(struct span text, uint8_t *out, size_t size)
{
	size_t n = 0;

	while (text.len) {
		uint8_t c = text.data[0];

		span_skip(&text, 1);
		if (c == '|') {
			ssize_t run = hex_run(&text, out + n, size - n);

			if (run < 0)
				return -1;
			n += (size_t)run;
			continue;
		}
		if (c == '"' || n == size)
			return -1;
		if (c == '\\') {
			if (!text.len || !strchr(";\"\\:", text.data[0]) || !text.data[0])
				return -1;
			c = text.data[0];
			span_skip(&text, 1);
		}
		out[n++] = c;
	}
	return (ssize_t)n;
}

bool filter_lex_item(char **text, char **item)
{
	char *end;

	if (!*text)
		return false;
	*item = *text + strspn(*text, " \t");
	end = strchr(*item, ',');
	*text = end ? end + 1 : NULL;
	if (!end)
		end = *item + strlen(*item);
	*end = '\0';
	while (end > *item && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return true;
}
