/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/settings.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/suggest.h"
#include "config/problems.h"
#include "config/value.h"
#include "day0/complete.h"
#include "day0/rows.h"

struct day0_settings {
	struct tree *tree;
	const struct tree_node *root;
};

struct day0_walk {
	struct config_problems *problems;
	char path[128];
};

static void day0_error(struct day0_walk *walk, const struct tree_node *at, const char *what, const char *mend)
{
	char quoted[VALUE_QUOTE_MAX] = "";
	bool scalar = at->kind == TREE_SCALAR;

	if (scalar)
		value_quote(at->text, quoted);
	config_problems_add(walk->problems, CONFIG_ERROR, at->line, at->column, "%s%s%s%s%s: %s", walk->path,
		*walk->path ? ": " : "", quoted, scalar ? " " : "", what, mend);
}

static size_t day0_enter(struct day0_walk *walk, const char *key)
{
	size_t len = strlen(walk->path);

	snprintf(walk->path + len, sizeof(walk->path) - len, "%s%s", len ? "." : "", key);
	return len;
}

static void day0_check_scalar(struct day0_walk *walk, const struct day0_row *row, const struct tree_node *node)
{
	bool block = node->kind == TREE_LINES && row->block;

	if (node->kind == TREE_BAD)
		return;
	if (node->kind != TREE_SCALAR && !block)
		day0_error(walk, node, "is not a single value", row->allowed);
	else if (!block && (tree_is_null(node) || !row->good(node->text)))
		day0_error(walk, node, "is not accepted", row->allowed);
}

static void day0_check_mapping(struct day0_walk *walk, enum day0_section section, const struct tree_node *node);

static void day0_check_list(struct day0_walk *walk, const struct day0_row *row, const struct tree_node *node)
{
	if (node->kind != TREE_SEQUENCE) {
		day0_error(walk, node, "is not a list", row->allowed);
		return;
	}
	if (node->n > DAY0_ITEMS_MAX)
		day0_error(walk, node, "has too many items", "at most 64 are allowed");
	for (const struct tree_node *item = node->first; item; item = item->next) {
		if (row->kind == DAY0_LIST)
			day0_check_scalar(walk, row, item);
		else
			day0_check_mapping(walk, row->section_of_items, item);
	}
}

static void day0_check_value(struct day0_walk *walk, const struct day0_row *row, const struct tree_node *node)
{
	switch (row->kind) {
	case DAY0_SCALAR:
		day0_check_scalar(walk, row, node);
		break;
	case DAY0_MAPPING:
		day0_check_mapping(walk, row->section_of_items, node);
		break;
	default:
		day0_check_list(walk, row, node);
	}
}

static const struct day0_row *day0_find_row(enum day0_section section, const char *key)
{
	for (const struct day0_row *row = day0_rows; row->key; row++)
		if (row->section == section && (!*row->key || strcmp(row->key, key) == 0))
			return row;
	return NULL;
}

static void day0_unknown_key(struct day0_walk *walk, enum day0_section section, const struct tree_node *key)
{
	struct suggest suggest = {.word = key->text};
	char mend[96];

	for (const struct day0_row *row = day0_rows; row->key; row++)
		if (row->section == section)
			suggest_try(&suggest, row->key);
	snprintf(mend, sizeof(mend), suggest.best ? "did you mean \"%s\"?" : "docs/day0.md lists them", suggest.best);
	day0_error(walk, key, "is no key of these settings", mend);
}

static void day0_check_missing(struct day0_walk *walk, enum day0_section section, const struct tree_node *node)
{
	for (const struct day0_row *row = day0_rows; row->key; row++)
		if (row->section == section && row->required && !tree_value(node, row->key))
			day0_error(walk, node, "lacks a key that is needed", row->key);
}

static void day0_check_mapping(struct day0_walk *walk, enum day0_section section, const struct tree_node *node)
{
	if (node->kind == TREE_BAD)
		return;
	if (node->kind != TREE_MAPPING) {
		day0_error(walk, node, "is not a mapping of keys", "write \"key: value\" lines below it");
		return;
	}
	for (const struct tree_node *key = node->first; key && key->next; key = key->next->next) {
		const struct day0_row *row;
		size_t len;

		if (key->kind != TREE_SCALAR || key->next->kind == TREE_BAD)
			continue;
		row = day0_find_row(section, key->text);
		if (!row || (row->good_key && !row->good_key(key->text))) {
			day0_unknown_key(walk, section, key);
			continue;
		}
		len = day0_enter(walk, key->text);
		day0_check_value(walk, row, key->next);
		walk->path[len] = '\0';
	}
	day0_check_missing(walk, section, node);
}

static const struct tree_node *day0_named(const struct tree_node *list, const char *name)
{
	for (const struct tree_node *item = tree_item(list, 0); item; item = item->next)
		if (day0_item_text(item, "name") && strcmp(day0_item_text(item, "name"), name) == 0)
			return item;
	return NULL;
}

