/* SPDX-License-Identifier: Apache-2.0 */
/* diff: what changes from one text of the configuration to another, as unified diff. Myers' O(ND) search over lines;
 * beyond DIFF_EDITS_MAX edits the rest between the common ends is shown as replaced, which is right, only longer. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "cli/diff.h"
#include "cli/output.h"

#define DIFF_EDITS_MAX 2000
#define DIFF_CONTEXT 3

struct line {
	const char *text;
	size_t len;
};

struct side {
	struct line *lines;
	size_t n;
};

static int side_split(struct side *side, const char *text)
{
	size_t room = 1;

	for (const char *c = text; *c; c++)
		room += *c == '\n';
	side->lines = calloc(room, sizeof(*side->lines));
	if (!side->lines)
		return -ENOMEM;
	while (*text) {
		size_t len = strcspn(text, "\n");

		side->lines[side->n++] = (struct line){text, len};
		text += len + (text[len] == '\n');
	}
	return 0;
}

static bool line_same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* which lines stay: keep[0] of the old side, keep[1] of the new */
struct diff {
	struct side side[2];
	bool *keep[2];
	size_t head, tail; /* common lines at both ends */
};

static void diff_release(struct diff *diff)
{
	for (int i = 0; i < 2; i++) {
		free(diff->side[i].lines);
		free(diff->keep[i]);
	}
}

static void diff_keep(struct diff *diff, size_t a, size_t b)
{
	diff->keep[0][a] = diff->keep[1][b] = true;
}

static void diff_trim(struct diff *diff)
{
	const struct side *a = &diff->side[0], *b = &diff->side[1];
	size_t most = MIN(a->n, b->n);

	while (diff->head < most && line_same(&a->lines[diff->head], &b->lines[diff->head])) {
		diff_keep(diff, diff->head, diff->head);
		diff->head++;
	}
	while (diff->tail < most - diff->head &&
		line_same(&a->lines[a->n - 1 - diff->tail], &b->lines[b->n - 1 - diff->tail])) {
		diff_keep(diff, a->n - 1 - diff->tail, b->n - 1 - diff->tail);
		diff->tail++;
	}
}

/* furthest x on each diagonal k after d edits; row d holds diagonals -d..d */
static int32_t *trace_row(int32_t **rows, int d)
{
	return rows[d] + d;
}

static int32_t trace_step(int32_t **rows, int d, int k)
{
	const int32_t *before = d ? trace_row(rows, d - 1) : NULL;

	if (!d)
		return 0;
	if (k == -d || (k != d && before[k - 1] < before[k + 1]))
		return before[k + 1]; /* a line is added */
	return before[k - 1] + 1;     /* a line is removed */
}

static void trace_walk_back(struct diff *diff, int32_t **rows, int d, int32_t x, int32_t y)
{
	for (; d >= 0; d--) {
		int k = x - y;
		int32_t from = trace_step(rows, d, k), px, py;

		while (x > from) {
			x--, y--;
			diff_keep(diff, diff->head + x, diff->head + y);
		}
		if (!d)
			return;
		px = k == -d || (k != d && trace_row(rows, d - 1)[k - 1] < trace_row(rows, d - 1)[k + 1]) ? x : x - 1;
		py = px == x ? y - 1 : y;
		x = px;
		y = py;
	}
}

static void diff_search(struct diff *diff)
{
	const struct line *a = diff->side[0].lines + diff->head, *b = diff->side[1].lines + diff->head;
	int32_t n = diff->side[0].n - diff->head - diff->tail, m = diff->side[1].n - diff->head - diff->tail;
	int most = MIN(n + m, DIFF_EDITS_MAX), d;
	int32_t **rows = calloc(most + 1, sizeof(*rows));

	for (d = 0; rows && d <= most; d++) {
		rows[d] = malloc((2 * d + 1) * sizeof(**rows));
		if (!rows[d])
			break;
		for (int k = -d; k <= d; k += 2) {
			int32_t x = trace_step(rows, d, k);

			while (x < n && x - k < m && x - k >= 0 && line_same(&a[x], &b[x - k]))
				x++;
			trace_row(rows, d)[k] = x;
			if (x >= n && x - k >= m) {
				trace_walk_back(diff, rows, d, n, m);
				goto out;
			}
		}
	}
out:
	for (d = 0; rows && d <= most; d++)
		free(rows[d]);
	free(rows);
}

