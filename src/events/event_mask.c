/* SPDX-License-Identifier: Apache-2.0 */
/* What a log target does not get to see (G8). A masked value is again a JSON string. */
#include <string.h>

#include "base/common.h"
#include "events/event_line.h"
#include "events/text_out.h"

#define MASKED "\"masked\""

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* length of the dotted quad at p, 0 when there is none; *last: where its last number begins */
static size_t quad_length(const uint8_t *p, const uint8_t *end, size_t *last)
{
	const uint8_t *from = p;

	for (unsigned int part = 0; part < 4; part++) {
		size_t n = 0;

		if (part && (p >= end || *p++ != '.'))
			return 0;
		*last = (size_t)(p - from);
		while (p + n < end && n < 4 && is_digit(p[n]))
			n++;
		if (!n || n > 3)
			return 0;
		p += n;
	}
	return p < end && is_digit(*p) ? 0 : (size_t)(p - from);
}

/* the value with the last number of every IPv4 address made 0 */
static void mask_quads(struct text_out *out, struct span value)
{
	const uint8_t *p = value.data, *end = p + value.len;
	bool inside = false; /* a number or a name: an address does not begin there */

	while (p < end) {
		size_t last, n = inside ? 0 : quad_length(p, end, &last);

		if (*p == '\\' && end - p > 6) { /* an escape: its digits are no number */
			n = p[1] == 'u' ? 6 : 2;
			text_put(out, p, n);
			p += n;
			inside = false;
			continue;
		}
		if (n) {
			text_put(out, p, last);
			text_put(out, "0", 1);
			p += n;
			continue;
		}
		inside = is_digit(*p);
		text_put(out, p++, 1);
	}
}

static void mask_address(struct text_out *out, struct span value)
{
	size_t last;

	if (value.len > 2 && quad_length(value.data + 1, value.data + value.len, &last) == value.len - 2)
		mask_quads(out, value);
	else
		text_put_text(out, MASKED);
}

static void mask_mac(struct text_out *out, struct span value)
{
	const size_t keep = sizeof("\"00:00:00") - 1;

	if (value.len != sizeof("\"00:00:00:00:00:00\"") - 1) {
		text_put_text(out, MASKED);
		return;
	}
	text_put(out, value.data, keep);
	text_put_text(out, ":00:00:00\"");
}

static const uint8_t *find_last(const uint8_t *from, const uint8_t *end, uint8_t c)
{
	while (end > from)
		if (*--end == c)
			return end;
	return NULL;
}

/* of a.b.example.com the last two labels; an address as addresses are */
static void mask_host(struct text_out *out, struct span value)
{
	const uint8_t *from = value.data + 1, *end = value.data + value.len, *dot;
	size_t last;

	if (quad_length(from, end, &last)) {
		mask_quads(out, value);
		return;
	}
	dot = find_last(from, end, '.');
	dot = dot ? find_last(from, dot, '.') : NULL;
	if (!dot) {
		text_put_span(out, value);
		return;
	}
	text_put_text(out, "\"*");
	text_put(out, dot, (size_t)(end - dot));
}

static void mask_uri(struct text_out *out, struct span value)
{
	const uint8_t *query = memchr(value.data, '?', value.len);

	if (!memchr(value.data, '/', value.len) && !query) {
		mask_host(out, value);
		return;
	}
	if (!query) {
		text_put_span(out, value);
		return;
	}
	text_put(out, value.data, (size_t)(query - value.data));
	text_put_text(out, "?masked\"");
}

static void mask_all(struct text_out *out, struct span value)
{
	(void)value;
	text_put_text(out, MASKED);
}

static void (*const masks_of_class[EVENT_PRIVACY_N])(struct text_out *out, struct span value) = {
	[EVENT_PRIVACY_ADDRESS] = mask_address,
	[EVENT_PRIVACY_MAC] = mask_mac,
	[EVENT_PRIVACY_URI] = mask_uri,
	[EVENT_PRIVACY_XFF] = mask_all,
	[EVENT_PRIVACY_EXCERPT] = mask_all,
	[EVENT_PRIVACY_USER] = mask_all,
	[EVENT_PRIVACY_TEXT] = mask_quads,
};

void event_line_mask(struct event_line *line, struct event_masks masks, char *scratch)
{
	struct text_out out = {.text = scratch, .size = SIZE_MAX};

	for (unsigned int field = 0; field < EVENT_FIELD_N; field++) {
		enum event_privacy class = event_field_info[field].privacy;
		struct span *value = &line->field[field];
		size_t from = out.len;

		if (!value->data || class == EVENT_PRIVACY_NONE)
			continue;
		if (masks.omit & 1u << class) {
			*value = (struct span){0};
		} else if (masks.mask & 1u << class) {
			masks_of_class[class](&out, *value);
			*value = SPAN(scratch + from, out.len - from);
		}
	}
}
