/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/groups.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/regex.h"

struct entry { /* one filter's pattern in one group, before equal ones are merged */
	char *expression;
	unsigned int flags;
	uint32_t filter;
	enum buffer_id buffer;
};

struct entries {
	size_t n;
	struct entry *items;
};

const struct condition *found_by_condition(const struct filter *filter, enum found_by found_by)
{
	if (found_by == FOUND_CONTENT)
		return filter->fast >= 0 ? &filter->conditions[filter->fast] : NULL;
	for (size_t i = 0; found_by == FOUND_PCRE && i < filter->n_conditions; i++) {
		const struct condition *condition = &filter->conditions[i];

		if (condition->type == CONDITION_PCRE && !condition->negated && condition_is_findable(condition))
			return condition;
	}
	return NULL;
}

static char *literal_expression(const struct condition *condition)
{
	const struct content *content = &condition->content;
	/* the buffer itself lacks the dot that the transform puts before it */
	size_t skip = condition->transforms == TRANSFORM_DOTPREFIX && content->bytes[0] == '.';
	size_t len = content->fast_len ? content->fast_len : content->len - skip;
	const uint8_t *bytes = content->bytes + (content->fast_len ? content->fast_offset : skip);
	char *text = malloc(4 * len + 1);

	for (size_t i = 0; text && i < len; i++)
		snprintf(text + 4 * i, 5, "\\x%02x", bytes[i]);
	return text;
}

/* in the group of a growing buffer a pattern may match again after the window has moved on; elsewhere once is enough */
int found_by_expression(const struct condition *condition, char **expression, unsigned int *flags)
{
	uint32_t pcre = condition->type == CONDITION_PCRE ? condition->pcre.flags : 0;

	*flags = buffer_is_stream(condition->buffer) ? 0 : HS_FLAG_SINGLEMATCH;
	if (condition->type == CONDITION_CONTENT) {
		*flags |= condition->content.nocase ? HS_FLAG_CASELESS : 0;
		*expression = literal_expression(condition);
	} else {
		*flags |= HS_FLAG_PREFILTER | HS_FLAG_ALLOWEMPTY;
		*flags |= pcre & REGEX_CASELESS ? HS_FLAG_CASELESS : 0;
		*flags |= pcre & REGEX_DOTALL ? HS_FLAG_DOTALL : 0;
		*flags |= pcre & REGEX_MULTILINE ? HS_FLAG_MULTILINE : 0;
		if (asprintf(expression, "%s%s", pcre & REGEX_EXTENDED ? "(?x)" : "", condition->pcre.pattern) < 0)
			*expression = NULL;
	}
	return *expression ? 0 : -ENOMEM;
}

static int entry_compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int r;

	if (a->buffer != b->buffer)
		return a->buffer < b->buffer ? -1 : 1;
	r = strcmp(a->expression, b->expression);
	if (r)
		return r;
	if (a->flags != b->flags)
		return a->flags < b->flags ? -1 : 1;
	return a->filter < b->filter ? -1 : a->filter > b->filter;
}

static bool same_pattern(const struct entry *a, const struct entry *b)
{
	return a->buffer == b->buffer && a->flags == b->flags && !strcmp(a->expression, b->expression);
}

static void entries_clear(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++)
		free(entries->items[i].expression);
	free(entries->items);
}

/* where the bytes of a buffer are searched: those of a turn are in the raw stream, those of files in bodies */
static enum buffer_id scanned_buffer(enum buffer_id buffer, enum inspect_dir dir)
{
	if (buffer == BUFFER_TURN)
		return BUFFER_RAW;
	return buffer == BUFFER_FILE_DATA ? body_buffer(dir) : buffer;
}

