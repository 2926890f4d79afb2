/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The confirm stage: does a filter match these buffers, exactly as written? A pure function of its arguments, with a
 * bound on its effort. */
#include "inspect/filter.h"
#include "inspect/regex.h"

#define CONFIRM_EFFORT (4u << 20) /* bytes looked at for one filter, all tries together: about a millisecond */

struct view { /* what is there of a buffer */
	struct span bytes;
	uint64_t base; /* offset in the buffer of bytes.data[0] */
	bool present;  /* an absent buffer matches nothing, not even a negated condition (as in Suricata 7) */
	/* No more will come. Until then a condition that later bytes could spoil (negated, at the end, a size) counts
	 * as unmatched unless the bytes it is about are there: so the result never changes from match to no match. */
	bool complete;
};

struct views {
	struct view view[BUFFER_N];
};

enum confirm_result {
	CONFIRM_MATCH,
	CONFIRM_NO_MATCH,
	CONFIRM_HEAD_UNMET, /* a condition on a head buffer is unmet: no body can change that */
	CONFIRM_LIMIT,      /* given up */
};
/* *effort: units it may spend, at most CONFIRM_EFFORT of them at once; what it spent is taken off */
enum confirm_result confirm_filter(
	const struct filter *filter, const struct views *views, struct regex_memory *memory, uint64_t *effort);

/* first occurrence of needle (lower case when nocase) in hay[from..to), or -1 */
ssize_t bytes_find(const uint8_t *hay, size_t from, size_t to, const uint8_t *needle, size_t len, bool nocase);
