/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A spooled record as an RFC 5424 message. The body is the record's JSON line, which is valid UTF-8 without control
 * characters (events/event.h): text from the wire can neither end the message nor become a field of its header. */
#include "logship/spool.h"

#define FRAME_MAX (EVENT_JSON_MAX + 1024)
#define FRAME_ENTERPRISE 32473 /* RFC 5612: for documentation; nothing is registered for this product */

/* the message's length */
size_t frame_rfc5424(
	char out[FRAME_MAX], const char *device, uint64_t boot, const struct spool_record *record, const char *line);
