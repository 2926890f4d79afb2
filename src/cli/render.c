/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/common.h"
#include "cli/command.h"
#include "cli/output.h"

#define RENDER_REFUSED_MAX 20 /* refused filters that a check lists; the rest is counted */
#define TABLE(cli, rows, columns, empty) output_table((cli)->out, (rows), (columns), ARRAY_SIZE(columns), (empty))

static void render_field(
	struct cli *cli, const char *label, const json_t *object, const char *key, enum output_format format)
{
	const struct output_column column = {.key = key, .format = format};
	char text[256];

	output_cell(object, &column, text, sizeof(text));
	fprintf(cli->out, "%-16s ", label);
	output_text(cli->out, *text ? text : "-");
}

static void render_line(
	struct cli *cli, const char *label, const json_t *object, const char *key, enum output_format format)
{
	render_field(cli, label, object, key, format);
	fputc('\n', cli->out);
}

/* E6: {name: state}; those that are not available are named */
static void render_keys(struct cli *cli, const json_t *keys)
{
	const char *name;
	json_t *state;

	fprintf(cli->out, ", %zu keys", json_object_size(keys));
	json_object_foreach((json_t *)keys, name, state)
	{
		const char *text = json_string_value(state) ?: "unknown";

		if (strcmp(text, "available") == 0)
			continue;
		fputs(", ", cli->out);
		output_text(cli->out, name);
		fputs(": ", cli->out);
		output_text(cli->out, text);
	}
}

static void render_process(struct cli *cli, const char *label, const json_t *process)
{
	json_int_t pid = json_integer_value(json_object_get(process, "pid"));
	const json_t *keys = json_object_get(process, "keys");

	render_field(cli, label, process, "state", OUTPUT_TEXT);
	if (pid > 0)
		fprintf(cli->out, ", pid %" JSON_INTEGER_FORMAT, pid);
	if (json_is_integer(keys))
		fprintf(cli->out, ", %" JSON_INTEGER_FORMAT " keys", json_integer_value(keys));
	else if (json_is_object(keys))
		render_keys(cli, keys);
	fputc('\n', cli->out);
}

static void render_status_head(struct cli *cli, const json_t *answer)
{
	const struct output_column age = {.key = "started", .format = OUTPUT_AGE};
	json_int_t version = json_integer_value(json_object_get(answer, "config_version"));
	char text[64];

	render_line(cli, "Instance", answer, "instance", OUTPUT_TEXT);
	render_line(cli, "Device", answer, "device", OUTPUT_TEXT);
	render_line(cli, "Version", answer, "version", OUTPUT_TEXT);
	output_cell(answer, &age, text, sizeof(text));
	render_field(cli, "Started", answer, "started", OUTPUT_TIME);
	fprintf(cli->out, "%s%s%s\n", *text ? " (" : "", text, *text ? " ago)" : "");
	if (version)
		fprintf(cli->out, "%-16s version %" JSON_INTEGER_FORMAT "\n", "Configuration", version);
	else if (json_object_get(answer, "configuration_problem"))
		fprintf(cli->out, "%-16s none: no stored version can be put in force\n", "Configuration");
	else
		fprintf(cli->out, "%-16s none yet: put one into force with sluice commit FILE\n", "Configuration");
	render_line(cli, "SSL inspection", answer, "inspection", OUTPUT_TEXT);
	render_field(cli, "Sessions", answer, "sessions", OUTPUT_NUMBER);
	if (json_integer_value(json_object_get(answer, "max_sessions")) > 0)
		fprintf(cli->out, " of at most %" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(answer, "max_sessions")));
	fputc('\n', cli->out);
	render_line(cli, "Flows", answer, "flows", OUTPUT_NUMBER);
}

