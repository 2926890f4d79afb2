/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/findings.h"

#include <stdarg.h>

#include "base/common.h"

static const char *const state_names[FINDING_STATE_N] = {"good", "note", "warning", "refused"};

struct finding *findings_add(
	struct findings *findings, enum finding_state state, const char *name, const char *cost, const char *fmt, ...)
{
	struct finding *finding = &findings->items[MIN(findings->n, FINDINGS_MAX - 1)];
	va_list args;

	findings->n = MIN(findings->n + 1, FINDINGS_MAX);
	finding->state = state;
	finding->cost = state == FINDING_GOOD ? "" : cost;
	finding->mend[0] = '\0';
	snprintf(finding->name, sizeof(finding->name), "%s", name);
	va_start(args, fmt);
	vsnprintf(finding->found, sizeof(finding->found), fmt, args);
	va_end(args);
	return finding;
}

void finding_mend(struct finding *finding, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(finding->mend, sizeof(finding->mend), fmt, args);
	va_end(args);
}

enum finding_state findings_worst(const struct findings *findings)
{
	enum finding_state worst = FINDING_GOOD;

	for (size_t i = 0; i < findings->n; i++)
		worst = MAX(worst, findings->items[i].state);
	return worst;
}

static void print_one(const struct finding *finding, FILE *out)
{
	fprintf(out, "%-8s %-22s %s\n", state_names[finding->state], finding->name, finding->found);
	if (finding->state == FINDING_GOOD)
		return;
	fprintf(out, "%31s costs: %s\n", "", finding->cost);
	if (*finding->mend)
		fprintf(out, "%31s mend:  %s\n", "", finding->mend);
}

void findings_print(const struct findings *findings, FILE *out)
{
	for (size_t i = 0; i < findings->n; i++)
		print_one(&findings->items[i], out);
}

void findings_print_bad(const struct findings *findings, FILE *out)
{
	for (size_t i = 0; i < findings->n; i++)
		if (findings->items[i].state != FINDING_GOOD)
			print_one(&findings->items[i], out);
}

json_t *findings_json(const struct findings *findings)
{
	json_t *array = json_array();

	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->items[i];
		json_t *item = json_pack("{s:s, s:s, s:s}", "name", finding->name, "state", state_names[finding->state],
			"found", finding->found);

		if (finding->state != FINDING_GOOD) {
			json_object_set_new(item, "cost", json_string(finding->cost));
			json_object_set_new(item, "mend", json_string(finding->mend));
		}
		json_array_append_new(array, item);
	}
	return array;
}
