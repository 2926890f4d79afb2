/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/window.h"

#include <errno.h>
#include <string.h>

#define WINDOW_START 4096
#define WINDOW_REST_MAX 2048          /* larger ones stay as they are between calls */
#define WINDOW_SPARE_MAX (256u << 10) /* larger ones are freed */

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

/* memory of at least that size: one that another window has left, or new */
static uint8_t *take_memory(struct inspect_scratch *scratch, size_t at_least, size_t *size)
{
	for (size_t i = 0; i < SCRATCH_SPARES; i++)
		if (scratch->spares[i].size >= at_least) {
			*size = scratch->spares[i].size;
			scratch->spares[i].size = 0;
			return TAKE_PTR(scratch->spares[i].data);
		}
	for (*size = WINDOW_START; *size < at_least;)
		*size *= 2;
	return malloc(*size);
}

static void give_memory(struct inspect_scratch *scratch, uint8_t *data, size_t size)
{
	for (size_t i = 0; data && scratch && size >= WINDOW_START && size <= WINDOW_SPARE_MAX && i < SCRATCH_SPARES;
		i++)
		if (!scratch->spares[i].data) {
			scratch->spares[i] = (struct spare){data, size};
			return;
		}
	free(data);
}

static int window_append(struct window *window, struct inspect_scratch *scratch, struct span bytes)
{
	if (window->size - window->len < bytes.len) {
		size_t size;
		uint8_t *grown = take_memory(scratch, window->len + bytes.len, &size);

		if (!grown)
			return -ENOMEM;
		if (window->len)
			memcpy(grown, window->data, window->len);
		give_memory(scratch, window->data, window->size);
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
	r = window_append(window, scratch, bytes);
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

	if (window->len <= WINDOW_TRIM)
		return;
	drop = window->len - WINDOW_KEEP;
	memmove(window->data, window->data + drop, WINDOW_KEEP);
	window->len = WINDOW_KEEP;
	window->base += drop;
}

void window_reset(struct window *window, struct inspect_scratch *scratch)
{
	if (window->hs)
		hs_close_stream(window->hs, NULL, NULL, NULL);
	give_memory(scratch, window->data, window->size);
	*window = (struct window){0};
}

void window_rest(struct window *window, struct inspect_scratch *scratch)
{
	uint8_t *fitted;

	if (window->size <= WINDOW_REST_MAX || window->len > WINDOW_REST_MAX || !window->len)
		return;
	fitted = malloc(window->len);
	if (!fitted)
		return;
	memcpy(fitted, window->data, window->len);
	give_memory(scratch, window->data, window->size);
	window->data = fitted;
	window->size = window->len;
}

size_t window_memory(const struct window *window)
{
	return window->size + (window->hs ? window->hs_size : 0);
}