/* F4: what is in force is not what was committed last */
static void render_configuration_problem(struct cli *cli, const json_t *answer)
{
	const json_t *problem = json_object_get(answer, "configuration_problem");

	if (!problem)
		return;
	fprintf(cli->out, "%-16s version %" JSON_INTEGER_FORMAT " is newer and cannot be used: ", "ATTENTION",
		json_integer_value(json_object_get(problem, "version")));
	output_text(cli->out, json_string_value(json_object_get(problem, "error")) ?: "?");
	fputs(". Commit a good configuration.\n", cli->out);
}

void cli_render_status(struct cli *cli, const json_t *answer)
{
	static const struct output_column workers[] = {
		{"WORKER", "slot", OUTPUT_NUMBER},
		{"PID", "pid", OUTPUT_NUMBER},
		{"GENERATION", "generation", OUTPUT_NUMBER},
		{"CONFIGURATION", "config_version", OUTPUT_NUMBER},
		{"SESSIONS", "sessions", OUTPUT_NUMBER},
		{"STATE", "state", OUTPUT_TEXT},
	};
	static const struct output_column segments[] = {{"SEGMENT", "name", OUTPUT_TEXT},
		{"LINK A", "link_a", OUTPUT_TEXT}, {"LINK B", "link_b", OUTPUT_TEXT}, {"STATE", "state", OUTPUT_TEXT},
		{"CAUSE", "cause", OUTPUT_TEXT}};

	render_status_head(cli, answer);
	render_configuration_problem(cli, answer);
	render_process(cli, "Key keeper", json_object_get(answer, "keeper"));
	render_line(cli, "RSA engine", json_object_get(answer, "keeper"), "engine", OUTPUT_TEXT);
	render_process(cli, "Log process", json_object_get(answer, "log"));
	fputc('\n', cli->out);
	TABLE(cli, json_object_get(answer, "workers"), workers,
		"No worker runs: new sessions of SSL servers are bypassed or blocked, as configured "
		"(when_unavailable). See "
		"sluice show log system.");
	fputc('\n', cli->out);
	TABLE(cli, json_object_get(answer, "segments"), segments,
		"No segment: Sluice has no port yet. Name its ports under segments in the configuration and commit "
		"it.");
}

void cli_render_sessions(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"SESSION", "id", OUTPUT_TEXT},
		{"AGE", "started", OUTPUT_AGE},
		{"CLIENT", "client_ip", OUTPUT_ENDPOINT},
		{"SERVER", "server_ip", OUTPUT_ENDPOINT},
		{"SSL SERVER", "ssl_server", OUTPUT_TEXT},
		{"STEP", "step", OUTPUT_TEXT},
		{"CLIENT TLS", "client_version", OUTPUT_TLS},
		{"CIPHER", "client_cipher", OUTPUT_TEXT},
		{"GROUP", "client_group", OUTPUT_TEXT},
		{"SERVER TLS", "server_version", OUTPUT_TLS},
		{"TO SERVER", "bytes_to_server", OUTPUT_BYTES},
		{"TO CLIENT", "bytes_to_client", OUTPUT_BYTES},
		{"INSPECTED", "inspected", OUTPUT_TEXT},
		{"SNI", "sni", OUTPUT_TEXT},
		{"JA4", "ja4", OUTPUT_TEXT},
	};
	const json_t *sessions = json_object_get(answer, "sessions");
	json_int_t total = json_integer_value(json_object_get(answer, "total"));

	TABLE(cli, sessions, columns,
		"No SSL session is open that matches. If there should be one: sluice show servers, sluice show log "
		"ssl_inspection.");
	if (total > (json_int_t)json_array_size(sessions))
		fprintf(cli->out, "%zu of %" JSON_INTEGER_FORMAT " sessions, newest first; more with --limit N\n",
			json_array_size(sessions), total);
}

