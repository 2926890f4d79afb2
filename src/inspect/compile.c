/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_compile(): rule files to an image (C5). Runs in a process of its own, never in a worker. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "inspect/groups.h"
#include "inspect/image.h"

struct compilation {
	struct ruleset set;
	uint8_t *found_by;
	struct groups groups;
};

struct writer { /* a growing buffer; failed once memory has run out */
	uint8_t *data;
	size_t len, size;
	bool failed;
};

static void write_bytes(struct writer *w, const void *data, size_t len)
{
	if (w->failed)
		return;
	if (w->size - w->len < len) {
		size_t size = MAX(2 * w->size, w->len + len);
		uint8_t *grown = realloc(w->data, size);

		if (!grown) {
			w->failed = true;
			return;
		}
		w->data = grown;
		w->size = size;
	}
	if (len)
		memcpy(w->data + w->len, data, len);
	w->len += len;
}

static int compile_patterns(
	const char *const *expressions, const unsigned int *flags, size_t n, bool stream, hs_database_t **out)
{
	unsigned int *ids = calloc(n + 1, sizeof(*ids));
	hs_compile_error_t *error = NULL;
	hs_error_t r;

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ids[i] = (unsigned int)i;
	r = hs_compile_multi(
		expressions, flags, ids, (unsigned int)n, stream ? HS_MODE_STREAM : HS_MODE_BLOCK, NULL, out, &error);
	free(ids);
	if (r == HS_SUCCESS)
		return 0;
	log_dbg("hyperscan: %s", error && error->message ? error->message : "out of memory");
	hs_free_compile_error(error);
	return -EINVAL;
}

/* Can Hyperscan take the pattern as a prefilter? */
static bool pcre_is_usable(const struct condition *condition)
{
	_cleanup_free_ char *expression = NULL;
	hs_database_t *database = NULL;
	unsigned int flags;
	int r;

	if (condition->relative || found_by_expression(condition, &expression, &flags) < 0)
		return false;
	r = compile_patterns(
		(const char *const *)&expression, &flags, 1, buffer_is_stream(condition->buffer), &database);
	hs_free_database(database);
	return r == 0;
}

static enum found_by choose_found_by(const struct filter *filter)
{
	const struct condition *pcre = found_by_condition(filter, FOUND_PCRE);

	if (filter->fast >= 0)
		return FOUND_CONTENT;
	return pcre && pcre_is_usable(pcre) ? FOUND_PCRE : FOUND_ALWAYS;
}

static int compile_group(struct group *group)
{
	int r;

	for (size_t i = 0; i < group->n_patterns; i++)
		if (!group->expressions[i])
			return -ENOMEM;
	r = compile_patterns((const char *const *)group->expressions, group->flags, group->n_patterns,
		group_is_stream(group->id), &group->compiled);
	group->database = group->compiled;
	return r < 0 ? log_err_r(r, "cannot compile the patterns of %s",
			       group->id < BUFFER_N ? buffer_info[group->id].name : "heads")
		     : 0;
}

static void write_padding(struct writer *w)
{
	static const uint8_t zeros[INSPECT_IMAGE_ALIGN];

	write_bytes(w, zeros, inspect_image_room(w->len) - w->len);
}

/* the database as Hyperscan would make it in memory so aligned */
static int place_database(const hs_database_t *database, void **out, size_t *out_len)
{
	char *bytes = NULL;
	size_t len = 0;
	int r = -ENOMEM;

	if (hs_serialize_database(database, &bytes, &len) != HS_SUCCESS)
		return -ENOMEM;
	if (hs_serialized_database_size(bytes, len, out_len) == HS_SUCCESS) {
		*out = aligned_alloc(INSPECT_IMAGE_ALIGN, inspect_image_room(*out_len));
		if (*out && hs_deserialize_database_at(bytes, len, *out) == HS_SUCCESS)
			r = 0;
	}
	free(bytes);
	return r;
}

