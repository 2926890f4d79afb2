/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside config/: what an object has from its parent (F1). Works on the document's nodes, so that any key that the
 * schema gains is inherited without more ado: a key that the object does not give is its parent's; the lists whose row
 * says `adds` are the parent's entries and then its own, an object of the same name in place of the inherited one. */
#include "config/tree.h"

#define INHERIT_DEPTH_MAX 8

struct load;
struct schema_row;

/* the nodes of an object's ancestors, the parent first; n 0: none */
struct inherit {
	size_t n;
	const struct tree_node *ancestors[INHERIT_DEPTH_MAX];
	unsigned int index[INHERIT_DEPTH_MAX]; /* of each in its list */
};

/* Follows the key `parent` of an item of list. Reports a name that is unknown, a cycle and too long a chain, and
 * leaves the chain empty then. */
void inherit_follow(struct load *load, const struct tree_node *list, const struct tree_node *item, struct inherit *out);

/* the value of a key that the object itself does not give; NULL: no ancestor gives it either */
const struct tree_node *inherit_value(const struct inherit *chain, const struct schema_row *row);

/* Of a row that adds: own and the ancestors' entries as one sequence, inherited ones marked with tree_node.origin.
 * NULL when no ancestor gives any: then own is all there is. inherit_release() frees it, not what it copies. */
struct tree_node *inherit_merge(const struct inherit *chain, const struct schema_row *row, const struct tree_node *own,
	const struct tree_node *at);
void inherit_release(struct tree_node **merged);
