/* SPDX-License-Identifier: Apache-2.0 */
#include "events/event_query.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/common.h"

#define STAMP_AT 13  /* of the time in {"timestamp":" */
#define STAMP_LEN 26 /* YYYY-MM-DDTHH:MM:SS.uuuuuu: sorts as text */

enum operator{ OP_EQUAL, OP_NOT_EQUAL, OP_LESS, OP_AT_MOST, OP_MORE, OP_AT_LEAST, OP_CONTAINS, OP_CONTAINS_NOT };
/* the longer ones first: "<=" begins with "<" */
static const struct {
	const char *text;
	enum operator op;
} operators[] = {{"!=", OP_NOT_EQUAL}, {"<=", OP_AT_MOST}, {">=", OP_AT_LEAST}, {"!~", OP_CONTAINS_NOT},
	{"=", OP_EQUAL}, {"<", OP_LESS}, {">", OP_MORE}, {"~", OP_CONTAINS}};

struct condition {
	int field[2]; /* EVENT_FIELD_N + head; -1: none */
	enum operator op;
	char value[EVENT_CONDITION_VALUE];
	size_t len;
	char needle[2]
		   [EVENT_CONDITION_VALUE + 48]; /* what the line must have in it for this to hold; empty: not known */
	bool is_number, is_network;
	uint64_t number;
	uint32_t network, mask; /* host order */
};

struct event_query {
	char since[STAMP_LEN + 1], until[STAMP_LEN + 1]; /* empty: none */
	char text[EVENT_CONDITION_VALUE];                /* in small letters, as the line would have it */
	size_t text_len;
	unsigned int n;
	struct condition conditions[EVENT_CONDITIONS_MAX];
	struct event_line line;
	char scratch[EVENT_JSON_MAX];
};

int event_query_new(struct event_query **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void event_query_free(struct event_query **query)
{
	free(*query);
	*query = NULL;
}

/* --- conditions --------------------------------------------------------------------------------------------------- */

static int query_find(struct span name)
{
	for (int head = 0; head < EVENT_LINE_HEADS; head++)
		if (strlen(event_line_head_name[head]) == name.len &&
			!memcmp(event_line_head_name[head], name.data, name.len))
			return EVENT_FIELD_N + head;
	return event_field_find(name);
}

static int take_fields(struct condition *condition, const char **at, char error[EVENT_QUERY_ERROR])
{
	condition->field[0] = condition->field[1] = -1;
	for (unsigned int i = 0; i < 2; i++) {
		size_t n = strspn(*at, "abcdefghijklmnopqrstuvwxyz0123456789_");

		condition->field[i] = query_find(SPAN(*at, n));
		if (condition->field[i] < 0) {
			snprintf(error, EVENT_QUERY_ERROR,
				"\"%.40s\" is no field of a log: docs/log-fields.md lists them", *at);
			return -EINVAL;
		}
		*at += n;
		if (**at != '|')
			break;
		++*at;
	}
	return 0;
}

static int take_operator(struct condition *condition, const char **at, char error[EVENT_QUERY_ERROR])
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		size_t n = strlen(operators[i].text);

		if (strncmp(*at, operators[i].text, n))
			continue;
		condition->op = operators[i].op;
		*at += n;
		return 0;
	}
	snprintf(error, EVENT_QUERY_ERROR, "\"%.40s\": a field is followed by =, !=, <, <=, >, >=, ~ or !~", *at);
	return -EINVAL;
}

static int take_value(struct condition *condition, const char **at, char error[EVENT_QUERY_ERROR])
{
	bool quoted = **at == '"';
	const char *from = *at + quoted, *end = quoted ? strchr(from, '"') : from + strcspn(from, " ");

	if (!end || (size_t)(end - from) >= sizeof(condition->value)) {
		snprintf(error, EVENT_QUERY_ERROR, "\"%.40s\": the value %s", *at,
			end ? "is longer than 255 bytes" : "has no closing quote");
		return -EINVAL;
	}
	condition->len = (size_t)(end - from);
	memcpy(condition->value, from, condition->len);
	*at = end + quoted;
	return 0;
}

static void condition_read_number(struct condition *condition)
{
	char *end;

	errno = 0;
	condition->number = strtoull(condition->value, &end, 10);
	condition->is_number = isdigit((unsigned char)condition->value[0]) && !*end && !errno;
}

/* ADDRESS/PREFIX */
static void condition_read_network(struct condition *condition)
{
	char address[INET_ADDRSTRLEN] = "";
	unsigned int prefix;
	struct in_addr in;

	if (sscanf(condition->value, "%15[0-9.]/%u", address, &prefix) != 2 || prefix > 32 ||
		inet_pton(AF_INET, address, &in) != 1)
		return;
	condition->is_network = true;
	condition->mask = prefix ? UINT32_MAX << (32 - prefix) : 0;
	condition->network = ntohl(in.s_addr) & condition->mask;
}

static bool op_denies(enum operator op)
{
	return op == OP_NOT_EQUAL || op == OP_CONTAINS_NOT;
}

