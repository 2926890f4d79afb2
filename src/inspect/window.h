/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The last bytes of a growing buffer (raw payload, body), and Hyperscan's place in it. Costs nothing until its first
 * byte, and nothing again after window_reset(). */
#include "inspect/confirm.h"
#include "inspect/engine.h"

#define WINDOW_KEEP 65536 /* matches within this many bytes are exact (C2) */
/* trimmed no earlier than at these lengths, so that few bytes are moved for each that comes */
#define WINDOW_TRIM_RAW (WINDOW_KEEP * 15 / 4)
#define WINDOW_TRIM_BODY (WINDOW_KEEP * 7 / 4)

struct window {
	uint8_t *data;
	size_t len, size;
	uint64_t base; /* offset in the buffer of data[0] */
	hs_stream_t *hs;
	size_t hs_size;
};

/* Appends the bytes and marks the filters that they make candidates (a set is taken from the scratch with the first).
 * group: the patterns of this buffer, NULL for none. 0, -ENOMEM, -EIO */
int window_feed(struct window *window, struct group *group, struct inspect_scratch *scratch, struct span bytes,
	struct bits **candidates);
/* the same for bytes that are kept elsewhere */
int window_search(struct window *window, struct group *group, struct inspect_scratch *scratch, struct span bytes,
	struct bits **candidates);
/* no more will come in this unit: candidates that only an end can make */
int window_end(struct window *window, struct group *group, struct inspect_scratch *scratch, struct bits **candidates);
/* forgets all but the last WINDOW_KEEP bytes once there are more than that many; call after they were judged */
void window_trim(struct window *window, size_t many);
/* forgets all; scratch: may keep its memory for others, NULL: not; the same for group and Hyperscan's place */
void window_reset(struct window *window, struct group *group, struct inspect_scratch *scratch);
/* no more for now: a small window takes no more memory than it needs */
void window_rest(struct window *window, struct inspect_scratch *scratch);
size_t window_memory(const struct window *window);

/* marks candidates found in a buffer that is there whole */
int group_scan(const struct group *group, struct inspect_scratch *scratch, struct span bytes, struct bits **candidates);
/* the same for GROUP_HEAD: the bytes that the views lie in */
int group_scan_head(const struct group *group, struct inspect_scratch *scratch, struct span bytes,
	const struct views *views, struct bits **candidates);
