/* SPDX-License-Identifier: Apache-2.0 */
/* The model's statistics commands (I1): our counters under the figures that its operators know, each group with what
 * the figures mean. */
#include <inttypes.h>
#include <string.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"

#define NP_COUNTERS_MAX 4 /* counters that add up to one figure */

struct np_figure {
	const char *name;
	const char *counters[NP_COUNTERS_MAX];
};

enum np_when { NP_ZERO, NP_NONZERO };

struct np_hint {
	const char *figure; /* NULL: all of the group */
	enum np_when when;
	const char *text;
};

static const struct np_figure insp_figures[] = {
	{"sessionsNew", {"sessions_new"}},
	{"sessionsActive", {"gauge_sessions_active"}},
	{"sessionsEstablished", {"sessions_established"}},
	{"clientResumed", {"sessions_resumed_client"}},
	{"serverResumed", {"sessions_resumed_server"}},
	{"sessionsBlocked", {"sessions_blocked"}},
	{"refusedByLimit", {"sessions_refused_limit"}},
	{"bytesToServer", {"bytes_to_server"}},
	{"bytesToClient", {"bytes_to_client"}},
	{"bytesInspected", {"bytes_inspected"}},
	{"filterHits", {"filter_hits"}},
	{"keyOperations", {"key_operations"}},
	{"keyFailures", {"key_failures"}},
};
static const struct np_hint insp_hints[] = {
	{NULL, NP_ZERO,
		"All zero: no SSL session has reached a worker. Look at npTcpProxyStats, then sluice diagnose."},
	{"keyFailures", NP_NONZERO, "keyFailures: private keys could not be used. See sluice certificate list."},
	{"refusedByLimit", NP_NONZERO,
		"refusedByLimit: a worker had no descriptor or place left, new sessions were reset."},
	{"sessionsEstablished", NP_ZERO,
		"sessionsEstablished is zero: no session has completed both handshakes. See npSslInspProtocolStats."},
};

static const struct np_figure protocol_figures[] = {
	{"clientTls12", {"sessions_tls12"}},
	{"clientTls13", {"sessions_tls13"}},
	{"clientVersionOther", {"closed_client_version_other"}},
	{"clientCipherOther", {"closed_client_cipher_other"}},
	{"clientAlert", {"closed_client_alert"}},
	{"clientProtocolError", {"closed_client_tls_error", "closed_client_hello_malformed"}},
	{"clientNotTls", {"closed_cleartext_before_hello"}},
	{"serverConnectionFailures", {"closed_server_refused", "closed_server_unreachable"}},
	{"serverVersionOther", {"closed_server_version_other"}},
	{"serverAlert", {"closed_server_alert"}},
	{"serverProtocolError", {"closed_server_tls_error"}},
	{"serverCertificateDrift", {"closed_server_certificate_drift"}},
	{"serverWantsClientCertificate", {"closed_server_wants_client_cert"}},
};
static const struct np_hint protocol_hints[] = {
	{"clientCipherOther", NP_NONZERO,
		"clientCipherOther: clients offer no cipher suite that the certificate's key can serve."},
	{"clientVersionOther", NP_NONZERO,
		"clientVersionOther: clients speak none of the protocols of the SSL server."},
	{"clientAlert", NP_NONZERO,
		"clientAlert: clients ended the handshake, most often because they do not trust the "
		"certificate."},
	{"clientNotTls", NP_NONZERO, "clientNotTls: a detection port carries something else than TLS."},
	{"serverConnectionFailures", NP_NONZERO,
		"serverConnectionFailures: servers refused the connection or did not answer."},
	{"serverCertificateDrift", NP_NONZERO,
		"serverCertificateDrift: a server shows another certificate than the one imported."},
	{"serverWantsClientCertificate", NP_NONZERO,
		"serverWantsClientCertificate: except those clients (source_address_exceptions)."},
	{NULL, NP_ZERO, "All zero: no handshake has taken place. Look at npTcpProxyStats."},
};

