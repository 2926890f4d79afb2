/* SPDX-License-Identifier: Apache-2.0 */
/* sluice show metrics (H5): every counter, for the device and per SSL server, and whatever else of the MIB is a number
 * or a state, as OpenMetrics text. */
#include <string.h>
#include <time.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "mib/metric.h"

static void write_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static const char *row_text(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key)) ?: "";
}

/* OpenMetrics has a unit only where the name ends in it: the help says it of every one */
static void write_family(FILE *out, const char *name, const char *type, const char *unit, const char *help)
{
	size_t n = strlen(name), n_unit = strlen(unit);

	fprintf(out, "# TYPE %s %s\n", name, type);
	if (n_unit && n > n_unit && name[n - n_unit - 1] == '_' && !strcmp(name + n - n_unit, unit))
		fprintf(out, "# UNIT %s %s\n", name, unit);
	fprintf(out, "# HELP %s ", name);
	write_escaped(out, help);
	fprintf(out, n_unit ? " (%s)\n" : "\n", unit);
}

/* label and value; without label: none */
static void write_labels(FILE *out, const char *label, const char *value)
{
	if (!label)
		return;
	fprintf(out, "{%s=\"", label);
	write_escaped(out, value);
	fputs("\"}", out);
}

/* --- counters ------------------------------------------------------------------------------------------------------
 */

/* a name in counters.def says whether its value also falls */
static bool row_is_gauge(const json_t *row)
{
	return !strncmp(row_text(row, "name"), "gauge_", strlen("gauge_"));
}

static void write_counter_family(FILE *out, const char *prefix, const json_t *row)
{
	char name[METRIC_NAME_MAX];

	metric_name(name, prefix, row_text(row, "name"), row_text(row, "unit"));
	write_family(
		out, name, row_is_gauge(row) ? "gauge" : "counter", row_text(row, "unit"), row_text(row, "meaning"));
}

static void write_counter(FILE *out, const char *prefix, const json_t *row, const char *server)
{
	char name[METRIC_NAME_MAX];

	metric_name(name, prefix, row_text(row, "name"), row_text(row, "unit"));
	fprintf(out, "%s%s", name, row_is_gauge(row) ? "" : "_total");
	write_labels(out, server ? "server" : NULL, server);
	fprintf(out, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(row, "value")));
}

static void write_counters(FILE *out, const json_t *answer)
{
	const json_t *servers = json_object_get(answer, "servers"), *row, *server;
	size_t i, j;

	json_array_foreach(json_object_get(answer, "counters"), i, row)
	{
		write_counter_family(out, METRIC_PREFIX, row);
		write_counter(out, METRIC_PREFIX, row, NULL);
	}
	/* every server has the same rows: a family's samples stand together */
	json_array_foreach(json_object_get(json_array_get(servers, 0), "counters"), i, row)
	{
		write_counter_family(out, METRIC_SERVER_PREFIX, row);
		json_array_foreach(servers, j, server) write_counter(out, METRIC_SERVER_PREFIX,
			json_array_get(json_object_get(server, "counters"), i), row_text(server, "name"));
	}
}

/* --- the MIB's objects ---------------------------------------------------------------------------------------------
 */

struct sample {
	const char *name; /* of the metric */
	const struct mib_object *object;
	const char *label, *value; /* of the row; NULL: the device */
};

static void write_states(FILE *out, const struct sample *sample, const char *state)
{
	for (size_t i = 0; sample->object->words[i]; i++) {
		fprintf(out, "%s{", sample->name);
		if (sample->label) {
			fprintf(out, "%s=\"", sample->label);
			write_escaped(out, sample->value);
			fputs("\",", out);
		}
		fprintf(out, "%s=\"%s\"} %d\n", sample->name, sample->object->words[i],
			!strcmp(state, sample->object->words[i]));
	}
}

/* seconds since 1970, of microseconds or RFC 3339 text; 0: none */
static double timestamp_of(const json_t *value)
{
	struct tm tm = {0};

	if (json_is_string(value) && strptime(json_string_value(value), "%Y-%m-%dT%H:%M:%S", &tm))
		return (double)timegm(&tm);
	return (double)json_integer_value(value) / 1e6;
}

