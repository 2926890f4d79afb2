/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/suggest.h"
#include "config/inherit.h"
#include "config/load_internal.h"
#include "config/value.h"

struct load_keys { /* a mapping's values by the index of their row in the section */
	const struct tree_node *values[LOAD_KEYS_MAX];
	unsigned int lines[LOAD_KEYS_MAX];
	bool excused[LOAD_KEYS_MAX];
};

size_t load_enter(struct load *load, const char *fmt, ...)
{
	size_t len = strlen(load->path);
	va_list args;

	va_start(args, fmt);
	vsnprintf(load->path + len, sizeof(load->path) - len, fmt, args);
	va_end(args);
	return len;
}

void load_leave(struct load *load, size_t len)
{
	load->path[len] = '\0';
}

void load_problem(struct load *load, enum config_severity severity, const struct tree_node *at, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int n;

	if (load->quiet)
		return;
	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		fmt = "is wrong";
	}
	config_problems_add(load->problems, severity, at->line, at->column, "%s%s%s", load->path,
		*load->path ? ": " : "", text ? text : fmt);
}

/* keys and objects */

static void load_section(struct load *load, enum schema_section section, const struct tree_node *node,
	const struct tree_node *at, const struct inherit *chain, void *object);

static void load_check_unique(
	struct load *load, const struct schema_row *row, const struct tree_node *list, const char *items, size_t index)
{
	const struct schema_section_info *section = &schema_sections[row->target];
	const char *name = load_object_name(items + index * section->size), *key = schema_next(row->target, NULL)->key;

	for (size_t i = 0; name && i < index; i++) {
		const char *other = load_object_name(items + i * section->size);

		if (!other || strcmp(name, other) != 0)
			continue;
		load_error(load, tree_value(tree_item(list, index), key),
			"the %s \"%s\" is taken by the %s on line %u: choose another", key, name, section->noun,
			*(unsigned int *)(items + i * section->size + section->line_offset));
		return;
	}
}

/* the entry that another inherits from stands in the same list: its place is known before it is loaded */
static void load_set_parent(enum schema_section section, char *object, void *parent)
{
	for (const struct schema_row *row = NULL; (row = schema_next(section, row));)
		if (row->type == SCHEMA_TYPE_REFERENCE && row->target == section)
			*(void **)(object + row->offset) = parent;
}

static void load_object(struct load *load, const struct schema_row *row, const struct tree_node *node,
	const struct inherit *chain, char *object)
{
	const struct schema_section_info *section = &schema_sections[row->target];

	*(unsigned int *)(object + section->line_offset) = node->line;
	if (section->id_offset)
		*(uint16_t *)(object + section->id_offset) = load->next_id[row->target]++;
	if (section->origin_offset)
		*(uint16_t *)(object + section->origin_offset) = node->origin;
	load_section(load, row->target, node, node, chain, object);
}

static void load_item_of(struct load *load, const struct schema_row *row, const struct tree_node *list,
	const struct tree_node *item, char *items, size_t index)
{
	const struct schema_section_info *section = &schema_sections[row->target];
	char *object = items + index * section->size;
	struct inherit chain = {0};
	bool quiet = load->quiet;

	load->quiet |= item->origin != 0;
	if (section->inherits) {
		size_t len = load_enter(load, ".parent");

		inherit_follow(load, list, item, &chain);
		load_leave(load, len);
	}
	load_object(load, row, item, &chain, object);
	load->quiet = quiet;
	if (section->inherits && chain.n)
		load_set_parent(row->target, object, items + chain.index[0] * section->size);
	load_check_unique(load, row, list, items, index);
}

static void load_objects(struct load *load, const struct schema_row *row, const struct tree_node *node, char *parent)
{
	const struct schema_section_info *section = &schema_sections[row->target];
	size_t *n = (size_t *)(parent + row->count_offset);
	char *items;

	if (!load_is(load, row, node, TREE_SEQUENCE) || !load_list_size(load, row, node) || !node->n)
		return;
	items = calloc(node->n, section->size);
	if (!items) {
		load_error(load, node, "the memory is full");
		return;
	}
	*(char **)(parent + row->offset) = items;
	for (const struct tree_node *item = node->first; item; item = item->next) {
		size_t len = load_enter(load, "[%zu]", *n);

		load_item_of(load, row, node, item, items, *n);
		(*n)++;
		load_leave(load, len);
	}
}

static void load_row(struct load *load, const struct schema_row *row, const struct tree_node *node, char *object)
{
	if (row->type == SCHEMA_TYPE_KEYS)
		load_section(load, row->target, node, node, &(struct inherit){0}, object);
	else if (row->type == SCHEMA_TYPE_OBJECTS)
		load_objects(load, row, node, object);
	else
		load_value(load, row, node, object);
}

/* the default goes the way of a written value: one parser, one meaning */
static void load_default(struct load *load, const struct schema_row *row, const struct tree_node *at, char *object)
{
	struct tree_node items[4] = {0}, node = {.kind = TREE_SCALAR, .line = at->line, .column = at->column};
	char text[64], *rest = text, *word;

	snprintf(text, sizeof(text), "%s", row->default_text);
	node.text = text;
	if (row->type == SCHEMA_TYPE_PROTOCOLS || row->type == SCHEMA_TYPE_WORDS) {
		node.kind = TREE_SEQUENCE;
		node.first = items;
		while (node.n < ARRAY_SIZE(items) && (word = strsep(&rest, ", ")))
			if (*word) {
				items[node.n] = (struct tree_node){.kind = TREE_SCALAR, .text = word};
				if (node.n)
					items[node.n - 1].next = &items[node.n];
				node.n++;
			}
	}
	load_row(load, row, &node, object);
}

