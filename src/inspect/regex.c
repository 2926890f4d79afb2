/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/regex.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define REGEX_MATCH_LIMIT 10000 /* Suricata's default is 3500 */
#define REGEX_SLICE 128
#define REGEX_SLICES_PER_LOOK 8
#define REGEX_TIME_NS 2000000ull
#define REGEX_DEPTH_LIMIT 2000
#define REGEX_HEAP_LIMIT_KB 2048

struct regex {
	const char *pattern; /* to be compiled */
	uint32_t flags;
	pcre2_code *code;
	bool anchored; /* can match at the place where the search starts only */
};

struct regex_memory {
	pcre2_match_context *context;
	pcre2_match_data *data;
};

static const struct {
	uint32_t flag, option;
} regex_options[] = {
	{REGEX_CASELESS, PCRE2_CASELESS},
	{REGEX_DOTALL, PCRE2_DOTALL},
	{REGEX_MULTILINE, PCRE2_MULTILINE},
	{REGEX_EXTENDED, PCRE2_EXTENDED},
	{REGEX_ANCHORED, PCRE2_ANCHORED},
	{REGEX_DOLLAR_END, PCRE2_DOLLAR_ENDONLY},
	{REGEX_UNGREEDY, PCRE2_UNGREEDY},
};

static int compile(struct regex *regex, const char *pattern, uint32_t flags, char *reason, size_t reason_size)
{
	uint32_t options = PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, all = 0;
	char text[96] = "";
	PCRE2_SIZE where;
	int error;

	for (size_t i = 0; i < ARRAY_SIZE(regex_options); i++)
		if (flags & regex_options[i].flag)
			options |= regex_options[i].option;
	regex->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &where, NULL);
	if (!regex->code) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof(text));
		snprintf(reason, reason_size, "pcre: %s at offset %zu", text, where);
		return -EINVAL;
	}
	pcre2_pattern_info(regex->code, PCRE2_INFO_ALLOPTIONS, &all);
	regex->anchored = all & PCRE2_ANCHORED;
	return 0;
}

int regex_new(struct regex **out, const char *pattern, uint32_t flags, char *reason, size_t reason_size)
{
	_cleanup_(regex_free) struct regex *regex = calloc(1, sizeof(*regex));
	int r = regex ? compile(regex, pattern, flags, reason, reason_size) : -ENOMEM;

	if (r == 0)
		*out = TAKE_PTR(regex);
	return r;
}

int regex_new_known(struct regex **out, const char *pattern, uint32_t flags)
{
	struct regex *regex = calloc(1, sizeof(*regex));

	if (!regex)
		return -ENOMEM;
	regex->pattern = pattern;
	regex->flags = flags;
	*out = regex;
	return 0;
}

void regex_free(struct regex **regex)
{
	if (!*regex)
		return;
	pcre2_code_free((*regex)->code);
	free(*regex);
	*regex = NULL;
}

int regex_memory_new(struct regex_memory **out)
{
	struct regex_memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return -ENOMEM;
	memory->context = pcre2_match_context_create(NULL);
	memory->data = pcre2_match_data_create(1, NULL);
	if (!memory->context || !memory->data) {
		regex_memory_free(&memory);
		return -ENOMEM;
	}
	pcre2_set_match_limit(memory->context, REGEX_MATCH_LIMIT);
	pcre2_set_depth_limit(memory->context, REGEX_DEPTH_LIMIT);
	pcre2_set_heap_limit(memory->context, REGEX_HEAP_LIMIT_KB);
	*out = memory;
	return 0;
}

void regex_memory_free(struct regex_memory **memory)
{
	if (!*memory)
		return;
	pcre2_match_data_free((*memory)->data);
	pcre2_match_context_free((*memory)->context);
	free(*memory);
	*memory = NULL;
}

uint64_t regex_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int match_slice(
	const struct regex *regex, struct regex_memory *memory, struct span subject, size_t start, uint32_t options)
{
	size_t last = regex->anchored ? PCRE2_UNSET : start + REGEX_SLICE - 1;

	pcre2_set_offset_limit(memory->context, last);
	return pcre2_match(regex->code, subject.data, subject.len, start, options, memory->data, memory->context);
}

/* PCRE2 counts its effort anew for each place where a match could begin, which is no bound for a long subject: so
 * the places are tried in slices, with a look at the clock between them */
static int match_all(
	const struct regex *regex, struct regex_memory *memory, struct span subject, size_t start, uint32_t options)
{
	bool sliced = !regex->anchored && subject.len - start > REGEX_SLICE;
	uint64_t deadline = sliced ? regex_clock() + REGEX_TIME_NS : 0;

	for (unsigned int slices = 1;; slices++) {
		int r = match_slice(regex, memory, subject, start, options);

		if (r != PCRE2_ERROR_NOMATCH || !sliced)
			return r;
		start += REGEX_SLICE;
		if (start > subject.len)
			return r;
		if (slices % REGEX_SLICES_PER_LOOK == 0 && regex_clock() > deadline)
			return PCRE2_ERROR_MATCHLIMIT;
	}
}

enum regex_result regex_find(struct regex *regex, struct regex_memory *memory, struct span subject, size_t start,
	unsigned int more, size_t *match_start, size_t *match_end)
{
	uint32_t options = (more & REGEX_MORE_AFTER ? PCRE2_NOTEOL : 0) | (more & REGEX_MORE_BEFORE ? PCRE2_NOTBOL : 0);
	const PCRE2_SIZE *ends;
	char reason[160];
	int r;

	if (!regex->code && compile(regex, regex->pattern, regex->flags, reason, sizeof(reason)) < 0)
		return REGEX_LIMIT; /* out of memory */
	r = match_all(regex, memory, subject, start, options);
	if (r == PCRE2_ERROR_NOMATCH)
		return REGEX_NO_MATCH;
	if (r < 0)
		return REGEX_LIMIT;
	ends = pcre2_get_ovector_pointer(memory->data);
	if (ends[1] < ends[0]) /* \K in a lookahead */
		return REGEX_NO_MATCH;
	*match_start = ends[0];
	*match_end = ends[1];
	return REGEX_MATCH;
}
