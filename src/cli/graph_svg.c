/* SPDX-License-Identifier: Apache-2.0 */
/* A graph as an SVG picture: no script, no font and no file of anybody else's, so that it can be mailed and printed. */
#include <string.h>
#include <time.h>

#include "base/common.h"
#include "cli/graph.h"

#define SVG_WIDTH 960
#define SVG_HEIGHT 360
#define SVG_LEFT 90
#define SVG_RIGHT 20
#define SVG_TOP 50
#define SVG_BOTTOM 50
#define SVG_PLOT_WIDTH (SVG_WIDTH - SVG_LEFT - SVG_RIGHT)
#define SVG_PLOT_HEIGHT (SVG_HEIGHT - SVG_TOP - SVG_BOTTOM)
#define SVG_LINES 4 /* of the scale */
#define SVG_TIMES 6 /* below the picture */

struct svg {
	FILE *out;
	const struct graph_kind *kind;
	const json_t *rows;
	json_int_t first, minutes;
	double top;
};

static double svg_value(const struct svg *svg, const json_t *row, const char *key)
{
	return (double)json_integer_value(json_object_get(row, key)) / svg->kind->divisor;
}

static double svg_x(const struct svg *svg, json_int_t minute)
{
	return SVG_LEFT + (double)(minute - svg->first) * SVG_PLOT_WIDTH / (double)svg->minutes;
}

static double svg_y(const struct svg *svg, double value)
{
	return SVG_TOP + SVG_PLOT_HEIGHT * (1 - value / svg->top);
}

/* one step a minute; a minute without a row leaves a gap */
static void svg_area(const struct svg *svg, const char *key, const char *fill)
{
	json_int_t before = -1;
	const json_t *row;
	size_t i;

	fprintf(svg->out, "<path fill=\"%s\" d=\"", fill);
	json_array_foreach(svg->rows, i, row)
	{
		json_int_t minute = json_integer_value(json_object_get(row, "minute"));
		double x = svg_x(svg, minute), y = svg_y(svg, svg_value(svg, row, key));

		if (minute < svg->first)
			continue;
		if (before != minute - 1)
			fprintf(svg->out, "%sM%.1f %d", before < 0 ? "" : "Z", x, SVG_HEIGHT - SVG_BOTTOM);
		fprintf(svg->out, "L%.1f %.1fL%.1f %.1f", x, y, svg_x(svg, minute + 1), y);
		before = minute;
		/* down to the line where the next minute is missing */
		if (json_integer_value(json_object_get(json_array_get(svg->rows, i + 1), "minute")) != minute + 1)
			fprintf(svg->out, "L%.1f %d", svg_x(svg, minute + 1), SVG_HEIGHT - SVG_BOTTOM);
	}
	fprintf(svg->out, "%s\"/>\n", before < 0 ? "" : "Z");
}

static void svg_text(const struct svg *svg, double x, double y, const char *anchor, const char *text)
{
	fprintf(svg->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, text);
}

static void svg_scale(const struct svg *svg)
{
	char text[GRAPH_FIGURE_MAX];

	for (int line = 0; line <= SVG_LINES; line++) {
		double value = svg->top * line / SVG_LINES, y = svg_y(svg, value);

		fprintf(svg->out, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ccc\"/>\n", SVG_LEFT,
			SVG_WIDTH - SVG_RIGHT, y, y);
		graph_figure(svg->kind, value, text);
		svg_text(svg, SVG_LEFT - 8, y + 4, "end", text);
	}
	for (int i = 0; i <= SVG_TIMES; i++) {
		json_int_t minute = svg->first + svg->minutes * i / SVG_TIMES;
		time_t when = (time_t)minute * 60;
		char label[32];
		struct tm tm;

		strftime(label, sizeof(label), i % SVG_TIMES ? "%H:%M" : "%m-%d %H:%M", localtime_r(&when, &tm));
		svg_text(svg, svg_x(svg, minute), SVG_HEIGHT - SVG_BOTTOM + 20, i == SVG_TIMES ? "end" : "middle",
			label);
	}
}

static double svg_top(const struct svg *svg)
{
	const json_t *row;
	double top = 0;
	size_t i;

	json_array_foreach(svg->rows, i, row) top = MAX(top, svg_value(svg, row, svg->kind->key));
	return top > 0 ? top : 1;
}

void graph_write_svg(FILE *out, const struct graph_kind *kind, const json_t *answer)
{
	struct svg svg = {.out = out,
		.kind = kind,
		.rows = json_object_get(answer, "graph"),
		.minutes = MAX(json_integer_value(json_object_get(answer, "minutes")), 1)};

	svg.first = json_integer_value(json_object_get(answer, "now")) - svg.minutes;
	svg.top = svg_top(&svg);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
		"font-size=\"12\">\n"
		"<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		SVG_WIDTH, SVG_HEIGHT, kind->title);
	fprintf(out, "<text x=\"%d\" y=\"28\" font-size=\"16\">%s</text>\n", SVG_LEFT, kind->title);
	svg_area(&svg, kind->key, kind->part_key ? "#9bbde0" : "#2f6fae");
	if (kind->part_key)
		svg_area(&svg, kind->part_key, "#2f6fae");
	svg_scale(&svg);
	if (kind->part_key)
		svg_text(&svg, SVG_WIDTH - SVG_RIGHT, 28, "end", "dark: given to signature filters; light: all");
	fputs("</svg>\n", out);
}
