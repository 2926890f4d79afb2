/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The last bytes of a growing buffer (raw payload, body), and Hyperscan's place in it. Costs nothing until its first
 * byte, and nothing again after window_reset(). */
#include "inspect/confirm.h"
#include "inspect/engine.h"

#define WINDOW_KEEP 65536                 /* matches within this many bytes are exact (C2) */
#define WINDOW_TRIM (WINDOW_KEEP * 7 / 4) /* trimmed no earlier, so that few bytes are moved for each that comes */

struct window {
	uint8_t *data;
	size_t len, size;
	uint64_t base; /* offset in the buffer of data[0] */
	hs_stream_t *hs;
	size_t hs_size;
};

/* Appends the bytes and marks the filters that they make candidates (bits by filter index). group: the patterns of
 * this buffer, NULL for none. 0, -ENOMEM, -EIO */
int window_feed(struct window *window, const struct group *group, struct inspect_scratch *scratch, struct span bytes,
	uint64_t *candidates);
/* no more will come in this unit: candidates that only an end can make */
int window_end(struct window *window, const struct group *group, struct inspect_scratch *scratch, uint64_t *candidates);
/* forgets all but the last WINDOW_KEEP bytes once there are many more; call after they were judged */
void window_trim(struct window *window);
/* forgets all; scratch: may keep its memory for others, NULL: not */
void window_reset(struct window *window, struct inspect_scratch *scratch);
/* no more for now: a small window takes no more memory than it needs */
void window_rest(struct window *window, struct inspect_scratch *scratch);
size_t window_memory(const struct window *window);

/* marks candidates found in a buffer that is there whole */
int group_scan(const struct group *group, struct inspect_scratch *scratch, struct span bytes, uint64_t *candidates);

static inline void bit_set(uint64_t *bits, size_t i)
{
	bits[i / 64] |= 1ull << i % 64;
}

static inline void bit_clear(uint64_t *bits, size_t i)
{
	bits[i / 64] &= ~(1ull << i % 64);
}

static inline bool bit_is_set(const uint64_t *bits, size_t i)
{
	return bits && bits[i / 64] & 1ull << i % 64;
}
