/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which Hyperscan pattern stands for which filters. A group is one (direction, buffer): its patterns' ids are
 * 0 to n_patterns - 1, and a match of pattern i makes the filters members[first[i]] to members[first[i + 1] - 1]
 * candidates. The contents of all head buffers are one group, GROUP_HEAD: those buffers lie side by side and inside of
 * one another (http_views.h) and are searched at once; a match counts for a filter when it lies within its buffer. A
 * pure function of the filters and of how each is found, so the compiler and the loader agree. */
#include <hs/hs.h>

#include "inspect/ruleset.h"

enum found_by {        /* how candidates of a filter are found; stored in the image */
	FOUND_ALWAYS,  /* no pattern can: confirmed at every judgement */
	FOUND_CONTENT, /* by its fast pattern */
	FOUND_PCRE,    /* by its first pcre, as a prefilter */
};

enum group_id { /* or a buffer_id */
	GROUP_HEAD = BUFFER_N,
	GROUP_N
};

struct group {
	enum inspect_dir dir;
	unsigned int id;
	size_t n_patterns;
	uint32_t *first;    /* n_patterns + 1 */
	uint32_t *members;  /* indices of filters */
	uint8_t *buffers;   /* GROUP_HEAD: of each member, where it looks */
	uint32_t *lengths;  /* GROUP_HEAD: of each pattern's content */
	char **expressions; /* of the patterns; dropped after compilation */
	unsigned int *flags;
	const hs_database_t *database; /* compiled, or in the image */
	hs_database_t *compiled;       /* owned */
	size_t stream_size;            /* of Hyperscan's place in a growing buffer */
	hs_stream_t *spare;            /* one that nobody uses for now, at the beginning */
};

struct groups {
	struct group *group[INSPECT_DIRS][GROUP_N]; /* NULL: no pattern */
	uint64_t heads[INSPECT_DIRS];               /* head buffers that have a group of their own */
	/* without a pattern: those judged at every turn, and those that look at the session alone, at its beginning */
	size_t n_always[INSPECT_DIRS], n_start[INSPECT_DIRS];
	uint32_t *always[INSPECT_DIRS], *start[INSPECT_DIRS];
};

static inline bool group_is_stream(unsigned int id)
{
	return id < BUFFER_N && buffer_is_stream(id);
}

int groups_build(struct groups *groups, const struct ruleset *set, const uint8_t *found_by);
void groups_clear(struct groups *groups);
void group_drop_expressions(struct group *group);

/* the condition whose pattern finds candidates of the filter in that way, NULL for FOUND_ALWAYS */
const struct condition *found_by_condition(const struct filter *filter, enum found_by found_by);
/* its pattern for Hyperscan, malloc'ed */
int found_by_expression(const struct condition *condition, char **expression, unsigned int *flags);
