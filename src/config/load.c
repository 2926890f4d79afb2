/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/suggest.h"
#include "config/problems.h"
#include "config/schema.h"
#include "config/value.h"

#define LOAD_KEYS_MAX 24
#define LOAD_LISTED_MAX 8 /* names that a message offers */

struct load {
	struct config *config;
	struct config_problems *problems;
	char path[160]; /* of the value at hand: "ssl_servers[2].detection_ports" */
	unsigned int next_id[SCHEMA_SECTION_N];
};

struct load_keys { /* a mapping's values by the index of their row in the section */
	const struct tree_node *values[LOAD_KEYS_MAX];
	unsigned int lines[LOAD_KEYS_MAX];
	bool excused[LOAD_KEYS_MAX];
};

struct load_list { /* the layout that all counted arrays share */
	size_t n;
	void *items;
};

__attribute__((format(printf, 2, 3))) static size_t load_enter(struct load *load, const char *fmt, ...)
{
	size_t len = strlen(load->path);
	va_list args;

	va_start(args, fmt);
	vsnprintf(load->path + len, sizeof(load->path) - len, fmt, args);
	va_end(args);
	return len;
}

static void load_leave(struct load *load, size_t len)
{
	load->path[len] = '\0';
}

__attribute__((format(printf, 4, 5))) static void load_problem(
	struct load *load, enum config_severity severity, const struct tree_node *at, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int n;

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
#define load_error(load, at, ...) load_problem(load, CONFIG_ERROR, at, __VA_ARGS__)

static void load_bad_value(
	struct load *load, const struct schema_row *row, const struct tree_node *node, const char *complaint)
{
	char quoted[VALUE_QUOTE_MAX], allowed[VALUE_TEXT_MAX];
	struct suggest suggest = {.word = node->text};

	value_quote(node->text, quoted);
	value_allowed(row, allowed);
	for (const struct schema_word *w = row->words; w && w->name && row->type != SCHEMA_TYPE_PROTOCOLS; w++)
		suggest_try(&suggest, w->name);
	load_error(load, node, "%s %s: %s%s%s%s", quoted, complaint, allowed, suggest.best ? ": did you mean \"" : "",
		suggest.best ? suggest.best : "", suggest.best ? "\"?" : "");
}

static const char *load_kind_name(const struct tree_node *node)
{
	return node->kind == TREE_SCALAR     ? "a single value"
	       : node->kind == TREE_SEQUENCE ? "a list"
					     : "a mapping of keys";
}

/* true when the node is there, is of that kind, and has not been reported already */
static bool load_is(struct load *load, const struct schema_row *row, const struct tree_node *node, enum tree_kind kind)
{
	static const char *const wanted[] = {
		[TREE_SCALAR] = "one value", [TREE_SEQUENCE] = "a list", [TREE_MAPPING] = "a mapping of keys"};
	const char *such = row && row->example ? row->example : NULL;

	if (node->kind == TREE_BAD)
		return false;
	if (node->kind == kind && !tree_is_null(node))
		return true;
	if (tree_is_null(node))
		load_error(load, node, "has no value: %s is needed%s%s%s", wanted[kind], such ? ", such as " : "",
			such ? such : "", kind == TREE_SEQUENCE ? ", or [] for none" : "");
	else
		load_error(load, node, "is %s: %s is needed%s%s", load_kind_name(node), wanted[kind],
			such ? ", such as " : "", such ? such : "");
	return false;
}

/* lists */

static bool load_list_size(struct load *load, const struct schema_row *row, const struct tree_node *node)
{
	if (node->n >= row->min && node->n <= row->max)
		return true;
	if (row->type == SCHEMA_TYPE_OBJECTS)
		load_error(load, node, "has %u entries: allowed are at most %u %s", node->n, row->max,
			schema_sections[row->target].plural);
	else if (!node->n)
		load_error(load, node, "is empty: at least one entry is needed, such as %s", row->example);
	else
		load_error(load, node, "has %u entries: allowed are %u to %u", node->n, row->min, row->max);
	return false;
}

/* an item that another one covers says nothing new: it is left out, so that users of a list need not look */
static bool load_item_covered(struct load *load, const struct schema_row *row, const struct load_list *list,
	const void *item, const struct tree_node *node)
{
	const struct value_type *type = &value_types[row->type];
	char quoted[VALUE_QUOTE_MAX];

	for (size_t i = 0; i < list->n; i++) {
		if (!type->covers((char *)list->items + i * type->item_size, item))
			continue;
		value_quote(node->text, quoted);
		load_problem(
			load, CONFIG_WARNING, node, "%s is already covered by an entry before it: remove it", quoted);
		return true;
	}
	return false;
}

static void load_free_item(const struct schema_row *row, void *item)
{
	if (row->type == SCHEMA_TYPE_NAMES || row->type == SCHEMA_TYPE_PATHS)
		free(*(char **)item);
}

/* entries that this one covers go: the wider one may stand after the narrower */
static void load_drop_covered(struct load *load, const struct schema_row *row, struct load_list *list, const void *item,
	const struct tree_node *node)
{
	const struct value_type *type = &value_types[row->type];
	char quoted[VALUE_QUOTE_MAX], *items = list->items;
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (!type->covers(item, items + i * type->item_size))
			memmove(items + kept++ * type->item_size, items + i * type->item_size, type->item_size);
	if (kept < list->n) {
		value_quote(node->text, quoted);
		load_problem(
			load, CONFIG_WARNING, node, "%s covers an entry before it: remove the narrower one", quoted);
	}
	list->n = kept;
}

static void load_item(
	struct load *load, const struct schema_row *row, const struct tree_node *node, struct load_list *list)
{
	const struct value_type *type = &value_types[row->type];
	union {
		char *text;
		struct config_cidr cidr;
		struct config_range range;
	} item = {0};
	const char *complaint;

	if (!load_is(load, NULL, node, TREE_SCALAR))
		return;
	complaint = type->parse(row, node->text, &item);
	if (complaint) {
		load_bad_value(load, row, node, complaint);
		return;
	}
	if (load_item_covered(load, row, list, &item, node)) {
		load_free_item(row, &item);
		return;
	}
	load_drop_covered(load, row, list, &item, node);
	memcpy((char *)list->items + list->n++ * type->item_size, &item, type->item_size);
}

static void load_list(struct load *load, const struct schema_row *row, const struct tree_node *node, void *field)
{
	struct load_list *list = field;

	if (!load_is(load, row, node, TREE_SEQUENCE) || !load_list_size(load, row, node) || !node->n)
		return;
	list->items = calloc(node->n, value_types[row->type].item_size);
	if (!list->items) {
		load_error(load, node, "the memory is full");
		return;
	}
	for (const struct tree_node *item = node->first; item; item = item->next)
		load_item(load, row, item, list);
	if (!list->n) {
		free(list->items);
		list->items = NULL;
	}
}

/* D1: the protocols must be a range without gaps. D2: ssl3.0 is told to have no effect. */
static void load_protocol_range(struct load *load, const struct tree_node *node, unsigned int chosen, uint16_t *field)
{
	unsigned int low = __builtin_ctz(chosen), high = 31 - __builtin_clz(chosen);

	for (unsigned int i = low; i < high; i++) {
		if (chosen & 1u << i)
			continue;
		load_error(load, node, "leaves %s out between %s and %s: allowed is a range without gaps: add %s",
			schema_protocol_words[i].name, schema_protocol_words[low].name,
			schema_protocol_words[high].name, schema_protocol_words[i].name);
		return;
	}
	if (!low)
		load_problem(load, CONFIG_WARNING, node,
			"ssl3.0 has no effect in this version: the TLS engine lacks it, such clients are refused and "
			"counted");
	if (!high) {
		load_error(load, node,
			"ssl3.0 alone leaves no protocol that this version has: add tls1.2 and what lies between");
		return;
	}
	field[0] = schema_protocol_words[MAX(low, 1)].value;
	field[1] = schema_protocol_words[high].value;
}

static void load_protocols(struct load *load, const struct schema_row *row, const struct tree_node *node, void *field)
{
	unsigned int chosen = 0;
	bool good = true;

	if (!load_is(load, row, node, TREE_SEQUENCE) || !load_list_size(load, row, node))
		return;
	for (const struct tree_node *item = node->first; item; item = item->next) {
		int word = load_is(load, NULL, item, TREE_SCALAR) ? value_word(row->words, item->text) : -1;

		if (word >= 0) {
			chosen |= 1u << (word - row->words[0].value);
			continue;
		}
		good = false;
		if (item->kind == TREE_SCALAR && !tree_is_null(item))
			load_bad_value(load, row, item, "is not a protocol");
	}
	if (good)
		load_protocol_range(load, node, chosen, field);
}

/* a set of words: the order says nothing */
static void load_words(struct load *load, const struct schema_row *row, const struct tree_node *node, void *field)
{
	unsigned int *set = field;

	if (!load_is(load, row, node, TREE_SEQUENCE) || !load_list_size(load, row, node))
		return;
	for (const struct tree_node *item = node->first; item; item = item->next) {
		int word = load_is(load, NULL, item, TREE_SCALAR) ? value_word(row->words, item->text) : -1;

		if (word >= 0 && *set & 1u << word)
			load_problem(load, CONFIG_WARNING, item, "%s is given twice: remove one", item->text);
		if (word >= 0)
			*set |= 1u << word;
		else if (item->kind == TREE_SCALAR && !tree_is_null(item))
			load_bad_value(load, row, item, "is not known");
	}
}

/* single values */

static void load_scalar(struct load *load, const struct schema_row *row, const struct tree_node *node, void *field)
{
	const char *complaint;

	if (!load_is(load, row, node, TREE_SCALAR))
		return;
	complaint = value_types[row->type].parse(row, node->text, field);
	if (complaint)
		load_bad_value(load, row, node, complaint);
}

static const char *load_object_name(const void *object)
{
	return *(char *const *)object;
}

/* `existing are "mail" and "web": did you mean "web"?` */
static void load_list_names(const char *items, size_t n, const struct schema_section_info *section, const char *wanted,
	char *out, size_t room)
{
	struct suggest suggest = {.word = wanted};
	size_t used = 0, listed = 0;

	for (size_t i = 0; i < n; i++) {
		const char *name = load_object_name(items + i * section->size);

		if (!name)
			continue;
		suggest_try(&suggest, name);
		if (listed++ < LOAD_LISTED_MAX)
			used += snprintf(out + used, room - used, "%s\"%s\"", used ? ", " : "existing: ", name);
	}
	if (!listed)
		used += snprintf(out + used, room - used, "there is none, define it in %.*s",
			(int)strcspn(section->heading, "["), section->heading);
	if (listed > LOAD_LISTED_MAX)
		used += snprintf(out + used, room - used, " and %zu more", listed - LOAD_LISTED_MAX);
	if (suggest.best)
		snprintf(out + used, room - used, "; did you mean \"%s\"?", suggest.best);
}

static void load_reference(struct load *load, const struct schema_row *row, const struct tree_node *node, void *field)
{
	const struct schema_section_info *section = &schema_sections[row->target];
	char *items = *(char **)((char *)load->config + section->list.items_offset);
	size_t n = *(size_t *)((char *)load->config + section->list.count_offset);
	char quoted[VALUE_QUOTE_MAX], names[1024];

	if (!load_is(load, row, node, TREE_SCALAR))
		return;
	for (size_t i = 0; i < n; i++) {
		const char *name = load_object_name(items + i * section->size);

		if (name && strcmp(name, node->text) == 0) {
			*(void **)field = items + i * section->size;
			return;
		}
	}
	value_quote(node->text, quoted);
	load_list_names(items, n, section, node->text, names, sizeof(names));
	load_error(load, node, "no %s is named %s: %s", section->noun, quoted, names);
}

/* keys and objects */

static void load_section(struct load *load, enum schema_section section, const struct tree_node *node,
	const struct tree_node *at, void *object);

static void load_check_unique(
	struct load *load, const struct schema_row *row, const struct tree_node *list, const char *items, size_t index)
{
	const struct schema_section_info *section = &schema_sections[row->target];
	const char *name = load_object_name(items + index * section->size);

	for (size_t i = 0; name && i < index; i++) {
		const char *other = load_object_name(items + i * section->size);

		if (!other || strcmp(name, other) != 0)
			continue;
		load_error(load, tree_value(tree_item(list, index), "name"),
			"the name \"%s\" is taken by the %s on line %u: choose another", name, section->noun,
			*(unsigned int *)(items + i * section->size + section->line_offset));
		return;
	}
}

static void load_object(struct load *load, const struct schema_row *row, const struct tree_node *node, char *object)
{
	const struct schema_section_info *section = &schema_sections[row->target];

	*(unsigned int *)(object + section->line_offset) = node->line;
	if (section->id_offset)
		*(uint16_t *)(object + section->id_offset) = load->next_id[row->target]++;
	load_section(load, row->target, node, node, object);
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

		load_object(load, row, item, items + *n * section->size);
		load_check_unique(load, row, node, items, *n);
		(*n)++;
		load_leave(load, len);
	}
}