void cli_render_bypasses(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"SSL SERVER", "ssl_server", OUTPUT_TEXT},
		{"SERVER", "server_ip", OUTPUT_ENDPOINT},
		{"SNI", "sni", OUTPUT_TEXT},
		{"CLIENT", "client_ip", OUTPUT_TEXT},
		{"JA4", "ja4", OUTPUT_TEXT},
		{"CAUSE", "cause", OUTPUT_TEXT},
		{"LEARNED", "learned", OUTPUT_AGE},
		{"SECONDS LEFT", "seconds_left", OUTPUT_NUMBER},
		{"SESSIONS", "sessions", OUTPUT_NUMBER},
	};

	TABLE(cli, json_object_get(answer, "bypasses"), columns,
		"No bypass is remembered. One is where an SSL server's undecryptable_ option says "
		"bypass_and_remember and a session could not be decrypted.");
}

void cli_render_bypasses_cleared(struct cli *cli, const json_t *answer)
{
	json_int_t n = json_integer_value(json_object_get(answer, "cleared"));

	fprintf(cli->out, "%" JSON_INTEGER_FORMAT " remembered bypass%s forgotten\n", n, n == 1 ? "" : "es");
}

void cli_render_counters(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"COUNTER", "name", OUTPUT_TEXT},
		{"VALUE", "value", OUTPUT_NUMBER},
		{"UNIT", "unit", OUTPUT_TEXT},
		{"MEANING", "meaning", OUTPUT_TEXT},
	};

	TABLE(cli, json_object_get(answer, "counters"), columns,
		"No counter: there is no such SSL server, or nothing has been counted for it. See sluice show "
		"servers.");
	if (json_object_get(answer, "since"))
		render_line(cli, "Counted since", answer, "since", OUTPUT_TIME);
}

void cli_render_servers(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"SSL SERVER", "name", OUTPUT_TEXT},
		{"KEY", "key_state", OUTPUT_TEXT},
		{"SESSIONS", "sessions", OUTPUT_NUMBER},
		{"NEW", "new", OUTPUT_NUMBER},
		{"BLOCKED", "blocked", OUTPUT_NUMBER},
		{"SERVICE", "decrypted_service", OUTPUT_TEXT},
		{"DESTINATIONS", "destinations", OUTPUT_TEXT},
		{"PORTS", "detection_ports", OUTPUT_TEXT},
		{"CERTIFICATES", "certificates", OUTPUT_TEXT},
	};

	TABLE(cli, json_object_get(answer, "servers"), columns,
		"No SSL server is configured: nothing is decrypted. Add one under ssl_servers and commit.");
}

void cli_render_ciphers(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"CIPHER SUITE", "name", OUTPUT_TEXT},
		{"OPENSSL NAME", "openssl", OUTPUT_TEXT},
		{"KEY EXCHANGE", "key_exchange", OUTPUT_TEXT},
		{"CERTIFICATE", "authentication", OUTPUT_TEXT},
		{"BULK", "bulk", OUTPUT_TEXT},
		{"MAC", "mac", OUTPUT_TEXT},
		{"PROTOCOLS", "protocols", OUTPUT_TEXT},
		{"STATE", "state", OUTPUT_TEXT},
		{"REASON", "reason", OUTPUT_TEXT},
	};

	TABLE(cli, json_object_get(answer, "ciphers"), columns, "No cipher suite is selected for this SSL server.");
}

void cli_render_health(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"CHECK", "title", OUTPUT_TEXT},
		{"STATE", "state", OUTPUT_TEXT},
		{"FOUND", "found", OUTPUT_TEXT},
		{"WHAT IT COSTS", "cost", OUTPUT_TEXT},
	};

	render_line(cli, "Processor", answer, "cpu_model", OUTPUT_TEXT);
	render_line(cli, "SSL inspection", answer, "ssl_inspection", OUTPUT_TEXT);
	fputc('\n', cli->out);
	TABLE(cli, json_object_get(answer, "checks"), columns, "");
}

