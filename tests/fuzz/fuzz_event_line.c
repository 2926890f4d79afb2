/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a record as a client may choose it, through every encoder of log targets: nothing of it ends a message or
 * leaves its field, and each value comes back byte for byte. What is no text of ours is only not to be stumbled over.
 */
#include <stdlib.h>
#include <string.h>

#include "events/event.h"
#include "events/event_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char json[EVENT_JSON_MAX], out[EVENT_TARGET_MAX], scratch[EVENT_MASK_SCRATCH(EVENT_JSON_MAX)];

static void check(int len)
{
	if (len <= 0 || out[len])
		abort();
	for (int i = 0; i < len; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			abort();
}

/* `name=` behind a space that is no escape: what a reader of CEF takes for a field */
static unsigned int count_keys(const char *text)
{
	unsigned int n = 0;

	for (const char *at = text; (at = strchr(at, '=')); at++)
		n += at == text || at[-1] != '\\';
	return n;
}

static unsigned int encode(struct event_line *line, bool mask)
{
	unsigned int keys;

	if (mask)
		event_line_mask(line, (struct event_masks){.mask = UINT32_MAX}, scratch);
	check(event_encode_eve(line, EVENT_LOG_BLOCK, out, sizeof(out)));
	check(event_encode_parameters(line, out, sizeof(out)));
	check(event_encode_cef(line, EVENT_LOG_BLOCK, 4, out, sizeof(out)));
	keys = count_keys(strstr(out, "rt="));
	return keys;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event event;
	struct event_line line;
	struct span back;
	unsigned int keys;
	int len;

	if (!event_line_parse(SPAN(data, size), &line)) {
		event_line_mask(&line, (struct event_masks){.mask = UINT32_MAX}, scratch);
		event_encode_eve(&line, EVENT_LOG_BLOCK, out, sizeof(out));
		event_encode_cef(&line, EVENT_LOG_BLOCK, 4, out, sizeof(out));
		event_encode_parameters(&line, out, sizeof(out));
	}
	if (!size || size > EVENT_STR_MAX)
		return 0;
	event_begin(&event, EVENT_LOG_BLOCK);
	event_bytes(&event, EVENT_HTTP_URI, SPAN(data, size));
	event_bytes(&event, EVENT_USER, SPAN(data, MIN(size, 4096u)));
	event_bytes(&event, EVENT_MESSAGE, SPAN(data, MIN(size, 4096u)));
	((struct event_header *)event.bytes)->len = event.used;
	len = event_encode_json(event.bytes, &(struct event_origin){"device", 1, 1}, json, sizeof(json));
	if (len <= 0 || event_line_parse(SPAN(json, (size_t)len), &line))
		abort();
	back = event_value_bytes(line.field[EVENT_HTTP_URI], scratch);
	if (back.len != size || memcmp(back.data, data, size))
		abort();
	keys = encode(&line, false);
	if (keys != encode(&line, true))
		abort();
	return 0;
}
