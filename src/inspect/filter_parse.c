/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"
#include "inspect/parser.h"

#define PRIORITY_DEFAULT 3

int parser_fail(struct parser *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->reason, sizeof(p->reason), fmt, args);
	va_end(args);
	return -EINVAL;
}

struct condition *parser_add(struct parser *p, enum condition_type type)
{
	struct filter *f = p->filter;
	struct condition *conditions;

	if (f->n_conditions == FILTER_CONDITIONS_MAX) {
		parser_fail(p, "more than %d conditions", FILTER_CONDITIONS_MAX);
		return NULL;
	}
	conditions = realloc(f->conditions, (f->n_conditions + 1) * sizeof(*conditions));
	if (!conditions) {
		parser_fail(p, "out of memory");
		return NULL;
	}
	f->conditions = conditions;
	f->conditions[f->n_conditions] =
		(struct condition){.type = type, .buffer = p->buffer, .transforms = p->transforms};
	return &f->conditions[f->n_conditions++];
}

int parser_unsigned(struct parser *p, const char *text, uint64_t max, uint64_t *out)
{
	unsigned long long n;
	char *end;

	text += strspn(text, " \t");
	errno = 0;
	n = strtoull(text, &end, 10);
	end += strspn(end, " \t");
	if (!isdigit((unsigned char)*text) || *end || errno || n > max)
		return parser_fail(p, "\"%.30s\" is not a number from 0 to %llu", text, (unsigned long long)max);
	*out = n;
	return 0;
}

int parser_number(struct parser *p, const char *text, struct number *out)
{
	const char *digits = text + (*text == '-');
	bool hex = !strncasecmp(digits, "0x", 2);
	char *end;

	*out = (struct number){.variable = -1};
	if (isdigit((unsigned char)*digits)) {
		errno = 0;
		out->value = strtoll(text, &end, hex ? 16 : 10);
		if (*end || errno)
			return parser_fail(p, "\"%.30s\" is not a number", text);
		return 0;
	}
	for (unsigned int i = 0; i < p->n_variables; i++)
		if (!strcmp(p->variables[i], text)) {
			out->variable = (int8_t)i;
			return 0;
		}
	return parser_fail(p, "\"%.30s\" is neither a number nor a variable", text);
}

static int parse_action(struct parser *p, const char *word)
{
	static const struct {
		const char *name;
		enum inspect_action action;
		enum inspect_reject reject;
	} actions[] = {{"alert", INSPECT_NOTIFY, INSPECT_REJECT_NONE}, {"drop", INSPECT_BLOCK, INSPECT_REJECT_NONE},
		{"pass", INSPECT_TRUST, INSPECT_REJECT_NONE}, {"reject", INSPECT_BLOCK, INSPECT_REJECT_BOTH},
		{"rejectsrc", INSPECT_BLOCK, INSPECT_REJECT_SOURCE},
		{"rejectdst", INSPECT_BLOCK, INSPECT_REJECT_DESTINATION},
		{"rejectboth", INSPECT_BLOCK, INSPECT_REJECT_BOTH}};
	struct inspect_filter *facts = &p->filter->facts;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(word, actions[i].name)) {
			facts->own = facts->action = actions[i].action;
			facts->reject = actions[i].reject;
			facts->passes = facts->own == INSPECT_TRUST;
			return 0;
		}
	return parser_fail(p, "action %.30s is not supported yet", word);
}

static int parse_protocol(struct parser *p, const char *word)
{
	static const struct {
		const char *name;
		enum filter_protocol protocol;
		bool by_packet;
	} protocols[] = {{"http", PROTOCOL_HTTP, false}, {"http1", PROTOCOL_HTTP, false}, {"tcp", PROTOCOL_ANY, false},
		{"tcp-stream", PROTOCOL_ANY, false}, {"tcp-pkt", PROTOCOL_ANY, true}, {"ip", PROTOCOL_ANY, false},
		{"smtp", PROTOCOL_SMTP, false}, {"imap", PROTOCOL_IMAP, false}, {"pop3", PROTOCOL_POP3, false},
		{"tls", PROTOCOL_TLS, false}, {"ssl", PROTOCOL_TLS, false}};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (!strcmp(word, protocols[i].name)) {
			p->filter->protocol = protocols[i].protocol;
			p->by_packet = protocols[i].by_packet;
			return 0;
		}
	return parser_fail(p, "protocol %.30s is not one of a decrypted stream", word);
}