void cli_render_stages(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"PLACE", "place", OUTPUT_NUMBER},
		{"STAGE", "name", OUTPUT_TEXT},
		{"ACTS ON", "acts_on", OUTPUT_TEXT},
		{"BUILT", "built", OUTPUT_TEXT},
		{"ACTED", "acted", OUTPUT_NUMBER},
		{"WHAT", "help", OUTPUT_TEXT},
	};

	TABLE(cli, json_object_get(answer, "stages"), columns, "");
}

void cli_render_rates(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"COUNTER", "name", OUTPUT_TEXT},
		{"PER SECOND: 1 S", "second_hundredths", OUTPUT_HUNDREDTHS},
		{"1 MIN", "minute_hundredths", OUTPUT_HUNDREDTHS},
		{"5 MIN", "five_minutes_hundredths", OUTPUT_HUNDREDTHS},
		{"UNIT", "unit", OUTPUT_TEXT},
	};

	TABLE(cli, json_object_get(answer, "rates"), columns, "");
}

void cli_render_segments(struct cli *cli, const json_t *answer)
{
	static const struct output_column segments[] = {
		{"SEGMENT", "name", OUTPUT_TEXT},
		{"PORT A", "port_a", OUTPUT_TEXT},
		{"LINK A", "link_a", OUTPUT_TEXT},
		{"PORT B", "port_b", OUTPUT_TEXT},
		{"LINK B", "link_b", OUTPUT_TEXT},
		{"HELD DOWN", "held", OUTPUT_TEXT},
		{"MTU", "mtu", OUTPUT_NUMBER},
		{"STATE", "state", OUTPUT_TEXT},
	};
	static const struct output_column virtuals[] = {
		{"VIRTUAL SEGMENT", "name", OUTPUT_TEXT},
		{"SEGMENT", "segment", OUTPUT_TEXT},
		{"DIRECTION", "direction", OUTPUT_TEXT},
		{"PROFILE", "profile", OUTPUT_TEXT},
		{"VLANS", "vlans", OUTPUT_TEXT},
		{"SOURCES", "sources", OUTPUT_TEXT},
		{"DESTINATIONS", "destinations", OUTPUT_TEXT},
	};

	TABLE(cli, json_object_get(answer, "segments"), segments,
		"No segment: Sluice has no port yet. Name its ports under segments in the configuration and commit "
		"it.");
	fputc('\n', cli->out);
	TABLE(cli, json_object_get(answer, "virtual_segments"), virtuals,
		"No virtual segment: no traffic has a profile, so nothing is inspected.");
}

static const struct output_column refused_columns[] = {
	{"FILE", "file", OUTPUT_TEXT},
	{"LINE", "line", OUTPUT_NUMBER},
	{"SID", "sid", OUTPUT_NUMBER},
	{"REASON", "reason", OUTPUT_TEXT},
};

void cli_render_refused(struct cli *cli, const json_t *answer)
{
	TABLE(cli, json_object_get(answer, "refused"), refused_columns,
		"No filter of the packages in force was refused.");
}

static const struct output_column top_columns[] = {
	{"SID", "sid", OUTPUT_NUMBER},
	{"PROFILE", "profile", OUTPUT_TEXT},
	{"ACTION", "action", OUTPUT_TEXT},
	{"HITS", "hits", OUTPUT_NUMBER},
	{"BLOCKS", "blocks", OUTPUT_NUMBER},
	{"EVALUATIONS", "evaluations", OUTPUT_NUMBER},
	{"NS EACH", "ns_per_evaluation", OUTPUT_NUMBER},
	{"COST %", "cost_percent", OUTPUT_NUMBER},
	{"NAME", "name", OUTPUT_TEXT},
};

void cli_render_filters_top(struct cli *cli, const json_t *answer)
{
	json_int_t silent = json_integer_value(json_object_get(answer, "workers_silent"));

	TABLE(cli, json_object_get(answer, "filters"), top_columns,
		"No filter's pattern was found since the configuration was loaded.");
	if (silent)
		fprintf(cli->out, "%" JSON_INTEGER_FORMAT " worker%s did not answer in time.\n", silent,
			silent == 1 ? "" : "s");
}

