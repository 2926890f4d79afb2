/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A record as the line of JSON that event_encode_json() makes (event.h), taken apart again: log targets, queries and
 * the command line work on lines, which outlive the program that wrote them. Values stay as they stand in the line;
 * nothing is copied. */
#include "events/event.h"

enum event_line_head { /* what stands before the fields */
	EVENT_LINE_TIMESTAMP,
	EVENT_LINE_LOG,
	EVENT_LINE_DEVICE,
	EVENT_LINE_BOOT,
	EVENT_LINE_SEQUENCE,
	EVENT_LINE_PRODUCER,
	EVENT_LINE_PRODUCER_SEQUENCE,
	EVENT_LINE_HEADS
};
extern const char *const event_line_head_name[EVENT_LINE_HEADS];

struct event_line { /* a value without data is absent */
	struct span head[EVENT_LINE_HEADS];
	struct span field[EVENT_FIELD_N];
};

/* 0, or -EBADMSG when it is no such line. Names that this version does not know are passed over. */
int event_line_parse(struct span text, struct event_line *out);
/* The bytes of a value: of a string what is between its quotes, with its escapes taken back into out (at least as long
 * as the value); of anything else the text as it stands. \u00XX stands for one byte. */
struct span event_value_bytes(struct span value, char *out);
/* microseconds since 1970 of a value of type TIME_US or of the timestamp; 0 when it is none */
uint64_t event_value_time_us(struct span value);

/* G8: bits 1 << enum event_privacy */
struct event_masks {
	uint32_t mask, omit;
};
/* Masks and omits in place. scratch holds what replaces values: EVENT_MASK_SCRATCH(the line's length) bytes. */
#define EVENT_MASK_SCRATCH(len) ((len) * 2 + EVENT_FIELD_N * 32)
void event_line_mask(struct event_line *line, struct event_masks masks, char *scratch);

/* --- encoders of log targets -------------------------------------------------------------------------------------- */

/* no line of EVENT_JSON_MAX needs more */
#define EVENT_TARGET_MAX (2 * EVENT_JSON_MAX + 8192)
/* Each returns the length, or -ENOBUFS. */
/* one line of JSON with objects, as Suricata's EVE has them */
int event_encode_eve(const struct event_line *line, enum event_log log, char *out, size_t size);
/* ArcSight's Common Event Format, version 0; severity: RFC 5424's number */
int event_encode_cef(const struct event_line *line, enum event_log log, unsigned int severity, char *out, size_t size);
/* the parameters of RFC 5424 structured data, each with a space before it: ` device="..." boot="..."` */
int event_encode_parameters(const struct event_line *line, char *out, size_t size);