static const struct np_figure proxy_figures[] = {
	{"newFlows", {"wire_new_flows"}},
	{"excepted", {"wire_excepted"}},
	{"bypassed", {"wire_bypassed_no_worker", "wire_bypassed_flow_table"}},
	{"passed_max_conns", {"passed_max_conns"}},
	{"blocked_max_conns", {"blocked_max_conns"}},
	{"serverLimit", {"wire_passed_server_limit", "wire_blocked_server_limit"}},
	{"sourceLimit", {"wire_passed_source_limit", "wire_blocked_source_limit"}},
	{"blocked", {"wire_blocked_no_worker", "wire_blocked_flow_table"}},
	{"framesToProxy", {"wire_to_inspect"}},
	{"framesFromProxy", {"wire_from_inspect"}},
	{"framesDropped", {"wire_errors", "wire_leftovers"}},
};
static const struct np_hint proxy_hints[] = {
	{NULL, NP_ZERO,
		"All zero: no matching traffic. No connection to an SSL server's address and detection port has "
		"crossed "
		"a segment that a virtual segment with a profile covers. Ask sluice diagnose CLIENT SERVER:PORT."},
	{"bypassed", NP_NONZERO,
		"bypassed: while no worker was live or the flow table was full, sessions passed "
		"uninspected."},
	{"blocked", NP_NONZERO, "blocked: while no worker was live or the flow table was full, sessions were dropped."},
	{"passed_max_conns", NP_NONZERO,
		"passed_max_conns: from the critical threshold of limits.max_sessions on, sessions passed "
		"uninspected."},
	{"blocked_max_conns", NP_NONZERO,
		"blocked_max_conns: from the critical threshold of limits.max_sessions on, sessions were dropped."},
	{"serverLimit", NP_NONZERO, "serverLimit: beyond an SSL server's max_sessions or max_new_sessions_per_second."},
	{"sourceLimit", NP_NONZERO, "sourceLimit: clients beyond limits.max_sessions_per_source."},
	{"excepted", NP_NONZERO, "excepted: clients that are source address exceptions passed undecrypted."},
};

static const struct np_figure refused_figures[] = {
	{"byServer", {"closed_server_refused"}},
	{"serverSilent", {"closed_server_unreachable"}},
	{"byFilter", {"closed_blocked"}},
	{"byLimit", {"sessions_refused_limit"}},
	{"noKey", {"closed_key_unavailable"}},
	{"noCommonVersionOrCipher",
		{"closed_client_version_other", "closed_client_cipher_other", "closed_server_version_other"}},
	{"notTls", {"closed_cleartext_before_hello", "closed_client_hello_malformed"}},
	{"noPolicy", {"closed_no_policy"}},
	{"droppedWithoutWorker", {"wire_blocked_no_worker", "wire_blocked_flow_table"}},
};
static const struct np_hint refused_hints[] = {
	{NULL, NP_ZERO, "All zero: no connection to an SSL server was refused."},
	{"byServer", NP_NONZERO, "byServer: nothing listens on the server's port."},
	{"serverSilent", NP_NONZERO, "serverSilent: a server did not answer; is it reachable behind the appliance?"},
	{"noKey", NP_NONZERO, "noKey: see sluice certificate list for the state of the keys."},
	{"droppedWithoutWorker", NP_NONZERO,
		"droppedWithoutWorker: when_unavailable: block, while no worker was live. See sluice show log system."},
};

static const struct np_group {
	const char *name;
	const struct np_figure *figures;
	size_t n_figures;
	const struct np_hint *hints;
	size_t n_hints;
} groups[] = {
	{"npSslInspStats", insp_figures, ARRAY_SIZE(insp_figures), insp_hints, ARRAY_SIZE(insp_hints)},
	{"npSslInspProtocolStats", protocol_figures, ARRAY_SIZE(protocol_figures), protocol_hints,
		ARRAY_SIZE(protocol_hints)},
	{"npTcpProxyStats", proxy_figures, ARRAY_SIZE(proxy_figures), proxy_hints, ARRAY_SIZE(proxy_hints)},
	{"refused", refused_figures, ARRAY_SIZE(refused_figures), refused_hints, ARRAY_SIZE(refused_hints)},
};

static const json_t *np_find(const json_t *rows, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row)
	{
		const char *known = json_string_value(json_object_get(row, "name"));

		if (known && !strcmp(known, name))
			return row;
	}
	return NULL;
}

static json_t *np_figure(const struct np_figure *figure, const json_t *counters)
{
	json_t *from = json_array();
	const char *unit = "";
	json_int_t value = 0;

	for (size_t i = 0; i < NP_COUNTERS_MAX && figure->counters[i]; i++) {
		const json_t *row = np_find(counters, figure->counters[i]);

		value += json_integer_value(json_object_get(row, "value"));
		unit = json_string_value(json_object_get(row, "unit")) ?: unit;
		json_array_append_new(from, json_string(figure->counters[i]));
	}
	return json_pack("{s:s, s:I, s:s, s:o}", "name", figure->name, "value", value, "unit", unit, "counters", from);
}

static json_int_t np_value(const json_t *figures, const char *name)
{
	json_int_t sum = 0;
	const json_t *row;
	size_t i;

	if (name)
		return json_integer_value(json_object_get(np_find(figures, name), "value"));
	json_array_foreach((json_t *)figures, i, row) sum += json_integer_value(json_object_get(row, "value"));
	return sum;
}

