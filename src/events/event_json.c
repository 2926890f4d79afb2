/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "events/event.h"
#include "events/event_record.h"
#include "events/text_out.h"

#define YEAR_9999_END_US 253402300799999999ull

/* length of the UTF-8 character at s (RFC 3629 section 4), 0 when there is none */
static size_t utf8_length(struct span s, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t c = s.data[0];
	size_t len = c < 0x80                ? 1
		     : c >= 0xf0 && c < 0xf8 ? 4
		     : c >= 0xe0 && c < 0xf0 ? 3
		     : c >= 0xc0 && c < 0xe0 ? 2
					     : 0;

	if (!len || len > s.len)
		return 0;
	*code = len == 1 ? c : c & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s.data[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s.data[i] & 0x3f);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return len;
}

/* controls, line separators and what reorders a line on display */
static bool code_is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

static void json_put_string(struct text_out *out, struct span text)
{
	text_put(out, "\"", 1);
	while (text.len && !out->overflow) {
		uint32_t code = 0;
		size_t len = utf8_length(text, &code);

		if (!len || code_is_unsafe(code)) {
			/* byte by byte: the rest of an unsafe character is no valid character by itself */
			text_put_format(out, "\\u%04x", text.data[0]);
			len = 1;
		} else if (code == '"' || code == '\\') {
			text_put_format(out, "\\%c", (int)code);
		} else {
			text_put(out, text.data, len);
		}
		text = SPAN(text.data + len, text.len - len);
	}
	text_put(out, "\"", 1);
}

struct civil {
	unsigned int year, month, day;
};

/* Days since 1970 to a date of the Gregorian calendar, years counted from 1 March so that leap days come last. Not
 * gmtime_r(), which reads the time zone file: the log process may open nothing. */
static struct civil civil_of_days(uint64_t days)
{
	uint64_t z = days + 719468; /* since 0000-03-01 */
	unsigned int era = (unsigned int)(z / 146097), doe = (unsigned int)(z % 146097);
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	unsigned int month = mp < 10 ? mp + 3 : mp - 9;

	return (struct civil){era * 400 + yoe + (month <= 2), month, doy - (153 * mp + 2) / 5 + 1};
}

/* RFC 3339 with microseconds, EVE's spelling of the offset */
static void json_put_time(struct text_out *out, uint64_t us)
{
	uint64_t seconds = MIN(us, YEAR_9999_END_US) / 1000000;
	struct civil date = civil_of_days(seconds / 86400);
	unsigned int s = (unsigned int)(seconds % 86400);

	text_put_format(out, "\"%04u-%02u-%02uT%02u:%02u:%02u.%06u+0000\"", date.year, date.month, date.day, s / 3600,
		s / 60 % 60, s % 60, (unsigned int)(MIN(us, YEAR_9999_END_US) % 1000000));
}

static void json_put_value(struct text_out *out, const struct event_field_view *view)
{
	const uint8_t *d = view->data.data;

	switch (event_field_info[view->field].type) {
	case EVENT_TYPE_STR:
		json_put_string(out, view->data);
		break;
	case EVENT_TYPE_IP4:
		text_put_format(out, "\"%u.%u.%u.%u\"", d[0], d[1], d[2], d[3]);
		break;
	case EVENT_TYPE_MAC:
		text_put_format(out, "\"%02x:%02x:%02x:%02x:%02x:%02x\"", d[0], d[1], d[2], d[3], d[4], d[5]);
		break;
	case EVENT_TYPE_ID:
		text_put_format(out, "\"%016llx\"", (unsigned long long)event_field_u64(view));
		break;
	case EVENT_TYPE_BOOL:
		text_put_text(out, event_field_u64(view) ? "true" : "false");
		break;
	case EVENT_TYPE_TIME_US:
		json_put_time(out, event_field_u64(view));
		break;
	case EVENT_TYPE_U64:
	case EVENT_TYPE_PORT:
		text_put_format(out, "%llu", (unsigned long long)event_field_u64(view));
		break;
	}
}

static void json_put_header(struct text_out *out, const struct event_header *header, const struct event_origin *origin)
{
	text_put_text(out, "{\"timestamp\":");
	json_put_time(out, header->time_us);
	text_put_format(out, ",\"log\":\"%s\",\"device\":", event_log_name(header->log));
	json_put_string(out, SPAN(origin->device, strlen(origin->device)));
	if (origin->boot) {
		text_put_format(out, ",\"boot\":\"%016llx\",\"sequence\":%llu", (unsigned long long)origin->boot,
			(unsigned long long)origin->sequence);
		text_put_format(out, ",\"producer\":%u,\"producer_sequence\":%llu", header->producer,
			(unsigned long long)header->sequence);
		return;
	}
	text_put_format(
		out, ",\"producer\":%u,\"sequence\":%llu", header->producer, (unsigned long long)header->sequence);
}

static bool record_find(const uint8_t *record, enum event_field field, struct event_field_view *view)
{
	struct event_header header;
	struct span rest;

	memcpy(&header, record, sizeof(header));
	rest = SPAN(record + sizeof(header), header.len - sizeof(header));
	while (event_next_field(&rest, view))
		if (view->field == field)
			return true;
	return false;
}

static bool record_says(const uint8_t *record, enum event_field field, const char *word)
{
	struct event_field_view view;

	return record_find(record, field, &view) && view.data.len == strlen(word) &&
	       !memcmp(view.data.data, word, view.data.len);
}

/* G1: in Block, Alert, Quarantine and URL reputation records, and in no other */
static void json_put_ssl_inspect(struct text_out *out, const uint8_t *record)
{
	struct event_header header;
	struct event_field_view view;
	enum event_ssl_inspect rule;

	memcpy(&header, record, sizeof(header));
	rule = event_log_info[header.log].ssl_inspect;
	if (rule == EVENT_SSL_INSPECT_NEVER ||
		(rule == EVENT_SSL_INSPECT_URL && !record_says(record, EVENT_REPUTATION_KIND, "url")))
		return;
	text_put_format(out, ",\"%s\":%s", event_field_info[EVENT_SSL_INSPECT].name,
		record_find(record, EVENT_SSL_INSPECT, &view) && event_field_u64(&view) ? "true" : "false");
}

int event_encode_json(const uint8_t *record, const struct event_origin *origin, char *out_text, size_t size)
{
	struct text_out out = {.text = out_text, .size = size};
	struct event_field_view view;
	struct event_header header;
	struct span rest;

	memcpy(&header, record, sizeof(header));
	rest = SPAN(record + sizeof(header), header.len - sizeof(header));
	json_put_header(&out, &header, origin);
	while (event_next_field(&rest, &view)) {
		if (view.field == EVENT_SSL_INSPECT) /* where it is decided by the log, not by who wrote the record */
			continue;
		text_put_format(&out, ",\"%s\":", event_field_info[view.field].name);
		json_put_value(&out, &view);
	}
	json_put_ssl_inspect(&out, record);
	text_put(&out, "}", 2); /* with the terminator, not counted below */
	return out.overflow ? -ENOBUFS : (int)out.len - 1;
}

unsigned int event_severity(const uint8_t *record)
{
	static const struct {
		const char *word;
		unsigned int number;
	} words[] = {{"critical", 2}, {"error", 3}, {"warning", 4}, {"notice", 5}, {"info", 6}};
	struct event_header header;

	memcpy(&header, record, sizeof(header));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (record_says(record, EVENT_SEVERITY, words[i].word))
			return words[i].number;
	return event_log_info[header.log].severity;
}