static bool value_is_plain(const struct condition *condition)
{
	for (size_t i = 0; i < condition->len; i++)
		if (condition->value[i] < ' ' || strchr("\"\\\x7f", condition->value[i]))
			return false;
	return true;
}

/* `"name":`, and behind it the value where it is asked for as it is and needs no escape: a line without that need not
 * be taken apart */
static void condition_make_needles(struct condition *condition)
{
	bool whole = condition->op == OP_EQUAL && !condition->is_network && value_is_plain(condition);

	for (unsigned int i = 0; i < 2 && condition->field[i] >= 0; i++) {
		int field = condition->field[i];
		bool bare;

		if (field >= EVENT_FIELD_N || op_denies(condition->op))
			return;
		bare = event_field_info[field].type == EVENT_TYPE_U64 ||
		       event_field_info[field].type == EVENT_TYPE_PORT ||
		       event_field_info[field].type == EVENT_TYPE_BOOL;
		snprintf(condition->needle[i], sizeof(condition->needle[i]), "\"%s\":%s%s%s",
			event_field_info[field].name, bare || !whole ? "" : "\"", whole ? condition->value : "",
			bare || !whole ? "" : "\"");
	}
}

static bool op_orders(enum operator op)
{
	return op == OP_LESS || op == OP_AT_MOST || op == OP_MORE || op == OP_AT_LEAST;
}

int event_query_add(struct event_query *query, const char *at, char error[EVENT_QUERY_ERROR])
{
	for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
		struct condition condition = {0};

		if (query->n == EVENT_CONDITIONS_MAX) {
			snprintf(error, EVENT_QUERY_ERROR, "more than %u conditions", EVENT_CONDITIONS_MAX);
			return -EINVAL;
		}
		if (take_fields(&condition, &at, error) || take_operator(&condition, &at, error) ||
			take_value(&condition, &at, error))
			return -EINVAL;
		condition_read_number(&condition);
		condition_read_network(&condition);
		if (op_orders(condition.op) && !condition.is_number) {
			snprintf(error, EVENT_QUERY_ERROR, "\"%.40s\" is no number: only numbers can be less or more",
				condition.value);
			return -EINVAL;
		}
		condition_make_needles(&condition);
		query->conditions[query->n++] = condition;
	}
	return 0;
}

int event_query_text(struct event_query *query, const char *text, char error[EVENT_QUERY_ERROR])
{
	size_t n = 0;

	for (; *text && n + 3 < sizeof(query->text); text++) {
		if (*text == '"' || *text == '\\')
			query->text[n++] = '\\';
		query->text[n++] = (char)tolower((unsigned char)*text);
	}
	query->text_len = n;
	if (!*text)
		return 0;
	snprintf(error, EVENT_QUERY_ERROR, "the text is longer than %zu bytes", sizeof(query->text) - 3);
	return -EINVAL;
}

/* --- times -------------------------------------------------------------------------------------------------------- */

/* "10m" ago */
static bool time_ago(const char *when, uint64_t now_us, uint64_t *us)
{
	static const struct {
		char unit;
		unsigned int seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	uint64_t n = strtoull(when, &end, 10);

	for (size_t i = 0; isdigit((unsigned char)*when) && i < ARRAY_SIZE(units); i++) {
		if (*end != units[i].unit || end[1] || n > 1000000)
			continue;
		*us = now_us - MIN(now_us, n * units[i].seconds * 1000000);
		return true;
	}
	return false;
}

static bool time_of_day(const char *when, uint64_t now_us, uint64_t *us)
{
	static const struct {
		const char *format;
		bool utc, today;
	} formats[] = {{"%Y-%m-%dT%H:%M:%SZ", true, false}, {"%Y-%m-%dT%H:%MZ", true, false},
		{"%Y-%m-%dT%H:%M:%S", false, false}, {"%Y-%m-%d %H:%M:%S", false, false},
		{"%Y-%m-%d %H:%M", false, false}, {"%Y-%m-%dT%H:%M", false, false}, {"%Y-%m-%d", false, false},
		{"%H:%M:%S", false, true}, {"%H:%M", false, true}};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct tm tm = {0};
		time_t now = (time_t)(now_us / 1000000), at;
		const char *end;

		if (formats[i].today)
			localtime_r(&now, &tm);
		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		end = strptime(when, formats[i].format, &tm);
		if (!end || *end)
			continue;
		tm.tm_isdst = -1;
		at = formats[i].utc ? timegm(&tm) : mktime(&tm);
		*us = at < 0 ? 0 : (uint64_t)at * 1000000;
		return true;
	}
	return false;
}

static int query_time(const char *when, uint64_t now_us, char stamp[STAMP_LEN + 1], char error[EVENT_QUERY_ERROR])
{
	uint64_t us;
	time_t seconds;
	struct tm tm;

	if (!time_ago(when, now_us, &us) && !time_of_day(when, now_us, &us)) {
		snprintf(error, EVENT_QUERY_ERROR,
			"\"%.40s\" is no time: allowed are 2026-11-25T19:00:00Z, \"2026-11-25 19:00\" and 19:00 in "
			"local time, and 90s, 10m, 2h or 3d ago",
			when);
		return -EINVAL;
	}
	seconds = (time_t)(us / 1000000);
	gmtime_r(&seconds, &tm);
	strftime(stamp, STAMP_LEN + 1, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp + 19, STAMP_LEN + 1 - 19, ".%06u", (unsigned int)(us % 1000000));
	return 0;
}

