/* SPDX-License-Identifier: Apache-2.0 */
/* history, diff, show configuration: versions of the configuration as operators look at them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/diff.h"
#include "cli/output.h"

#define VERSIONS_FILE_MAX (4u << 20)

void cli_render_history(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"VERSION", "version", OUTPUT_NUMBER},
		{"IN FORCE", "in_force", OUTPUT_TEXT},
		{"TIME", "time", OUTPUT_TIME},
		{"USER", "user", OUTPUT_TEXT},
		{"FROM", "from", OUTPUT_TEXT},
		{"COPY OF", "rollback_of", OUTPUT_NUMBER},
		{"COMMENT", "comment", OUTPUT_TEXT},
	};
	json_int_t total = json_integer_value(json_object_get(answer, "total"));
	size_t shown = json_array_size(json_object_get(answer, "versions"));

	output_table(cli->out, json_object_get(answer, "versions"), columns, ARRAY_SIZE(columns),
		"No configuration was committed yet: put one into force with sluice commit FILE.");
	if ((size_t)total > shown)
		fprintf(cli->out, "%zu of %" JSON_INTEGER_FORMAT " versions, newest first; more with --limit N\n",
			shown, total);
}

void cli_render_configuration(struct cli *cli, const json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "text"));

	if (!text || !*text)
		fputs("The document is empty.\n", cli->out);
	/* the operator's own bytes, but through the same gate as everything: a terminal takes no command from a file */
	while (text && *text) {
		size_t len = strcspn(text, "\n\t");
		_cleanup_free_ char *part = strndup(text, len);

		output_text(cli->out, part ? part : "");
		text += len;
		if (*text)
			fputc(*text++, cli->out);
	}
}

/* --- diff: each side is a version or a file --------------------------------------------------------------------------
 */

struct version_side {
	char name[256];
	char *text;
	json_t *files; /* of a version; NULL: of a file */
};

static void version_side_release(struct version_side *side)
{
	free(side->text);
	json_decref(side->files);
}

static bool versions_is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 8 && atoi(text) > 0;
}

static int version_side_ask(struct cli *cli, struct version_side *side, json_int_t version)
{
	json_auto_t *answer = NULL;
	json_t *request = json_pack("{s:s}", "command", "configuration");
	int status;

	if (version)
		json_object_set_new(request, "version", json_integer(version));
	status = client_ask(cli, request, NULL, 0, CLIENT_PATIENCE_S, &answer);
	if (status != CLI_OK)
		return status;
	if (!json_is_true(json_object_get(answer, "ok")))
		return client_fail(
			cli, CLI_FAILED, "%s", json_string_value(json_object_get(answer, "error")) ?: "refused");
	snprintf(side->name, sizeof(side->name), "version %" JSON_INTEGER_FORMAT,
		json_integer_value(json_object_get(answer, "version")));
	side->text = strdup(json_string_value(json_object_get(answer, "text")) ?: "");
	side->files = json_incref(json_object_get(answer, "files"));
	return CLI_OK;
}

static int version_side_read(struct cli *cli, struct version_side *side, const char *path)
{
	FILE *file = fopen(path, "re");
	struct stat st;

	if (!file || fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > VERSIONS_FILE_MAX) {
		int r = errno;

		if (file)
			fclose(file);
		return client_fail(cli, CLI_FAILED, "cannot read %s as a configuration: %s", path,
			file ? "not a regular file of at most 4 MiB" : strerror(r));
	}
	side->text = calloc(1, st.st_size + 1);
	if (side->text && fread(side->text, 1, st.st_size, file) != (size_t)st.st_size)
		*side->text = '\0';
	fclose(file);
	snprintf(side->name, sizeof(side->name), "%s", path);
	return side->text ? CLI_OK : client_fail(cli, CLI_FAILED, "out of memory");
}