/* an option that is accepted for the day when it works: the operator hears it at each commit (D2, D7) */
static void load_warn_no_effect(
	struct load *load, const struct schema_row *row, const struct tree_node *node, const void *object)
{
	const char *name = load_object_name(object);
	const void *field = (const char *)object + row->offset;

	if (row->type == SCHEMA_TYPE_SWITCH ? !*(const bool *)field : !*(const unsigned int *)field)
		return;
	load_problem(load, CONFIG_WARNING, node, "has no effect in this version for %s \"%s\": %s",
		schema_sections[row->section].noun, name ? name : "?", row->no_effect);
}

static void load_row(struct load *load, const struct schema_row *row, const struct tree_node *node, char *object)
{
	void *field = object + row->offset;

	switch (row->type) {
	case SCHEMA_TYPE_KEYS:
		load_section(load, row->target, node, node, object);
		return;
	case SCHEMA_TYPE_OBJECTS:
		load_objects(load, row, node, object);
		return;
	case SCHEMA_TYPE_REFERENCE:
		load_reference(load, row, node, field);
		return;
	case SCHEMA_TYPE_WORDS:
		load_words(load, row, node, field);
		return;
	case SCHEMA_TYPE_PROTOCOLS:
		load_protocols(load, row, node, field);
		return;
	default:
		break;
	}
	if (value_types[row->type].item_size)
		load_list(load, row, node, field);
	else
		load_scalar(load, row, node, field);
	if (row->no_effect)
		load_warn_no_effect(load, row, node, object);
}