void cli_render_cleared(struct cli *cli, const json_t *answer)
{
	json_int_t n = json_integer_value(json_object_get(answer, "cleared"));

	if (n)
		fprintf(cli->out, "%" JSON_INTEGER_FORMAT " session%s cleared, both legs reset\n", n,
			n == 1 ? "" : "s");
	else
		fputs("No session matched, none was cleared. See sluice show sessions.\n", cli->out);
}

/* C1: a refused filter is listed with its line and reason, never dropped silently */
static void render_filters(struct cli *cli, const json_t *filters, const char *more)
{
	const json_t *refused = json_object_get(filters, "refused");
	json_auto_t *first = json_array();
	json_t *row;
	size_t i;

	if (!filters)
		return;
	fprintf(cli->out, "%" JSON_INTEGER_FORMAT " filters load",
		json_integer_value(json_object_get(filters, "loaded")));
	if (json_integer_value(json_object_get(filters, "disabled")))
		fprintf(cli->out, ", %" JSON_INTEGER_FORMAT " disabled",
			json_integer_value(json_object_get(filters, "disabled")));
	fprintf(cli->out, ", %zu refused\n", json_array_size(refused));
	json_array_foreach(refused, i, row) if (i < RENDER_REFUSED_MAX) json_array_append(first, row);
	if (json_array_size(first))
		TABLE(cli, first, refused_columns, "");
	if (json_array_size(refused) > RENDER_REFUSED_MAX)
		fprintf(cli->out, "and %zu more: %s\n", json_array_size(refused) - RENDER_REFUSED_MAX, more);
}

void cli_render_checked(struct cli *cli, const json_t *answer)
{
	fputs("The configuration is good. Nothing was changed: put it into force with sluice commit.\n", cli->out);
	render_filters(cli, json_object_get(answer, "filters"), "the whole list is in sluice --json check");
}

void cli_render_committed(struct cli *cli, const json_t *answer)
{
	fprintf(cli->out, "Configuration version %" JSON_INTEGER_FORMAT " is in force.\n",
		json_integer_value(json_object_get(answer, "config_version")));
	render_filters(cli, json_object_get(answer, "filters"), "sluice show filters refused");
}

static void render_warnings(struct cli *cli, const json_t *warnings)
{
	const json_t *text;
	size_t i;

	json_array_foreach(warnings, i, text)
	{
		fputs("Warning: ", cli->out);
		output_text(cli->out, json_string_value(text) ?: "");
		fputc('\n', cli->out);
	}
}

static void render_certificate(struct cli *cli, const json_t *certificate)
{
	render_line(cli, "Certificate", certificate, "name", OUTPUT_TEXT);
	render_line(cli, "Subject", certificate, "subject", OUTPUT_TEXT);
	render_line(cli, "Issuer", certificate, "issuer", OUTPUT_TEXT);
	render_line(cli, "Names", certificate, "sans", OUTPUT_TEXT);
	render_line(cli, "Valid from", certificate, "not_before", OUTPUT_TEXT);
	render_line(cli, "Valid until", certificate, "not_after", OUTPUT_TEXT);
	render_field(cli, "Key", certificate, "key_type", OUTPUT_TEXT);
	if (json_is_integer(json_object_get(certificate, "key_bits")))
		fprintf(cli->out, " %" JSON_INTEGER_FORMAT " bits",
			json_integer_value(json_object_get(certificate, "key_bits")));
	fputc('\n', cli->out);
	if (json_object_get(certificate, "key_from"))
		render_line(cli, "Private key from", certificate, "key_from", OUTPUT_TEXT);
	render_warnings(cli, json_object_get(certificate, "warnings"));
}

void cli_render_imported(struct cli *cli, const json_t *answer)
{
	render_certificate(cli, json_object_get(answer, "certificate"));
	fputs("Imported.\n", cli->out);
}

