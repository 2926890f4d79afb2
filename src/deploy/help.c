/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/common.h"
#include "deploy/options_rows.h"

static const char *const exit_help[DEPLOY_STATUS_N] = {
	[DEPLOY_OK] = "done",
	[DEPLOY_FAILED] = "refused or failed; what had been made is taken back, or named",
	[DEPLOY_USAGE] = "the command line means nothing",
	[DEPLOY_NO_HYPERVISOR] = "the hypervisor cannot be reached",
	[DEPLOY_UNHEALTHY] = "the machine is not well, or went back to the version before",
	[DEPLOY_LEFT] = "done, but something is left to do by hand, and named",
};
static const char examples[] = "  sluice-deploy preflight --port-a bridge=br-clients --port-b bridge=br-servers\n"
			       "  sluice-deploy deploy sluice --image sluice-0.1.0.qcow2 --day0 day0.yaml \\\n"
			       "      --port-a bridge=br-clients --port-b bridge=br-servers\n"
			       "  sluice-deploy deploy sluice --image sluice-0.1.0.ova --day0 day0.yaml \\\n"
			       "      --port-a vf=ens1f0:0 --port-b vf=ens1f1:0 --dry-run\n"
			       "  sluice-deploy status sluice --json\n";

static void option_name(const struct options_row *row, char out[64])
{
	snprintf(out, 64, "%s%s%s", row->name, row->metavar ? " " : "", row->metavar ? row->metavar : "");
}

static void help_command(const struct options_command *command, FILE *out)
{
	char name[64];

	fprintf(out, "usage: sluice-deploy %s%s%s [OPTION...]\n\n%c%s.\n", command->name,
		*command->positions ? " " : "", command->positions, toupper((unsigned char)*command->help),
		command->help + 1);
	if (command->detail)
		fprintf(out, "%s\n", command->detail);
	fputc('\n', out);
	for (size_t i = 0; i < options_n_rows; i++) {
		if (!(options_rows[i].commands & command->bit))
			continue;
		option_name(&options_rows[i], name);
		fprintf(out, "  %-22s %s\n", name, options_rows[i].help);
	}
}

void options_help(const char *name, FILE *out)
{
	for (size_t i = 0; name && i < options_n_commands; i++)
		if (strcmp(options_commands[i].name, name) == 0) {
			help_command(&options_commands[i], out);
			return;
		}
	fputs("usage: sluice-deploy COMMAND [OPTION...]\n\nPuts the Sluice appliance on a hypervisor (libvirt), and "
	      "keeps "
	      "it current.\n\n",
		out);
	for (size_t i = 0; i < options_n_commands; i++)
		fprintf(out, "  %-22s %s\n", options_commands[i].name, options_commands[i].help);
	fprintf(out, "\nsluice-deploy COMMAND --help says the options of each.\n\n%s\nexit status:\n", examples);
	for (size_t i = 0; i < ARRAY_SIZE(exit_help); i++)
		fprintf(out, "  %zu  %s\n", i, exit_help[i]);
}

/* --- manual page: roff; a hyphen that is typed is \- ----------------------------------------------------------------
 */

static void manual_text(FILE *out, const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c == '-')
			fputs("\\-", out);
		else if (*c == '\\')
			fputs("\\e", out);
		else
			fputc(*c, out);
}

static void manual_line(FILE *out, const char *before, const char *text, const char *after)
{
	fputs(before, out);
	manual_text(out, text);
	fputs(after, out);
}

static void manual_command(FILE *out, const struct options_command *command)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", command->name, *command->positions ? " " : "", command->positions);
	manual_line(out, ".SS ", name, "\n");
	fputc(toupper((unsigned char)*command->help), out);
	manual_line(out, "", command->help + 1, ".\n");
	if (command->detail)
		manual_line(out, "", command->detail, "\n");
	for (size_t i = 0; i < options_n_rows; i++) {
		if (!(options_rows[i].commands & command->bit))
			continue;
		option_name(&options_rows[i], name);
		manual_line(out, ".TP\n.B ", name, "\n");
		manual_line(out, "", options_rows[i].help, "\n");
	}
}

void options_manual(FILE *out)
{
	fputs(".\\\" Written by sluice-deploy-man from src/deploy/options.c: change it there.\n"
	      ".TH SLUICE-DEPLOY 1 \"\" \"Sluice\" \"Sluice\"\n.SH NAME\n"
	      "sluice\\-deploy \\- put the Sluice appliance on a hypervisor\n.SH SYNOPSIS\n.B sluice\\-deploy\nCOMMAND "
	      "[OPTION...]\n.SH DESCRIPTION\n"
	      "Works on libvirt, on this host or another. Progress and errors go to standard error, the result to "
	      "standard\noutput. An error says what happened and how to mend it.\n.SH COMMANDS\n",
		out);
	for (size_t i = 0; i < options_n_commands; i++)
		manual_command(out, &options_commands[i]);
	fputs(".SH EXAMPLES\n.nf\n", out);
	manual_text(out, examples);
	fputs(".fi\n.SH EXIT STATUS\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(exit_help); i++) {
		fprintf(out, ".TP\n.B %zu\n", i);
		manual_line(out, "", exit_help[i], "\n");
	}
	fputs(".SH SEE ALSO\n.BR sluice (1),\n.BR virsh (1),\n.BR sluice\\-day0 (8)\n", out);
}
