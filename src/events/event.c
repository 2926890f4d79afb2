/* SPDX-License-Identifier: Apache-2.0 */
#include "events/event.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "events/event_record.h"

#define WHERE_PARAM true
#define WHERE_BODY false
#define EVENT_FIELD(id, json_name, field_type, text, eve_path, ecs_name, cef_key, where, privacy_class) \
	[EVENT_##id] = {.name = json_name,                                                              \
		.type = EVENT_TYPE_##field_type,                                                        \
		.meaning = text,                                                                        \
		.eve = eve_path,                                                                        \
		.ecs = ecs_name,                                                                        \
		.cef = cef_key,                                                                         \
		.parameter = WHERE_##where,                                                             \
		.privacy = EVENT_PRIVACY_##privacy_class},
const struct event_field_info event_field_info[EVENT_FIELD_N] = {
#include "events/event_fields.def"
};
#undef EVENT_FIELD

_Static_assert(EVENT_FIELD_N <= 256, "the id is a byte on the ring");
_Static_assert(sizeof(struct event_header) == 24, "the header is shared between processes");

#define EVENT_LOG(id, log_name, eve, number, inspect, text) \
	[EVENT_LOG_##id] = {log_name, eve, number, EVENT_SSL_INSPECT_##inspect, text},
const struct event_log_info event_log_info[EVENT_LOG_N] = {
#include "events/event_logs.def"
};
#undef EVENT_LOG

#define EVENT_PRIVACY(id, class_name, holds, masked) [EVENT_PRIVACY_##id] = {class_name, holds, masked},
const struct event_privacy_info event_privacy_info[EVENT_PRIVACY_N] = {
#include "events/event_privacy.def"
};
#undef EVENT_PRIVACY

const char *event_log_name(enum event_log log)
{
	return (unsigned int)log < EVENT_LOG_N ? event_log_info[log].name : "unknown";
}

int event_log_find(const char *name)
{
	for (int log = 0; log < EVENT_LOG_N; log++)
		if (!strcmp(event_log_info[log].name, name))
			return log;
	return -ENOENT;
}

int event_field_find(struct span name)
{
	for (int field = 0; field < EVENT_FIELD_N; field++)
		if (strlen(event_field_info[field].name) == name.len &&
			!memcmp(event_field_info[field].name, name.data, name.len))
			return field;
	return -ENOENT;
}

void event_begin(struct event *event, enum event_log log)
{
	struct event_header header = {.log = log, .time_us = clock_wall_us()};

	memcpy(event->bytes, &header, sizeof(header));
	event->used = sizeof(header);
}

static void event_put(struct event *event, enum event_field field, const void *data, size_t len)
{
	size_t whole = event_field_size(len);
	uint8_t *at = event->bytes + event->used;

	if (whole > EVENT_MAX - event->used)
		return;
	memset(at + whole - 8, 0, 8);
	at[0] = field;
	at[1] = 0;
	memcpy(at + 2, &(uint16_t){len}, 2);
	memcpy(at + EVENT_FIELD_HEADER, data, len);
	event->used += whole;
}

void event_u64(struct event *event, enum event_field field, uint64_t value)
{
	assert(event_type_size(event_field_info[field].type) == sizeof(value));
	event_put(event, field, &value, sizeof(value));
}

void event_bytes(struct event *event, enum event_field field, struct span bytes)
{
	assert(event_field_info[field].type == EVENT_TYPE_STR);
	if (bytes.len)
		event_put(event, field, bytes.data, MIN(bytes.len, (size_t)EVENT_STR_MAX));
}

void event_str(struct event *event, enum event_field field, const char *text)
{
	if (text)
		event_bytes(event, field, SPAN(text, strnlen(text, EVENT_STR_MAX)));
}

void event_ip4(struct event *event, enum event_field field, struct in_addr address)
{
	assert(event_field_info[field].type == EVENT_TYPE_IP4);
	event_put(event, field, &address, sizeof(address));
}

void event_mac(struct event *event, enum event_field field, const uint8_t mac[6])
{
	assert(event_field_info[field].type == EVENT_TYPE_MAC);
	event_put(event, field, mac, 6);
}

bool event_next_field(struct span *rest, struct event_field_view *out)
{
	uint16_t len;
	size_t whole;

	if (rest->len < 8)
		return false;
	memcpy(&len, rest->data + 2, sizeof(len));
	whole = event_field_size(len);
	if (whole > rest->len || rest->data[0] >= EVENT_FIELD_N || rest->data[1])
		return false;
	out->field = rest->data[0];
	out->data = SPAN(rest->data + EVENT_FIELD_HEADER, len);
	*rest = SPAN(rest->data + whole, rest->len - whole);
	return true;
}

static bool event_field_is_sane(const struct event_field_view *view)
{
	enum event_type type = event_field_info[view->field].type;

	if (type == EVENT_TYPE_STR)
		return view->data.len && view->data.len <= EVENT_STR_MAX;
	if (view->data.len != event_type_size(type))
		return false;
	return type != EVENT_TYPE_PORT || event_field_u64(view) <= UINT16_MAX;
}

int event_check(const uint8_t *record, size_t size)
{
	struct event_header header;
	struct event_field_view view;
	struct span rest;
	bool seen[EVENT_FIELD_N] = {0};

	if (size < sizeof(header))
		return -EPROTO;
	memcpy(&header, record, sizeof(header));
	if (header.len < sizeof(header) || header.len > size || header.len > EVENT_MAX || header.len % 8 ||
		header.log >= EVENT_LOG_N)
		return -EPROTO;
	rest = SPAN(record + sizeof(header), header.len - sizeof(header));
	while (rest.len) {
		/* a field given twice could show a reader of the line another value than the one that counts */
		if (!event_next_field(&rest, &view) || !event_field_is_sane(&view) || seen[view.field])
			return -EPROTO;
		seen[view.field] = true;
	}
	return 0;
}
