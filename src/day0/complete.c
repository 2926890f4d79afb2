/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/complete.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"

#define AGENTX_SOCKET "/run/agentx/master" /* of the appliance's snmpd */

static void complete_write_target(FILE *out, const struct tree_node *target)
{
	static const char *const keys[] = {"host", "port", "protocol", "credentials", "certificate_name"};

	fprintf(out, "  - name: \"%s\"\n", day0_item_text(target, "name"));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (day0_item_text(target, keys[i]))
			fprintf(out, "    %s: \"%s\"\n", keys[i], day0_item_text(target, keys[i]));
}

/* `keys` is what the document has at its root; NULL: it is no mapping, and said to be wrong by others */
static void complete_write(FILE *out, const struct day0_settings *settings, const struct tree_node *keys)
{
	const struct tree_node *target = tree_item(day0_node(settings, "log_targets"), 0);

	if (day0_node(settings, "snmp_users") && !tree_value(keys, "snmp"))
		fputs("snmp:\n  agentx_socket: " AGENTX_SOCKET "\n", out);
	if (target)
		fputs("log_targets:\n", out);
	for (; target; target = target->next)
		complete_write_target(out, target);
}

int day0_complete(const struct day0_settings *settings, const char *text, size_t len, char **out, size_t *out_len,
	struct config_problems *problems)
{
	_cleanup_(tree_free) struct tree *tree = NULL;
	const struct tree_node *keys, *twice;
	FILE *file;

	if (tree_parse(text, len, &tree, problems) < 0)
		return -EINVAL;
	keys = tree_root(tree);
	twice = day0_node(settings, "log_targets") ? tree_value(keys, "log_targets") : NULL;
	if (twice) {
		config_problems_add(problems, CONFIG_ERROR, twice->line, twice->column,
			"log_targets stands in the configuration and in the settings beside it: give it once");
		return -EINVAL;
	}
	file = open_memstream(out, out_len);
	if (!file)
		return -ENOMEM;
	fwrite(text, 1, len, file);
	fputs(len && text[len - 1] != '\n' ? "\n" : "", file);
	complete_write(file, settings, keys);
	return fclose(file) == 0 ? 0 : -ENOMEM;
}

/* a block of lines begins on the line below its key; what was added stands for log_targets */
static void complete_place(const struct day0_settings *settings, const struct tree_node *block, size_t lines,
	const struct config_problem *problem, struct config_problems *problems)
{
	const struct tree_node *targets = day0_node(settings, "log_targets");
	bool inside = problem->line <= lines || !targets;

	config_problems_add(problems, problem->severity, inside ? block->line + problem->line : targets->line,
		inside ? problem->column : targets->column, "configuration: %s", problem->message);
}

void day0_check_configuration(const struct day0_settings *settings, struct config_problems *problems)
{
	const struct tree_node *block = day0_node(settings, "configuration");
	_cleanup_free_ char *complete = NULL;
	struct config_problems found = {0};
	struct config *config = NULL;
	size_t len, lines = 0;

	if (!block || block->kind != TREE_LINES)
		return;
	for (const char *c = block->text; *c; c++)
		lines += *c == '\n';
	if (day0_complete(settings, block->text, strlen(block->text), &complete, &len, &found) == 0)
		config_parse(complete, len, &config, &found);
	config_unref(&config);
	for (size_t i = 0; i < found.n; i++)
		complete_place(settings, block, lines, &found.items[i], problems);
	config_problems_clear(&found);
}
