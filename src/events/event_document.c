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