static void write_object(FILE *out, const struct sample *sample, const json_t *value)
{
	enum metric_kind kind = metric_kind(sample->object);

	if (kind == METRIC_STATES) {
		write_states(out, sample, json_string_value(value) ?: "");
		return;
	}
	if (!value)
		return;
	fprintf(out, "%s%s", sample->name, kind == METRIC_COUNTER ? "_total" : "");
	write_labels(out, sample->label, sample->value);
	if (kind == METRIC_TIMESTAMP)
		fprintf(out, " %.3f\n", timestamp_of(value));
	else if (kind == METRIC_TRUTH)
		fprintf(out, " %d\n", json_is_true(value));
	else
		fprintf(out, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
}

/* false: nothing to write */
static bool begin_object(
	FILE *out, const struct mib_table *table, const struct mib_object *object, char name[METRIC_NAME_MAX])
{
	enum metric_kind kind = metric_kind(object);

	if (kind == METRIC_NONE)
		return false;
	metric_object_name(name, table, object);
	write_family(out, name,
		kind == METRIC_COUNTER  ? "counter"
		: kind == METRIC_STATES ? "stateset"
					: "gauge",
		kind == METRIC_TIMESTAMP ? "seconds" : object->units ?: "", object->description);
	return true;
}

static void write_table(FILE *out, const struct mib_table *table, const json_t *report)
{
	const json_t *rows = json_object_get(report, table->rows), *row;
	char name[METRIC_NAME_MAX], place[24];
	size_t i;

	for (size_t column = 1; column < table->n; column++) {
		struct sample sample = {.name = name, .object = &table->objects[column], .label = table->metric};

		if (!json_array_size(rows) || !begin_object(out, table, sample.object, name))
			continue;
		json_array_foreach(rows, i, row)
		{
			snprintf(place, sizeof(place), "%zu", i + 1);
			sample.value = table->objects[0].key ? row_text(row, table->objects[0].key) : place;
			write_object(out, &sample, json_object_get(row, sample.object->key));
		}
	}
}

static void write_objects(FILE *out, const json_t *reports)
{
	const json_t *status = json_object_get(reports, mib_report_names[MIB_STATUS]);
	char name[METRIC_NAME_MAX];

	fputs("# TYPE sluice info\n# HELP sluice the software\nsluice_info", out);
	write_labels(out, "version", row_text(status, "version"));
	fputs(" 1\n", out);
	for (size_t i = 0; i < mib_n_device; i++) {
		const struct sample sample = {.name = name, .object = &mib_device[i]};

		if (begin_object(out, NULL, sample.object, name))
			write_object(out, &sample, json_object_get(status, sample.object->key));
	}
	for (size_t i = 0; i < mib_n_tables; i++)
		if (mib_tables[i].metric)
			write_table(
				out, &mib_tables[i], json_object_get(reports, mib_report_names[mib_tables[i].report]));
}

static void metrics_render(struct cli *cli, const json_t *answer)
{
	write_objects(cli->out, json_object_get(answer, "reports"));
	write_counters(cli->out, answer);
	fputs("# EOF\n", cli->out);
}

/* --- asking --------------------------------------------------------------------------------------------------------
 */

/* request (taken) and the part of its answer that is wanted, a new reference; NULL key: all of it */
static int metrics_ask(struct cli *cli, json_t *request, const char *key, json_t **part)
{
	json_auto_t *answer = NULL;
	int status = client_ask(cli, request, NULL, 0, CLIENT_PATIENCE_S, &answer);

	if (status != CLI_OK)
		return status;
	if (!json_is_true(json_object_get(answer, "ok")))
		return client_show(cli, answer, NULL);
	*part = json_incref(key ? json_object_get(answer, key) : answer);
	return CLI_OK;
}

static bool report_is_wanted(enum mib_report report)
{
	for (size_t i = 0; i < mib_n_tables; i++)
		if (mib_tables[i].metric && mib_tables[i].report == report)
			return true;
	return report == MIB_STATUS;
}

static int metrics_ask_reports(struct cli *cli, json_t *reports)
{
	int r = CLI_OK;

	for (enum mib_report report = 0; report < MIB_REPORT_N && r == CLI_OK; report++) {
		json_t *answer = NULL;

		if (!report_is_wanted(report))
			continue;
		r = metrics_ask(cli, json_pack("{s:s, s:s}", "command", "monitor", "report", mib_report_names[report]),
			NULL, &answer);
		if (r == CLI_OK)
			json_object_set_new(reports, mib_report_names[report], answer);
	}
	return r;
}

static int metrics_ask_servers(struct cli *cli, const json_t *servers, json_t *with_counters)
{
	const json_t *server;
	size_t i;

	json_array_foreach(servers, i, server)
	{
		json_t *own = NULL;
		const char *name = row_text(server, "name");
		int r = metrics_ask(
			cli, json_pack("{s:s, s:s}", "command", "counters", "server", name), "counters", &own);

		if (r != CLI_OK)
			return r;
		json_array_append_new(with_counters, json_pack("{s:s, s:o}", "name", name, "counters", own));
	}
	return CLI_OK;
}

int cli_run_metrics(struct cli *cli, const struct cli_call *call)
{
	json_auto_t *reports = json_object(), *counters = NULL, *answer = NULL, *servers = json_array();
	int r = metrics_ask_reports(cli, reports);

	if (r == CLI_OK)
		r = metrics_ask(cli, json_pack("{s:s}", "command", "counters"), "counters", &counters);
	if (r == CLI_OK)
		r = metrics_ask_servers(cli,
			json_object_get(json_object_get(reports, mib_report_names[MIB_SERVERS]), "servers"), servers);
	if (r != CLI_OK)
		return r;
	answer = json_pack(
		"{s:b, s:O, s:O, s:O}", "ok", 1, "reports", reports, "counters", counters, "servers", servers);
	return answer ? client_show(cli, answer, metrics_render) : client_fail(cli, CLI_FAILED, "out of memory");
}
