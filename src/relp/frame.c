/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FRAME_FACILITY 16  /* local0, RFC 5424 section 6.2.1 */
#define FRAME_HOST_MAX 255 /* section 6.2.4 */

/* header fields are printable US-ASCII without spaces (section 6.2); "-" is the nil value */
static void frame_host(char out[FRAME_HOST_MAX + 1], struct span device)
{
	size_t n = 0;

	for (size_t i = 1; i + 1 < device.len && n < FRAME_HOST_MAX; i++)
		out[n++] = device.data[i] > ' ' && device.data[i] < 0x7f ? (char)device.data[i] : '_';
	if (!n)
		out[n++] = '-';
	out[n] = '\0';
}

static int frame_header(struct framer *framer, const struct spool_record *record, const struct event_line *line)
{
	time_t seconds = (time_t)(record->time_us / 1000000);
	char host[FRAME_HOST_MAX + 1], time[32];
	struct tm tm;

	frame_host(host, line->head[EVENT_LINE_DEVICE]);
	if (!gmtime_r(&seconds, &tm) || !strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm))
		return -EINVAL;
	return snprintf(framer->message, FRAME_MAX, "<%u>1 %s.%06uZ %s sluice - %s [sluice@%u",
		FRAME_FACILITY * 8 + (record->severity & 7u), time, (unsigned int)(record->time_us % 1000000), host,
		event_log_name(record->log), framer->enterprise);
}

static int frame_body(const struct framer *framer, const struct spool_record *record, const struct event_line *line,
	char *out, size_t size)
{
	return framer->format == FRAME_CEF ? event_encode_cef(line, record->log, record->severity, out, size)
					   : event_encode_eve(line, record->log, out, size);
}

int frame_make(struct framer *framer, const struct spool_record *record, const char *text)
{
	struct event_line line;
	int err = event_line_parse(SPAN(text, record->len), &line), len, n;

	if (err)
		return err;
	event_line_mask(&line, framer->masks, framer->scratch);
	len = frame_header(framer, record, &line);
	if (len < 0)
		return len;
	n = event_encode_parameters(&line, framer->message + len, FRAME_MAX - (size_t)len);
	if (n < 0)
		return n;
	len += n;
	memcpy(framer->message + len, "] ", 2);
	len += 2;
	n = frame_body(framer, record, &line, framer->message + len, FRAME_MAX - (size_t)len);
	return n < 0 ? n : len + n;
}
