/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/value.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/common.h"

/* as much as fits, never half a UTF-8 character */
static void value_append(struct value *out, const char *text)
{
	size_t len = strlen(text), room = VALUE_BYTES_MAX - out->len;

	if (len > room)
		for (len = room; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	memcpy(out->bytes + out->len, text, len);
	out->len += len;
}

static void value_append_item(struct value *out, const json_t *item, bool first)
{
	const char *name = json_string_value(json_is_object(item) ? json_object_get(item, "name") : item);

	value_append(out, first ? "" : ", ");
	value_append(out, name ?: "");
}

/* of an object with numbers: "cause 3, other cause 1" */
static void value_append_numbers(struct value *out, const json_t *numbers)
{
	const json_t *number;
	const char *name;
	char text[24];

	json_object_foreach((json_t *)numbers, name, number)
	{
		snprintf(text, sizeof(text), " %lld", (long long)json_integer_value(number));
		value_append(out, out->len ? ", " : "");
		value_append(out, name);
		value_append(out, text);
	}
}

static bool value_text(const json_t *json, struct value *out)
{
	const json_t *item;
	size_t i;

	out->wire = VALUE_BYTES;
	if (json_is_string(json))
		value_append(out, json_string_value(json));
	json_array_foreach(json, i, item) value_append_item(out, item, i == 0);
	if (json_is_object(json))
		value_append_numbers(out, json);
	return json_is_string(json) || json_is_array(json) || json_is_object(json);
}

/* RFC 2579 DateAndTime, eleven octets, UTC */
static bool value_time(const json_t *json, struct value *out)
{
	struct tm tm = {0};
	unsigned int deciseconds = 0, year;

	if (json_is_integer(json)) {
		json_int_t us = json_integer_value(json);
		time_t seconds = us / 1000000;

		if (us <= 0 || !gmtime_r(&seconds, &tm))
			return false;
		deciseconds = us % 1000000 / 100000;
	} else if (!json_is_string(json) || !strptime(json_string_value(json), "%Y-%m-%dT%H:%M:%S", &tm)) {
		return false;
	}
	year = tm.tm_year + 1900;
	*out = (struct value){.wire = VALUE_BYTES,
		.len = 11,
		.bytes = {year >> 8, year & 0xff, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			deciseconds, '+', 0, 0}};
	return true;
}

static bool value_session_id(const json_t *json, struct value *out)
{
	uint64_t id;

	if (!json_is_string(json))
		return false;
	id = strtoull(json_string_value(json), NULL, 16);
	out->wire = VALUE_BYTES;
	out->len = 8;
	for (unsigned int i = 0; i < 8; i++)
		out->bytes[i] = (uint8_t)(id >> (56 - 8 * i));
	return true;
}

static bool value_ip(const json_t *json, struct value *out)
{
	out->wire = VALUE_BYTES;
	out->len = 4;
	return json_is_string(json) && inet_pton(AF_INET, json_string_value(json), out->bytes) == 1;
}

static bool value_word(const struct mib_object *object, const json_t *json, struct value *out)
{
	out->wire = VALUE_INTEGER;
	for (unsigned int i = 0; json_is_string(json) && object->words[i]; i++)
		if (strcmp(object->words[i], json_string_value(json)) == 0) {
			out->number = i + 1;
			return true;
		}
	return false;
}

void value_counter(uint64_t number, bool gauge, struct value *out)
{
	out->wire = gauge ? VALUE_UNSIGNED : VALUE_COUNTER64;
	out->number = gauge ? MIN(number, UINT32_MAX) : number;
}

static bool value_number(const json_t *json, bool wide, struct value *out)
{
	value_counter((uint64_t)MAX(json_integer_value(json), 0), !wide, out);
	return json_is_integer(json);
}

bool value_from_json(const struct mib_object *object, const json_t *json, struct value *out)
{
	*out = (struct value){.wire = VALUE_INTEGER};
	switch (object->syntax) {
	case MIB_TEXT:
	case MIB_NAME:
		return value_text(json, out);
	case MIB_COUNTER:
	case MIB_GAUGE64:
		return value_number(json, true, out);
	case MIB_GAUGE:
	case MIB_NUMBER:
	case MIB_PORT:
		return value_number(json, false, out);
	case MIB_TIME:
		return value_time(json, out);
	case MIB_TRUTH: /* RFC 2579: true(1), false(2) */
		out->number = json_is_true(json) ? 1 : 2;
		return json_is_boolean(json);
	case MIB_IP_TYPE: /* RFC 4001: ipv4(1) */
		out->number = 1;
		return json_is_string(json);
	case MIB_IP:
		return value_ip(json, out);
	case MIB_SESSION_ID:
		return value_session_id(json, out);
	case MIB_WORD:
		return value_word(object, json, out);
	}
	return false;
}
