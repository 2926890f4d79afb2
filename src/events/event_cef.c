/* SPDX-License-Identifier: Apache-2.0 */
/* Records for receivers that do not read JSON: CEF, and the parameters of RFC 5424 structured data.
 *
 * Values come as JSON, in which a byte that is no text is \u00XX. It stays that here, spelled with the format's own
 * escape for a backslash; a backslash of the original before the letters u00 becomes \u005c, so that every byte can be
 * told. */
#include <errno.h>
#include <string.h>

#include "base/common.h"
#include "events/event_document.h"
#include "events/event_line.h"
#include "events/text_out.h"

#define PARAMETER_MAX 255 /* bytes of a parameter's value */

struct escapes {
	const char *special; /* characters that get a backslash, beside the backslash itself */
	bool newlines;       /* \n and \r are the format's own words for them */
};
static const struct escapes cef_header = {"|", false}, cef_extension = {"=", true}, parameter = {"\"]", false};

/* takes one character (or one byte that is no text) off a JSON string's inside */
struct character {
	const uint8_t *bytes;
	size_t len;
	bool escaped; /* bytes are the two digits of a \u00XX */
};

static bool take_character(const uint8_t **at, const uint8_t *end, struct character *out)
{
	const uint8_t *p = *at;

	if (p >= end)
		return false;
	*out = (struct character){.bytes = p, .len = 1};
	if (*p != '\\' || end - p < 2) {
		*at = p + 1;
	} else if (p[1] == 'u' && end - p >= 6) {
		*out = (struct character){.bytes = p + 4, .len = 2, .escaped = true};
		*at = p + 6;
	} else {
		out->bytes = p + 1;
		*at = p + 2;
	}
	return true;
}

static void put_escaped(struct text_out *out, const struct escapes *escapes, const struct character *c)
{
	if (escapes->newlines && !memcmp(c->bytes, "0a", 2))
		text_put(out, "\\n", 2);
	else if (escapes->newlines && !memcmp(c->bytes, "0d", 2))
		text_put(out, "\\r", 2);
	else
		text_put_format(out, "\\\\u00%.2s", (const char *)c->bytes);
}

static void put_value(struct text_out *out, const struct escapes *escapes, struct span value, size_t max)
{
	const uint8_t *p = value.data, *end;
	size_t limit = out->len + max;
	struct character c;

	if (!value.data)
		return;
	end = p + value.len;
	if (value.len >= 2 && *p == '"') {
		p++;
		end--;
	}
	while (take_character(&p, end, &c)) {
		/* not within a character of several bytes (RFC 3629 section 3) */
		if (out->len >= limit && (c.escaped || (*c.bytes & 0xc0) != 0x80))
			break;
		if (c.escaped) {
			put_escaped(out, escapes, &c);
		} else if (*c.bytes == '\\') {
			bool like_ours = end - p >= 3 && !memcmp(p, "u00", 3);

			text_put_text(out, like_ours ? "\\\\u005c" : "\\\\");
		} else {
			if (*c.bytes && strchr(escapes->special, *c.bytes))
				text_put(out, "\\", 1);
			text_put(out, c.bytes, 1);
		}
	}
}

/* ArcSight's 0 to 10 */
static unsigned int cef_severity(unsigned int severity)
{
	return severity <= 3 ? 9 : severity == 4 ? 7 : severity == 5 ? 5 : 2;
}

static void cef_put_header(
	struct text_out *out, const struct event_line *line, enum event_log log, unsigned int severity)
{
	const struct span *id = &line->field[EVENT_FILTER_ID];
	const struct span *name =
		line->field[EVENT_FILTER_NAME].data ? &line->field[EVENT_FILTER_NAME] : &line->field[EVENT_MESSAGE];

	text_put_text(out, "CEF:0|Sluice|Sluice|" SLUICE_VERSION "|");
	if (id->data)
		put_value(out, &cef_header, *id, SIZE_MAX / 2);
	else
		text_put_text(out, event_log_name(log));
	text_put(out, "|", 1);
	if (name->data)
		put_value(out, &cef_header, *name, SIZE_MAX / 2);
	else
		text_put_text(out, event_log_name(log));
	text_put_format(out, "|%u|", cef_severity(severity));
}

static void cef_put_field(struct text_out *out, const char *key, struct span value)
{
	text_put(out, " ", 1);
	text_put_text(out, key);
	text_put(out, "=", 1);
	put_value(out, &cef_extension, value, SIZE_MAX / 2);
}

static void cef_put_time(struct text_out *out, const char *key, struct span value)
{
	text_put_format(out, "%s=%llu", key, (unsigned long long)(event_value_time_us(value) / 1000));
}

int event_encode_cef(const struct event_line *line, enum event_log log, unsigned int severity, char *text, size_t size)
{
	struct text_out out = {.text = text, .size = size};
	char key[EVENT_NAME_MAX];

	cef_put_header(&out, line, log, severity);
	cef_put_time(&out, "rt", line->head[EVENT_LINE_TIMESTAMP]);
	text_put_format(&out, " SluiceLog=%s", event_log_name(log));
	cef_put_field(&out, "dvchost", line->head[EVENT_LINE_DEVICE]);
	cef_put_field(&out, "SluiceBoot", line->head[EVENT_LINE_BOOT]);
	cef_put_field(&out, "SluiceSequence", line->head[EVENT_LINE_SEQUENCE]);
	for (enum event_field field = 0; field < EVENT_FIELD_N; field++) {
		if (!line->field[field].data)
			continue;
		event_cef_key(field, key);
		if (event_field_info[field].type == EVENT_TYPE_TIME_US) {
			text_put(&out, " ", 1);
			cef_put_time(&out, key, line->field[field]);
		} else {
			cef_put_field(&out, key, line->field[field]);
		}
	}
	text_put(&out, "", 1);
	return out.overflow ? -ENOBUFS : (int)out.len - 1;
}

static void parameter_put(struct text_out *out, const char *name, struct span value)
{
	text_put(out, " ", 1);
	text_put_text(out, name);
	text_put(out, "=\"", 2);
	put_value(out, &parameter, value, PARAMETER_MAX);
	text_put(out, "\"", 1);
}

int event_encode_parameters(const struct event_line *line, char *text, size_t size)
{
	static const enum event_line_head heads[] = {EVENT_LINE_DEVICE, EVENT_LINE_BOOT, EVENT_LINE_SEQUENCE};
	struct text_out out = {.text = text, .size = size};

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		if (line->head[heads[i]].data)
			parameter_put(&out, event_line_head_name[heads[i]], line->head[heads[i]]);
	for (enum event_field field = 0; field < EVENT_FIELD_N; field++)
		if (event_field_info[field].parameter && line->field[field].data)
			parameter_put(&out, event_field_info[field].name, line->field[field]);
	text_put(&out, "", 1);
	return out.overflow ? -ENOBUFS : (int)out.len - 1;
}
