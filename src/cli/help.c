/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/common.h"
#include "cli/command.h"

static const struct {
	const char *name, *help;
} global_help[] = {
	{"--instance NAME", "the instance to speak to (default sluice)"},
	{"--json", "print the answer as JSON, errors too"},
	{"--help", "help for the words given so far"},
};
static const struct {
	int status;
	const char *help;
} exit_help[] = {
	{CLI_OK, "done"},
	{CLI_FAILED, "refused or failed; the reason is on standard error"},
	{CLI_USAGE, "the command line means nothing"},
	{CLI_NO_SUPERVISOR, "no supervisor is reachable"},
};

static bool help_matches(const struct cli_line *line, const struct cli_command *command)
{
	char word[CLI_WORD_MAX];

	for (unsigned int i = 0; i < line->n_words; i++)
		if (!cli_command_word(command, i, word) || strcmp(word, line->words[i]) != 0)
			return false;
	return true;
}

/* "certificate import NAME --cert FILE --key KEYFILE [--password-file PWFILE]" */
static void help_synopsis(const struct cli_command *command, char *out, size_t size)
{
	size_t used = snprintf(out, size, "%s", command->words);

	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX && command->parameters[i].metavar; i++) {
		const struct cli_parameter *p = &command->parameters[i];
		bool optional = p->optional || (p->option && !p->required);

		used += snprintf(out + used, size - used, " %s%s%s%s%s", optional ? "[" : "",
			p->option ? p->option : "", p->option && p->kind != CLI_FLAG ? " " : "",
			p->kind != CLI_FLAG ? p->metavar : "", optional ? "]" : "");
	}
}

static void help_parameter_name(const struct cli_parameter *p, char out[64])
{
	snprintf(out, 64, "%s%s%s", p->option ? p->option : "", p->option && p->kind != CLI_FLAG ? " " : "",
		p->kind != CLI_FLAG ? p->metavar : "");
}

static void help_command(const struct cli_command *command, FILE *out)
{
	char text[256], name[64];

	help_synopsis(command, text, sizeof(text));
	fprintf(out, "usage: sluice [--instance NAME] [--json] %s\n\n%c%s.\n", text,
		toupper((unsigned char)command->help[0]), command->help + 1);
	if (command->detail)
		fprintf(out, "%s\n", command->detail);
	fputc('\n', out);
	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX && command->parameters[i].metavar; i++) {
		help_parameter_name(&command->parameters[i], name);
		fprintf(out, "  %-24s %s\n", name, command->parameters[i].help);
	}
}

static void help_list(const struct cli_line *line, FILE *out)
{
	fputs("usage: sluice [--instance NAME] [--json] COMMAND ...\n\nEvery word can be shortened as long as it stays "
	      "unique.\n\n",
		out);
	for (size_t i = 0; i < cli_n_commands; i++)
		if (help_matches(line, &cli_commands[i]))
			fprintf(out, "  %-24s %s\n", cli_commands[i].words, cli_commands[i].help);
	fputc('\n', out);
}

void cli_help(const struct cli_line *line, FILE *out)
{
	if (line->call.command)
		help_command(line->call.command, out);
	else
		help_list(line, out);
	for (size_t i = 0; i < ARRAY_SIZE(global_help); i++)
		fprintf(out, "  %-24s %s\n", global_help[i].name, global_help[i].help);
}

/* --- manual page: roff; a hyphen that is typed is \- ----------------------------------------------------------------
 */

static void manual_text(FILE *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '-')
			fputs("\\-", out);
		else if (*c == '\\')
			fputs("\\e", out);
		else if (c == text && (*c == '.' || *c == '\''))
			fprintf(out, "\\&%c", *c);
		else
			fputc(*c, out);
	}
}

static void manual_item(FILE *out, const char *name, const char *help)
{
	fputs(".TP\n.B ", out);
	manual_text(out, name);
	fputc('\n', out);
	manual_text(out, help);
	fputc('\n', out);
}

static void manual_command(FILE *out, const struct cli_command *command)
{
	char text[256];

	help_synopsis(command, text, sizeof(text));
	fputs(".SS ", out);
	manual_text(out, text);
	fprintf(out, "\n%c", toupper((unsigned char)command->help[0]));
	manual_text(out, command->help + 1);
	fputs(".\n", out);
	if (command->detail) {
		manual_text(out, command->detail);
		fputc('\n', out);
	}
	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX && command->parameters[i].metavar; i++) {
		help_parameter_name(&command->parameters[i], text);
		manual_item(out, text, command->parameters[i].help);
	}
}

void cli_write_manual(FILE *out)
{
	char number[8];

	fputs(".\\\" Written by sluice-cli-man from src/cli/commands.c: change it there.\n"
	      ".TH SLUICE 1 \"\" \"Sluice\" \"Sluice\"\n.SH NAME\nsluice \\- speak to a running Sluice appliance\n"
	      ".SH SYNOPSIS\n.B sluice\n[\\-\\-instance NAME] [\\-\\-json] COMMAND ...\n.SH DESCRIPTION\n"
	      "Asks the supervisor over its control socket and prints the answer. Every word can be shortened as long "
	      "as\n"
	      "it stays unique. Tables are for people; use\n.B \\-\\-json\nfrom programs.\n.PP\nWithout a command and "
	      "on a terminal it reads commands one after the other: ? lists what can stand next, Tab\ncompletes words "
	      "and names, the arrow keys go through the history, long answers come by pages, exit ends it.\n.SH "
	      "OPTIONS\n",
		out);
	for (size_t i = 0; i < ARRAY_SIZE(global_help); i++)
		manual_item(out, global_help[i].name, global_help[i].help);
	fputs(".SH COMMANDS\n", out);
	for (size_t i = 0; i < cli_n_commands; i++)
		manual_command(out, &cli_commands[i]);
	fputs(".SH EXIT STATUS\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(exit_help); i++) {
		snprintf(number, sizeof(number), "%d", exit_help[i].status);
		manual_item(out, number, exit_help[i].help);
	}
	fputs(".SH FILES\n.TP\n.I /run/sluice/NAME/control\nthe control socket of an instance\n.TP\n"
	      ".I /var/lib/sluice/NAME/log/\nthe logs that\n.B show log\nreads\n",
		out);
}
