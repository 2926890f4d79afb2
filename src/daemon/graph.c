/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/graph.h"

#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "daemon/supervisor.h"

#define GRAPH_MAGIC 0x31677253u /* "Srg1" */
#define GRAPH_MINUTE_US 60000000ull

struct graph_file {
	uint32_t magic, minutes;
	struct graph_minute ring[GRAPH_MINUTES];
};

void graph_add(struct graph *graph, uint64_t minute, const struct graph_totals *counted)
{
	struct graph_minute *slot = &graph->ring[minute % GRAPH_MINUTES];

	if (slot->minute != minute)
		*slot = (struct graph_minute){.minute = minute};
	slot->bytes += counted->bytes;
	slot->bytes_inspected += counted->bytes_inspected;
	slot->sessions += counted->sessions;
}

const struct graph_minute *graph_get(const struct graph *graph, uint64_t minute, uint64_t now)
{
	const struct graph_minute *slot = &graph->ring[minute % GRAPH_MINUTES];

	return slot->minute == minute && minute < now && now - minute <= GRAPH_MINUTES ? slot : NULL;
}

static struct graph_totals graph_totals(const struct stats_page *stats)
{
	/* H2: all traffic of flows to SSL servers: decrypted, passed undecrypted by a worker, passed by the wire */
	return (struct graph_totals){
		.bytes = stats_sum(stats, COUNTER_BYTES_TO_SERVER) + stats_sum(stats, COUNTER_BYTES_TO_CLIENT) +
			 stats_sum(stats, COUNTER_BYPASSED_BYTES) + stats_sum(stats, COUNTER_WIRE_PASSED_BYTES),
		.bytes_inspected = stats_sum(stats, COUNTER_BYTES_INSPECTED),
		.sessions = stats_sum(stats, COUNTER_SESSIONS_NEW),
	};
}

/* what was counted since the last call goes to the minute that was running */
static void graph_close(struct supervisor *supervisor)
{
	struct graph *graph = &supervisor->graph;
	struct graph_totals now = graph_totals(supervisor->stats),
			    counted = {
				    .bytes = now.bytes - graph->before.bytes,
				    .bytes_inspected = now.bytes_inspected - graph->before.bytes_inspected,
				    .sessions = now.sessions - graph->before.sessions,
			    };

	graph->before = now;
	if (graph->minute)
		graph_add(graph, graph->minute, &counted);
}

void graph_save(struct supervisor *supervisor)
{
	static struct graph_file file = {.magic = GRAPH_MAGIC, .minutes = GRAPH_MINUTES};
	int r;

	graph_close(supervisor);
	memcpy(file.ring, supervisor->graph.ring, sizeof(file.ring));
	r = store_write_history(&supervisor->store, &file, sizeof(file));
	if (r < 0)
		log_err_r(r, "cannot keep the graphs' history");
}

void graph_load(struct supervisor *supervisor)
{
	static struct graph_file file;
	ssize_t n = store_read_history(&supervisor->store, &file, sizeof(file));

	if (n == sizeof(file) && file.magic == GRAPH_MAGIC && file.minutes == GRAPH_MINUTES)
		memcpy(supervisor->graph.ring, file.ring, sizeof(file.ring));
	else if (n >= 0)
		log_warn("the graphs' history is damaged and begins anew");
	supervisor->graph.before = graph_totals(supervisor->stats);
}

void graph_tick(struct supervisor *supervisor)
{
	uint64_t minute = clock_wall_us() / GRAPH_MINUTE_US;

	if (minute == supervisor->graph.minute)
		return;
	if (supervisor->graph.minute)
		graph_save(supervisor);
	supervisor->graph.minute = minute;
}

json_t *report_graph(struct supervisor *supervisor, const json_t *request)
{
	const json_t *wanted = json_object_get(request, "minutes");
	uint64_t now = clock_wall_us() / GRAPH_MINUTE_US, minutes = GRAPH_MINUTES;
	json_t *rows = json_array();

	if (json_is_integer(wanted) && json_integer_value(wanted) > 0)
		minutes = MIN((uint64_t)json_integer_value(wanted), minutes);
	for (uint64_t minute = now - minutes; minute < now; minute++) {
		const struct graph_minute *slot = graph_get(&supervisor->graph, minute, now);

		if (!slot)
			continue;
		/* H2: connections per second over the minute, in hundredths: 30 in the minute are 50 */
		json_array_append_new(
			rows, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "minute", (json_int_t)minute, "time",
				      (json_int_t)(minute * GRAPH_MINUTE_US), "bytes", (json_int_t)slot->bytes,
				      "bytes_inspected", (json_int_t)slot->bytes_inspected, "active_rate",
				      (json_int_t)slot->sessions, "new_rate_hundredths",
				      (json_int_t)((slot->sessions * 100 + 30) / 60)));
	}
	return json_pack(
		"{s:b, s:I, s:I, s:o}", "ok", 1, "now", (json_int_t)now, "minutes", (json_int_t)minutes, "graph", rows);
}
