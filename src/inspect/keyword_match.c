/* SPDX-License-Identifier: Apache-2.0 */
/* pcre, isdataat, bsize, urilen */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "inspect/parser.h"
#include "inspect/regex.h"

static int pcre_flag(struct parser *p, struct condition *condition, char flag)
{
	static const char letters[] = "ismxAEG"; /* in the order of enum regex_flag */
	const char *at = strchr(letters, flag);
	enum buffer_id buffer = buffer_find_pcre_flag(flag);

	if (at) {
		condition->pcre.flags |= 1u << (at - letters);
	} else if (flag == 'R') {
		condition->relative = true;
	} else if (buffer != BUFFER_N) {
		condition->buffer = buffer;
	} else if (flag != 'O' && flag != 'B') { /* O: other limits, B: raw bytes; no change here */
		return parser_fail(p, "pcre: flag %c is not supported", flag);
	}
	return 0;
}

/* /pattern/flags */
static int pcre_split(struct parser *p, struct span quoted, struct span *pattern, struct span *flags)
{
	size_t end = quoted.len;

	while (end && quoted.data[end - 1] != '/')
		end--;
	if (end < 3 || quoted.data[0] != '/')
		return parser_fail(p, "pcre is not \"/pattern/flags\"");
	*pattern = SPAN(quoted.data + 1, end - 2);
	*flags = SPAN(quoted.data + end, quoted.len - end);
	return 0;
}

/* In the pattern \; stands for a semicolon and \" for a quote, which PCRE2 reads the same way. */
int keyword_pcre(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_PCRE);
	struct span quoted = {0}, pattern = {0}, flags = {0};
	int r;

	if (!condition)
		return -EINVAL;
	if (!filter_lex_quoted(value, &condition->negated, &quoted))
		return parser_fail(p, "pcre is not a quoted text");
	r = pcre_split(p, quoted, &pattern, &flags);
	for (size_t i = 0; r == 0 && i < flags.len; i++)
		r = pcre_flag(p, condition, (char)flags.data[i]);
	if (r < 0)
		return r;
	condition->pcre.pattern = strndup((const char *)pattern.data, pattern.len);
	if (!condition->pcre.pattern)
		return -ENOMEM;
	if (p->known)
		return regex_new_known(&condition->pcre.regex, condition->pcre.pattern, condition->pcre.flags);
	return regex_new(
		&condition->pcre.regex, condition->pcre.pattern, condition->pcre.flags, p->reason, sizeof(p->reason));
}

int keyword_isdataat(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_ISDATAAT);
	char *item, *rest = value;
	int r;

	if (!condition)
		return -EINVAL;
	condition->negated = *rest == '!';
	rest += condition->negated;
	if (!filter_lex_item(&rest, &item))
		return parser_fail(p, "isdataat without a number");
	r = parser_number(p, item, &condition->isdataat);
	if (r == 0 && condition->isdataat.variable < 0 && condition->isdataat.value < 0)
		return parser_fail(p, "isdataat: negative position");
	while (r == 0 && filter_lex_item(&rest, &item)) {
		if (!strcmp(item, "relative"))
			condition->relative = true;
		else if (strcmp(item, "rawbytes"))
			r = parser_fail(p, "isdataat: unknown option %.30s", item);
	}
	return r;
}

/* sticky keyword tls.version with its value: the whole of that buffer */
int keyword_tls_version(struct parser *p, char *value)
{
	static const char *const versions[] = {"1.0", "1.1", "1.2", "1.3"};
	struct condition *condition = parser_add(p, CONDITION_CONTENT);
	size_t len = strlen(value);

	if (!condition)
		return -EINVAL;
	condition->buffer = BUFFER_TLS_VERSION;
	condition->transforms = 0;
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = '\0';
		value++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		if (strcmp(value, versions[i]))
			continue;
		condition->content.bytes = (uint8_t *)strdup(versions[i]);
		condition->content.len = strlen(versions[i]);
		condition->content.starts = condition->content.ends = true;
		return condition->content.bytes ? 0 : -ENOMEM;
	}
	return parser_fail(p, "tls.version: \"%.30s\" is none of 1.0, 1.1, 1.2, 1.3", value);
}

/* N, =N, !N, <N, >N, <=N, >=N, N<>M (exclusive) */
static int parse_size(struct parser *p, struct condition *condition, char *text)
{
	static const struct {
		const char *text;
		enum compare compare;
	} operators[] = {
		{"<=", COMPARE_LE}, {">=", COMPARE_GE}, {"<", COMPARE_LT}, {">", COMPARE_GT}, {"=", COMPARE_EQ}};
	char *between = strstr(text, "<>");
	uint64_t low, high = 0;
	int r;

	condition->size.compare = between ? COMPARE_BETWEEN : COMPARE_EQ;
	if (between) {
		*between = '\0';
		r = parser_unsigned(p, between + 2, UINT32_MAX, &high);
		if (r < 0)
			return r;
	}
	if (!between && *text == '!') {
		condition->negated = true;
		text++;
	}
	for (size_t i = 0; !between && i < ARRAY_SIZE(operators); i++) {
		size_t n = strlen(operators[i].text);

		if (strncmp(text, operators[i].text, n))
			continue;
		condition->size.compare = operators[i].compare;
		text += n;
		break;
	}
	r = parser_unsigned(p, text, UINT32_MAX, &low);
	if (r < 0)
		return r;
	condition->size.low = (uint32_t)low;
	condition->size.high = (uint32_t)high;
	return 0;
}

int keyword_bsize(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_SIZE);

	if (!condition)
		return -EINVAL;
	if (condition->buffer == BUFFER_RAW)
		return parser_fail(p, "bsize needs a buffer: a stream has no size; dsize has");
	return parse_size(p, condition, value);
}

int keyword_dsize(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_SIZE);

	if (!condition)
		return -EINVAL;
	condition->buffer = BUFFER_TURN;
	condition->transforms = 0;
	p->by_packet = true;
	return parse_size(p, condition, value);
}

int keyword_urilen(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_SIZE);
	char *size, *form = NULL, *rest = value;

	if (!condition)
		return -EINVAL;
	if (!filter_lex_item(&rest, &size))
		return parser_fail(p, "urilen without a number");
	filter_lex_item(&rest, &form);
	if (form && strcmp(form, "raw") && strcmp(form, "norm"))
		return parser_fail(p, "urilen: neither raw nor norm: %.30s", form);
	condition->buffer = form && form[0] == 'r' ? BUFFER_URI_RAW : BUFFER_URI;
	return parse_size(p, condition, size);
}
