/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A spooled record as an RFC 5424 message for one log target: structured data and a body of JSON or CEF, with what the
 * target may not see masked or left out. The body has no control characters and is valid UTF-8 (events/event_line.h):
 * text from the wire can neither end the message nor become a field of its header. */
#include "events/event_line.h"
#include "logship/spool.h"

#define FRAME_MAX (EVENT_TARGET_MAX + EVENT_FIELD_N * 1100 + 1024)
#define FRAME_ENTERPRISE 32473 /* RFC 5612: for documentation; nothing is registered for this product */

enum frame_format { FRAME_JSON, FRAME_CEF };
struct framer {
	enum frame_format format;
	struct event_masks masks;
	unsigned int enterprise;
	char scratch[EVENT_MASK_SCRATCH(EVENT_JSON_MAX)];
	char message[FRAME_MAX];
};

/* the message is in framer->message; its length, or -errno: a line that is none, or a message longer than the buffer */
int frame_make(struct framer *framer, const struct spool_record *record, const char *line);