void cli_render_replaced(struct cli *cli, const json_t *answer)
{
	render_certificate(cli, json_object_get(answer, "certificate"));
	fprintf(cli->out, "Replaced: new sessions use it. The one before is %s now.\n",
		json_string_value(json_object_get(answer, "replaced")) ?: "?");
}

void cli_render_keystore(struct cli *cli, const json_t *answer)
{
	render_line(cli, "Device key", answer, "protection", OUTPUT_TEXT);
	if (json_array_size(json_object_get(answer, "pcrs")))
		render_line(cli, "PCRs", answer, "pcrs", OUTPUT_TEXT);
	render_line(cli, "Keystore", answer, "state", OUTPUT_TEXT);
	if (json_object_get(answer, "problem"))
		render_line(cli, "Problem", answer, "problem", OUTPUT_TEXT);
	if (json_object_get(answer, "keys_resealed"))
		render_line(cli, "Keys sealed anew", answer, "keys_resealed", OUTPUT_TEXT);
}

void cli_render_certificate(struct cli *cli, const json_t *answer)
{
	const json_t *certificate = json_object_get(answer, "certificate");

	render_certificate(cli, certificate);
	render_line(cli, "Serial number", certificate, "serial", OUTPUT_TEXT);
	render_line(cli, "SHA-256", certificate, "sha256", OUTPUT_TEXT);
	render_line(cli, "Issued by", certificate, "chain_subjects", OUTPUT_TEXT);
	render_line(cli, "Key state", certificate, "key_state", OUTPUT_TEXT);
	render_line(cli, "Days left", certificate, "days_left", OUTPUT_TEXT);
	if (json_object_get(certificate, "previous"))
		render_line(cli, "Replaced", certificate, "previous", OUTPUT_TEXT);
	render_line(cli, "SSL servers", certificate, "servers", OUTPUT_TEXT);
}

void cli_render_removed(struct cli *cli, const json_t *answer)
{
	fputs("Removed, with its private key.\n", cli->out);
}

void cli_render_chain(struct cli *cli, const json_t *answer)
{
	const json_t *element;
	size_t i;

	json_array_foreach(json_object_get(answer, "chain"), i, element)
	{
		base64_write_pem(cli->out, json_string_value(element) ?: "");
	}
}

void cli_render_certificates(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"CERTIFICATE", "name", OUTPUT_TEXT},
		{"KEY STATE", "key_state", OUTPUT_TEXT},
		{"KEY", "key_type", OUTPUT_TEXT},
		{"BITS", "key_bits", OUTPUT_NUMBER},
		{"VALID UNTIL", "not_after", OUTPUT_TEXT},
		{"DAYS LEFT", "days_left", OUTPUT_NUMBER},
		{"SSL SERVERS", "servers", OUTPUT_TEXT},
		{"SUBJECT", "subject", OUTPUT_TEXT},
		{"NAMES", "sans", OUTPUT_TEXT},
	};

	TABLE(cli, json_object_get(answer, "certificates"), columns,
		"The certificate store is empty. Import with sluice certificate import NAME --cert FILE --key "
		"KEYFILE.");
}

void cli_render_log_credentials(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"LOG CREDENTIALS", "name", OUTPUT_TEXT},
		{"USED BY", "used_by", OUTPUT_TEXT},
		{"OUR CERTIFICATE", "mutual", OUTPUT_TEXT},
		{"KEY", "key_type", OUTPUT_TEXT},
		{"BITS", "key_bits", OUTPUT_NUMBER},
		{"VALID UNTIL", "not_after", OUTPUT_TEXT},
		{"SUBJECT", "subject", OUTPUT_TEXT},
	};

	TABLE(cli, json_object_get(answer, "credentials"), columns,
		"There are no credentials for log targets. Import with sluice log credentials import NAME --ca FILE.");
}

