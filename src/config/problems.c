/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/problems.h"

static size_t problems_count(const struct config_problems *problems, enum config_severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < problems->n; i++)
		n += problems->items[i].severity == severity;
	return n;
}

bool problems_full(const struct config_problems *problems, enum config_severity severity)
{
	return problems->n >= PROBLEMS_MAX && problems_count(problems, severity) >= PROBLEMS_MAX;
}

static void problems_append(struct config_problems *problems, struct config_problem problem)
{
	struct config_problem *items = realloc(problems->items, (problems->n + 1) * sizeof(*items));

	if (!items)
		abort(); /* a refusal that cannot be reported must not look like an acceptance */
	problems->items = items;
	items[problems->n++] = problem;
}

void config_problems_add(struct config_problems *problems, enum config_severity severity, unsigned int line,
	unsigned int column, const char *fmt, ...)
{
	struct config_problem problem = {.severity = severity, .line = line, .column = column};
	va_list args;
	int n;

	if (problems_full(problems, severity))
		return;
	va_start(args, fmt);
	n = vasprintf(&problem.message, fmt, args);
	va_end(args);
	if (n < 0)
		abort();
	problems_append(problems, problem);
}

void config_problems_clear(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		free(problems->items[i].message);
	free(problems->items);
	*problems = (struct config_problems){0};
}

static bool problem_after(const struct config_problem *a, const struct config_problem *b)
{
	return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* stable insertion sort: at most 2 * PROBLEMS_MAX items */
static void problems_sort(struct config_problems *problems, size_t from)
{
	for (size_t i = from + 1; i < problems->n; i++) {
		struct config_problem problem = problems->items[i];
		size_t j = i;

		for (; j > from && problem_after(&problems->items[j - 1], &problem); j--)
			problems->items[j] = problems->items[j - 1];
		problems->items[j] = problem;
	}
}

void problems_finish(struct config_problems *problems, size_t from)
{
	struct config_problem more = {.severity = CONFIG_ERROR};

	problems_sort(problems, from);
	if (!problems_full(problems, CONFIG_ERROR))
		return;
	more.line = problems->items[problems->n - 1].line;
	more.column = problems->items[problems->n - 1].column;
	more.message = strdup("there may be more errors than these: mend them and check again");
	if (more.message)
		problems_append(problems, more);
}

bool problems_any_error(const struct config_problems *problems, size_t from)
{
	for (size_t i = from; i < problems->n; i++)
		if (problems->items[i].severity == CONFIG_ERROR)
			return true;
	return false;
}