static int parse_direction(struct parser *p, const char *word)
{
	p->filter->header.both_ways = !strcmp(word, "<>");
	return p->filter->header.both_ways || !strcmp(word, "->") ? 0
								  : parser_fail(p, "direction is neither -> nor <>");
}

static int parse_word(struct parser *p, enum filter_word which, const char *word)
{
	struct header *header = &p->filter->header;

	switch (which) {
	case WORD_ACTION:
		return parse_action(p, word);
	case WORD_PROTOCOL:
		return parse_protocol(p, word);
	case WORD_SOURCE:
		return header_set_parse_addresses(
			&header->source, p->rule_variables, word, p->reason, sizeof(p->reason));
	case WORD_SOURCE_PORT:
		return header_set_parse_ports(
			&header->source_port, p->rule_variables, word, p->reason, sizeof(p->reason));
	case WORD_DIRECTION:
		return parse_direction(p, word);
	case WORD_DESTINATION:
		return header_set_parse_addresses(
			&header->destination, p->rule_variables, word, p->reason, sizeof(p->reason));
	case WORD_DESTINATION_PORT:
		return header_set_parse_ports(
			&header->destination_port, p->rule_variables, word, p->reason, sizeof(p->reason));
	case WORD_N:
		break;
	}
	return -EINVAL;
}

static int parse_head(struct parser *p, struct span *text)
{
	char word[FILTER_WORD_MAX];

	for (enum filter_word which = WORD_ACTION; which < WORD_N; which++) {
		int r;

		if (!filter_lex_word(text, word, sizeof(word)))
			return parser_fail(p, "the head of the filter is incomplete or an item of it too long");
		r = parse_word(p, which, word);
		if (r < 0)
			return r;
	}
	return filter_lex_open(text) ? 0 : parser_fail(p, "no ( after the head of the filter");
}

/* an option that names a buffer; 1 when it does not */
static int parse_buffer(struct parser *p, const struct filter_option *option)
{
	enum buffer_id modifier = buffer_find_modifier(option->name), sticky = buffer_find_sticky(option->name);

	if (option->has_value)
		return 1;
	if (sticky != BUFFER_N) {
		p->buffer = sticky;
		p->transforms = 0;
		p->content = -1;
		return 0;
	}
	if (modifier == BUFFER_N)
		return 1;
	if (p->content < 0)
		return parser_fail(p, "%s without a content before it", option->name);
	p->filter->conditions[p->content].buffer = modifier;
	p->filter->conditions[p->content].transforms = 0;
	return 0;
}

/* an option that names a transform; 1 when it does not */
static int parse_transform(struct parser *p, const struct filter_option *option)
{
	enum transform transform = transform_find(option->name);

	if (transform == TRANSFORM_NONE || option->has_value)
		return 1;
	if (buffer_is_stream(p->buffer))
		return parser_fail(p, "%s of a buffer that grows is not supported yet", option->name);
	p->content = -1;
	return transform_add(&p->transforms, transform) ? 0 : parser_fail(p, "too many transforms");
}

static int parse_option(struct parser *p, struct filter_option *option)
{
	const struct keyword *keyword = keyword_find(option->name);
	int r;

	if (!keyword) {
		r = parse_buffer(p, option);
		if (r > 0)
			r = parse_transform(p, option);
		return r <= 0 ? r : parser_fail(p, "keyword %s is not supported yet", option->name);
	}
	if (keyword->value == VALUE_IGNORED)
		return 0;
	if (keyword->value == VALUE_NONE && option->has_value)
		return parser_fail(p, "%s takes no value", option->name);
	if (keyword->value == VALUE_REQUIRED && !*option->value)
		return parser_fail(p, "%s needs a value", option->name);
	return keyword->parse(p, option->value);
}

