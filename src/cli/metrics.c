/* SPDX-License-Identifier: Apache-2.0 */
/* sluice show metrics: every counter, for the device and per SSL server, as OpenMetrics text (H5). */
#include <string.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"

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

/* a name in counters.def says whether its value also falls */
static bool row_is_gauge(const json_t *row)
{
	return !strncmp(row_text(row, "name"), "gauge_", strlen("gauge_"));
}

/* OpenMetrics has a unit only where the name ends in it: the help says it of every one */
static void write_family(FILE *out, const char *prefix, const json_t *row)
{
	const char *name = row_text(row, "name"), *unit = row_text(row, "unit");
	size_t n = strlen(name), n_unit = strlen(unit);

	fprintf(out, "# TYPE %s%s %s\n", prefix, name, row_is_gauge(row) ? "gauge" : "counter");
	if (n > n_unit && name[n - n_unit - 1] == '_' && !strcmp(name + n - n_unit, unit))
		fprintf(out, "# UNIT %s%s %s\n", prefix, name, unit);
	fprintf(out, "# HELP %s%s ", prefix, name);
	write_escaped(out, row_text(row, "meaning"));
	fprintf(out, " (%s)\n", unit);
}

static void write_sample(FILE *out, const char *prefix, const json_t *row, const char *server)
{
	fprintf(out, "%s%s%s", prefix, row_text(row, "name"), row_is_gauge(row) ? "" : "_total");
	if (server) {
		fputs("{server=\"", out);
		write_escaped(out, server);
		fputs("\"}", out);
	}
	fprintf(out, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(row, "value")));
}

static void write_state(FILE *out, const json_t *status)
{
	static const char *const states[] = {"on", "off", "fallback", "no configuration"};

	fputs("# TYPE sluice info\n# HELP sluice the software\nsluice_info{version=\"", out);
	write_escaped(out, row_text(status, "version"));
	fputs("\"} 1\n# TYPE sluice_inspection stateset\n# HELP sluice_inspection state of SSL inspection\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		fprintf(out, "sluice_inspection{sluice_inspection=\"%s\"} %d\n", states[i],
			!strcmp(states[i], row_text(status, "inspection")));
	fprintf(out,
		"# TYPE sluice_config_version gauge\n# HELP sluice_config_version the configuration in force; 0: none\n"
		"sluice_config_version %" JSON_INTEGER_FORMAT "\n",
		json_integer_value(json_object_get(status, "config_version")));
}

static void metrics_render(struct cli *cli, const json_t *answer)
{
	const json_t *servers = json_object_get(answer, "servers"), *row, *server;
	size_t i, j;

	write_state(cli->out, json_object_get(answer, "status"));
	json_array_foreach(json_object_get(answer, "counters"), i, row)
	{
		write_family(cli->out, "sluice_", row);
		write_sample(cli->out, "sluice_", row, NULL);
	}
	/* every server has the same rows: a family's samples stand together */
	json_array_foreach(json_object_get(json_array_get(servers, 0), "counters"), i, row)
	{
		write_family(cli->out, "sluice_server_", row);
		json_array_foreach(servers, j, server) write_sample(cli->out, "sluice_server_",
			json_array_get(json_object_get(server, "counters"), i), row_text(server, "name"));
	}
	fputs("# EOF\n", cli->out);
}

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

int cli_run_metrics(struct cli *cli, const struct cli_call *call)
{
	json_auto_t *status = NULL, *counters = NULL, *servers = NULL, *answer = NULL, *with_counters = json_array();
	const json_t *server;
	size_t i;
	int r = metrics_ask(cli, json_pack("{s:s}", "command", "status"), NULL, &status);

	if (r == CLI_OK)
		r = metrics_ask(cli, json_pack("{s:s}", "command", "counters"), "counters", &counters);
	if (r == CLI_OK)
		r = metrics_ask(cli, json_pack("{s:s}", "command", "servers"), "servers", &servers);
	json_array_foreach(servers, i, server)
	{
		json_t *own = NULL;
		const char *name = row_text(server, "name");

		r = metrics_ask(cli, json_pack("{s:s, s:s}", "command", "counters", "server", name), "counters", &own);
		if (r != CLI_OK)
			break;
		json_array_append_new(with_counters, json_pack("{s:s, s:o}", "name", name, "counters", own));
	}
	if (r != CLI_OK)
		return r;
	answer = json_pack(
		"{s:b, s:O, s:O, s:O}", "ok", 1, "status", status, "counters", counters, "servers", with_counters);
	return answer ? client_show(cli, answer, metrics_render) : client_fail(cli, CLI_FAILED, "out of memory");
}
