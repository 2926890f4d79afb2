/* SPDX-License-Identifier: Apache-2.0 */
/* Completion: what can stand next, from the table of commands; names of objects are asked of the supervisor. */
#include <arpa/inet.h>
#include <glob.h>
#include <string.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"

#define COMPLETE_PATIENCE_S 2

struct completion {
	struct cli *cli;
	char **words; /* those before the one that is being completed */
	size_t n;
	const char *prefix;
	json_t *found; /* [{word, help}] */
};

static void completion_add(struct completion *completion, const char *word, const char *help)
{
	const json_t *row;
	size_t i;

	if (!word || strncmp(word, completion->prefix, strlen(completion->prefix)) != 0)
		return;
	json_array_foreach(completion->found, i, row)
	{
		if (!strcmp(json_string_value(json_object_get(row, "word")), word))
			return;
	}
	json_array_append_new(completion->found, json_pack("{s:s, s:s}", "word", word, "help", help));
}

/* --- words of commands ----------------------------------------------------------------------------------------------
 */

/* the given words stand for this command's: each in full, or the beginning of it where no other command's begins so */
static bool completion_fits(const struct completion *completion, const struct cli_command *command, size_t n)
{
	char word[CLI_WORD_MAX];

	for (size_t i = 0; i < n; i++)
		if (!cli_command_word(command, i, word) ||
			strncmp(word, completion->words[i], strlen(completion->words[i])) != 0)
			return false;
	return true;
}

static bool completion_fits_exactly(const struct completion *completion, const struct cli_command *command, size_t n)
{
	char word[CLI_WORD_MAX];

	for (size_t i = 0; i < n; i++)
		if (!cli_command_word(command, i, word) || strcmp(word, completion->words[i]) != 0)
			return false;
	return true;
}

/* the command whose words are all there; exactly written ones go before abbreviated ones */
static const struct cli_command *completion_command(const struct completion *completion)
{
	const struct cli_command *found = NULL;

	for (size_t i = 0; i < cli_n_commands; i++) {
		unsigned int n = cli_command_n_words(&cli_commands[i]);

		if (n > completion->n || !completion_fits(completion, &cli_commands[i], n))
			continue;
		if (!found || completion_fits_exactly(completion, &cli_commands[i], n))
			found = &cli_commands[i];
	}
	return found;
}

static void completion_add_words(struct completion *completion)
{
	char word[CLI_WORD_MAX];

	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *command = &cli_commands[i];

		if (!completion_fits(completion, command, completion->n) ||
			!cli_command_word(command, completion->n, word))
			continue;
		completion_add(completion, word,
			cli_command_n_words(command) == completion->n + 1 ? command->help : "further words follow");
	}
}

/* --- names of objects -----------------------------------------------------------------------------------------------
 */

static void completion_ask(
	struct completion *completion, const char *command, const char *list, const char *key, const char *help)
{
	json_auto_t *answer = NULL;
	struct cli quiet = *completion->cli;
	_cleanup_free_ char *said = NULL;
	const json_t *row;
	size_t i, len;

	/* a supervisor that is not there is no reason to write into the line that is being edited */
	quiet.err = open_memstream(&said, &len);
	quiet.out = quiet.err;
	quiet.err_terminal = false;
	if (quiet.err && client_ask(&quiet, json_pack("{s:s}", "command", command), NULL, 0, COMPLETE_PATIENCE_S,
				 &answer) == CLI_OK)
		json_array_foreach(json_object_get(answer, list), i, row)
		{
			const json_t *value = json_object_get(row, key);
			char number[24];

			snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
			completion_add(completion, json_is_integer(value) ? number : json_string_value(value), help);
		}
	if (quiet.err)
		fclose(quiet.err);
	completion->cli->fd = quiet.fd;
}

