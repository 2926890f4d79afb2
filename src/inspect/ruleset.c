/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/ruleset.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/span.h"

#define LINES_TO_TELL 256 /* between two words of progress */

struct reader {
	struct ruleset *set;
	enum ruleset_origin origin;
	const struct inspect_progress *progress;
	size_t before, total; /* bytes of the sources before this one, and of all */
	struct inspect_report *report;
	const char *file;
	unsigned int line;
	size_t n_ids;
	uint64_t *ids; /* generator and sid of accepted filters, sorted */
};

/* room for one more of n items; capacities are powers of two */
static int grow(void *items, size_t n, size_t size)
{
	void **array = items;
	void *grown;

	if (n & (n - 1))
		return 0;
	grown = reallocarray(*array, n ? 2 * n : 1, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

static int refuse(struct reader *r, uint32_t sid, const char *reason)
{
	struct inspect_report *report = r->report;
	char *copy;

	if (grow(&report->refused, report->n_refused, sizeof(*report->refused)) < 0)
		return -ENOMEM;
	copy = strdup(reason);
	if (!copy)
		return -ENOMEM;
	report->refused[report->n_refused++] = (struct inspect_refusal){r->file, r->line, sid, copy};
	return 0;
}

/* false when the id is taken; -ENOMEM when there is no room */
static int take_id(struct reader *r, const struct filter *filter, bool *taken)
{
	uint64_t id = (uint64_t)filter->facts.generator << 32 | filter->facts.sid;
	size_t low = 0, high = r->n_ids;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (r->ids[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	*taken = low < r->n_ids && r->ids[low] == id;
	if (*taken)
		return 0;
	if (grow(&r->ids, r->n_ids, sizeof(*r->ids)) < 0)
		return -ENOMEM;
	memmove(r->ids + low + 1, r->ids + low, (r->n_ids++ - low) * sizeof(*r->ids));
	r->ids[low] = id;
	return 0;
}

static int add_filter(struct reader *r, struct filter **filter, struct span text)
{
	struct ruleset *set = r->set;
	bool taken = false;
	int e = take_id(r, *filter, &taken);

	if (e < 0)
		return e;
	if (taken)
		return refuse(r, (*filter)->facts.sid, "another filter before it has the same sid");
	if (grow(&set->filters, set->n, sizeof(*set->filters)) < 0 ||
		grow(&set->texts, set->n, sizeof(*set->texts)) < 0)
		return -ENOMEM;
	(*filter)->line = r->line;
	set->texts[set->n] = text;
	set->filters[set->n++] = TAKE_PTR(*filter);
	return 0;
}

static int read_filter(struct reader *r, struct span text)
{
	_cleanup_(filter_free) struct filter *filter = NULL;
	struct parser parser = {.known = r->origin == RULESET_KNOWN,
		.flowbits = &r->set->flowbits,
		.rule_variables = &r->set->variables};
	int e = variables_read_line(&r->set->variables, text, parser.reason, sizeof(parser.reason));

	if (e <= 0)
		return e == -EINVAL ? refuse(r, 0, parser.reason) : e;
	if (text.len > FILTER_TEXT_MAX)
		return refuse(r, filter_sid_guess(text), "the filter's text is too long");
	e = filter_parse(&parser, text, &filter);
	if (e == -ENOMEM)
		return e;
	return e < 0 ? refuse(r, filter_sid_guess(text), parser.reason) : add_filter(r, &filter, text);
}

/* "#alert tcp ... sid:1;)": a filter that its author has switched off */
static bool is_disabled_filter(struct span line)
{
	static const char *const actions[] = {
		"alert ", "drop ", "reject ", "pass ", "rejectsrc ", "rejectdst ", "rejectboth "};

	while (line.len && (line.data[0] == '#' || isspace(line.data[0])))
		span_skip(&line, 1);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		size_t n = strlen(actions[i]);

		if (line.len > n && !memcmp(line.data, actions[i], n))
			return memmem(line.data, line.len, "sid:", 4);
	}
	return false;
}

static struct span strip(struct span line)
{
	while (line.len && isspace(line.data[line.len - 1]))
		line.len--;
	while (line.len && isspace(line.data[0]))
		span_skip(&line, 1);
	return line;
}

static struct span take_line(struct span *text)
{
	const uint8_t *end = memchr(text->data, '\n', text->len);
	struct span line = SPAN(text->data, end ? (size_t)(end - text->data) : text->len);

	span_skip(text, MIN(line.len + 1, text->len));
	return line;
}

static bool is_continued(struct span line)
{
	return line.len && line.data[line.len - 1] == '\\';
}

/* joins a line that ends in a backslash with those after it, in memory that the set keeps */
static int join_lines(struct reader *r, struct span first, struct span *text, unsigned int *n_lines, struct span *out)
{
	struct ruleset *set = r->set;
	struct span line = first;
	char *joined = NULL;
	size_t len = 0;

	for (;;) {
		bool more = is_continued(line);
		char *grown = realloc(joined, len + line.len + 1);

		if (!grown) {
			free(joined);
			return -ENOMEM;
		}
		joined = grown;
		if (line.len)
			memcpy(joined + len, line.data, line.len);
		len += line.len - more;
		if (!more || !text->len)
			break;
		line = strip(take_line(text));
		(*n_lines)++;
	}
	if (grow(&set->joined, set->n_joined, sizeof(*set->joined)) < 0) {
		free(joined);
		return -ENOMEM;
	}
	set->joined[set->n_joined++] = joined;
	*out = SPAN(joined, len);
	return 0;
}

static void tell_progress(const struct reader *r, size_t in_source)
{
	if (r->progress)
		r->progress->tell(r->progress->owner, "filters", r->before + in_source, r->total);
}

static int read_source(struct reader *r, struct span text)
{
	const uint8_t *begin = text.data;
	unsigned int n_lines = 0;
	int e = 0;

	while (e == 0 && text.len) {
		struct span line = strip(take_line(&text));

		r->line = ++n_lines;
		if (n_lines % LINES_TO_TELL == 0)
			tell_progress(r, (size_t)(text.data - begin));
		if (!line.len)
			continue;
		if (line.data[0] == '#') {
			r->report->n_disabled += is_disabled_filter(line);
			continue;
		}
		if (is_continued(line))
			e = join_lines(r, line, &text, &n_lines, &line);
		if (e == 0)
			e = read_filter(r, line);
	}
	return e;
}

int ruleset_read(struct ruleset *set, enum ruleset_origin origin, const struct inspect_source *sources, size_t n,
	const struct inspect_progress *progress, struct inspect_report *report)
{
	struct reader r = {.set = set, .origin = origin, .report = report, .progress = progress};
	int e = 0;

	for (size_t i = 0; i < n; i++)
		r.total += sources[i].text.len;
	for (size_t i = 0; e == 0 && i < n; i++) {
		r.file = sources[i].name;
		e = read_source(&r, sources[i].text);
		r.before += sources[i].text.len;
		tell_progress(&r, 0);
	}
	report->n_loaded = set->n;
	free(r.ids);
	return e;
}

int ruleset_sort(struct ruleset *set)
{
	struct filter **filters = calloc(set->n + 1, sizeof(*filters));
	struct span *texts = calloc(set->n + 1, sizeof(*texts));
	size_t at = 0;

	if (!filters || !texts) {
		free(filters);
		free(texts);
		return -ENOMEM;
	}
	for (int rank = 0; rank <= 3; rank++)
		for (size_t i = 0; i < set->n; i++)
			if (filter_flowbit_rank(set->filters[i]) == rank) {
				filters[at] = set->filters[i];
				texts[at++] = set->texts[i];
			}
	free(set->filters);
	free(set->texts);
	set->filters = filters;
	set->texts = texts;
	return 0;
}

void ruleset_clear(struct ruleset *set)
{
	for (size_t i = 0; i < set->n; i++)
		filter_free(&set->filters[i]);
	for (size_t i = 0; i < set->n_joined; i++)
		free(set->joined[i]);
	free(set->filters);
	free(set->texts);
	free(set->joined);
	variables_clear(&set->variables);
	flowbit_names_clear(&set->flowbits);
	*set = (struct ruleset){0};
}

void inspect_report_clear(struct inspect_report *report)
{
	for (size_t i = 0; i < report->n_refused; i++)
		free(report->refused[i].reason);
	free(report->refused);
	*report = (struct inspect_report){0};
}
