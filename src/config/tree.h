/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A YAML document as a bounded tree of nodes with positions, from libyaml's events. Anchors, aliases, tags, control
 * characters and a second document are refused, so the tree is never larger than the text. All nodes and their text
 * live as long as the tree. */
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

#define TREE_DEPTH_MAX 16
#define TREE_NODES_MAX 500000

enum tree_kind {
	TREE_SCALAR,
	TREE_LINES, /* a scalar of whole lines, written after "|" */
	TREE_SEQUENCE,
	TREE_MAPPING,
	TREE_BAD, /* already reported: say no more about it */
};

struct tree_node {
	enum tree_kind kind;
	bool plain;                     /* a scalar without quotes */
	unsigned int line, column;      /* from 1 */
	unsigned int origin;            /* inherit.c: 1 + index of the ancestor that an inherited item is of; 0: own */
	unsigned int n;                 /* children; a mapping has two per pair: key, value */
	const char *text;               /* NUL-terminated; a scalar's without control characters */
	struct tree_node *first, *next; /* children; siblings */
};

struct tree;

/* 0 with *out (its root may be partly TREE_BAD), or -EINVAL when there is no tree at all. Reports into problems. */
int tree_parse(const char *text, size_t len, struct tree **out, struct config_problems *problems);
void tree_free(struct tree **tree);
const struct tree_node *tree_root(const struct tree *tree);

/* nothing stands after the key: empty, ~ or null without quotes */
bool tree_is_null(const struct tree_node *node);
/* the value of a key, the item of a sequence; NULL when there is none (also when node is NULL) */
const struct tree_node *tree_value(const struct tree_node *node, const char *key);
const struct tree_node *tree_item(const struct tree_node *node, size_t index);