int event_query_since(struct event_query *query, const char *when, uint64_t now_us, char error[EVENT_QUERY_ERROR])
{
	return query_time(when, now_us, query->since, error);
}

int event_query_until(struct event_query *query, const char *when, uint64_t now_us, char error[EVENT_QUERY_ERROR])
{
	return query_time(when, now_us, query->until, error);
}

/* --- matching ----------------------------------------------------------------------------------------------------- */

/* needle is in small letters */
static bool contains(struct span hay, const char *needle, size_t len)
{
	const uint8_t *p = hay.data, *end = p + hay.len;
	uint8_t low = (uint8_t)needle[0], high = (uint8_t)toupper((unsigned char)needle[0]);

	if (!len)
		return true;
	for (; (size_t)(end - p) >= len; p++) {
		size_t i = 1;

		if (*p != low && *p != high)
			continue;
		while (i < len && tolower(p[i]) == (uint8_t)needle[i])
			i++;
		if (i == len)
			return true;
	}
	return false;
}

static bool network_has(const struct condition *condition, struct span value)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr in;

	if (value.len >= sizeof(text))
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	return inet_pton(AF_INET, text, &in) == 1 && (ntohl(in.s_addr) & condition->mask) == condition->network;
}

static bool value_number(struct span value, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < value.len; i++) {
		if (!isdigit(value.data[i]) || i > 19)
			return false;
		*out = *out * 10 + (value.data[i] - '0');
	}
	return value.len;
}

static bool value_contains(const struct condition *condition, struct span value)
{
	char needle[EVENT_CONDITION_VALUE];

	for (size_t i = 0; i < condition->len; i++)
		needle[i] = (char)tolower((unsigned char)condition->value[i]);
	return contains(value, needle, condition->len);
}

static bool value_is(const struct condition *condition, struct span value)
{
	if (condition->is_network)
		return network_has(condition, value);
	return value.len == condition->len && !memcmp(value.data, condition->value, value.len);
}

static bool condition_holds_of(const struct condition *condition, struct span value)
{
	uint64_t number;

	switch (condition->op) {
	case OP_EQUAL:
	case OP_NOT_EQUAL:
		return value_is(condition, value);
	case OP_CONTAINS:
	case OP_CONTAINS_NOT:
		return value_contains(condition, value);
	case OP_LESS:
		return value_number(value, &number) && number < condition->number;
	case OP_AT_MOST:
		return value_number(value, &number) && number <= condition->number;
	case OP_MORE:
		return value_number(value, &number) && number > condition->number;
	case OP_AT_LEAST:
		return value_number(value, &number) && number >= condition->number;
	}
	return false;
}

/* of a field that is absent nothing holds but what denies */
static bool condition_holds(struct event_query *query, const struct condition *condition)
{
	bool denies = op_denies(condition->op), any = false;

	for (unsigned int i = 0; i < 2 && condition->field[i] >= 0; i++) {
		struct span value = condition->field[i] < EVENT_FIELD_N
					    ? query->line.field[condition->field[i]]
					    : query->line.head[condition->field[i] - EVENT_FIELD_N];

		if (value.data)
			any |= condition_holds_of(condition, event_value_bytes(value, query->scratch));
	}
	return denies ? !any : any;
}

/* whether a condition can hold, without taking the line apart; attackers' text can say so too */
static bool condition_may_hold(const struct condition *condition, struct span line)
{
	for (unsigned int i = 0; i < 2 && condition->field[i] >= 0; i++)
		if (!*condition->needle[i] ||
			memmem(line.data, line.len, condition->needle[i], strlen(condition->needle[i])))
			return true;
	return false;
}

/* the time stands first, and sorts as text */
static bool query_in_time(const struct event_query *query, struct span line)
{
	if (!*query->since && !*query->until)
		return true;
	if (line.len < STAMP_AT + STAMP_LEN + 1)
		return false;
	return (!*query->since || memcmp(line.data + STAMP_AT + 1, query->since, STAMP_LEN) >= 0) &&
	       (!*query->until || memcmp(line.data + STAMP_AT + 1, query->until, STAMP_LEN) < 0);
}

bool event_query_matches(struct event_query *query, struct span line)
{
	if (!query_in_time(query, line) || (query->text_len && !contains(line, query->text, query->text_len)))
		return false;
	if (!query->n)
		return true;
	for (unsigned int i = 0; i < query->n; i++)
		if (!condition_may_hold(&query->conditions[i], line))
			return false;
	if (line.len > EVENT_JSON_MAX || event_line_parse(line, &query->line) < 0)
		return false;
	for (unsigned int i = 0; i < query->n; i++)
		if (!condition_holds(query, &query->conditions[i]))
			return false;
	return true;
}
