/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/window.h"

#include <errno.h>
#include <string.h>

#define WINDOW_START 4096
#define WINDOW_REST_MAX 2048          /* larger ones stay as they are between calls */
#define WINDOW_SPARE_MAX (256u << 10) /* larger ones are freed */

struct sink {
	const struct group *group;
	struct bits_pool *pool;
	struct bits **candidates;
	const uint8_t *bytes; /* GROUP_HEAD: what is scanned, and the buffers in it */
	const struct views *views;
};

/* most bytes make no candidate: the set is taken with the first */
static bool has_set(const struct sink *sink)
{
	if (!*sink->candidates)
		*sink->candidates = bits_take(sink->pool);
	return *sink->candidates;
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags, void *context)
{
	const struct sink *sink = context;
	const uint32_t *first = sink->group->first;

	if (!has_set(sink))
		return 1;
	for (uint32_t i = first[id]; i < first[id + 1]; i++)
		bits_add(*sink->candidates, sink->group->members[i]);
	return 0;
}

static bool lies_within(const struct view *view, const uint8_t *from, const uint8_t *to)
{
	return view->present && from >= view->bytes.data && to <= view->bytes.data + view->bytes.len;
}

static int on_head_match(
	unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags, void *context)
{
	const struct sink *sink = context;
	const struct group *group = sink->group;
	const uint8_t *end = sink->bytes + to, *start = end - group->lengths[id];

	for (uint32_t i = group->first[id]; i < group->first[id + 1]; i++) {
		if (!lies_within(&sink->views->view[group->buffers[i]], start, end))
			continue;
		if (!has_set(sink))
			return 1;
		bits_add(*sink->candidates, group->members[i]);
	}
	return 0;
}

static int scan(const struct group *group, struct inspect_scratch *scratch, struct span bytes,
	match_event_handler on_one, struct sink *sink)
{
	if (hs_scan(group->database, (const char *)bytes.data, (unsigned int)bytes.len, 0, scratch->hs, on_one, sink) !=
		HS_SUCCESS)
		return -EIO;
	return 0;
}

int group_scan(const struct group *group, struct inspect_scratch *scratch, struct span bytes, struct bits **candidates)
{
	struct sink sink = {.group = group, .pool = &scratch->bits, .candidates = candidates};

	return scan(group, scratch, bytes, on_match, &sink);
}

int group_scan_head(const struct group *group, struct inspect_scratch *scratch, struct span bytes,
	const struct views *views, struct bits **candidates)
{
	struct sink sink = {group, &scratch->bits, candidates, bytes.data, views};

	return scan(group, scratch, bytes, on_head_match, &sink);
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

/* Hyperscan's place at the beginning of a window: one that another window has left, or new */
static int open_stream(struct window *window, struct group *group)
{
	window->hs = TAKE_PTR(group->spare);
	window->hs_size = group->stream_size;
	if (window->hs)
		return 0;
	return hs_open_stream(group->database, 0, &window->hs) == HS_SUCCESS ? 0 : -ENOMEM;
}

/* at_beginning: it has been reset */
static void close_stream(struct window *window, struct group *group, bool at_beginning)
{
	hs_stream_t *hs = TAKE_PTR(window->hs);

	if (hs && group && !group->spare && (at_beginning || hs_reset_stream(hs, 0, NULL, NULL, NULL) == HS_SUCCESS))
		group->spare = hs;
	else if (hs)
		hs_close_stream(hs, NULL, NULL, NULL);
}

int window_search(struct window *window, struct group *group, struct inspect_scratch *scratch, struct span bytes,
	struct bits **candidates)
{
	struct sink sink = {.group = group, .pool = &scratch->bits, .candidates = candidates};

	if (!bytes.len || !group)
		return 0;
	if (!window->hs && open_stream(window, group) < 0)
		return -ENOMEM;
	if (hs_scan_stream(window->hs, (const char *)bytes.data, (unsigned int)bytes.len, 0, scratch->hs, on_match,
		    &sink) != HS_SUCCESS)
		return -EIO;
	return 0;
}

int window_feed(struct window *window, struct group *group, struct inspect_scratch *scratch, struct span bytes,
	struct bits **candidates)
{
	int r = bytes.len ? window_append(window, scratch, bytes) : 0;

	return r < 0 ? r : window_search(window, group, scratch, bytes, candidates);
}

int window_end(struct window *window, struct group *group, struct inspect_scratch *scratch, struct bits **candidates)
{
	struct sink sink = {.group = group, .pool = &scratch->bits, .candidates = candidates};
	hs_error_t r = window->hs && group ? hs_reset_stream(window->hs, 0, scratch->hs, on_match, &sink) : HS_SUCCESS;

	close_stream(window, group, r == HS_SUCCESS);
	return r == HS_SUCCESS ? 0 : -EIO;
}

void window_trim(struct window *window, size_t many)
{
	size_t drop;

	if (window->len <= many)
		return;
	drop = window->len - WINDOW_KEEP;
	memmove(window->data, window->data + drop, WINDOW_KEEP);
	window->len = WINDOW_KEEP;
	window->base += drop;
}

void window_reset(struct window *window, struct group *group, struct inspect_scratch *scratch)
{
	close_stream(window, group, false);
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
