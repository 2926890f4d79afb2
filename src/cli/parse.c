/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/common.h"
#include "base/suggest.h"
#include "cli/client.h"
#include "cli/command.h"

#define PARSE_NUMBER_MAX 1000000

/* The words of a line narrow the set of commands it can mean; when one is left whole, parameters begin. */
struct parse {
	struct cli *cli;
	struct cli_line *line;
	bool possible[CLI_COMMANDS_MAX];
	bool options_end; /* after "--" */
};

static bool parse_word_at(const struct parse *parse, size_t command, char word[CLI_WORD_MAX])
{
	return parse->possible[command] && cli_command_word(&cli_commands[command], parse->line->n_words, word);
}

/* "show what": the words that can follow, each once */
static void parse_list_next(const struct parse *parse, const char *prefix, char *out, size_t size)
{
	char word[CLI_WORD_MAX], last[CLI_WORD_MAX] = "";
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < cli_n_commands; i++) {
		if (!parse_word_at(parse, i, word) || strncmp(word, prefix, strlen(prefix)) != 0 || !strcmp(word, last))
			continue;
		used += snprintf(out + used, size - used, "%s%s", used ? ", " : "", word);
		memcpy(last, word, sizeof(last));
	}
}

static int parse_unknown_word(const struct parse *parse, const char *given)
{
	struct suggest suggest = {.word = given};
	char words[CLI_COMMANDS_MAX][CLI_WORD_MAX], known[512];

	for (size_t i = 0; i < cli_n_commands; i++)
		if (parse_word_at(parse, i, words[i]))
			suggest_try(&suggest, words[i]);
	parse_list_next(parse, "", known, sizeof(known));
	if (suggest.best)
		return client_fail(
			parse->cli, CLI_USAGE, "\"%s\" is not known here: did you mean \"%s\"?", given, suggest.best);
	return client_fail(parse->cli, CLI_USAGE, "\"%s\" is not known here: known are %s", given, known);
}

/* the word that `given` stands for: itself, or the only one that begins with it */
static int parse_find_word(const struct parse *parse, const char *given, char found[CLI_WORD_MAX])
{
	char word[CLI_WORD_MAX], known[512];
	unsigned int n = 0;

	for (size_t i = 0; i < cli_n_commands; i++) {
		if (!parse_word_at(parse, i, word) || strncmp(word, given, strlen(given)) != 0)
			continue;
		if (!n || strcmp(word, found) != 0)
			n++;
		memcpy(found, word, sizeof(word));
		if (strcmp(word, given) == 0)
			return CLI_OK;
	}
	if (n == 1)
		return CLI_OK;
	if (!n)
		return parse_unknown_word(parse, given);
	parse_list_next(parse, given, known, sizeof(known));
	return client_fail(parse->cli, CLI_USAGE, "\"%s\" is ambiguous: it can be %s", given, known);
}

static int parse_word(struct parse *parse, const char *given)
{
	struct cli_line *line = parse->line;
	char found[CLI_WORD_MAX], word[CLI_WORD_MAX];
	int status = parse_find_word(parse, given, found);

	if (status != CLI_OK)
		return status;
	for (size_t i = 0; i < cli_n_commands; i++)
		parse->possible[i] = parse_word_at(parse, i, word) && strcmp(word, found) == 0;
	memcpy(line->words[line->n_words++], found, sizeof(found));
	for (size_t i = 0; i < cli_n_commands; i++)
		if (parse->possible[i] && cli_command_n_words(&cli_commands[i]) == line->n_words)
			line->call.command = &cli_commands[i];
	return CLI_OK;
}

static int parse_value(const struct parse *parse, const struct cli_parameter *parameter, const char *value)
{
	const char *name = parameter->option ? parameter->option : parameter->metavar;
	struct in_addr address;

	if (!*value)
		return client_fail(parse->cli, CLI_USAGE, "%s is empty: %s", name, parameter->help);
	if (parameter->kind == CLI_ADDRESS && inet_pton(AF_INET, value, &address) != 1)
		return client_fail(parse->cli, CLI_USAGE, "%s: \"%s\" is not an IPv4 address", name, value);
	if (parameter->kind == CLI_NUMBER && (strspn(value, "0123456789") != strlen(value) || strlen(value) > 7 ||
						     atoi(value) < 1 || atoi(value) > PARSE_NUMBER_MAX))
		return client_fail(parse->cli, CLI_USAGE, "%s: \"%s\" is not a number from 1 to %d", name, value,
			PARSE_NUMBER_MAX);
	return CLI_OK;
}

static int parse_positional(struct parse *parse, const char *value)
{
	struct cli_call *call = &parse->line->call;

	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX && call->command->parameters[i].metavar; i++) {
		if (call->command->parameters[i].option || call->values[i])
			continue;
		call->values[i] = value;
		return parse_value(parse, &call->command->parameters[i], value);
	}
	return client_fail(
		parse->cli, CLI_USAGE, "\"%s\" is one word too many for \"%s\"", value, call->command->words);
}

/* options of every command, before or after its words */
static const struct cli_parameter global_options[] = {
	{.option = "--instance", .metavar = "NAME"},
	{.option = "--json", .kind = CLI_FLAG},
	{.option = "--help", .kind = CLI_FLAG},
};

struct option_match {
	const struct cli_parameter *parameter;
	int index; /* in the command's parameters; -1: global */
	unsigned int n;
};

static void option_try(
	struct option_match *match, const struct cli_parameter *parameter, int index, const char *given, size_t len)
{
	if (strncmp(parameter->option, given, len) != 0 || (match->n && match->parameter->option[len] == '\0'))
		return;
	match->n = parameter->option[len] == '\0' ? 1 : match->n + 1;
	match->parameter = parameter;
	match->index = index;
}