void cli_render_log_credentials_changed(struct cli *cli, const json_t *answer)
{
	render_warnings(cli, json_object_get(answer, "warnings"));
	fputs(json_object_get(answer, "imported") ? "Imported.\n" : "Removed.\n", cli->out);
}

void cli_render_log_status(struct cli *cli, const json_t *answer)
{
	static const struct output_column targets[] = {
		{"LOG TARGET", "name", OUTPUT_TEXT},
		{"HOST", "host", OUTPUT_TEXT},
		{"PORT", "port", OUTPUT_TEXT},
		{"PROTOCOL", "protocol", OUTPUT_TEXT},
		{"STATE", "state", OUTPUT_TEXT},
		{"LAG", "lag_records", OUTPUT_NUMBER},
		{"SECONDS", "lag_seconds", OUTPUT_NUMBER},
		{"EARLIER BOOTS", "earlier_boots", OUTPUT_NUMBER},
		{"SENT", "sent", OUTPUT_NUMBER},
		{"RECEIVED", "received", OUTPUT_NUMBER},
		{"MISSED", "missed", OUTPUT_NUMBER},
		{"RESTARTS", "restarts", OUTPUT_NUMBER},
		{"LAST ERROR", "error", OUTPUT_TEXT},
	};
	static const struct output_column spool[] = {
		{"SPOOL", "bytes", OUTPUT_BYTES},
		{"NEXT SEQUENCE", "next_sequence", OUTPUT_NUMBER},
		{"DROPPED", "dropped", OUTPUT_NUMBER},
		{"DISK FAILS", "failing", OUTPUT_TEXT},
	};
	json_t *rows = json_pack("[O]", json_object_get(answer, "spool"));

	TABLE(cli, rows, spool, "");
	json_decref(rows);
	fputc('\n', cli->out);
	TABLE(cli, json_object_get(answer, "targets"), targets,
		"No log target: the logs are local files only. Name one under log_targets in the configuration.");
}
void cli_render_stopped(struct cli *cli, const json_t *answer)
{
	fputs("The supervisor stops. The wire stays up in layer-2 fallback: traffic passes uninspected.\n", cli->out);
}

#define TIME_COLUMN {"TIME", "timestamp", OUTPUT_TIME}
#define PEERS_COLUMNS                                                                  \
	{"SESSION", "session_id", OUTPUT_TEXT}, {"CLIENT", "src_ip", OUTPUT_ENDPOINT}, \
	{                                                                              \
		"SERVER", "dest_ip", OUTPUT_ENDPOINT                                   \
	}
#define FILTER_COLUMNS                                                                                            \
	TIME_COLUMN, {"FILTER", "signature_id", OUTPUT_NUMBER}, {"ACTION", "action", OUTPUT_TEXT}, PEERS_COLUMNS, \
		{"SSL SERVER", "ssl_server", OUTPUT_TEXT}, {"METHOD", "http_method", OUTPUT_TEXT},                \
		{"HOST", "hostname", OUTPUT_TEXT}, {"URL", "url", OUTPUT_TEXT},                                   \
	{                                                                                                         \
		"NAME", "signature", OUTPUT_TEXT                                                                  \
	}

static const struct output_column system_columns[] = {TIME_COLUMN, {"SEVERITY", "severity", OUTPUT_TEXT},
	{"COMPONENT", "component", OUTPUT_TEXT}, {"MESSAGE", "message", OUTPUT_TEXT}};
static const struct output_column audit_columns[] = {TIME_COLUMN, {"USER", "user", OUTPUT_TEXT},
	{"CONFIGURATION", "config_version", OUTPUT_NUMBER}, {"MESSAGE", "message", OUTPUT_TEXT}};
