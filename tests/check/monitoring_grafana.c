/* SPDX-License-Identifier: Apache-2.0 */
/* A dashboard for Grafana over the OpenMetrics endpoint. Metrics are named by the counters' ids and the MIB's
 * descriptors, so that one that is renamed is renamed here, and one that is removed does not compile or fails the
 * document's test. */
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "monitoring.h"

#define COUNTERS_MAX 6
#define OBJECTS_MAX 3
#define WIDTH 12
#define HEIGHT 8

/* of counters: their rates; of objects: as they are */
struct panel {
	const char *title, *unit; /* Grafana's word */
	int counters[COUNTERS_MAX], n_counters;
	bool per_server;
	const char *objects[OBJECTS_MAX];
};

#define COUNTERS(...) .counters = {__VA_ARGS__}, .n_counters = sizeof((int[]){__VA_ARGS__}) / sizeof(int)
#define OBJECTS(...) .objects = {__VA_ARGS__}

static const struct panel panels[] = {
	{.title = "SSL decrypted traffic",
		.unit = "Bps",
		COUNTERS(COUNTER_BYTES_TO_SERVER, COUNTER_BYTES_TO_CLIENT, COUNTER_BYTES_INSPECTED)},
	{.title = "New SSL connections",
		.unit = "cps",
		COUNTERS(COUNTER_SESSIONS_NEW, COUNTER_SESSIONS_ESTABLISHED, COUNTER_SESSIONS_BLOCKED)},
	{.title = "SSL sessions",
		.unit = "short",
		OBJECTS("sluDeviceSessions", "sluDeviceSessionsWarning", "sluDeviceSessionsCritical")},
	{.title = "New SSL connections by server", .unit = "cps", COUNTERS(COUNTER_SESSIONS_NEW), .per_server = true},
	{.title = "Decrypted bytes to clients by server",
		.unit = "Bps",
		COUNTERS(COUNTER_BYTES_TO_CLIENT),
		.per_server = true},
	{.title = "Filter matches and blocked sessions by server",
		.unit = "cps",
		COUNTERS(COUNTER_FILTER_HITS, COUNTER_SESSIONS_BLOCKED),
		.per_server = true},
	{.title = "Protocol of client legs",
		.unit = "cps",
		COUNTERS(COUNTER_SESSIONS_TLS10, COUNTER_SESSIONS_TLS11, COUNTER_SESSIONS_TLS12,
			COUNTER_SESSIONS_TLS13)},
	{.title = "Protocol of server legs",
		.unit = "cps",
		COUNTERS(COUNTER_SESSIONS_TLS10_SERVER, COUNTER_SESSIONS_TLS11_SERVER, COUNTER_SESSIONS_TLS12_SERVER,
			COUNTER_SESSIONS_TLS13_SERVER)},
	{.title = "Resumed handshakes",
		.unit = "cps",
		COUNTERS(COUNTER_SESSIONS_RESUMED_CLIENT, COUNTER_SESSIONS_RESUMED_SERVER)},
	{.title = "Private-key operations",
		.unit = "ops",
		COUNTERS(COUNTER_KEY_SINGLE, COUNTER_KEY_BATCHED, COUNTER_KEY_FAILURES)},
	{.title = "New flows passed or dropped uninspected",
		.unit = "cps",
		COUNTERS(COUNTER_WIRE_BYPASSED_NO_WORKER, COUNTER_WIRE_BLOCKED_NO_WORKER,
			COUNTER_WIRE_BYPASSED_FALLBACK, COUNTER_PASSED_MAX_CONNS, COUNTER_WIRE_BYPASSED_RULE,
			COUNTER_WIRE_BYPASSED_NO_KEY)},
	{.title = "Frames",
		.unit = "pps",
		COUNTERS(COUNTER_WIRE_FORWARDED, COUNTER_WIRE_TO_INSPECT, COUNTER_WIRE_FROM_INSPECT)},
	{.title = "Segments, inspection, links",
		.unit = "short",
		OBJECTS("sluSegState", "sluDeviceInspection", "sluPortLink")},
	{.title = "Traffic of the ports", .unit = "Bps", OBJECTS("sluPortRxBytes", "sluPortTxBytes")},
	{.title = "Drops of the ports", .unit = "pps", OBJECTS("sluPortDropped")},
	{.title = "Log records not yet received by a target",
		.unit = "short",
		OBJECTS("sluTargetLag", "sluTargetLagSeconds")},
	{.title = "Days until a certificate ends", .unit = "short", OBJECTS("sluCertNotAfter")},
};

static void write_target(FILE *out, bool first, const char *expression, const char *legend)
{
	fprintf(out, "%s\n        {\"expr\": ", first ? "" : ",");
	monitoring_quote(out, expression);
	fputs(", \"legendFormat\": ", out);
	monitoring_quote(out, legend);
	fputs(", \"datasource\": {\"type\": \"prometheus\", \"uid\": \"${datasource}\"}}", out);
}