static int parse_unknown_option(const struct parse *parse, const char *given, const struct option_match *match)
{
	struct suggest suggest = {.word = given};
	const struct cli_command *command = parse->line->call.command;

	if (match->n > 1)
		return client_fail(parse->cli, CLI_USAGE, "option %s is ambiguous", given);
	for (unsigned int i = 0; command && i < CLI_PARAMETERS_MAX; i++)
		if (command->parameters[i].option)
			suggest_try(&suggest, command->parameters[i].option);
	for (size_t i = 0; i < ARRAY_SIZE(global_options); i++)
		suggest_try(&suggest, global_options[i].option);
	if (suggest.best)
		return client_fail(
			parse->cli, CLI_USAGE, "option %s is not known: did you mean %s?", given, suggest.best);
	if (!command)
		return client_fail(
			parse->cli, CLI_USAGE, "option %s is not known: a command's options follow its words", given);
	return client_fail(
		parse->cli, CLI_USAGE, "option %s is not known: see sluice %s --help", given, command->words);
}

static struct option_match parse_find_option(const struct parse *parse, const char *given, size_t len)
{
	const struct cli_command *command = parse->line->call.command;
	struct option_match match = {0};

	for (int i = 0; command && i < CLI_PARAMETERS_MAX; i++)
		if (command->parameters[i].option)
			option_try(&match, &command->parameters[i], i, given, len);
	for (size_t i = 0; i < ARRAY_SIZE(global_options); i++)
		option_try(&match, &global_options[i], -1, given, len);
	return match;
}

static int parse_set_option(struct parse *parse, const struct option_match *match, const char *value)
{
	struct cli_call *call = &parse->line->call;

	if (match->index >= 0) {
		if (call->values[match->index])
			return client_fail(parse->cli, CLI_USAGE, "option %s is given twice", match->parameter->option);
		call->values[match->index] = value ? value : "";
		return value ? parse_value(parse, match->parameter, value) : CLI_OK;
	}
	if (!value && strcmp(match->parameter->option, "--json") == 0)
		parse->cli->json = true;
	else if (!value)
		parse->line->help = true;
	else if (instance_init(&parse->cli->instance, value) < 0)
		return client_fail(parse->cli, CLI_USAGE,
			"--instance: \"%s\" is not a name of 1 to %d letters, digits, '-' and '_'", value,
			INSTANCE_NAME_MAX);
	return CLI_OK;
}

/* --name VALUE, --name=VALUE or --flag; *used: arguments taken */
static int parse_option(struct parse *parse, int argc, char **argv, int *used)
{
	const char *given = argv[0], *equals = strchr(given, '='), *value = NULL;
	size_t len = equals ? (size_t)(equals - given) : strlen(given);
	struct option_match match = parse_find_option(parse, given, len);

	*used = 1;
	if (strcmp(given, "-h") == 0) {
		parse->line->help = true;
		return CLI_OK;
	}
	if (match.n != 1 || len < 3)
		return parse_unknown_option(parse, given, &match);
	if (match.parameter->kind == CLI_FLAG) {
		if (equals)
			return client_fail(parse->cli, CLI_USAGE, "option %s takes no value", match.parameter->option);
		return parse_set_option(parse, &match, NULL);
	}
	value = equals ? equals + 1 : argc > 1 ? argv[1] : NULL;
	if (!value)
		return client_fail(parse->cli, CLI_USAGE, "option %s needs a value: %s %s", match.parameter->option,
			match.parameter->option, match.parameter->metavar);
	*used += !equals;
	return parse_set_option(parse, &match, value);
}

static int parse_complete(const struct parse *parse)
{
	const struct cli_call *call = &parse->line->call;
	char known[512];

	if (!call->command) {
		parse_list_next(parse, "", known, sizeof(known));
		if (parse->line->n_words)
			return client_fail(
				parse->cli, CLI_USAGE, "the command is not complete: next comes one of %s", known);
		return client_fail(parse->cli, CLI_USAGE, "no command given: say one of %s, or sluice --help", known);
	}
	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX; i++) {
		const struct cli_parameter *p = &call->command->parameters[i];

		if (!p->metavar || call->values[i] || p->optional || (p->option && !p->required))
			continue;
		return client_fail(parse->cli, CLI_USAGE, "%s%s%s is missing: %s; see sluice %s --help",
			p->option ? p->option : "", p->option ? " " : "", p->metavar, p->help, call->command->words);
	}
	return CLI_OK;
}

int cli_parse(struct cli *cli, int argc, char **argv, struct cli_line *line)
{
	struct parse parse = {.cli = cli, .line = line};

	*line = (struct cli_line){0};
	memset(parse.possible, true, sizeof(parse.possible));
	for (int i = 1, used = 1; i < argc; i += used) {
		int status;

		used = 1;
		if (!parse.options_end && strcmp(argv[i], "--") == 0) {
			parse.options_end = true;
			continue;
		}
		if (!parse.options_end && argv[i][0] == '-' && argv[i][1])
			status = parse_option(&parse, argc - i, argv + i, &used);
		else if (!line->call.command && !line->n_words && strcmp(argv[i], "help") == 0)
			status = (line->help = true, CLI_OK);
		else
			status = line->call.command ? parse_positional(&parse, argv[i]) : parse_word(&parse, argv[i]);
		if (status != CLI_OK)
			return status;
	}
	return line->help ? CLI_OK : parse_complete(&parse);
}
