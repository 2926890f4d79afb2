/* SPDX-License-Identifier: Apache-2.0 */
#include "config/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/common.h"

#define TREE_BLOCK 65536

struct tree_block { /* nodes and text are carved from blocks and freed with the tree */
	struct tree_block *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

struct tree {
	struct tree_node *root;
	unsigned int n_nodes, n_documents;
	struct tree_block *blocks;
};

struct tree_level {
	struct tree_node *node, *last;
};

struct tree_builder {
	yaml_parser_t parser;
	struct tree *tree;
	struct config_problems *problems;
	unsigned int depth;
	struct tree_level levels[TREE_DEPTH_MAX];
};

static void *tree_alloc(struct tree *tree, size_t size)
{
	struct tree_block *block = tree->blocks;
	size_t need = (size + 15) & ~(size_t)15;

	if (!block || block->size - block->used < need) {
		size_t room = MAX(need, (size_t)TREE_BLOCK);

		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		*block = (struct tree_block){.next = tree->blocks, .size = room};
		tree->blocks = block;
	}
	block->used += need;
	return block->bytes + block->used - need;
}

void tree_free(struct tree **tree)
{
	if (!*tree)
		return;
	for (struct tree_block *block = (*tree)->blocks; block;) {
		struct tree_block *next = block->next;

		free(block);
		block = next;
	}
	free(*tree);
	*tree = NULL;
}

static void tree_error(struct tree_builder *b, const yaml_mark_t *at, const char *text)
{
	config_problems_add(b->problems, CONFIG_ERROR, at->line + 1, at->column + 1, "%s", text);
}

static int tree_fail(struct tree_builder *b, const yaml_mark_t *at, const char *text)
{
	tree_error(b, at, text);
	return -EINVAL;
}

/* links a new node below the innermost open collection */
static int tree_add(struct tree_builder *b, enum tree_kind kind, const yaml_mark_t *at, struct tree_node **out)
{
	struct tree_level *level = b->depth ? &b->levels[b->depth - 1] : NULL;
	struct tree_node *node;

	if (b->tree->n_nodes++ >= TREE_NODES_MAX)
		return tree_fail(b, at, "the document has more than 500000 values: split or shorten its lists");
	node = tree_alloc(b->tree, sizeof(*node));
	if (!node)
		return -ENOMEM;
	*node = (struct tree_node){.kind = kind, .line = at->line + 1, .column = at->column + 1};
	if (!level)
		b->tree->root = node;
	else if (level->last)
		level->last->next = node;
	else
		level->node->first = node;
	if (level) {
		level->last = node;
		level->node->n++;
	}
	*out = node;
	return 0;
}

/* Anchors have no use without aliases, and aliases allow a small text to mean a huge one (billion laughs). */
static void tree_check_properties(
	struct tree_builder *b, const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		tree_error(b, &event->start_mark,
			"YAML anchors are not allowed in a configuration: write the value out where it is needed");
	if (tag)
		tree_error(b, &event->start_mark,
			"YAML tags are not allowed in a configuration: remove the word that begins with \"!\"");
}

static int tree_open(struct tree_builder *b, enum tree_kind kind, const yaml_mark_t *at)
{
	struct tree_node *node;
	int r;

	if (b->depth == TREE_DEPTH_MAX)
		return tree_fail(b, at, "lists or mappings are nested too deeply: no key needs more than 4 levels");
	r = tree_add(b, kind, at, &node);
	if (r)
		return r;
	b->levels[b->depth++] = (struct tree_level){.node = node};
	return 0;
}

static bool tree_has_control(const char *text, size_t len, const char *allowed)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text[i];

		/* C0, DEL, and C1 (U+0080 to U+009F): a terminal may obey any of them */
		if (c && c < 0x20 && strchr(allowed, c))
			continue;
		if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0))
			return true;
	}
	return false;
}

