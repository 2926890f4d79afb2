/* SPDX-License-Identifier: Apache-2.0 */
/* sluice system: the appliance's root slots. Everything but the supervisor's word about itself happens here, as root.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "slots/slots.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/* --- what is printed -------------------------------------------------------------------------------------------------
 */

static void system_render_last(struct cli *cli, const json_t *last)
{
	const char *reason = text_of(last, "reason");

	fprintf(cli->out, "\nThe last %s, from version ", text_of(last, "kind"));
	output_text(cli->out, text_of(last, "from"));
	fputs(" to ", cli->out);
	output_text(cli->out, text_of(last, "to"));
	fprintf(cli->out, ": %s%s", text_of(last, "state"), reason[0] ? ", " : "");
	output_text(cli->out, reason);
	fputc('\n', cli->out);
}

static void system_render_slots(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"SLOT", "slot", OUTPUT_TEXT},
		{"VERSION", "version", OUTPUT_TEXT},
		{"RUNS", "booted", OUTPUT_TEXT},
		{"BOOTS NEXT", "next", OUTPUT_TEXT},
		{"GOOD", "good", OUTPUT_TEXT},
		{"INSTALLED", "installed", OUTPUT_TEXT},
	};
	const json_t *upgrade = json_object_get(answer, "upgrade"), *last = json_object_get(answer, "last");

	output_table(cli->out, json_object_get(answer, "slots"), columns, ARRAY_SIZE(columns), "");
	if (upgrade) {
		fputs("\nVersion ", cli->out);
		output_text(cli->out, text_of(upgrade, "to"));
		fputs(" waits for its first boot.\n", cli->out);
	} else if (last) {
		system_render_last(cli, last);
	}
}

static void system_render_armed(struct cli *cli, const json_t *answer)
{
	if (!strcmp(text_of(answer, "kind"), "withdrawn")) {
		fputs("The upgrade is taken back: version ", cli->out);
		output_text(cli->out, text_of(answer, "to"));
		fputs(" boots next, as before.\n", cli->out);
		return;
	}
	fputs("Version ", cli->out);
	output_text(cli->out, text_of(answer, "to"));
	fprintf(cli->out, " boots next, from slot %s", text_of(answer, "slot"));
	fputs(json_is_true(json_object_get(answer, "reboots")) ? ": the machine reboots now.\n"
							       : ". Reboot when it suits: the wire is interrupted "
								 "until the machine is up again, and sessions\n"
								 "end. If the appliance is not as well then as it is "
								 "now, the version that runs boots again.\n",
		cli->out);
}

/* one line for a step on a terminal, one per step elsewhere */
static void system_progress(void *owner, const char *step, int percent)
{
	struct cli *cli = owner;

	if (cli->json)
		return;
	if (percent >= 0)
		fprintf(cli->err, "%3d%% ", percent);
	output_text(cli->err, step);
	fputc('\n', cli->err);
}

/* --- commands --------------------------------------------------------------------------------------------------------
 */

/* what the appliance is like now, for the first boot to be held against; NULL: no supervisor */
static json_t *system_before(struct cli *cli)
{
	struct cli quiet = *cli;
	json_t *status = NULL;

	quiet.err = fopen("/dev/null", "we");
	if (!quiet.err)
		return NULL;
	client_ask(&quiet, json_pack("{s:s}", "command", "status"), NULL, 0, CLIENT_PATIENCE_S, &status);
	fclose(quiet.err);
	cli->fd = quiet.fd;
	return status;
}

static int system_arm(struct cli *cli, const struct cli_call *call, bool upgrade)
{
	json_auto_t *before = system_before(cli), *answer = NULL;
	bool reboots = cli_call_value(call, "REBOOT");
	char error[SLOTS_ERROR_MAX] = "";
	int r;

	if (upgrade)
		r = slots_upgrade(
			cli_call_value(call, "FILE"), cli->instance.name, before, system_progress, cli, &answer, error);
	else
		r = slots_rollback(cli->instance.name, before, system_progress, cli, &answer, error);
	if (r < 0)
		return client_fail(cli, CLI_FAILED, "%s", error[0] ? error : strerror(-r));
	json_object_set_new(answer, "reboots", json_boolean(reboots));
	r = client_show(cli, answer, system_render_armed);
	if (reboots && slots_reboot() != 0)
		return client_fail(cli, CLI_FAILED, "the machine does not reboot: see `systemctl status`");
	return r;
}

/* the supervisor writes how an upgrade ended into the System log; without one there is the last lines of `system slots`
 */
static void system_tell(struct cli *cli, json_t *ended)
{
	json_auto_t *answer = NULL;
	json_t *request = json_copy(ended);

	json_object_set_new(request, "command", json_string("upgrade_ended"));
	client_ask(cli, request, NULL, 0, CLIENT_PATIENCE_S, &answer);
}

static int system_confirm(struct cli *cli, const struct cli_call *call)
{
	const char *wait = cli_call_value(call, "SECONDS");
	json_auto_t *ended = NULL, *answer = NULL;
	char error[SLOTS_ERROR_MAX] = "";
	int r = slots_confirm(cli->instance.name, wait ? atoi(wait) : SLOTS_CONFIRM_SECONDS, &ended, error);

	if (ended)
		system_tell(cli, ended);
	if (r < 0)
		return client_fail(cli, CLI_FAILED, "%s", error[0] ? error : strerror(-r));
	answer = slots_report(error);
	return answer ? client_show(cli, answer, system_render_slots) : client_fail(cli, CLI_FAILED, "%s", error);
}

int cli_run_system(struct cli *cli, const struct cli_call *call)
{
	const char *verb = call->command->fixed;
	char error[SLOTS_ERROR_MAX] = "";
	json_auto_t *report = NULL;

	if (!strcmp(verb, "confirm"))
		return system_confirm(cli, call);
	if (strcmp(verb, "slots") != 0)
		return system_arm(cli, call, !strcmp(verb, "upgrade"));
	report = slots_report(error);
	return report ? client_show(cli, report, system_render_slots) : client_fail(cli, CLI_FAILED, "%s", error);
}
