/* SPDX-License-Identifier: Apache-2.0 */
#include "config/inherit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/suggest.h"
#include "config/load_internal.h"
#include "config/value.h"

#define INHERIT_KEY "parent"

#define PROFILE_NAME_KEY "name"

/* key: that which tells the objects of the list apart, the first of their section */
static const char *item_name(const struct tree_node *item, const char *key)
{
	const struct tree_node *name = tree_value(item, key);

	return name && name->kind == TREE_SCALAR ? name->text : NULL;
}

static const struct tree_node *inherit_find(
	const struct tree_node *list, const char *key, const char *name, unsigned int *index)
{
	*index = 0;
	for (const struct tree_node *item = list->first; item; item = item->next, (*index)++) {
		const char *other = item_name(item, key);

		if (other && !strcmp(other, name))
			return item;
	}
	return NULL;
}

static void inherit_unknown(struct load *load, const struct tree_node *list, const struct tree_node *parent)
{
	struct suggest suggest = {.word = parent->text};
	char quoted[VALUE_QUOTE_MAX];

	for (const struct tree_node *item = list->first; item; item = item->next)
		if (item_name(item, PROFILE_NAME_KEY))
			suggest_try(&suggest, item_name(item, PROFILE_NAME_KEY));
	value_quote(parent->text, quoted);
	load_error(load, parent, "no profile is named %s: %s%s%s", quoted,
		suggest.best ? "did you mean \"" : "take the name of another entry of this list",
		suggest.best ? suggest.best : "", suggest.best ? "\"?" : "");
}

void inherit_follow(struct load *load, const struct tree_node *list, const struct tree_node *item, struct inherit *out)
{
	struct inherit chain = {0};
	const struct tree_node *first = tree_value(item, INHERIT_KEY);

	for (const struct tree_node *at = item, *parent; (parent = tree_value(at, INHERIT_KEY));) {
		/* a value of another kind is told by who loads it; so is an ancestor's unknown parent */
		if (parent->kind != TREE_SCALAR || tree_is_null(parent))
			break;
		if (chain.n == INHERIT_DEPTH_MAX) {
			load_error(load, first, "the chain of parents is longer than %d: inherit from a nearer one",
				INHERIT_DEPTH_MAX);
			return;
		}
		at = inherit_find(list, PROFILE_NAME_KEY, parent->text, &chain.index[chain.n]);
		if (!at && chain.n == 0)
			inherit_unknown(load, list, parent);
		if (!at)
			break;
		if (at == item) {
			load_error(load, first, "a profile cannot be its own parent%s: remove one \"parent\"",
				chain.n ? ", by way of others" : "");
			return;
		}
		for (size_t i = 0; i < chain.n; i++)
			if (chain.ancestors[i] == at)
				return; /* a cycle that this one does not stand in: told to those that do */
		chain.ancestors[chain.n++] = at;
	}
	*out = chain;
}

const struct tree_node *inherit_value(const struct inherit *chain, const struct schema_row *row)
{
	const struct tree_node *value = NULL;

	for (size_t i = 0; !row->own && i < chain->n && !value; i++)
		value = tree_value(chain->ancestors[i], row->key);
	return value;
}

static const struct tree_node *inherit_list(const struct inherit *chain, const struct schema_row *row, size_t i)
{
	const struct tree_node *list = tree_value(chain->ancestors[i], row->key);

	return list && list->kind == TREE_SEQUENCE ? list : NULL;
}

/* an object of that name stands in the same key of a nearer ancestor, or of the object itself (own) */
static bool inherit_replaced(const struct inherit *chain, const struct schema_row *row, size_t ancestor,
	const struct tree_node *own, const char *name)
{
	unsigned int unused;
	const char *key;

	if (row->type != SCHEMA_TYPE_OBJECTS || !name)
		return false;
	key = schema_next(row->target, NULL)->key;
	for (size_t i = 0; i < ancestor; i++)
		if (inherit_list(chain, row, i) && inherit_find(inherit_list(chain, row, i), key, name, &unused))
			return true;
	return own && own->kind == TREE_SEQUENCE && inherit_find(own, key, name, &unused);
}

static const char *object_name(const struct schema_row *row, const struct tree_node *item)
{
	return row->type == SCHEMA_TYPE_OBJECTS ? item_name(item, schema_next(row->target, NULL)->key) : NULL;
}

static void merged_append(struct tree_node *merged, const struct tree_node *item, unsigned int origin)
{
	struct tree_node *items = merged + 1, *copy = &items[merged->n];

	*copy = *item;
	copy->next = NULL;
	copy->origin = origin;
	if (merged->n)
		items[merged->n - 1].next = copy;
	merged->first = items;
	merged->n++;
}

struct tree_node *inherit_merge(const struct inherit *chain, const struct schema_row *row, const struct tree_node *own,
	const struct tree_node *at)
{
	size_t n = own && own->kind == TREE_SEQUENCE ? own->n : 0, inherited = 0;
	struct tree_node *merged;

	for (size_t i = 0; i < chain->n; i++)
		inherited += inherit_list(chain, row, i) ? inherit_list(chain, row, i)->n : 0;
	if (!inherited || (own && own->kind != TREE_SEQUENCE))
		return NULL;
	merged = calloc(1 + n + inherited, sizeof(*merged));
	if (!merged)
		return NULL;
	*merged = (struct tree_node){.kind = TREE_SEQUENCE, .line = (own ?: at)->line, .column = (own ?: at)->column};
	for (size_t i = chain->n; i-- > 0;) {
		const struct tree_node *list = inherit_list(chain, row, i);

		for (const struct tree_node *item = list ? list->first : NULL; item; item = item->next)
			if (!inherit_replaced(chain, row, i, own, object_name(row, item)))
				merged_append(merged, item, chain->index[i] + 1);
	}
	for (const struct tree_node *item = own ? own->first : NULL; item; item = item->next)
		merged_append(merged, item, 0);
	return merged;
}

void inherit_release(struct tree_node **merged)
{
	free(*merged);
	*merged = NULL;
}
