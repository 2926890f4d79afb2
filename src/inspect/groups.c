/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/groups.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/regex.h"

struct entry { /* one filter's pattern in one group, before equal ones are merged */
	char *expression;
	unsigned int flags;
	uint32_t filter, len;
	unsigned int group; /* enum group_id */
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

/* the bytes of a content that are searched for */
static struct span searched(const struct condition *condition)
{
	const struct content *content = &condition->content;
	/* the buffer itself lacks the dot that the transform puts before it */
	size_t skip = condition->transforms == TRANSFORM_DOTPREFIX && content->bytes[0] == '.';

	return content->fast_len ? SPAN(content->bytes + content->fast_offset, content->fast_len)
				 : SPAN(content->bytes + skip, content->len - skip);
}

/* Contents of head buffers are searched for together, but for those of the one that lies apart from the others, and for
 * short ones: there the first match in their own buffer ends the search. */
static unsigned int found_by_group(const struct condition *condition)
{
	bool together = condition->type == CONDITION_CONTENT && searched(condition).len >= FAST_LEN_MIN &&
			condition->buffer != BUFFER_HEADER_RAW &&
			buffer_info[condition->buffer].kind == BUFFER_KIND_HEAD;

	return together ? (unsigned int)GROUP_HEAD : condition->buffer;
}

/* A content that can stand at a body's first byte alone is not looked for at every other: they are short, and short
 * contents slow the search down. */
static bool is_anchored(const struct condition *condition)
{
	const struct content *content = &condition->content;
	bool own = condition->buffer != BUFFER_RAW && condition->buffer != BUFFER_TURN &&
		   found_by_group(condition) != GROUP_HEAD;

	if (!own || condition->transforms || condition->relative || content->fast_len || content->has_offset)
		return false;
	return content->starts ||
	       (content->has_depth && content->depth.variable < 0 && content->depth.value == (int64_t)content->len);
}

static char *literal_expression(const struct condition *condition)
{
	struct span bytes = searched(condition);
	bool at_end = found_by_group(condition) < BUFFER_N && !buffer_is_stream(condition->buffer) &&
		      condition->content.ends && !condition->content.fast_len;
	char *text = malloc(4 * bytes.len + 3), *at = text;

	if (!text)
		return NULL;
	*at = '\0';
	if (is_anchored(condition))
		*at++ = '^';
	for (size_t i = 0; i < bytes.len; i++, at += 4)
		snprintf(at, 5, "\\x%02x", bytes.data[i]);
	if (at_end)
		strcpy(at, "$");
	return text;
}

/* Where head buffers are searched one by one, the first match is enough; a growing buffer's window moves on, and in
 * GROUP_HEAD a match may lie in another filter's buffer. */
int found_by_expression(const struct condition *condition, char **expression, unsigned int *flags)
{
	uint32_t pcre = condition->type == CONDITION_PCRE ? condition->pcre.flags : 0;

	*flags = group_is_stream(found_by_group(condition)) || found_by_group(condition) == GROUP_HEAD
			 ? 0
			 : HS_FLAG_SINGLEMATCH;
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

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	r = strcmp(a->expression, b->expression);
	if (r)
		return r;
	if (a->flags != b->flags)
		return a->flags < b->flags ? -1 : 1;
	return a->filter < b->filter ? -1 : a->filter > b->filter;
}

static bool same_pattern(const struct entry *a, const struct entry *b)
{
	return a->group == b->group && a->flags == b->flags && !strcmp(a->expression, b->expression);
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
		entry->group = found_by_group(condition) == GROUP_HEAD ? GROUP_HEAD : entry->buffer;
		entry->len = condition->type == CONDITION_CONTENT ? (uint32_t)searched(condition).len : 0;
		entries->n++;
	}
	qsort(entries->items, entries->n, sizeof(*entries->items), entry_compare);
	return 0;
}

static int group_new(struct group **out, enum inspect_dir dir, unsigned int id, size_t n)
{
	struct group *group = calloc(1, sizeof(*group));

	if (!group)
		return -ENOMEM;
	*out = group; /* owned by the set of groups from here on */
	group->dir = dir;
	group->id = id;
	group->first = calloc(n + 1, sizeof(*group->first));
	group->members = calloc(n, sizeof(*group->members));
	group->expressions = calloc(n, sizeof(*group->expressions));
	group->flags = calloc(n, sizeof(*group->flags));
	if (id == GROUP_HEAD) {
		group->buffers = calloc(n, sizeof(*group->buffers));
		group->lengths = calloc(n, sizeof(*group->lengths));
		if (!group->buffers || !group->lengths)
			return -ENOMEM;
	}
	return group->first && group->members && group->expressions && group->flags ? 0 : -ENOMEM;
}

/* n entries of one buffer, sorted */
static void group_fill(struct group *group, struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!i || !same_pattern(&entries[i], &entries[i - 1])) {
			group->first[group->n_patterns] = (uint32_t)i;
			group->flags[group->n_patterns] = entries[i].flags;
			if (group->lengths)
				group->lengths[group->n_patterns] = entries[i].len;
			group->expressions[group->n_patterns++] = strdup(entries[i].expression);
		}
		group->members[i] = entries[i].filter;
		if (group->buffers)
			group->buffers[i] = (uint8_t)entries[i].buffer;
	}
	group->first[group->n_patterns] = (uint32_t)n;
}

static int groups_build_dir(
	struct groups *groups, const struct ruleset *set, const uint8_t *found_by, enum inspect_dir dir)
{
	_cleanup_(entries_clear) struct entries entries = {0};
	int r = collect(groups, &entries, set, found_by, dir);

	for (size_t i = 0, n; r == 0 && i < entries.n; i += n) {
		unsigned int id = entries.items[i].group;

		for (n = 1; i + n < entries.n && entries.items[i + n].group == id; n++)
			;
		r = group_new(&groups->group[dir][id], dir, id, n);
		if (r == 0)
			group_fill(groups->group[dir][id], &entries.items[i], n);
		if (id < BUFFER_N && buffer_info[id].kind == BUFFER_KIND_HEAD)
			groups->heads[dir] |= 1ull << id;
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
	if (group->spare)
		hs_close_stream(group->spare, NULL, NULL, NULL);
	hs_free_database(group->compiled);
	free(group->first);
	free(group->buffers);
	free(group->lengths);
	free(group->members);
	free(group);
}

void groups_clear(struct groups *groups)
{
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
		for (unsigned int id = 0; id < GROUP_N; id++)
			group_free(groups->group[dir][id]);
		free(groups->always[dir]);
		free(groups->start[dir]);
	}
	*groups = (struct groups){0};
}
