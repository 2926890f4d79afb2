/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* PCRE2 with its limits set (C2: no regular expression can stall a worker). The only user of PCRE2. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/common.h"

struct regex;
struct regex_memory; /* per worker: what a match needs */

enum regex_flag {                  /* the flags of the pcre keyword that are not about a buffer */
	REGEX_CASELESS = 1 << 0,   /* i */
	REGEX_DOTALL = 1 << 1,     /* s */
	REGEX_MULTILINE = 1 << 2,  /* m */
	REGEX_EXTENDED = 1 << 3,   /* x */
	REGEX_ANCHORED = 1 << 4,   /* A */
	REGEX_DOLLAR_END = 1 << 5, /* E */
	REGEX_UNGREEDY = 1 << 6,   /* G */
};

/* -EINVAL with a reason */
int regex_new(struct regex **out, const char *pattern, uint32_t flags, char *reason, size_t reason_size);
/* one that is known to compile, and does so when it is first looked for; pattern is borrowed for its life */
int regex_new_known(struct regex **out, const char *pattern, uint32_t flags);
void regex_free(struct regex **regex);

int regex_memory_new(struct regex_memory **out);
void regex_memory_free(struct regex_memory **memory);

/* CPU time of this thread in nanoseconds, by which regular expressions are bounded */
uint64_t regex_clock(void);

enum regex_result { REGEX_MATCH, REGEX_NO_MATCH, REGEX_LIMIT };
enum regex_more {                   /* the subject is part of something larger */
	REGEX_MORE_AFTER = 1 << 0,  /* $ does not match at its end */
	REGEX_MORE_BEFORE = 1 << 1, /* ^ does not match at its beginning */
};
/* looks in subject from offset start on; more: enum regex_more */
enum regex_result regex_find(struct regex *regex, struct regex_memory *memory, struct span subject, size_t start,
	unsigned int more, size_t *match_start, size_t *match_end);