static int collect(struct groups *groups, struct entries *entries, const struct ruleset *set, const uint8_t *found_by,
	enum inspect_dir dir)
{
	entries->items = calloc(set->n + 1, sizeof(*entries->items));
	groups->always[dir] = calloc(set->n + 1, sizeof(*groups->always[dir]));
	groups->start[dir] = calloc(set->n + 1, sizeof(*groups->start[dir]));
	if (!entries->items || !groups->always[dir] || !groups->start[dir])
		return -ENOMEM;
	for (size_t i = 0; i < set->n; i++) {
		const struct condition *condition = found_by_condition(set->filters[i], found_by[i]);
		struct entry *entry = &entries->items[entries->n];

		if (!(set->filters[i]->dirs & 1u << dir))
			continue;
		if (!condition) {
			if (set->filters[i]->at_start)
				groups->start[dir][groups->n_start[dir]++] = (uint32_t)i;
			else
				groups->always[dir][groups->n_always[dir]++] = (uint32_t)i;
			continue;
		}
		if (found_by_expression(condition, &entry->expression, &entry->flags) < 0)
			return -ENOMEM;
		entry->filter = (uint32_t)i;
		entry->buffer = scanned_buffer(condition->buffer, dir);
		entries->n++;
	}
	qsort(entries->items, entries->n, sizeof(*entries->items), entry_compare);
	return 0;
}

static int group_new(struct group **out, enum inspect_dir dir, enum buffer_id buffer, size_t n)
{
	struct group *group = calloc(1, sizeof(*group));

	if (!group)
		return -ENOMEM;
	*out = group; /* owned by the set of groups from here on */
	group->dir = dir;
	group->buffer = buffer;
	group->first = calloc(n + 1, sizeof(*group->first));
	group->members = calloc(n, sizeof(*group->members));
	group->expressions = calloc(n, sizeof(*group->expressions));
	group->flags = calloc(n, sizeof(*group->flags));
	return group->first && group->members && group->expressions && group->flags ? 0 : -ENOMEM;
}

/* n entries of one buffer, sorted */
static void group_fill(struct group *group, struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!i || !same_pattern(&entries[i], &entries[i - 1])) {
			group->first[group->n_patterns] = (uint32_t)i;
			group->flags[group->n_patterns] = entries[i].flags;
			group->expressions[group->n_patterns++] = strdup(entries[i].expression);
		}
		group->members[i] = entries[i].filter;
	}
	group->first[group->n_patterns] = (uint32_t)n;
}

static int groups_build_dir(
	struct groups *groups, const struct ruleset *set, const uint8_t *found_by, enum inspect_dir dir)
{
	_cleanup_(entries_clear) struct entries entries = {0};
	int r = collect(groups, &entries, set, found_by, dir);

	for (size_t i = 0, n; r == 0 && i < entries.n; i += n) {
		enum buffer_id buffer = entries.items[i].buffer;

		for (n = 1; i + n < entries.n && entries.items[i + n].buffer == buffer; n++)
			;
		r = group_new(&groups->group[dir][buffer], dir, buffer, n);
		if (r == 0)
			group_fill(groups->group[dir][buffer], &entries.items[i], n);
	}
	return r;
}

int groups_build(struct groups *groups, const struct ruleset *set, const uint8_t *found_by)
{
	int r = 0;

	for (enum inspect_dir dir = 0; r == 0 && dir < INSPECT_DIRS; dir++)
		r = groups_build_dir(groups, set, found_by, dir);
	return r;
}

void group_drop_expressions(struct group *group)
{
	for (size_t i = 0; group->expressions && i < group->n_patterns; i++)
		free(group->expressions[i]);
	free(group->expressions);
	free(group->flags);
	group->expressions = NULL;
	group->flags = NULL;
}

static void group_free(struct group *group)
{
	if (!group)
		return;
	group_drop_expressions(group);
	hs_free_database(group->compiled);
	free(group->first);
	free(group->members);
	free(group);
}

void groups_clear(struct groups *groups)
{
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
		for (unsigned int buffer = 0; buffer < BUFFER_N; buffer++)
			group_free(groups->group[dir][buffer]);
		free(groups->always[dir]);
		free(groups->start[dir]);
	}
	*groups = (struct groups){0};
}
