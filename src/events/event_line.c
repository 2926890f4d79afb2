/* SPDX-License-Identifier: Apache-2.0 */
#include "events/event_line.h"

#include <errno.h>
#include <string.h>

#include "base/common.h"

#define NAMES_SIZE 512 /* of the hash of names: a power of two, several times the fields */

const char *const event_line_head_name[EVENT_LINE_HEADS] = {
	"timestamp", "log", "device", "boot", "sequence", "producer", "producer_sequence"};

_Static_assert(EVENT_FIELD_N + EVENT_LINE_HEADS < NAMES_SIZE / 2, "the hash of names is too full");

/* index + 1 of a field, or of EVENT_FIELD_N + head; open addressing */
static uint16_t names[NAMES_SIZE];

static const char *name_of(unsigned int index)
{
	return index < EVENT_FIELD_N ? event_field_info[index].name : event_line_head_name[index - EVENT_FIELD_N];
}

static unsigned int name_hash(struct span name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ name.data[i]) * 16777619u;
	return (hash ^ hash >> 16) % NAMES_SIZE;
}

__attribute__((constructor)) static void names_fill(void)
{
	for (unsigned int index = 0; index < EVENT_FIELD_N + EVENT_LINE_HEADS; index++) {
		unsigned int at = name_hash(SPAN(name_of(index), strlen(name_of(index))));

		while (names[at])
			at = (at + 1) % NAMES_SIZE;
		names[at] = (uint16_t)(index + 1);
	}
}

static int name_find(struct span name)
{
	for (unsigned int at = name_hash(name); names[at]; at = (at + 1) % NAMES_SIZE) {
		const char *found = name_of(names[at] - 1u);

		if (strlen(found) == name.len && !memcmp(found, name.data, name.len))
			return names[at] - 1;
	}
	return -ENOENT;
}

/* length of the JSON string that begins at p, with its quotes; 0 when it does not end */
static size_t string_length(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *from = p++;

	while (p < end && *p != '"')
		p += *p == '\\' ? 2 : 1;
	return p < end ? (size_t)(p + 1 - from) : 0;
}

static size_t value_length(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *from = p;

	if (p < end && *p == '"')
		return string_length(p, end);
	while (p < end && *p != ',' && *p != '}' && *p != '"' && *p != '{')
		p++;
	return (size_t)(p - from);
}

/* takes `"name":value` off *at, which stands behind the brace or comma */
static bool take_member(const uint8_t **at, const uint8_t *end, struct span *name, struct span *value)
{
	const uint8_t *p = *at;
	size_t n = p < end && *p == '"' ? string_length(p, end) : 0;

	if (n < 3 || p + n >= end || p[n] != ':')
		return false;
	*name = SPAN(p + 1, n - 2);
	p += n + 1;
	n = value_length(p, end);
	if (!n)
		return false;
	*value = SPAN(p, n);
	*at = p + n;
	return true;
}

int event_line_parse(struct span text, struct event_line *out)
{
	const uint8_t *p = text.data, *end = p + text.len;
	struct span name, value;

	memset(out, 0, sizeof(*out));
	if (text.len < 2 || *p != '{' || end[-1] != '}')
		return -EBADMSG;
	do {
		int index;

		p++;
		if (!take_member(&p, end, &name, &value) || p >= end || (*p != ',' && *p != '}'))
			return -EBADMSG;
		index = name_find(name);
		if (index >= EVENT_FIELD_N)
			out->head[index - EVENT_FIELD_N] = value;
		else if (index >= 0)
			out->field[index] = value;
	} while (*p == ',');
	return p == end - 1 ? 0 : -EBADMSG;
}

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

struct span event_value_bytes(struct span value, char *out)
{
	const uint8_t *p = value.data + 1, *end = value.data + value.len - 1;
	size_t n = 0;

	if (value.len < 2 || *value.data != '"')
		return value;
	while (p < end) {
		if (*p != '\\' || p + 1 >= end) {
			out[n++] = (char)*p++;
		} else if (p[1] == 'u' && end - p >= 6 && hex_digit(p[4]) >= 0 && hex_digit(p[5]) >= 0) {
			out[n++] = (char)(hex_digit(p[4]) << 4 | hex_digit(p[5]));
			p += 6;
		} else {
			out[n++] = (char)p[1];
			p += 2;
		}
	}
	return SPAN(out, n);
}

static bool take_number(const uint8_t *p, size_t digits, unsigned int *out)
{
	*out = 0;
	for (size_t i = 0; i < digits; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (p[i] - '0');
	}
	return true;
}

/* days from 1970 to a date of the Gregorian calendar; years are counted from March, so that leap days come last */
static int64_t days_of_civil(unsigned int year, unsigned int month, unsigned int day)
{
	unsigned int y = year - (month <= 2), era = y / 400, yoe = y % 400;
	unsigned int doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return (int64_t)era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* "YYYY-MM-DDTHH:MM:SS.uuuuuu+0000", with its quotes, as the encoder writes it */
uint64_t event_value_time_us(struct span value)
{
	static const uint8_t at[] = {1, 6, 9, 12, 15, 18, 21}, digits[] = {4, 2, 2, 2, 2, 2, 6};
	unsigned int v[ARRAY_SIZE(at)];
	int64_t seconds;

	if (value.len != 33)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		if (!take_number(value.data + at[i], digits[i], &v[i]))
			return 0;
	if (!v[0] || v[1] < 1 || v[1] > 12)
		return 0;
	seconds = days_of_civil(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5];
	return seconds < 0 ? 0 : (uint64_t)seconds * 1000000 + v[6];
}