static void load_missing(struct load *load, const struct schema_row *row, const struct tree_node *at)
{
	char allowed[VALUE_TEXT_MAX] = "";

	if (row->type == SCHEMA_TYPE_KEYS) {
		const struct schema_row *first = schema_next(row->target, NULL);

		load_error(
			load, at, "is missing: add it, such as \"%s: {%s: %s}\"", row->key, first->key, first->example);
		return;
	}
	if (row->words)
		value_allowed(row, allowed);
	load_error(load, at, "is missing: add it (%s), such as \"%s: %s\"%s%s", row->help, row->key, row->example,
		*allowed ? "; " : "", allowed);
}

static const struct schema_row *load_find_row(enum schema_section section, const char *key, size_t *index)
{
	*index = 0;
	for (const struct schema_row *row = NULL; (row = schema_next(section, row)); (*index)++)
		if (strcmp(row->key, key) == 0)
			return row;
	return NULL;
}

/* the key that was meant is not told to be missing as well */
static void load_unknown_key(
	struct load *load, enum schema_section section, const struct tree_node *key, struct load_keys *keys)
{
	struct suggest suggest = {.word = key->text};
	char known[2048] = "", quoted[VALUE_QUOTE_MAX];
	size_t used = 0, meant;

	for (const struct schema_row *row = NULL; (row = schema_next(section, row));) {
		suggest_try(&suggest, row->key);
		if (used + strlen(row->key) + sizeof(", ") < sizeof(known))
			used += snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", row->key);
	}
	value_quote(key->text, quoted);
	if (!suggest.best) {
		load_error(load, key, "%s is not a key: known here are %s", quoted, known);
		return;
	}
	load_error(load, key, "%s is not a key: did you mean \"%s\"?", quoted, suggest.best);
	load_find_row(section, suggest.best, &meant);
	keys->excused[meant] = true;
}

/* sorts the pairs of a mapping to the section's rows */
static void load_sort_keys(
	struct load *load, enum schema_section section, const struct tree_node *node, struct load_keys *keys)
{
	for (const struct tree_node *key = node->first; key && key->next; key = key->next->next) {
		size_t i;

		if (key->kind == TREE_BAD)
			continue;
		if (key->kind != TREE_SCALAR) {
			load_error(load, key, "%s stands where a key is needed: write \"key: value\"",
				load_kind_name(key));
			continue;
		}
		if (!load_find_row(section, key->text, &i)) {
			load_unknown_key(load, section, key, keys);
			continue;
		}
		if (keys->values[i]) {
			load_error(load, key, "\"%s\" is given twice, first on line %u: remove one", key->text,
				keys->lines[i]);
			continue;
		}
		keys->values[i] = key->next;
		keys->lines[i] = key->line;
	}
}

/* a key that the object does not give: its parent's, or the default */
static void load_absent(struct load *load, const struct schema_row *row, const struct tree_node *at,
	const struct inherit *chain, bool excused, void *object)
{
	const struct tree_node *inherited = inherit_value(chain, row);
	bool quiet = load->quiet;

	if (inherited) {
		load->quiet = true;
		load_row(load, row, inherited, object);
		load->quiet = quiet;
	} else if (row->required && !excused) {
		load_missing(load, row, at);
	} else if (row->default_text) {
		load_default(load, row, at, object);
	} else if (row->type == SCHEMA_TYPE_KEYS) {
		load_section(load, row->target, NULL, at, chain, object);
	}
}

static void load_section(struct load *load, enum schema_section section, const struct tree_node *node,
	const struct tree_node *at, const struct inherit *chain, void *object)
{
	struct load_keys keys = {0};
	size_t i = 0;

	if (node && !load_is(load, NULL, node, TREE_MAPPING))
		return;
	if (node)
		load_sort_keys(load, section, node, &keys);
	for (const struct schema_row *row = NULL; (row = schema_next(section, row)); i++) {
		_cleanup_(inherit_release) struct tree_node *merged =
			row->adds ? inherit_merge(chain, row, keys.values[i], at) : NULL;
		size_t len = load_enter(load, "%s%s", *load->path ? "." : "", row->key);

		if (merged)
			load_row(load, row, merged, object);
		else if (keys.values[i])
			load_row(load, row, keys.values[i], object);
		else
			load_absent(load, row, at, chain, keys.excused[i], object);
		load_leave(load, len);
	}
}

void load_config(struct config *config, const struct tree_node *root, struct config_problems *problems)
{
	struct load load = {.config = config, .problems = problems};

	if (root->kind == TREE_MAPPING)
		load_section(&load, SCHEMA_ROOT, root, root, &(struct inherit){0}, config);
	else if (root->kind != TREE_BAD)
		load_error(&load, root,
			"the document is %s: keys are needed, write at least \"device: {name: sluice-1}\"",
			load_kind_name(root));
}