static int tree_scalar(struct tree_builder *b, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	bool block = event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE && memchr(value, '\n', len);
	struct tree_node *node;
	char *text;
	int r;

	tree_check_properties(b, event, event->data.scalar.anchor, event->data.scalar.tag);
	r = tree_add(b, block ? TREE_LINES : TREE_SCALAR, &event->start_mark, &node);
	if (r)
		return r;
	if (tree_has_control(value, len, block ? "\n\t" : "")) {
		node->kind = TREE_BAD;
		tree_error(b, &event->start_mark,
			"the value holds a line break or another control character: write it on one line");
		return 0;
	}
	text = tree_alloc(b->tree, len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, value, len);
	text[len] = '\0';
	node->text = text;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int tree_alias(struct tree_builder *b, const yaml_event_t *event)
{
	struct tree_node *node;

	tree_error(b, &event->start_mark,
		"YAML aliases are not allowed in a configuration: write the value out where it is needed");
	return tree_add(b, TREE_BAD, &event->start_mark, &node);
}

static int tree_event(struct tree_builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->tree->n_documents++)
			return tree_fail(
				b, &event->start_mark, "a second document begins here: a file holds one configuration");
		return 0;
	case YAML_ALIAS_EVENT:
		return tree_alias(b, event);
	case YAML_SCALAR_EVENT:
		return tree_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		tree_check_properties(b, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return tree_open(b, TREE_SEQUENCE, &event->start_mark);
	case YAML_MAPPING_START_EVENT:
		tree_check_properties(b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return tree_open(b, TREE_MAPPING, &event->start_mark);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

/* a byte offset as a position: the reader's errors (encoding) come without one */
static yaml_mark_t tree_mark_at(const char *text, size_t len, size_t offset)
{
	yaml_mark_t mark = {0};

	for (size_t i = 0; i < MIN(offset, len); i++) {
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static bool tree_is_tab_at(const char *text, size_t len, const yaml_mark_t *at)
{
	size_t line = 0, i = 0;

	for (; i < len && line < at->line; i++)
		line += text[i] == '\n';
	for (size_t column = 0; i < len && column < at->column; i++)
		column += ((unsigned char)text[i] & 0xc0) != 0x80;
	return i < len && text[i] == '\t';
}

static int tree_syntax_error(struct tree_builder *b, const char *text, size_t len)
{
	const yaml_parser_t *p = &b->parser;
	yaml_mark_t at = p->problem_mark;
	char began[48] = "";

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR)
		at = tree_mark_at(text, len, p->problem_offset);
	if (p->context && p->context_mark.line < at.line)
		snprintf(began, sizeof(began), " that began on line %zu", p->context_mark.line + 1);
	config_problems_add(b->problems, CONFIG_ERROR, at.line + 1, at.column + 1, "not valid YAML: %s%s%s%s%s",
		p->context ? p->context : "", began, p->context ? ", " : "",
		p->problem ? p->problem : "unreadable text",
		tree_is_tab_at(text, len, &at) ? ": there is a tab here, indent with spaces" : "");
	return -EINVAL;
}

static int tree_read(struct tree_builder *b, const char *text, size_t len)
{
	bool end = false;
	int r = 0;

	while (!r && !end) {
		yaml_event_t event;

		if (!yaml_parser_parse(&b->parser, &event))
			return tree_syntax_error(b, text, len);
		end = event.type == YAML_STREAM_END_EVENT;
		r = tree_event(b, &event);
		yaml_event_delete(&event);
	}
	return r;
}

int tree_parse(const char *text, size_t len, struct tree **out, struct config_problems *problems)
{
	_cleanup_(tree_free) struct tree *tree = calloc(1, sizeof(*tree));
	struct tree_builder b = {.tree = tree, .problems = problems};
	int r;

	if (!tree || !yaml_parser_initialize(&b.parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
	r = tree_read(&b, text, len);
	yaml_parser_delete(&b.parser);
	if (r)
		return r;
	*out = TAKE_PTR(tree);
	return 0;
}

const struct tree_node *tree_root(const struct tree *tree)
{
	return tree->root;
}

bool tree_is_null(const struct tree_node *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	if (node->kind != TREE_SCALAR || !node->plain)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
		if (strcmp(node->text, nulls[i]) == 0)
			return true;
	return false;
}

const struct tree_node *tree_value(const struct tree_node *node, const char *key)
{
	if (!node || node->kind != TREE_MAPPING)
		return NULL;
	for (const struct tree_node *k = node->first; k && k->next; k = k->next->next)
		if (k->kind == TREE_SCALAR && strcmp(k->text, key) == 0)
			return k->next;
	return NULL;
}

const struct tree_node *tree_item(const struct tree_node *node, size_t index)
{
	const struct tree_node *item = node && node->kind == TREE_SEQUENCE ? node->first : NULL;

	while (item && index--)
		item = item->next;
	return item;
}