/* when everything is zero, one line says so, and not one for each figure */
static json_t *np_hints(const struct np_group *group, const json_t *figures)
{
	bool all_zero = !np_value(figures, NULL);
	json_t *hints = json_array();

	for (size_t i = 0; i < group->n_hints; i++) {
		const struct np_hint *hint = &group->hints[i];
		bool zero = !np_value(figures, hint->figure);

		if (zero == (hint->when == NP_ZERO) && (!all_zero || !hint->figure))
			json_array_append_new(hints, json_string(hint->text));
	}
	return hints;
}

static json_t *np_answer(const struct np_group *group, const json_t *counters)
{
	json_t *figures = json_array();

	for (size_t i = 0; i < group->n_figures; i++)
		json_array_append_new(figures, np_figure(&group->figures[i], counters));
	return json_pack("{s:b, s:s, s:o, s:o}", "ok", 1, "statistics", group->name, "figures", figures, "hints",
		np_hints(group, figures));
}

static void np_render(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {{"FIGURE", "name", OUTPUT_TEXT},
		{"VALUE", "value", OUTPUT_NUMBER}, {"UNIT", "unit", OUTPUT_TEXT},
		{"COUNTERS", "counters", OUTPUT_TEXT}};
	const json_t *hints = json_object_get(answer, "hints"), *hint;
	size_t i;

	output_table(cli->out, json_object_get(answer, "figures"), columns, ARRAY_SIZE(columns), "");
	if (json_array_size(hints))
		fputc('\n', cli->out);
	json_array_foreach((json_t *)hints, i, hint) fprintf(cli->out, "%s\n", json_string_value(hint));
}

int cli_run_np(struct cli *cli, const struct cli_call *call)
{
	json_auto_t *counters = NULL, *answer = NULL;
	int status = client_ask(cli, json_pack("{s:s}", "command", "counters"), NULL, 0, CLIENT_PATIENCE_S, &counters);

	if (status != CLI_OK)
		return status;
	if (!json_is_true(json_object_get(counters, "ok")))
		return client_show(cli, counters, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (!strcmp(groups[i].name, call->command->fixed))
			answer = np_answer(&groups[i], json_object_get(counters, "counters"));
	return answer ? client_show(cli, answer, np_render) : client_fail(cli, CLI_FAILED, "out of memory");
}

static void tse_number(struct cli *cli, const char *label, const json_t *limits, const char *key)
{
	fprintf(cli->out, "%-24s %" JSON_INTEGER_FORMAT "\n", label, json_integer_value(json_object_get(limits, key)));
}

/* F6: where sessions stand between the thresholds */
static void tse_limits(struct cli *cli, const json_t *limits)
{
	const char *action = json_string_value(json_object_get(limits, "action")) ?: "";

	tse_number(cli, "Maximum of SSL sessions", limits, "max_sessions");
	tse_number(cli, "Warning threshold", limits, "warning_sessions");
	tse_number(cli, "Critical threshold", limits, "critical_sessions");
	tse_number(cli, "High-water mark", limits, "high_water");
	fprintf(cli->out, "%-24s %s\n", "Threshold state",
		json_string_value(json_object_get(limits, "state")) ?: "normal");
	fprintf(cli->out, "%-24s %s\n", "Action when critical",
		strcmp(action, "block") ? "Allow but bypass Inspection" : "Block");
}

/* show tse ssl-inspection */
void cli_render_tse(struct cli *cli, const json_t *answer)
{
	const char *inspection = json_string_value(json_object_get(answer, "inspection")) ?: "unknown";
	json_int_t sessions = json_integer_value(json_object_get(answer, "sessions"));
	const json_t *limits = json_object_get(answer, "limits");
	const char *state = json_string_value(json_object_get(limits, "state")) ?: "normal";

	fprintf(cli->out, "%-24s %s\n", "SSL inspection", inspection);
	fprintf(cli->out, "%-24s %" JSON_INTEGER_FORMAT "\n", "SSL sessions", sessions);
	tse_limits(cli, limits);
	if (!strcmp(inspection, "fallback"))
		fputs("\nfallback: no worker is live, new sessions are bypassed or blocked. See sluice show status.\n",
			cli->out);
	else if (strcmp(inspection, "on") != 0)
		fputs("\nNothing is decrypted: enable it with device.ssl_inspection: on.\n", cli->out);
	else if (strcmp(state, "normal") != 0)
		fputs("\nNear the maximum, or above it: what became of new sessions is in npTcpProxyStats, "
		      "passed_max_conns "
		      "and blocked_max_conns.\n",
			cli->out);
	else if (!sessions)
		fputs("\nNo session is open. If some should be: sluice diagnose CLIENT SERVER:PORT.\n", cli->out);
}