static int parse_options(struct parser *p, struct span *text)
{
	struct filter_option option;

	for (;;) {
		enum filter_lex_result lexed = filter_lex_option(text, &option);
		int r;

		if (lexed == LEX_END)
			return 0;
		if (lexed == LEX_MALFORMED)
			return parser_fail(p, "an option is malformed, too long, or lacks its ;");
		r = parse_option(p, &option);
		if (r < 0)
			return r;
	}
}

/* the directions in which all conditions can look */
static int finish_directions(struct parser *p)
{
	struct filter *f = p->filter;

	for (size_t i = 0; i < f->n_conditions; i++)
		f->dirs &= buffer_info[f->conditions[i].buffer].dirs;
	if (!f->dirs)
		return parser_fail(p, "conditions on both directions, or on another than flow names");
	return 0;
}

/* Filters that speak of packets look at turns; others on the raw stream whose positions count from a beginning do so
 * besides, as Suricata holds them against packets besides the stream. */
static void finish_turns(struct parser *p)
{
	struct filter *f = p->filter;

	for (size_t i = 0; i < f->n_conditions; i++) {
		struct condition *condition = &f->conditions[i];
		const struct content *content = &condition->content;

		if (condition->buffer != BUFFER_RAW)
			continue;
		if (p->by_packet)
			condition->buffer = BUFFER_TURN;
		else if (condition->type == CONDITION_CONTENT)
			f->by_turn |= content->has_depth || content->has_offset || content->starts;
	}
}

/* a filter that has nothing to look at but the session: its addresses, its handshake */
static int finish_start(struct parser *p)
{
	struct filter *f = p->filter;

	f->at_start = !(f->buffers & ~buffers_of_kind(BUFFER_KIND_SESSION));
	if (p->opens && !f->at_start)
		return parser_fail(p, "flags: a packet that opens a connection has no payload");
	if (f->protocol == PROTOCOL_TLS && f->buffers & ~buffers_of_kind(BUFFER_KIND_SESSION))
		return parser_fail(p, "protocol tls: the bytes of TLS records are not inspected");
	return 0;
}

/* A condition on a buffer of HTTP's makes it a filter for HTTP. Of such a one's responses alone, file.data is
 * http.response_body (as in Suricata). */
static int finish_protocol(struct parser *p)
{
	const uint64_t any = 1ull << BUFFER_RAW | 1ull << BUFFER_TURN | 1ull << BUFFER_FILE_DATA |
			     1ull << BUFFER_BASE64 | buffers_of_kind(BUFFER_KIND_SESSION);
	struct filter *f = p->filter;
	bool http = f->protocol == PROTOCOL_HTTP;

	for (size_t i = 0; i < f->n_conditions; i++)
		http |= !(any & 1ull << f->conditions[i].buffer);
	if (http && f->protocol != PROTOCOL_ANY && f->protocol != PROTOCOL_HTTP)
		return parser_fail(p, "a buffer of http's in a filter for another protocol");
	for (size_t i = 0; http && f->dirs == DIR_CLIENT && i < f->n_conditions; i++)
		if (f->conditions[i].buffer == BUFFER_FILE_DATA)
			f->conditions[i].buffer = BUFFER_RESPONSE_BODY;
	if (http)
		f->protocol = PROTOCOL_HTTP;
	return 0;
}

static bool stands_before(const struct condition *a, const struct condition *b)
{
	return a->buffer != b->buffer ? a->buffer < b->buffer : a->transforms < b->transforms;
}

/* stable, by buffer: positions are relative within one buffer, in written order */
static void sort_conditions(struct filter *f)
{
	for (size_t i = 1; i < f->n_conditions; i++) {
		struct condition moved = f->conditions[i];
		size_t at = i;

		for (; at && stands_before(&moved, &f->conditions[at - 1]); at--)
			f->conditions[at] = f->conditions[at - 1];
		f->conditions[at] = moved;
	}
}