/* what items of one list call by its name has to be in the other */
static void day0_check_names(
	struct day0_walk *walk, const struct tree_node *root, const char *list, const char *key, const char *named)
{
	char mend[64];

	snprintf(mend, sizeof(mend), "it has to be the name of one of %s", named);
	for (const struct tree_node *item = tree_item(tree_value(root, list), 0); item; item = item->next) {
		const struct tree_node *name = tree_value(item, key);

		if (name && name->text && !day0_named(tree_value(root, named), name->text))
			day0_error(walk, name, "is not known", mend);
	}
}

static bool day0_has(const struct tree_node *item, const char *text, const char *file)
{
	return tree_value(item, text) || tree_value(item, file);
}

static void day0_check_credentials(struct day0_walk *walk, const struct tree_node *item)
{
	for (; item; item = item->next) {
		if (!day0_has(item, "ca", "ca_file"))
			day0_error(walk, item, "lacks the CA of the log server", "give ca (PEM) or ca_file");
		if (day0_has(item, "certificate", "certificate_file") != day0_has(item, "key", "key_file"))
			day0_error(walk, item, "has one of certificate and key", "give both, or neither");
	}
}

static void day0_check_together(struct day0_walk *walk, const struct tree_node *root)
{
	const struct tree_node *management = tree_value(root, "management");
	const struct tree_node *address = tree_value(management, "address");
	const struct tree_node *file = tree_value(root, "configuration_file");
	const struct tree_node *item = tree_item(tree_value(root, "certificates"), 0);

	if (tree_value(management, "gateway") && (!address || strcmp(address->text ? address->text : "", "dhcp") == 0))
		day0_error(walk, management, "has a gateway and no address", "give address: IPv4/PREFIX too");
	if (tree_value(root, "configuration") && file)
		day0_error(walk, file, "stands beside configuration", "give one of the two");
	for (; item; item = item->next)
		if (!tree_value(item, "pkcs12") == !tree_value(item, "pkcs12_file"))
			day0_error(walk, item, "is not one certificate", "give either pkcs12 (base64) or pkcs12_file");
	day0_check_credentials(walk, tree_item(tree_value(root, "log_credentials"), 0));
	day0_check_names(walk, root, "snmp_traps", "user", "snmp_users");
	day0_check_names(walk, root, "log_targets", "credentials", "log_credentials");
}

static const struct tree_node *day0_root_of(const struct tree *tree, struct config_problems *problems)
{
	const struct tree_node *root = tree_root(tree), *below = root ? tree_value(root, "sluice") : NULL;

	if (!root)
		config_problems_add(
			problems, CONFIG_ERROR, 1, 1, "the document is empty: write at least \"hostname: sluice-1\"");
	return below ? below : root;
}

int day0_parse(const char *text, size_t len, struct day0_settings **out, struct config_problems *problems)
{
	_cleanup_(day0_free) struct day0_settings *settings = calloc(1, sizeof(*settings));
	struct day0_walk walk = {.problems = problems};
	size_t from = problems->n;

	if (len > DAY0_DOCUMENT_MAX) {
		config_problems_add(problems, CONFIG_ERROR, 1, 1, "the document has %zu bytes: allowed are %u", len,
			DAY0_DOCUMENT_MAX);
		return -EINVAL;
	}
	if (!settings || tree_parse(text, len, &settings->tree, problems) < 0)
		return -EINVAL;
	settings->root = day0_root_of(settings->tree, problems);
	if (settings->root)
		day0_check_mapping(&walk, DAY0_ROOT, settings->root);
	if (settings->root && settings->root->kind == TREE_MAPPING && !problems_any_error(problems, from))
		day0_check_together(&walk, settings->root);
	if (settings->root && !problems_any_error(problems, from))
		day0_check_configuration(settings, problems);
	problems_finish(problems, from);
	if (problems_any_error(problems, from))
		return -EINVAL;
	*out = TAKE_PTR(settings);
	return 0;
}

void day0_free(struct day0_settings **settings)
{
	if (*settings)
		tree_free(&(*settings)->tree);
	free(*settings);
	*settings = NULL;
}

const struct tree_node *day0_node(const struct day0_settings *settings, const char *path)
{
	const struct tree_node *node = settings->root;
	char key[64];

	while (node && *path) {
		size_t len = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)len, path);
		node = tree_value(node, key);
		path += len + (path[len] == '.');
	}
	return node;
}

const char *day0_text(const struct day0_settings *settings, const char *path)
{
	const struct tree_node *node = day0_node(settings, path);

	return node ? node->text : NULL;
}

const char *day0_item_text(const struct tree_node *item, const char *key)
{
	const struct tree_node *node = tree_value(item, key);

	return node ? node->text : NULL;
}

const struct tree_node *day0_find_item(const struct day0_settings *settings, const char *path, const char *name)
{
	return day0_named(day0_node(settings, path), name);
}