/* the default goes the way of a written value: one parser, one meaning */
static void load_default(struct load *load, const struct schema_row *row, const struct tree_node *at, char *object)
{
	struct tree_node items[4] = {0}, node = {.kind = TREE_SCALAR, .line = at->line, .column = at->column};
	char text[64], *rest = text, *word;

	snprintf(text, sizeof(text), "%s", row->default_text);
	node.text = text;
	if (row->type == SCHEMA_TYPE_PROTOCOLS) {
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
	char known[512], quoted[VALUE_QUOTE_MAX];
	size_t used = 0, meant;

	for (const struct schema_row *row = NULL; (row = schema_next(section, row));) {
		suggest_try(&suggest, row->key);
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

static void load_section(struct load *load, enum schema_section section, const struct tree_node *node,
	const struct tree_node *at, void *object)
{
	struct load_keys keys = {0};
	size_t i = 0;

	if (node && !load_is(load, NULL, node, TREE_MAPPING))
		return;
	if (node)
		load_sort_keys(load, section, node, &keys);
	for (const struct schema_row *row = NULL; (row = schema_next(section, row)); i++) {
		size_t len = load_enter(load, "%s%s", *load->path ? "." : "", row->key);

		if (keys.values[i])
			load_row(load, row, keys.values[i], object);
		else if (row->required && !keys.excused[i])
			load_missing(load, row, at);
		else if (row->default_text)
			load_default(load, row, at, object);
		else if (row->type == SCHEMA_TYPE_KEYS)
			load_section(load, row->target, NULL, at, object);
		load_leave(load, len);
	}
}

void load_config(struct config *config, const struct tree_node *root, struct config_problems *problems)
{
	struct load load = {.config = config, .problems = problems};

	if (root->kind == TREE_MAPPING)
		load_section(&load, SCHEMA_ROOT, root, root, config);
	else if (root->kind != TREE_BAD)
		load_error(&load, root,
			"the document is %s: keys are needed, write at least \"device: {name: sluice-1}\"",
			load_kind_name(root));
}
