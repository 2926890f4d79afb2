/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/interactive.h"
#include "cli/output.h"

static json_t *cli_parameter_value(const struct cli_parameter *parameter, const char *value)
{
	switch (parameter->kind) {
	case CLI_NUMBER:
		return json_integer(atoi(value));
	case CLI_FLAG:
		return json_true();
	default:
		return json_string(value);
	}
}

/* what this process can say of its place: the history shows it beside the user, whom the kernel names */
static void cli_sign(json_t *request)
{
	const char *ssh = getenv("SSH_CONNECTION"), *terminal = ttyname(STDIN_FILENO);
	char place[128];

	if (ssh && *ssh)
		snprintf(place, sizeof(place), "ssh %.*s", (int)MIN(strcspn(ssh, " "), (size_t)100), ssh);
	else
		snprintf(place, sizeof(place), "%s", terminal ? terminal : "no terminal");
	json_object_set_new(request, "from", json_string(place));
}

json_t *cli_build_request(const struct cli_call *call)
{
	const struct cli_command *command = call->command;
	json_t *request = json_pack("{s:s}", "command", command->request);
	int r = 0;

	if (request && command->fixed)
		r |= json_object_set_new(request, command->fixed, json_true());
	for (unsigned int i = 0; request && i < CLI_PARAMETERS_MAX; i++)
		if (call->values[i] && command->parameters[i].key)
			r |= json_object_set_new(request, command->parameters[i].key,
				cli_parameter_value(&command->parameters[i], call->values[i]));
	if (request && command->signs)
		cli_sign(request);
	if (r) { /* a value that is not UTF-8 */
		json_decref(request);
		return NULL;
	}
	return request;
}

static int cli_call_run(struct cli *cli, const struct cli_call *call)
{
	json_auto_t *answer = NULL;
	int status;

	if (call->command->run)
		return call->command->run(cli, call);
	status = client_ask(cli, cli_build_request(call), NULL, 0,
		call->command->signs ? CLIENT_PATIENCE_COMMIT_S : CLIENT_PATIENCE_S, &answer);
	return status == CLI_OK ? client_show(cli, answer, call->command->render) : status;
}

int cli_run_version(struct cli *cli, const struct cli_call *call)
{
	json_auto_t *answer = NULL;

	if (!cli->json) {
		fputs("sluice " SLUICE_VERSION "\n", cli->out);
		return CLI_OK;
	}
	answer = json_pack("{s:b, s:s}", "ok", 1, "version", SLUICE_VERSION);
	output_json(cli, answer);
	return CLI_OK;
}

int cli_run(struct cli *cli, int argc, char **argv)
{
	struct cli_line line;
	int status;

	if (argc > 1 && !strcmp(argv[1], "--complete"))
		return cli_run_complete(cli, argc - 2, argv + 2);
	if (argc > 3 && !strcmp(argv[1], "--instance") && !strcmp(argv[3], "--complete"))
		return instance_init(&cli->instance, argv[2]) < 0 ? CLI_USAGE
								  : cli_run_complete(cli, argc - 4, argv + 4);
	/* errors of the words before --json are JSON too */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		cli->json |= strcmp(argv[i], "--json") == 0;
	status = cli_parse(cli, argc, argv, &line);
	if (status != CLI_OK)
		return status;
	if (line.help) {
		cli_help(&line, cli->out);
		return CLI_OK;
	}
	return cli_call_run(cli, &line.call);
}

/* no command, at most the instance, and a person at both ends */
static bool cli_wants_interactive(struct cli *cli, int argc, char **argv)
{
	if (!isatty(STDIN_FILENO) || !cli->out_terminal)
		return false;
	if (argc == 3 && !strcmp(argv[1], "--instance"))
		return instance_init(&cli->instance, argv[2]) >= 0;
	return argc == 1;
}

int cli_main(int argc, char **argv)
{
	struct cli cli = {
		.fd = -1,
		.out = stdout,
		.err = stderr,
		.out_terminal = isatty(STDOUT_FILENO),
		.err_terminal = isatty(STDERR_FILENO),
	};
	int status;

	instance_init(&cli.instance, INSTANCE_DEFAULT);
	status = cli_wants_interactive(&cli, argc, argv) ? cli_interactive(&cli) : cli_run(&cli, argc, argv);
	cleanup_close(&cli.fd);
	if (fflush(stdout) != 0 && status == CLI_OK) {
		perror("sluice: standard output");
		return CLI_FAILED;
	}
	return status;
}