static int version_side_get(struct cli *cli, struct version_side *side, const char *what)
{
	if (!what || versions_is_number(what))
		return version_side_ask(cli, side, what ? atoi(what) : 0);
	return version_side_read(cli, side, what);
}

/* the version before the newest, as history lists them; 0: there is none */
static int versions_previous(struct cli *cli, json_int_t *version)
{
	json_auto_t *answer = NULL;
	json_t *request = json_pack("{s:s, s:i}", "command", "history", "limit", 2);
	int status = client_ask(cli, request, NULL, 0, CLIENT_PATIENCE_S, &answer);

	if (status != CLI_OK)
		return status;
	*version =
		json_integer_value(json_object_get(json_array_get(json_object_get(answer, "versions"), 1), "version"));
	return *version ? CLI_OK : client_fail(cli, CLI_FAILED, "there is no earlier version to compare with");
}

static const json_t *versions_find_file(const json_t *files, const char *name)
{
	const json_t *file;
	size_t i;

	json_array_foreach((json_t *)files, i, file)
	{
		const char *known = json_string_value(json_object_get(file, "name"));

		if (known && !strcmp(known, name))
			return file;
	}
	return NULL;
}

static bool versions_same_file(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "digest"), json_object_get(b, "digest"));
}

/* rule files of versions: names of those whose contents differ (those that only one has stand in the text) */
static json_t *versions_changed_files(const struct version_side *from, const struct version_side *to)
{
	json_t *changed = json_array(), *file;
	size_t i;

	if (!from->files || !to->files)
		return changed;
	json_array_foreach(to->files, i, file)
	{
		const char *name = json_string_value(json_object_get(file, "name"));
		const json_t *before = name ? versions_find_file(from->files, name) : NULL;

		if (before && !versions_same_file(before, file))
			json_array_append_new(changed, json_string(name));
	}
	return changed;
}

static int versions_show(struct cli *cli, const struct version_side *from, const struct version_side *to)
{
	_cleanup_free_ char *text = NULL;
	json_auto_t *changed = versions_changed_files(from, to), *answer = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);
	json_t *name;
	int hunks = out ? diff_print(out, from->name, from->text, to->name, to->text, cli->out_terminal && !cli->json)
			: -ENOMEM;

	if (out)
		fclose(out);
	if (hunks < 0)
		return client_fail(cli, CLI_FAILED, "out of memory");
	if (cli->json) {
		answer = json_pack("{s:b, s:s, s:s, s:b, s:s, s:O}", "ok", 1, "from", from->name, "to", to->name,
			"differs", hunks > 0 || json_array_size(changed), "diff", text, "changed_rule_files", changed);
		output_json(cli, answer);
		return CLI_OK;
	}
	fputs(text, cli->out);
	json_array_foreach(changed, i, name)
	{
		fputs("The contents of rule file ", cli->out);
		output_text(cli->out, json_string_value(name));
		fputs(" differ.\n", cli->out);
	}
	if (!hunks && !json_array_size(changed))
		fprintf(cli->out, "No difference between %s and %s.\n", from->name, to->name);
	return CLI_OK;
}

/* nothing given: the version before against the one in force; a version A: A against the one in force; a FILE: the one
 * in force against it, as a commit of FILE would change it */
int cli_run_diff(struct cli *cli, const struct cli_call *call)
{
	_cleanup_(version_side_release) struct version_side from = {0}, to = {0};
	const char *a = cli_call_value(call, "A"), *b = cli_call_value(call, "B");
	json_int_t previous = 0;
	int status = CLI_OK;

	if (!a)
		status = versions_previous(cli, &previous);
	if (status == CLI_OK && !a)
		status = version_side_ask(cli, &from, previous);
	else if (status == CLI_OK)
		status = version_side_get(cli, &from, !b && !versions_is_number(a) ? NULL : a);
	if (status == CLI_OK)
		status = version_side_get(cli, &to, a && !b && !versions_is_number(a) ? a : b);
	return status == CLI_OK ? versions_show(cli, &from, &to) : status;
}