static void completion_add_files(struct completion *completion)
{
	_cleanup_free_ char *pattern = NULL;
	glob_t found = {0};

	if (asprintf(&pattern, "%s*", completion->prefix) < 0)
		return;
	if (glob(pattern, GLOB_MARK, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			completion_add(completion, found.gl_pathv[i], "file");
	globfree(&found);
}

static void completion_add_values(struct completion *completion, const struct cli_parameter *parameter)
{
	static const struct {
		const char *key, *command, *list, *field;
	} objects[] = {
		{"server", "servers", "servers", "name"},
		{"client", "sessions", "sessions", "client_ip"},
		{"id", "sessions", "sessions", "id"},
		{"version", "history", "versions", "version"},
		{"segment", "segments", "segments", "name"},
		{"name", "certificate_list", "certificates", "name"},
	};

	if (strstr(parameter->metavar, "FILE") || !strcmp(parameter->metavar, "A") || !strcmp(parameter->metavar, "B"))
		completion_add_files(completion);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (parameter->key && !strcmp(parameter->key, objects[i].key))
			completion_ask(
				completion, objects[i].command, objects[i].list, objects[i].field, parameter->help);
}

/* --- parameters -----------------------------------------------------------------------------------------------------
 */

static const struct cli_parameter *completion_option(const struct cli_command *command, const char *word)
{
	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX && command->parameters[i].metavar; i++)
		if (command->parameters[i].option && !strcmp(command->parameters[i].option, word))
			return &command->parameters[i];
	return NULL;
}

static bool completion_has(const struct completion *completion, const char *word)
{
	for (size_t i = 0; i < completion->n; i++)
		if (!strcmp(completion->words[i], word))
			return true;
	return false;
}

static void completion_add_options(struct completion *completion, const struct cli_command *command)
{
	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX && command->parameters[i].metavar; i++)
		if (command->parameters[i].option && !completion_has(completion, command->parameters[i].option))
			completion_add(completion, command->parameters[i].option, command->parameters[i].help);
	completion_add(completion, "--json", "print the answer as JSON");
}

/* the parameter by position that comes next; NULL when all are there */
static const struct cli_parameter *completion_positional(
	const struct completion *completion, const struct cli_command *command)
{
	size_t given = 0;

	for (size_t i = cli_command_n_words(command); i < completion->n; i++) {
		const struct cli_parameter *option = completion_option(command, completion->words[i]);

		if (option && option->kind != CLI_FLAG)
			i++;
		else if (!option && completion->words[i][0] != '-')
			given++;
	}
	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX && command->parameters[i].metavar; i++)
		if (!command->parameters[i].option && !given--)
			return &command->parameters[i];
	return NULL;
}

static void completion_add_parameters(struct completion *completion, const struct cli_command *command)
{
	const struct cli_parameter *option =
		completion->n ? completion_option(command, completion->words[completion->n - 1]) : NULL;
	const struct cli_parameter *next = completion_positional(completion, command);

	if (option && option->kind != CLI_FLAG) {
		completion_add_values(completion, option);
		return;
	}
	if (next && completion->prefix[0] != '-')
		completion_add_values(completion, next);
	if (!next || next->optional || completion->prefix[0] == '-')
		completion_add_options(completion, command);
}

json_t *cli_complete(struct cli *cli, char **words, size_t n, const char *prefix)
{
	struct completion completion = {.cli = cli, .words = words, .n = n, .prefix = prefix, .found = json_array()};
	const struct cli_command *command = completion_command(&completion);

	if (command)
		completion_add_parameters(&completion, command);
	else
		completion_add_words(&completion);
	return completion.found;
}

/* "sluice --complete WORD...": for the shell's completion; the last word is the one being completed */
int cli_run_complete(struct cli *cli, int argc, char **argv)
{
	json_auto_t *found = NULL;
	const json_t *row;
	size_t i;

	if (argc < 1)
		return CLI_USAGE;
	found = cli_complete(cli, argv, argc - 1, argv[argc - 1]);
	json_array_foreach(found, i, row) fprintf(cli->out, "%s\n", json_string_value(json_object_get(row, "word")));
	return CLI_OK;
}
