/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside cli/: what the three graphs (H2) show, for the terminal and for pictures. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define GRAPH_FIGURE_MAX 12

struct graph_kind {
	const char *words; /* of the command */
	const char *title;
	const char *key, *part_key; /* in a row; part_key: of it, drawn solid; NULL: none */
	double divisor;
	bool bytes;
};

/* "1.50 MiB", "0.50" */
void graph_figure(const struct graph_kind *kind, double value, char out[GRAPH_FIGURE_MAX]);
/* the supervisor's answer as a picture of its own, by the minute */
void graph_write_svg(FILE *out, const struct graph_kind *kind, const json_t *answer);
