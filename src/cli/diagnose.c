/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose: the supervisor judges the way of a connection; this side adds what became of the last one between the two,
 * which the SSL Inspection log tells. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "stats/close_reason.h"

#define DIAGNOSE_RECORDS 2000
#define DIAGNOSE_PORT_DEFAULT 443

/* what to do about a close reason; those that are not here are how sessions end */
static const struct {
	enum close_reason reason;
	const char *mend;
} mends[] = {
	{CLOSE_SERVER_REFUSED, "nothing listens on that port of the server"},
	{CLOSE_SERVER_UNREACHABLE, "see whether the server is up and reachable behind the appliance"},
	{CLOSE_CLEARTEXT_BEFORE_HELLO, "the client does not begin with TLS (STARTTLS, or no TLS at all): take the port "
				       "out of detection_ports"},
	{CLOSE_CLIENT_VERSION_OTHER, "widen protocols of the SSL server, or the client's own"},
	{CLOSE_CLIENT_CIPHER_OTHER, "the client offers no cipher suite that the certificate's key can serve: add an "
				    "RSA or ECDSA certificate"},
	{CLOSE_CLIENT_ALERT, "the client refuses the certificate: does it trust the issuer, does the name match?"},
	{CLOSE_SERVER_VERSION_OTHER, "widen protocols of the SSL server, or the server's own"},
	{CLOSE_SERVER_ALERT, "see the server's own log for what it does not accept"},
	{CLOSE_SERVER_TLS_ERROR,
		"the port may not speak TLS at once: see the detail in sluice show log ssl_inspection"},
	{CLOSE_SERVER_CERTIFICATE_DRIFT,
		"the server has a new certificate: import it, or set certificate_drift: ignore"},
	{CLOSE_SERVER_WANTS_CLIENT_CERT, "except the clients that use certificates (source_address_exceptions)"},
	{CLOSE_HANDSHAKE_TIMEOUT, "client or server fall silent during the handshake: look for loss on the way"},
	{CLOSE_KEY_UNAVAILABLE, "see sluice certificate list for the state of the key"},
	{CLOSE_LIMIT, "raise limits.max_sessions"},
};

static bool diagnose_is_pair(const json_t *record, const char *client, const char *server, int port)
{
	const char *src = json_string_value(json_object_get(record, "src_ip"));
	const char *dest = json_string_value(json_object_get(record, "dest_ip"));

	return src && dest && !strcmp(src, client) && !strcmp(dest, server) &&
	       json_integer_value(json_object_get(record, "dest_port")) == port;
}

static json_t *diagnose_last_record(const struct cli *cli, const char *client, const char *server, int port)
{
	json_auto_t *records = NULL;

	if (cli_log_read(cli, "ssl_inspection", DIAGNOSE_RECORDS, &records) < 0)
		return NULL;
	for (size_t i = json_array_size(records); i-- > 0;)
		if (diagnose_is_pair(json_array_get(records, i), client, server, port))
			return json_incref(json_array_get(records, i));
	return NULL;
}

static const char *diagnose_mend(const char *name, const char **text)
{
	for (size_t i = 0; i < CLOSE_REASON_N; i++)
		if (!strcmp(close_reason_info[i].name, name))
			*text = close_reason_info[i].text;
	for (size_t i = 0; i < ARRAY_SIZE(mends); i++)
		if (!strcmp(close_reason_info[mends[i].reason].name, name))
			return mends[i].mend;
	return NULL;
}

static void diagnose_add_last(struct cli *cli, json_t *answer, const char *client, const char *server, int port)
{
	json_auto_t *record = diagnose_last_record(cli, client, server, port);
	const char *reason = json_string_value(json_object_get(record, "close_reason"));
	const char *detail = json_string_value(json_object_get(record, "detail")), *text = reason, *mend;
	_cleanup_free_ char *said = NULL;
	json_t *step;

	if (!reason)
		return;
	mend = diagnose_mend(reason, &text);
	if (asprintf(&said, "the last session between the two ended with %s: %s%s%s%s", reason, text,
		    detail ? " (" : "", detail ? detail : "", detail ? ")" : "") < 0)
		return;
	step = json_pack("{s:s, s:s, s:s, s:s*}", "step", "last_session", "state", mend ? "bad" : "good", "text", said,
		"mend", mend);
	json_array_append_new(json_object_get(answer, "steps"), step);
	if (mend && json_is_null(json_object_get(answer, "first_problem")))
		json_object_set_new(answer, "first_problem", json_string("last_session"));
}

static void diagnose_render_step(struct cli *cli, const json_t *step)
{
	const char *state = json_string_value(json_object_get(step, "state")) ?: "note";
	const char *mend = json_string_value(json_object_get(step, "mend"));

	fputs(!strcmp(state, "good") ? "  ok     " : !strcmp(state, "bad") ? "  WRONG  " : "  note   ", cli->out);
	output_text(cli->out, json_string_value(json_object_get(step, "text")) ?: "");
	if (mend) {
		fputs("\n         mend: ", cli->out);
		output_text(cli->out, mend);
	}
	fputc('\n', cli->out);
}

void cli_render_diagnosis(struct cli *cli, const json_t *answer)
{
	const char *first = json_string_value(json_object_get(answer, "first_problem"));
	const json_t *step;
	size_t i;

	json_array_foreach(json_object_get(answer, "steps"), i, step) diagnose_render_step(cli, step);
	fputc('\n', cli->out);
	json_array_foreach(json_object_get(answer, "steps"), i, step)
	{
		const char *name = json_string_value(json_object_get(step, "step"));

		if (!first || !name || strcmp(name, first) ||
			strcmp(json_string_value(json_object_get(step, "state")) ?: "", "bad"))
			continue;
		fputs("First thing wrong: ", cli->out);
		output_text(cli->out, json_string_value(json_object_get(step, "text")) ?: "");
		fputs(".\n", cli->out);
		return;
	}
	fputs("Nothing is wrong: a new connection between the two is decrypted and inspected.\n", cli->out);
}

/* ADDRESS or ADDRESS:PORT */
static bool diagnose_split(const char *text, char address[INET_ADDRSTRLEN], int *port)
{
	size_t len = strcspn(text, ":");
	struct in_addr parsed;

	*port = DIAGNOSE_PORT_DEFAULT;
	if (len >= INET_ADDRSTRLEN)
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (text[len] && (strspn(text + len + 1, "0123456789") != strlen(text + len + 1) ||
				 strlen(text + len + 1) > 5 || (*port = atoi(text + len + 1)) < 1 || *port > 65535))
		return false;
	return inet_pton(AF_INET, address, &parsed) == 1;
}

int cli_run_diagnose(struct cli *cli, const struct cli_call *call)
{
	const char *client = cli_call_value(call, "CLIENT"), *given = cli_call_value(call, "SERVER[:PORT]");
	json_auto_t *answer = NULL;
	char server[INET_ADDRSTRLEN];
	json_t *request;
	int port, status;

	if (!diagnose_split(given, server, &port))
		return client_fail(cli, CLI_USAGE, "\"%s\" is not an IPv4 address, or one with :PORT", given);
	request = cli_build_request(call);
	if (request) {
		json_object_set_new(request, "server", json_string(server));
		json_object_set_new(request, "port", json_integer(port));
	}
	status = client_ask(cli, request, NULL, 0, CLIENT_PATIENCE_S, &answer);
	if (status != CLI_OK)
		return status;
	if (json_is_true(json_object_get(answer, "ok")))
		diagnose_add_last(cli, answer, client, server, port);
	return client_show(cli, answer, cli_render_diagnosis);
}