static int write_group(struct writer *w, const struct group *group)
{
	struct image_group header = {.dir = group->dir, .group = group->id};
	_cleanup_free_ void *database = NULL;
	size_t len = 0;
	int r = place_database(group->database, &database, &len);

	if (r < 0)
		return r;
	header.database_len = len;
	write_padding(w);
	write_bytes(w, &header, sizeof(header));
	write_padding(w);
	write_bytes(w, database, len);
	return 0;
}

static size_t count_groups(const struct groups *groups)
{
	size_t n = 0;

	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		for (unsigned int id = 0; id < GROUP_N; id++)
			n += groups->group[dir][id] != NULL;
	return n;
}

static int write_groups(
	struct writer *w, struct compilation *c, const struct inspect_progress *progress, uint64_t *n_groups)
{
	size_t total = count_groups(&c->groups);
	int r = 0;

	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		for (unsigned int id = 0; r == 0 && id < GROUP_N; id++) {
			struct group *group = c->groups.group[dir][id];

			if (!group)
				continue;
			r = compile_group(group);
			if (r == 0)
				r = write_group(w, group);
			(*n_groups)++;
			if (progress)
				progress->tell(progress->owner, "patterns", *n_groups, total);
		}
	return r;
}

static uint64_t write_variables(struct writer *w, const struct variables *variables)
{
	size_t before = w->len;

	for (size_t i = 0; i < variables->n; i++) {
		const char *const parts[] = {"var ", variables->items[i].name, " ", variables->items[i].value, "\n"};

		for (size_t part = 0; part < ARRAY_SIZE(parts); part++)
			write_bytes(w, parts[part], strlen(parts[part]));
	}
	return w->len - before;
}

static int write_image(
	struct compilation *c, const struct inspect_progress *progress, uint8_t **image, size_t *image_len)
{
	struct image_header header = {.magic = IMAGE_MAGIC, .build = image_build(), .n_filters = c->set.n};
	struct writer w = {0};
	int r;

	write_bytes(&w, &header, sizeof(header));
	write_bytes(&w, c->found_by, c->set.n);
	header.text_len = write_variables(&w, &c->set.variables);
	for (size_t i = 0; i < c->set.n; i++) {
		write_bytes(&w, c->set.texts[i].data, c->set.texts[i].len);
		write_bytes(&w, "\n", 1);
		header.text_len += c->set.texts[i].len + 1;
	}
	r = write_groups(&w, c, progress, &header.n_groups);
	if (r < 0 || w.failed) {
		free(w.data);
		return r < 0 ? r : -ENOMEM;
	}
	header.checksum = image_hash(0, w.data + sizeof(header), w.len - sizeof(header));
	*image = aligned_alloc(INSPECT_IMAGE_ALIGN, inspect_image_room(w.len));
	if (*image) {
		memcpy(*image, w.data, w.len);
		memcpy(*image, &header, sizeof(header));
		*image_len = w.len;
	}
	free(w.data);
	return *image ? 0 : -ENOMEM;
}

static void compilation_clear(struct compilation *c)
{
	groups_clear(&c->groups);
	ruleset_clear(&c->set);
	free(c->found_by);
}

int inspect_compile(const struct inspect_source *sources, size_t n, const struct inspect_progress *progress,
	uint8_t **image, size_t *image_len, struct inspect_report *report)
{
	_cleanup_(compilation_clear) struct compilation c = {0};
	int r;

	*report = (struct inspect_report){0};
	r = ruleset_read(&c.set, RULESET_NEW, sources, n, progress, report);
	if (r == 0)
		r = ruleset_sort(&c.set);
	if (r < 0)
		return r;
	c.found_by = calloc(c.set.n + 1, 1);
	if (!c.found_by)
		return -ENOMEM;
	for (size_t i = 0; i < c.set.n; i++)
		c.found_by[i] = (uint8_t)choose_found_by(c.set.filters[i]);
	r = groups_build(&c.groups, &c.set, c.found_by);
	return r < 0 ? r : write_image(&c, progress, image, image_len);
}