static int diff_make(struct diff *diff, const char *from, const char *to)
{
	int r = side_split(&diff->side[0], from);

	if (r >= 0)
		r = side_split(&diff->side[1], to);
	for (int i = 0; i < 2 && r >= 0; i++) {
		diff->keep[i] = calloc(diff->side[i].n + 1, sizeof(bool));
		r = diff->keep[i] ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	diff_trim(diff);
	diff_search(diff);
	return 0;
}

/* --- printing: both sides are walked together ------------------------------------------------------------------------
 */

struct walk {
	const struct diff *diff;
	size_t at[2];
};

static bool walk_end(const struct walk *walk)
{
	return walk->at[0] >= walk->diff->side[0].n && walk->at[1] >= walk->diff->side[1].n;
}

/* '-', '+', or ' ' for the next line, which it passes */
static char walk_next(struct walk *walk, const struct line **line)
{
	for (int i = 0; i < 2; i++) {
		if (walk->at[i] >= walk->diff->side[i].n || walk->diff->keep[i][walk->at[i]])
			continue;
		*line = &walk->diff->side[i].lines[walk->at[i]++];
		return i ? '+' : '-';
	}
	*line = &walk->diff->side[0].lines[walk->at[0]++];
	walk->at[1]++;
	return ' ';
}

/* from the walk's place to the next change; false: there is none */
static bool walk_to_change(struct walk *walk)
{
	while (!walk_end(walk)) {
		struct walk here = *walk;
		const struct line *line;

		if (walk_next(walk, &line) != ' ') {
			*walk = here;
			return true;
		}
	}
	return false;
}

/* the end of the hunk that begins at this change: before more than two contexts of unchanged lines */
static struct walk walk_hunk_end(struct walk walk)
{
	struct walk end = walk;
	const struct line *line;

	for (size_t same = 0; !walk_end(&walk) && same <= 2 * DIFF_CONTEXT;) {
		same = walk_next(&walk, &line) == ' ' ? same + 1 : 0;
		if (!same)
			end = walk;
	}
	for (size_t i = 0; i < DIFF_CONTEXT && !walk_end(&end); i++)
		walk_next(&end, &line);
	return end;
}

static void diff_print_line(FILE *out, char mark, const struct line *line, bool colour)
{
	_cleanup_free_ char *text = strndup(line->text, line->len);

	if (colour && mark != ' ')
		fputs(mark == '-' ? "\033[31m" : "\033[32m", out);
	fputc(mark, out);
	output_text(out, text ? text : "");
	if (colour && mark != ' ')
		fputs("\033[0m", out);
	fputc('\n', out);
}

static size_t diff_first(size_t at, size_t n)
{
	return n ? at + 1 : at;
}

static void diff_print_hunk(FILE *out, struct walk from, const struct walk *end, bool colour)
{
	size_t n[2] = {end->at[0] - from.at[0], end->at[1] - from.at[1]};
	const struct line *line;

	fprintf(out, "@@ -%zu,%zu +%zu,%zu @@\n", diff_first(from.at[0], n[0]), n[0], diff_first(from.at[1], n[1]),
		n[1]);
	while (from.at[0] < end->at[0] || from.at[1] < end->at[1]) {
		char mark = walk_next(&from, &line);

		diff_print_line(out, mark, line, colour);
	}
}

int diff_print(FILE *out, const char *from_name, const char *from, const char *to_name, const char *to, bool colour)
{
	_cleanup_(diff_release) struct diff diff = {0};
	struct walk walk = {.diff = &diff}, start, end;
	int hunks = 0, r = diff_make(&diff, from, to);

	if (r < 0)
		return r;
	while (walk_to_change(&walk)) {
		size_t back = MIN(MIN(walk.at[0], walk.at[1]), (size_t)DIFF_CONTEXT);

		if (!hunks++)
			fprintf(out, "--- %s\n+++ %s\n", from_name, to_name);
		start = walk;
		start.at[0] -= back;
		start.at[1] -= back;
		end = walk_hunk_end(walk);
		diff_print_hunk(out, start, &end, colour);
		walk = end;
	}
	return hunks;
}
