/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The filters of one engine, in the order of evaluation, with the text they came from. */
#include "inspect/filter.h"
#include "inspect/parser.h"

struct ruleset {
	size_t n;
	struct filter **filters;
	struct span *texts; /* borrow from the sources, or from joined */
	size_t n_joined;
	char **joined; /* texts of filters that were continued over several lines */
	struct flowbit_names flowbits;
	struct variables variables;
};

/* known: texts that were read once before, so that their regular expressions need not be compiled to see that they are
 * good: each is when it is first asked for */
enum ruleset_origin { RULESET_NEW, RULESET_KNOWN };
/* reads rule files; what is refused goes to the report; progress may be NULL. 0 or -ENOMEM */
int ruleset_read(struct ruleset *set, enum ruleset_origin origin, const struct inspect_source *sources, size_t n,
	const struct inspect_progress *progress, struct inspect_report *report);
/* filters that set flowbits first (stable) */
int ruleset_sort(struct ruleset *set);
void ruleset_clear(struct ruleset *set);