static const struct output_column ssl_columns[] = {TIME_COLUMN, {"ACTION", "action", OUTPUT_TEXT},
	{"CLOSED BY", "close_reason", OUTPUT_TEXT}, PEERS_COLUMNS, {"SSL SERVER", "ssl_server", OUTPUT_TEXT},
	{"CLIENT TLS", "client_tls_version", OUTPUT_TLS}, {"SERVER TLS", "server_tls_version", OUTPUT_TLS},
	{"TO SERVER", "bytes_toserver", OUTPUT_BYTES}, {"TO CLIENT", "bytes_toclient", OUTPUT_BYTES},
	{"SNI", "sni", OUTPUT_TEXT}, {"DETAIL", "detail", OUTPUT_TEXT}};
static const struct output_column filter_columns[] = {FILTER_COLUMNS};
static const struct output_column reputation_columns[] = {TIME_COLUMN, {"ACTION", "action", OUTPUT_TEXT}, PEERS_COLUMNS,
	{"LIST", "reputation_kind", OUTPUT_TEXT}, {"ENTRY", "reputation_entry", OUTPUT_TEXT},
	{"TAG", "reputation_tag", OUTPUT_TEXT}, {"SCORE", "reputation_score", OUTPUT_NUMBER}};

static const struct log_view {
	const char *log, *empty;
	const struct output_column *columns;
	size_t n;
} log_views[] = {
	{"system", "The System log is empty", system_columns, ARRAY_SIZE(system_columns)},
	{"audit", "The Audit log is empty", audit_columns, ARRAY_SIZE(audit_columns)},
	{"ssl_inspection", "The SSL Inspection log is empty: it is written for SSL servers with logging: on",
		ssl_columns, ARRAY_SIZE(ssl_columns)},
	{"block", "The Block log is empty: no signature filter has blocked anything", filter_columns,
		ARRAY_SIZE(filter_columns)},
	{"alert", "The Alert log is empty: no signature filter has alerted", filter_columns,
		ARRAY_SIZE(filter_columns)},
	{"quarantine", "The Quarantine log is empty", filter_columns, ARRAY_SIZE(filter_columns)},
	{"reputation_block", "The Reputation Block log is empty", reputation_columns, ARRAY_SIZE(reputation_columns)},
	{"reputation_alert", "The Reputation Alert log is empty", reputation_columns, ARRAY_SIZE(reputation_columns)},
};

void cli_render_log_line(struct cli *cli, const char *log, const json_t *records)
{
	for (size_t i = 0; i < ARRAY_SIZE(log_views); i++)
		if (!strcmp(log_views[i].log, log))
			output_line(cli->out, json_array_get(records, 0), log_views[i].columns, log_views[i].n);
}

void cli_render_log(struct cli *cli, const char *log, const json_t *records, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(log_views); i++) {
		char empty[256];

		if (strcmp(log_views[i].log, log) != 0)
			continue;
		snprintf(empty, sizeof(empty), "%s (%s).", log_views[i].empty, path);
		output_table(cli->out, records, log_views[i].columns, log_views[i].n, empty);
	}
}

void cli_render_fallback(struct cli *cli, const json_t *answer)
{
	fprintf(cli->out, "layer-2 fallback %s on %" JSON_INTEGER_FORMAT " segment%s\n",
		json_string_value(json_object_get(answer, "fallback")) ?: "",
		json_integer_value(json_object_get(answer, "segments")),
		json_integer_value(json_object_get(answer, "segments")) == 1 ? "" : "s");
}

void cli_render_bypass_rules(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {{"RULE", "name", OUTPUT_TEXT},
		{"SEGMENT", "segment", OUTPUT_TEXT}, {"DIRECTION", "direction", OUTPUT_TEXT},
		{"SOURCES", "sources", OUTPUT_TEXT}, {"DESTINATIONS", "destinations", OUTPUT_TEXT},
		{"PORTS", "ports", OUTPUT_TEXT}, {"VLANS", "vlans", OUTPUT_TEXT}, {"FLOWS", "flows", OUTPUT_NUMBER}};

	TABLE(cli, json_object_get(answer, "bypass_rules"), columns, "No bypass rule is in force.");
}
