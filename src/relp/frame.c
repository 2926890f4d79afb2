/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FRAME_FACILITY 16  /* local0, RFC 5424 section 6.2.1 */
#define FRAME_HOST_MAX 255 /* section 6.2.4 */

/* header fields are printable US-ASCII without spaces (section 6.2); "-" is the nil value */
static void frame_host(char out[FRAME_HOST_MAX + 1], const char *device)
{
	size_t n = 0;

	for (; *device && n < FRAME_HOST_MAX; device++)
		out[n++] = *device > ' ' && *device < 0x7f ? *device : '_';
	if (!n)
		out[n++] = '-';
	out[n] = '\0';
}

/* section 6.3.3: quote, backslash and closing bracket are escaped. Control characters, which that leaves to the
 * receiver, are not let through at all. */
static void frame_value(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 3 < size; text++) {
		if (strchr("\"\\]", *text))
			out[n++] = '\\';
		out[n++] = (unsigned char)*text < ' ' || *text == 0x7f ? '_' : *text;
	}
	out[n] = '\0';
}

size_t frame_rfc5424(
	char out[FRAME_MAX], const char *device, uint64_t boot, const struct spool_record *record, const char *line)
{
	char host[FRAME_HOST_MAX + 1], value[512], time[32];
	time_t seconds = (time_t)(record->time_us / 1000000);
	struct tm tm;
	int n;

	frame_host(host, device);
	frame_value(value, sizeof(value), device);
	if (!gmtime_r(&seconds, &tm) || !strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm))
		return 0;
	n = snprintf(out, FRAME_MAX,
		"<%u>1 %s.%06uZ %s sluice - %s [sluice@%u device=\"%s\" boot=\"%016" PRIx64 "\" sequence=\"%" PRIu64
		"\"] %s",
		FRAME_FACILITY * 8 + (record->severity & 7u), time, (unsigned int)(record->time_us % 1000000), host,
		event_log_name(record->log), FRAME_ENTERPRISE, value, boot, record->sequence, line);
	return n > 0 && n < FRAME_MAX ? (size_t)n : 0;
}