/* How well a content tells candidates apart; 0: it cannot. An author's choice is taken unless it is so short that it is
 * found everywhere. */
static unsigned int fast_rank(const struct condition *condition)
{
	bool common = buffer_info[condition->buffer].kind == BUFFER_KIND_SESSION ||
		      condition->buffer == BUFFER_METHOD || condition->buffer == BUFFER_STAT_CODE ||
		      condition->buffer == BUFFER_STAT_MSG || condition->buffer == BUFFER_PROTOCOL;

	if (condition->type != CONDITION_CONTENT || condition->negated || !condition_is_findable(condition))
		return 0;
	return (condition->content.fast && condition->content.len >= FAST_LEN_MIN ? 1u << 20 : 0) +
	       (common ? 0 : 1u << 16) + (unsigned int)condition->content.len;
}

static void choose_fast(struct filter *f)
{
	unsigned int best = 0;

	f->fast = -1;
	for (size_t i = 0; i < f->n_conditions; i++) {
		unsigned int rank = fast_rank(&f->conditions[i]);

		if (rank > best) {
			best = rank;
			f->fast = (int)i;
		}
	}
}

static int check_base64(struct parser *p)
{
	unsigned int decodes = 0, looks = 0;

	for (size_t i = 0; i < p->filter->n_conditions; i++) {
		decodes += p->filter->conditions[i].type == CONDITION_BASE64;
		looks += p->filter->conditions[i].buffer == BUFFER_BASE64;
	}
	if (decodes > 1 || (!decodes && looks))
		return parser_fail(p, "%s base64_decode", decodes ? "more than one" : "base64_data without");
	return 0;
}

static int finish(struct parser *p)
{
	struct filter *f = p->filter;
	int r;

	if (!f->facts.sid)
		return parser_fail(p, "no sid");
	r = check_base64(p);
	if (r == 0)
		r = finish_directions(p);
	if (r < 0)
		return r;
	r = finish_protocol(p);
	if (r < 0)
		return r;
	finish_turns(p);
	sort_conditions(f);
	for (size_t i = 0; i < f->n_conditions; i++) {
		f->buffers |= 1ull << f->conditions[i].buffer;
		f->streams |= buffer_is_stream(f->conditions[i].buffer);
	}
	f->buffers &= ~(1ull << BUFFER_BASE64); /* a part of the buffer that it was decoded from */
	r = finish_start(p);
	if (r < 0)
		return r;
	choose_fast(f);
	f->facts.name = f->name ? f->name : "";
	f->facts.category = f->category ? f->category : "";
	return 0;
}

int filter_parse(struct parser *p, struct span text, struct filter **out)
{
	_cleanup_(filter_free) struct filter *filter = calloc(1, sizeof(*filter));
	int r;

	*p = (struct parser){.filter = filter,
		.flowbits = p->flowbits,
		.rule_variables = p->rule_variables,
		.known = p->known,
		.buffer = BUFFER_RAW,
		.content = -1};
	if (!filter)
		return -ENOMEM;
	filter->dirs = DIR_BOTH;
	filter->facts.generator = 1;
	filter->facts.severity = PRIORITY_DEFAULT;
	r = parse_head(p, &text);
	if (r == 0)
		r = parse_options(p, &text);
	if (r == 0)
		r = finish(p);
	p->filter = NULL;
	if (r == 0)
		*out = TAKE_PTR(filter);
	return r;
}

uint32_t filter_sid_guess(struct span text)
{
	const uint8_t *at = memmem(text.data, text.len, "sid:", 4);
	uint64_t sid = 0;
	struct span digits;

	if (!at)
		return 0;
	digits = SPAN(at + 4, text.len - (size_t)(at + 4 - text.data));
	while (digits.len && isspace(digits.data[0]))
		span_skip(&digits, 1);
	while (digits.len && isdigit(digits.data[0]) && sid <= UINT32_MAX) {
		sid = sid * 10 + (digits.data[0] - '0');
		span_skip(&digits, 1);
	}
	return sid <= UINT32_MAX ? (uint32_t)sid : 0;
}
