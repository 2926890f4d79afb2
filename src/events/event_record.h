/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The bytes of a record, for the module's own sources. */
#include <string.h>

#include "events/event.h"

#define EVENT_FIELD_HEADER 4

struct event_field_view {
	enum event_field field;
	struct span data; /* within the record */
};

/* bytes that a field of len bytes of data takes */
static inline size_t event_field_size(size_t len)
{
	return (EVENT_FIELD_HEADER + len + 7) & ~(size_t)7;
}

/* bytes of a type's value; 0 for text */
static inline size_t event_type_size(enum event_type type)
{
	switch (type) {
	case EVENT_TYPE_STR:
		return 0;
	case EVENT_TYPE_IP4:
		return 4;
	case EVENT_TYPE_MAC:
		return 6;
	default:
		return 8;
	}
}

static inline uint64_t event_field_u64(const struct event_field_view *view)
{
	uint64_t value;

	memcpy(&value, view->data.data, sizeof(value));
	return value;
}

/* takes the next field off rest; false when rest is empty or malformed */
bool event_next_field(struct span *rest, struct event_field_view *out);
