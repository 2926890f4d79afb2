/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/usage.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"

struct usage_row {
	const struct config_profile *profile;
	const struct inspect_filter *filter;
	struct inspect_usage usage;
};

struct usage_rows {
	size_t n;
	struct usage_row *items;
};

static int by_hits(const void *left, const void *right)
{
	const struct inspect_usage *a = &((const struct usage_row *)left)->usage,
				   *b = &((const struct usage_row *)right)->usage;

	return a->hits != b->hits ? (a->hits < b->hits) - (a->hits > b->hits)
				  : (a->evaluations < b->evaluations) - (a->evaluations > b->evaluations);
}

static int by_cost(const void *left, const void *right)
{
	const struct inspect_usage *a = &((const struct usage_row *)left)->usage,
				   *b = &((const struct usage_row *)right)->usage;

	return a->cost_ns != b->cost_ns ? (a->cost_ns < b->cost_ns) - (a->cost_ns > b->cost_ns) : by_hits(left, right);
}

/* those of all profiles that were ever evaluated */
static bool collect(const struct snapshot *snapshot, struct usage_rows *rows)
{
	size_t room = 0;

	for (size_t p = 0; p < snapshot->config->n_profiles; p++) {
		const struct inspect_filter *filter;
		struct inspect_usage usage;

		for (size_t i = 0; (filter = inspect_engine_usage(snapshot->engines[p], i, &usage)); i++) {
			if (!usage.evaluations)
				continue;
			if (rows->n == room) {
				void *grown =
					reallocarray(rows->items, room = room ? 2 * room : 64, sizeof(*rows->items));

				if (!grown)
					return false;
				rows->items = grown;
			}
			rows->items[rows->n++] = (struct usage_row){&snapshot->config->profiles[p], filter, usage};
		}
	}
	return true;
}

static json_t *row_report(const struct usage_row *row)
{
	static const char *const actions[] = {
		[INSPECT_NOTIFY] = "permit", [INSPECT_TRUST] = "trust", [INSPECT_BLOCK] = "block"};
	const struct inspect_filter *filter = row->filter;

	return json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "profile", row->profile->name,
		"sid", (json_int_t)filter->sid, "rev", (json_int_t)filter->revision, "generator",
		(json_int_t)filter->generator, "name", filter->name, "category", filter->category, "action",
		actions[filter->action], "hits", (json_int_t)row->usage.hits, "blocks", (json_int_t)row->usage.blocks,
		"evaluations", (json_int_t)row->usage.evaluations, "cost_ns", (json_int_t)row->usage.cost_ns);
}

json_t *usage_report(const struct snapshot *snapshot, const char *by)
{
	struct usage_rows rows = {0};
	json_t *filters = json_array(), *answer = NULL;
	json_int_t evaluations = 0, cost = 0;

	if (collect(snapshot, &rows)) {
		if (rows.n)
			qsort(rows.items, rows.n, sizeof(*rows.items), by && !strcmp(by, "hits") ? by_hits : by_cost);
		for (size_t i = 0; i < rows.n; i++) {
			evaluations += (json_int_t)rows.items[i].usage.evaluations;
			cost += (json_int_t)rows.items[i].usage.cost_ns;
			if (i < USAGE_ROWS_MAX) /* a name that is no UTF-8 makes no row */
				json_array_append_new(filters, row_report(&rows.items[i]) ?: json_null());
		}
		answer = json_pack("{s:O, s:I, s:I, s:I}", "filters", filters, "evaluations", evaluations, "cost_ns",
			cost, "since", (json_int_t)snapshot->loaded_us);
	}
	free(rows.items);
	json_decref(filters);
	return answer;
}
