/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/window.h"

#include <errno.h>
#include <string.h>

#define WINDOW_START 1024

struct sink {
	const struct group *group;
	uint64_t *candidates;
};

static int on_match(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags, void *context)
{
	const struct sink *sink = context;
	const uint32_t *first = sink->group->first;

	for (uint32_t i = first[id]; i < first[id + 1]; i++)
		bit_set(sink->candidates, sink->group->members[i]);
	return 0;
}

int group_scan(const struct group *group, struct inspect_scratch *scratch, struct span bytes, uint64_t *candidates)
{
	struct sink sink = {group, candidates};

	if (hs_scan(group->database, (const char *)bytes.data, (unsigned int)bytes.len, 0, scratch->hs, on_match,
		    &sink) != HS_SUCCESS)
		return -EIO;
	return 0;
}

static int window_append(struct window *window, struct span bytes)
{
	size_t size = window->size ? window->size : WINDOW_START;
	uint8_t *grown;

	while (size - window->len < bytes.len)
		size *= 2;
	if (size != window->size) {
		grown = realloc(window->data, size);
		if (!grown)
			return -ENOMEM;
		window->data = grown;
		window->size = size;
	}
	memcpy(window->data + window->len, bytes.data, bytes.len);
	window->len += bytes.len;
	return 0;
}

int window_feed(struct window *window, const struct group *group, struct inspect_scratch *scratch, struct span bytes,
	uint64_t *candidates)
{
	struct sink sink = {group, candidates};
	int r;

	if (!bytes.len)
		return 0;
	r = window_append(window, bytes);
	if (r < 0 || !group)
		return r;
	if (!window->hs && (hs_stream_size(group->database, &window->hs_size) != HS_SUCCESS ||
				   hs_open_stream(group->database, 0, &window->hs) != HS_SUCCESS))
		return -ENOMEM;
	if (hs_scan_stream(window->hs, (const char *)bytes.data, (unsigned int)bytes.len, 0, scratch->hs, on_match,
		    &sink) != HS_SUCCESS)
		return -EIO;
	return 0;
}

int window_end(struct window *window, const struct group *group, struct inspect_scratch *scratch, uint64_t *candidates)
{
	struct sink sink = {group, candidates};
	hs_stream_t *hs = TAKE_PTR(window->hs);

	if (hs && hs_close_stream(hs, scratch->hs, on_match, &sink) != HS_SUCCESS)
		return -EIO;
	return 0;
}

void window_trim(struct window *window)
{
	size_t drop;

	if (window->len <= WINDOW_KEEP)
		return;
	drop = window->len - WINDOW_KEEP;
	memmove(window->data, window->data + drop, WINDOW_KEEP);
	window->len = WINDOW_KEEP;
	window->base += drop;
}

void window_reset(struct window *window)
{
	if (window->hs)
		hs_close_stream(window->hs, NULL, NULL, NULL);
	free(window->data);
	*window = (struct window){0};
}

size_t window_memory(const struct window *window)
{
	return window->size + (window->hs ? window->hs_size : 0);
}
