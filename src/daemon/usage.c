/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/supervisor.h"

#define USAGE_WAIT_NS (3 * NSEC_PER_SEC)
#define USAGE_ROWS_DEFAULT 20
#define USAGE_ROWS_MOST 1000

struct usage_query {
	LIST_ENTRY(usage_query) link;
	struct supervisor *supervisor;
	json_int_t id;
	commit_done_fn *done;
	void *owner;
	uint32_t waiting; /* bits of slots that are still to answer */
	size_t limit;
	const char *by; /* the key of a row that orders them */
	json_t *rows;   /* "profile generator:sid" -> row */
	json_int_t evaluations, cost_ns, since;
	struct loop_timer timer;
};

_Static_assert(FLOW_WORKERS_MAX <= 32, "a bit for each slot");

static void usage_free(struct usage_query *query)
{
	loop_timer_disarm(query->supervisor->loop, &query->timer);
	LIST_REMOVE(query, link);
	json_decref(query->rows);
	free(query);
}

/* --- the answer -------------------------------------------------------------------------------------------------- */
static json_int_t row_value(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

static int row_compare(const void *left, const void *right, void *data)
{
	const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;
	const char *keys[] = {data, "hits", "evaluations"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (row_value(a, keys[i]) != row_value(b, keys[i]))
			return row_value(a, keys[i]) < row_value(b, keys[i]) ? 1 : -1;
	return row_value(a, "sid") < row_value(b, "sid") ? -1 : 1;
}

/* what the row cost: of all evaluations together, and a single one */
static void row_finish(const struct usage_query *query, json_t *row)
{
	json_int_t cost = row_value(row, "cost_ns"), evaluations = row_value(row, "evaluations");

	json_object_set_new(
		row, "cost_percent", json_real(query->cost_ns ? (double)(cost * 1000 / query->cost_ns) / 10 : 0));
	json_object_set_new(row, "ns_per_evaluation", json_integer(evaluations ? cost / evaluations : 0));
}

static json_t *usage_rows(struct usage_query *query)
{
	size_t n = json_object_size(query->rows), at = 0;
	_cleanup_free_ json_t **rows = calloc(n + 1, sizeof(json_t *));
	json_t *array = json_array(), *row;
	const char *key;

	if (!rows)
		return array;
	json_object_foreach(query->rows, key, row) rows[at++] = row;
	qsort_r(rows, n, sizeof(json_t *), row_compare, (void *)query->by);
	for (size_t i = 0; i < MIN(n, query->limit); i++) {
		row_finish(query, rows[i]);
		json_array_append(array, rows[i]);
	}
	return array;
}

static void usage_answer(struct usage_query *query)
{
	json_t *answer = json_pack("{s:b, s:o, s:I, s:I, s:I, s:s, s:i}", "ok", 1, "filters", usage_rows(query),
		"evaluations", query->evaluations, "cost_ns", query->cost_ns, "since", query->since, "by", query->by,
		"workers_silent", __builtin_popcount(query->waiting));

	query->done(query->owner, answer);
	usage_free(query);
}

static void usage_on_timeout(struct loop_timer *timer)
{
	usage_answer(container_of(timer, struct usage_query, timer));
}

/* --- what workers say -------------------------------------------------------------------------------------------- */
static void usage_add_row(struct usage_query *query, const json_t *row)
{
	static const char *const sums[] = {"hits", "blocks", "evaluations", "cost_ns"};
	const char *profile = json_string_value(json_object_get(row, "profile"));
	char key[128];
	json_t *sum;

	if (!profile)
		return;
	snprintf(key, sizeof(key), "%s %lld:%lld", profile, (long long)row_value(row, "generator"),
		(long long)row_value(row, "sid"));
	sum = json_object_get(query->rows, key);
	if (!sum) {
		json_object_set_new(query->rows, key, json_deep_copy(row));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		json_object_set_new(sum, sums[i], json_integer(row_value(sum, sums[i]) + row_value(row, sums[i])));
}

static void usage_add(struct usage_query *query, const json_t *message)
{
	json_int_t since = row_value(message, "since");
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(message, "filters"), i, row) usage_add_row(query, row);
	query->evaluations += row_value(message, "evaluations");
	query->cost_ns += row_value(message, "cost_ns");
	if (since && (!query->since || since < query->since))
		query->since = since;
}

void usage_on_answer(struct supervisor *supervisor, unsigned int slot, const json_t *message)
{
	struct usage_query *query;

	LIST_FOREACH (query, &supervisor->usage_queries, link)
		if (query->id == row_value(message, "query"))
			break;
	if (!query || !(query->waiting & 1u << slot))
		return;
	query->waiting &= ~(1u << slot);
	usage_add(query, message);
	if (!query->waiting)
		usage_answer(query);
}

/* --- asking ------------------------------------------------------------------------------------------------------ */
static void usage_ask(struct usage_query *query)
{
	struct supervisor *supervisor = query->supervisor;

	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++) {
		struct child *child = &supervisor->workers[i].child;

		if (!child_running(child) || supervisor->workers[i].draining)
			continue;
		if (child_send(child, "filter_usage", json_pack("{s:I, s:s}", "query", query->id, "by", query->by),
			    NULL, 0) >= 0)
			query->waiting |= 1u << supervisor->workers[i].slot;
	}
}

void usage_begin(struct supervisor *supervisor, const json_t *request, commit_done_fn *done, void *owner)
{
	const char *by = json_string_value(json_object_get(request, "by"));
	json_int_t limit = row_value(request, "limit");
	struct usage_query *query = calloc(1, sizeof(*query));

	if (!query) {
		done(owner, NULL);
		return;
	}
	query->supervisor = supervisor;
	query->id = ++supervisor->usage_queries_made;
	query->done = done;
	query->owner = owner;
	query->limit = limit > 0 ? MIN(limit, USAGE_ROWS_MOST) : USAGE_ROWS_DEFAULT;
	query->by = by && !strcmp(by, "hits") ? "hits" : "cost_ns";
	query->rows = json_object();
	LIST_INSERT_HEAD(&supervisor->usage_queries, query, link);
	usage_ask(query);
	if (query->waiting)
		loop_timer_arm(supervisor->loop, &query->timer, USAGE_WAIT_NS, usage_on_timeout);
	else
		usage_answer(query);
}

void usage_forget_owner(struct supervisor *supervisor, const void *owner)
{
	struct usage_query *query, *next;

	for (query = LIST_FIRST(&supervisor->usage_queries); query; query = next) {
		next = LIST_NEXT(query, link);
		if (query->owner == owner)
			usage_free(query);
	}
}
