/* SPDX-License-Identifier: Apache-2.0 */
/* docs/log-fields.md: logs, fields and privacy classes from their tables. */
#include <string.h>

#include "events/event.h"
#include "events/event_document.h"

static const char *const type_names[] = {
	[EVENT_TYPE_U64] = "number",
	[EVENT_TYPE_STR] = "text",
	[EVENT_TYPE_IP4] = "IPv4 address",
	[EVENT_TYPE_PORT] = "port",
	[EVENT_TYPE_MAC] = "MAC address",
	[EVENT_TYPE_ID] = "id, 16 hex digits",
	[EVENT_TYPE_BOOL] = "true or false",
	[EVENT_TYPE_TIME_US] = "time",
};

static const char *const inspect_names[] = {
	[EVENT_SSL_INSPECT_NEVER] = "no",
	[EVENT_SSL_INSPECT_ALWAYS] = "yes",
	[EVENT_SSL_INSPECT_URL] = "URL lists only",
};

void event_ecs_name(enum event_field field, char out[EVENT_NAME_MAX])
{
	const struct event_field_info *info = &event_field_info[field];

	snprintf(out, EVENT_NAME_MAX, "%s%s", *info->ecs ? "" : "sluice.", *info->ecs ? info->ecs : info->name);
}

/* vendor and product before the key's own name, as CEF asks of keys that are not in its dictionary */
void event_cef_key(enum event_field field, char out[EVENT_NAME_MAX])
{
	const struct event_field_info *info = &event_field_info[field];
	bool upper = true;
	size_t n;

	if (*info->cef) {
		snprintf(out, EVENT_NAME_MAX, "%s", info->cef);
		return;
	}
	n = (size_t)snprintf(out, EVENT_NAME_MAX, "Sluice");
	for (const char *c = info->name; *c && n + 1 < EVENT_NAME_MAX; c++) {
		if (*c != '_')
			out[n++] = upper && *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
		upper = *c == '_';
	}
	out[n] = '\0';
}

static void write_logs(FILE *out)
{
	fputs("## Logs\n\n| log | EVE `event_type` | severity | field `ssl_inspect` | what is in it "
	      "|\n|---|---|---|---|---|\n",
		out);
	for (int log = 0; log < EVENT_LOG_N; log++)
		fprintf(out, "| `%s` | `%s` | %u | %s | %s |\n", event_log_info[log].name, event_log_info[log].eve_type,
			event_log_info[log].severity, inspect_names[event_log_info[log].ssl_inspect],
			event_log_info[log].meaning);
	fputs("\nSeverity is RFC 5424's number (3 error to 6 informational) of records without a field `severity`.\n\n",
		out);
}

static void write_privacy(FILE *out)
{
	fputs("## Privacy classes\n\nA log target's `mask` and `omit` name classes. Local logs hold every field.\n\n"
	      "| class | what is in it | what `mask` leaves |\n|---|---|---|\n",
		out);
	for (int class = 0; class < EVENT_PRIVACY_N; class ++)
		fprintf(out, "| `%s` | %s | %s |\n", event_privacy_info[class].name, event_privacy_info[class].holds,
			event_privacy_info[class].masked);
	fputs("\n", out);
}

static void write_fields(FILE *out)
{
	char ecs[EVENT_NAME_MAX], cef[EVENT_NAME_MAX];

	fputs("## Fields\n\nBefore them every record has `timestamp`, `log`, `device`, `boot`, `sequence`, `producer` "
	      "and "
	      "`producer_sequence` ([logging.md](logging.md)). A field that does not apply is absent.\n\n"
	      "| field | type | meaning | JSON of targets | ECS | CEF | parameter | privacy |\n"
	      "|---|---|---|---|---|---|---|---|\n",
		out);
	for (int field = 0; field < EVENT_FIELD_N; field++) {
		const struct event_field_info *info = &event_field_info[field];

		event_ecs_name(field, ecs);
		event_cef_key(field, cef);
		fprintf(out, "| `%s` | %s | %s | `%s` | `%s` | `%s` | %s | %s |\n", info->name, type_names[info->type],
			info->meaning, info->eve, ecs, cef, info->parameter ? "yes" : "",
			info->privacy ? event_privacy_info[info->privacy].name : "");
	}
}

