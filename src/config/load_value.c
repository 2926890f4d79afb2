/* SPDX-License-Identifier: Apache-2.0 */
/* One key's value: a word, a list, a reference, as its row says. Objects are load.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/suggest.h"
#include "config/load_internal.h"
#include "config/value.h"

#define LOAD_LISTED_MAX 8 /* names that a message offers */

struct load_list { /* the layout that all counted arrays share */
	size_t n;
	void *items;
};

static void load_bad_value(
	struct load *load, const struct schema_row *row, const struct tree_node *node, const char *complaint)
{
	char quoted[VALUE_QUOTE_MAX], allowed[VALUE_TEXT_MAX];
	struct suggest suggest = {.word = node->text};

	value_quote(node->text, quoted);
	for (const struct schema_refusal *r = row->refused; r && r->name; r++)
		if (strcmp(r->name, node->text) == 0) {
			load_error(load, node, "%s is not available: %s", quoted, r->why);
			return;
		}
	value_allowed(row, allowed);
	for (const struct schema_word *w = row->words; w && w->name && row->type != SCHEMA_TYPE_PROTOCOLS; w++)
		suggest_try(&suggest, w->name);
	load_error(load, node, "%s %s: %s%s%s%s", quoted, complaint, allowed, suggest.best ? ": did you mean \"" : "",
		suggest.best ? suggest.best : "", suggest.best ? "\"?" : "");
}

const char *load_kind_name(const struct tree_node *node)
{
	return node->kind == TREE_SCALAR     ? "a single value"
	       : node->kind == TREE_LINES    ? "a block of lines"
	       : node->kind == TREE_SEQUENCE ? "a list"
					     : "a mapping of keys";
}

/* true when the node is there, is of that kind, and has not been reported already */
bool load_is(struct load *load, const struct schema_row *row, const struct tree_node *node, enum tree_kind kind)
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

bool load_list_size(struct load *load, const struct schema_row *row, const struct tree_node *node)
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
	if (row->type == SCHEMA_TYPE_NAMES || row->type == SCHEMA_TYPE_PATHS || row->type == SCHEMA_TYPE_HOSTS ||
		row->type == SCHEMA_TYPE_ITEMS)
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
	for (const struct tree_node *item = node->first; item; item = item->next) {
		bool quiet = load->quiet;

		load->quiet |= item->origin != 0;
		load_item(load, row, item, list);
		load->quiet = quiet;
	}
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

const char *load_object_name(const void *object)
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

void load_value(struct load *load, const struct schema_row *row, const struct tree_node *node, void *object)
{
	void *field = (char *)object + row->offset;

	if (row->type == SCHEMA_TYPE_REFERENCE && row->target == row->section)
		(void)load_is(load, row, node, TREE_SCALAR); /* a parent: followed by load.c */
	else if (row->type == SCHEMA_TYPE_REFERENCE)
		load_reference(load, row, node, field);
	else if (row->type == SCHEMA_TYPE_WORDS)
		load_words(load, row, node, field);
	else if (row->type == SCHEMA_TYPE_PROTOCOLS)
		load_protocols(load, row, node, field);
	else if (value_types[row->type].item_size)
		load_list(load, row, node, field);
	else
		load_scalar(load, row, node, field);
	if (row->no_effect)
		load_warn_no_effect(load, row, node, object);
}
