/* SPDX-License-Identifier: Apache-2.0 */
/* docs/counters.md: every counter with its names everywhere. */
#include "base/common.h"
#include "monitoring.h"

static const char *const scopes[] = {
	[COUNTER_SCOPE_WIRE] = "the wire: eBPF programs, read once a second",
	[COUNTER_SCOPE_SERVER] = "SSL servers: of the device, and of each server by itself",
	[COUNTER_SCOPE_WORKER] = "workers",
	[COUNTER_SCOPE_KEEPER] = "the key keeper",
	[COUNTER_SCOPE_LOG] = "the log process",
};

static void write_row(
	FILE *out, const char *name, const char *unit, const char *meaning, const char *prefix, bool gauge)
{
	char descriptor[MIB_DESCRIPTOR_MAX], metric[METRIC_NAME_MAX], full[64];

	snprintf(full, sizeof(full), "%s%s", *prefix ? "closed_" : "", name);
	mib_write_descriptor(descriptor, *prefix ? prefix : "slu", name);
	metric_name(metric, METRIC_PREFIX, full, unit);
	fprintf(out, "| `%s` | %s | %s | `%s` | `%s%s` |\n", full, unit, meaning, descriptor, metric,
		gauge ? "" : "_total");
}

static void write_head(FILE *out, const char *title)
{
	fprintf(out, "\n## %s\n\n| counter | unit | what is counted | MIB | OpenMetrics |\n|---|---|---|---|---|\n",
		title);
}

void monitoring_write_counters(FILE *out)
{
	fputs("<!-- Written from src/stats/counters.def and close_reasons.def: do not edit. -->\n# Counters\n\n"
	      "Each is defined once; `sluice show counters` and JSON have the first name, SNMP and OpenMetrics the "
	      "others. Of SSL servers\n"
	      "by themselves: `sluice show counters --server NAME`, columns `sluSrv...` and `sluSrvEnd...` of "
	      "`sluServerTable`, metrics\n"
	      "`sluice_server_...{server=\"NAME\"}`. See [monitoring.md](monitoring.md).\n",
		out);
	for (size_t scope = 0; scope < ARRAY_SIZE(scopes); scope++) {
		char title[96];

		snprintf(title, sizeof(title), "Of %s", scopes[scope]);
		write_head(out, title);
		for (enum counter_id id = 0; id < COUNTER_N; id++)
			if (counter_info[id].scope == scope)
				write_row(out, counter_info[id].name, counter_info[id].unit, counter_info[id].meaning,
					"", counter_info[id].gauge);
	}
	write_head(out, "Why sessions ended: of the device, and of each SSL server by itself");
	for (enum close_reason reason = CLOSE_NONE + 1; reason < CLOSE_REASON_N; reason++)
		write_row(out, close_reason_info[reason].name, "sessions", close_reason_info[reason].text, "sluClosed",
			false);
}