static void write_counter(FILE *out, bool first, const struct panel *panel, enum counter_id id)
{
	const struct counter_info *info = &counter_info[id];
	char name[METRIC_NAME_MAX], expression[320], legend[128];

	metric_name(name, panel->per_server ? METRIC_SERVER_PREFIX : METRIC_PREFIX, info->name, info->unit);
	snprintf(expression, sizeof(expression), "rate(%s_total{instance=~\"$instance\"}[$__rate_interval])", name);
	snprintf(legend, sizeof(legend), "%s%s", panel->per_server ? "{{server}} " : "", info->name);
	write_target(out, first, expression, legend);
}

static const char *wanted; /* descriptor */
static struct monitoring_object found;

static void find_object(FILE *out, const struct monitoring_object *shown)
{
	if (!strcmp(shown->object->name, wanted))
		found = *shown;
}

static void write_object(FILE *out, bool first, const char *descriptor)
{
	char name[METRIC_NAME_MAX], expression[320], legend[256];
	enum metric_kind kind;

	wanted = descriptor;
	found = (struct monitoring_object){0};
	monitoring_each(out, find_object);
	if (!found.object) {
		fprintf(stderr, "there is no %s\n", descriptor);
		abort();
	}
	kind = metric_kind(found.object);
	metric_object_name(name, found.table, found.object);
	if (kind == METRIC_COUNTER)
		snprintf(expression, sizeof(expression), "rate(%s_total{instance=~\"$instance\"}[$__rate_interval])",
			name);
	else if (kind == METRIC_TIMESTAMP)
		snprintf(expression, sizeof(expression), "(%s{instance=~\"$instance\"} - time()) / 86400", name);
	else
		snprintf(expression, sizeof(expression), "%s{instance=~\"$instance\"}%s", name,
			kind == METRIC_STATES ? " == 1" : "");
	if (kind == METRIC_STATES)
		snprintf(legend, sizeof(legend), "%s%s%s {{%s}}", found.table ? "{{" : "",
			found.table ? found.table->metric : "device", found.table ? "}}" : "", name);
	else if (found.table)
		snprintf(legend, sizeof(legend), "{{%s}} %s", found.table->metric, found.object->key);
	else
		snprintf(legend, sizeof(legend), "%s", found.object->key);
	write_target(out, first, expression, legend);
}

static void write_panel(FILE *out, const struct panel *panel, size_t place)
{
	fprintf(out, "%s\n    {\n      \"id\": %zu, \"type\": \"timeseries\", \"title\": ", place ? "," : "",
		place + 1);
	monitoring_quote(out, panel->title);
	fprintf(out,
		",\n      \"datasource\": {\"type\": \"prometheus\", \"uid\": \"${datasource}\"},\n"
		"      \"gridPos\": {\"x\": %zu, \"y\": %zu, \"w\": %d, \"h\": %d},\n"
		"      \"fieldConfig\": {\"defaults\": {\"unit\": \"%s\"}, \"overrides\": []},\n      \"targets\": [",
		place % 2 * WIDTH, place / 2 * HEIGHT, WIDTH, HEIGHT, panel->unit);
	for (int i = 0; i < panel->n_counters; i++)
		write_counter(out, i == 0, panel, panel->counters[i]);
	for (size_t i = 0; i < OBJECTS_MAX && panel->objects[i]; i++)
		write_object(out, i == 0 && !panel->n_counters, panel->objects[i]);
	fputs("\n      ]\n    }", out);
}

void monitoring_write_grafana(FILE *out)
{
	fputs("{\n  \"title\": \"Sluice\", \"uid\": \"sluice\", \"tags\": [\"sluice\", \"tls\"], \"schemaVersion\": "
	      "36,\n"
	      "  \"editable\": true, \"refresh\": \"30s\", \"time\": {\"from\": \"now-6h\", \"to\": \"now\"},\n"
	      "  \"templating\": {\"list\": [\n"
	      "    {\"name\": \"datasource\", \"type\": \"datasource\", \"query\": \"prometheus\", \"label\": "
	      "\"Prometheus\"},\n"
	      "    {\"name\": \"instance\", \"type\": \"query\", \"label\": \"Appliance\", \"multi\": true, "
	      "\"includeAll\": true,\n"
	      "     \"datasource\": {\"type\": \"prometheus\", \"uid\": \"${datasource}\"}, \"refresh\": 1,\n"
	      "     \"query\": \"label_values(sluice_info, instance)\"}\n  ]},\n  \"panels\": [",
		out);
	for (size_t i = 0; i < ARRAY_SIZE(panels); i++)
		write_panel(out, &panels[i], i);
	fputs("\n  ]\n}\n", out);
}