void event_write_document(FILE *out)
{
	fputs("# Fields of the logs\n\nWritten by `sluice-fields-doc` from src/events/*.def: do not edit.\n\n", out);
	write_logs(out);
	write_privacy(out);
	write_fields(out);
}

/* --- other products ----------------------------------------------------------------------------------------------- */

/* Elasticsearch: https://www.elastic.co/docs/reference/enrich-processor/ */
void event_write_elastic(FILE *out)
{
	char ecs[EVENT_NAME_MAX];

	fputs("{\n  \"description\": \"Sluice's records in the Elastic Common Schema; a record that comes twice has "
	      "one _id. "
	      "Written by sluice-fields-doc elastic\",\n  \"processors\": [\n"
	      "    {\"set\": {\"field\": \"_id\", \"value\": \"{{{device}}}-{{{boot}}}-{{{sequence}}}\"}},\n"
	      "    {\"date\": {\"field\": \"timestamp\", \"formats\": [\"yyyy-MM-dd'T'HH:mm:ss.SSSSSSZ\"]}},\n"
	      "    {\"set\": {\"field\": \"ecs.version\", \"value\": \"8.11.0\"}},\n"
	      "    {\"set\": {\"field\": \"event.module\", \"value\": \"sluice\"}},\n"
	      "    {\"rename\": {\"field\": \"log\", \"target_field\": \"event.dataset\", \"ignore_missing\": true}},\n"
	      "    {\"rename\": {\"field\": \"device\", \"target_field\": \"observer.name\", \"ignore_missing\": "
	      "true}},\n"
	      "    {\"rename\": {\"field\": \"sequence\", \"target_field\": \"event.sequence\", \"ignore_missing\": "
	      "true}},\n"
	      "    {\"rename\": {\"field\": \"boot\", \"target_field\": \"sluice.boot\", \"ignore_missing\": true}}",
		out);
	for (int field = 0; field < EVENT_FIELD_N; field++) {
		event_ecs_name(field, ecs);
		if (strcmp(event_field_info[field].eve, ecs) != 0)
			fprintf(out,
				",\n    {\"rename\": {\"field\": \"%s\", \"target_field\": \"%s\", \"ignore_missing\": "
				"true}}",
				event_field_info[field].eve, ecs);
	}
	fputs(",\n    {\"remove\": {\"field\": [\"timestamp\", \"producer\", \"producer_sequence\", \"event_type\"], "
	      "\"ignore_missing\": true}}\n  ]\n}\n",
		out);
}

/* Splunk: the names of local records, many of which are the Common Information Model's */
void event_write_splunk(FILE *out)
{
	fputs("# Written by sluice-fields-doc splunk: do not edit. One JSON object per line, as rsyslog's files have "
	      "them.\n"
	      "# A record that comes twice: | dedup device boot sequence\n"
	      "[sluice:json]\nKV_MODE = json\nSHOULD_LINEMERGE = false\nLINE_BREAKER = ([\\r\\n]+)\nTRUNCATE = "
	      "1048576\n"
	      "TIME_PREFIX = \"timestamp\":\"\nTIME_FORMAT = %Y-%m-%dT%H:%M:%S.%6N%z\nMAX_TIMESTAMP_LOOKAHEAD = 40\n",
		out);
	for (int field = 0; field < EVENT_FIELD_N; field++)
		if (strchr(event_field_info[field].eve, '.'))
			fprintf(out, "FIELDALIAS-sluice_%s = %s AS %s\n", event_field_info[field].name,
				event_field_info[field].eve, event_field_info[field].name);
}

/* QRadar: custom event properties with JSON expressions */
void event_write_qradar(FILE *out)
{
	static const char *const types[] = {
		[EVENT_TYPE_U64] = "Number", [EVENT_TYPE_PORT] = "Port", [EVENT_TYPE_IP4] = "IP"};

	fputs("property,type,json_expression\n", out);
	for (int field = 0; field < EVENT_FIELD_N; field++) {
		const struct event_field_info *info = &event_field_info[field];
		const char *type = info->type < ARRAY_SIZE(types) ? types[info->type] : NULL;

		fprintf(out, "Sluice %s,%s,\"", info->name, type ? type : "AlphaNumeric");
		for (const char *at = info->eve; *at;) {
			size_t n = strcspn(at, ".");

			fprintf(out, "/\"\"%.*s\"\"", (int)n, at);
			at += n + (at[n] == '.');
		}
		fputs("\"\n", out);
	}
}
