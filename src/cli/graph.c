/* SPDX-License-Identifier: Apache-2.0 */
/* The three graphs (H2), drawn in 80 columns. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/graph.h"
#include "cli/output.h"

#define GRAPH_WIDTH 68
#define GRAPH_HEIGHT 12

struct graph_column {       /* averages of its minutes */
	double value, part; /* part of value: drawn solid */
	bool known;
};

struct graph {
	const struct graph_kind *kind;
	unsigned int minutes_per_column;
	double top;
	json_int_t first; /* minute */
	struct graph_column columns[GRAPH_WIDTH];
};

static double graph_number(const json_t *row, const char *key)
{
	return (double)json_integer_value(json_object_get(row, key));
}

/* each column is the average of those of its minutes that have a row */
static void graph_fill(struct graph *graph, const json_t *answer)
{
	json_int_t now = json_integer_value(json_object_get(answer, "now"));
	json_int_t minutes = MAX(json_integer_value(json_object_get(answer, "minutes")), 1);
	unsigned int n[GRAPH_WIDTH] = {0};
	const json_t *row;
	size_t i;

	graph->minutes_per_column = (minutes + GRAPH_WIDTH - 1) / GRAPH_WIDTH;
	graph->first = now - (json_int_t)graph->minutes_per_column * GRAPH_WIDTH;
	json_array_foreach(json_object_get(answer, "graph"), i, row)
	{
		json_int_t at =
			(json_integer_value(json_object_get(row, "minute")) - graph->first) / graph->minutes_per_column;

		if (at < 0 || at >= GRAPH_WIDTH)
			continue;
		n[at]++;
		graph->columns[at].value += graph_number(row, graph->kind->key) / graph->kind->divisor;
		graph->columns[at].part +=
			graph->kind->part_key ? graph_number(row, graph->kind->part_key) / graph->kind->divisor : 0;
	}
	for (i = 0; i < GRAPH_WIDTH; i++) {
		struct graph_column *column = &graph->columns[i];

		column->known = n[i] > 0;
		column->value /= MAX(n[i], 1u);
		column->part = graph->kind->part_key ? column->part / MAX(n[i], 1u) : column->value;
		graph->top = MAX(graph->top, column->value);
	}
}

void graph_figure(const struct graph_kind *kind, double value, char out[GRAPH_FIGURE_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned int unit = 0;

	while (kind->bytes && value >= 1024 && unit < ARRAY_SIZE(units) - 1) {
		value /= 1024;
		unit++;
	}
	snprintf(out, GRAPH_FIGURE_MAX,
		value >= 100  ? "%.0f%s%s"
		: value >= 10 ? "%.1f%s%s"
			      : "%.2f%s%s",
		value, kind->bytes ? " " : "", kind->bytes ? units[unit] : "");
}

static const char *graph_cell(const struct graph *graph, const struct graph_column *column, unsigned int line)
{
	/* the height at which this line of the picture begins */
	double floor = graph->top * (line - 0.5) / GRAPH_HEIGHT;

	if (!column->known)
		return " ";
	if (column->value > floor && column->value > 0)
		return column->part > floor ? "#" : ":";
	return line == 1 ? "." : " ";
}

static void graph_draw(const struct graph *graph, FILE *out)
{
	char figure[GRAPH_FIGURE_MAX];

	for (unsigned int line = GRAPH_HEIGHT; line > 0; line--) {
		graph_figure(graph->kind, graph->top * line / GRAPH_HEIGHT, figure);
		fprintf(out, "%9s |", line % 4 == 0 ? figure : "");
		for (unsigned int i = 0; i < GRAPH_WIDTH; i++)
			fputs(graph_cell(graph, &graph->columns[i], line), out);
		fputc('\n', out);
	}
	fprintf(out, "%9s +", "0");
	for (unsigned int i = 0; i < GRAPH_WIDTH; i++)
		fputc('-', out);
	fputc('\n', out);
}

static void graph_axis(const struct graph *graph, FILE *out)
{
	char from[32], until[32];
	time_t first = graph->first * 60, last = first + (time_t)graph->minutes_per_column * GRAPH_WIDTH * 60;
	struct tm tm;

	strftime(from, sizeof(from), "%m-%d %H:%M", localtime_r(&first, &tm));
	strftime(until, sizeof(until), "%m-%d %H:%M", localtime_r(&last, &tm));
	fprintf(out, "%11s%-*s%s\n", "", GRAPH_WIDTH - (int)strlen(until), from, until);
}

static void graph_show(struct cli *cli, const json_t *answer, const struct graph_kind *kind)
{
	struct graph graph = {.kind = kind};

	graph_fill(&graph, answer);
	fprintf(cli->out, "%s\n\n", kind->title);
	if (!json_array_size(json_object_get(answer, "graph"))) {
		fputs("No minute has been counted yet: the first is shown when it is over.\n", cli->out);
		return;
	}
	graph_draw(&graph, cli->out);
	graph_axis(&graph, cli->out);
	fprintf(cli->out, "\nOne column: the average of %u minute%s; blank: nothing was running.%s\n",
		graph.minutes_per_column, graph.minutes_per_column == 1 ? "" : "s",
		kind->part_key ? "\n#: given to signature filters; : all." : "");
}

static const struct graph_kind graph_kinds[] = {
	{"show graph decrypted-traffic", "SSL Decrypted Traffic, bytes per minute", "bytes", "bytes_inspected", 1,
		true},
	{"show graph active-rate", "Active SSL Connection Rate, new connections per minute", "active_rate", NULL, 1,
		false},
	{"show graph new-rate", "New SSL Connection Rate, new connections per second", "new_rate_hundredths", NULL, 100,
		false},
};

void cli_render_graph_traffic(struct cli *cli, const json_t *answer)
{
	graph_show(cli, answer, &graph_kinds[0]);
}

void cli_render_graph_active(struct cli *cli, const json_t *answer)
{
	graph_show(cli, answer, &graph_kinds[1]);
}

void cli_render_graph_new(struct cli *cli, const json_t *answer)
{
	graph_show(cli, answer, &graph_kinds[2]);
}

int cli_run_graph(struct cli *cli, const struct cli_call *call)
{
	json_auto_t *answer = NULL;
	int status = client_ask(cli, cli_build_request(call), NULL, 0, CLIENT_PATIENCE_S, &answer);

	if (status != CLI_OK)
		return status;
	if (!cli_call_value(call, "SVG") || !json_is_true(json_object_get(answer, "ok")))
		return client_show(cli, answer, call->command->render);
	for (size_t i = 0; i < ARRAY_SIZE(graph_kinds); i++)
		if (!strcmp(graph_kinds[i].words, call->command->words))
			graph_write_svg(cli->out, &graph_kinds[i], answer);
	return CLI_OK;
}
