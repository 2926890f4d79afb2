/* SPDX-License-Identifier: Apache-2.0 */
/* inspect-report DIR [MIN_PERCENT]: how much of the rule files in a folder loads (C1), and why the rest does not. With
 * a minimum, exits 1 when fewer of the inbound request filters load. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/inspect.h"

#define FILES_MAX 1024
#define REASONS_MAX 512

struct files {
	size_t n;
	struct inspect_source items[FILES_MAX];
};

struct share {
	const char *name;
	unsigned int loaded, refused;
};

struct reason {
	char *text;
	unsigned int all, inbound;
};

static char *read_file(const char *folder, const char *name, size_t *len)
{
	char path[4096], *text = NULL;
	FILE *file;

	*len = 0;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (!file)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && ftell(file) > 0)
		*len = (size_t)ftell(file);
	rewind(file);
	text = malloc(*len + 1);
	if (text)
		*len = fread(text, 1, *len, file);
	fclose(file);
	return text;
}

static bool is_rule_file(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && !strcmp(dot, ".rules");
}

static int read_files(struct files *files, const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		bool wanted = is_rule_file(name) && files->n < FILES_MAX;
		size_t len = 0;
		char *text = wanted ? read_file(folder, name, &len) : NULL;

		if (text)
			files->items[files->n++] = (struct inspect_source){strdup(name), SPAN(text, len)};
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static bool has(struct span line, const char *text)
{
	return line.len && memmem(line.data, line.len, text, strlen(text));
}

static bool is_http(struct span line)
{
	return has(SPAN(line.data, MIN(line.len, 20)), " http ");
}

/* of a request to a server here: not one that goes out, not one about responses */
static bool is_inbound_request(struct span line)
{
	const uint8_t *options = line.len ? memchr(line.data, '(', line.len) : NULL;
	struct span head = SPAN(line.data, options ? (size_t)(options - line.data) : line.len);
	const uint8_t *arrow = head.len ? memmem(head.data, head.len, "->", 2) : NULL;

	return is_http(line) && arrow && !has(SPAN(arrow, head.len - (size_t)(arrow - head.data)), "$EXTERNAL_NET") &&
	       !has(line, "to_client") && !has(line, "from_server");
}

static struct span line_of(const struct inspect_source *source, unsigned int number)
{
	struct span rest = source->text;

	for (;;) {
		const uint8_t *end = memchr(rest.data, '\n', rest.len);
		size_t len = end ? (size_t)(end - rest.data) : rest.len;

		if (number-- <= 1 || !end)
			return SPAN(rest.data, len);
		rest = SPAN(end + 1, rest.len - len - 1);
	}
}

static bool is_active(struct span line)
{
	return line.len && line.data[0] != '#' && has(line, "sid:");
}

/* every active filter is counted as loaded first, then those of the refusals are moved */
static void count_all(const struct files *files, struct share shares[3])
{
	for (size_t i = 0; i < files->n; i++) {
		struct span rest = files->items[i].text;

		while (rest.len) {
			const uint8_t *end = memchr(rest.data, '\n', rest.len);
			struct span line = SPAN(rest.data, end ? (size_t)(end - rest.data) : rest.len);

			rest = SPAN(line.data + line.len + (end != NULL), rest.len - line.len - (end != NULL));
			if (!is_active(line))
				continue;
			shares[0].loaded++;
			shares[1].loaded += is_http(line);
			shares[2].loaded += is_inbound_request(line);
		}
	}
}

static void move(struct share *share, bool refused)
{
	share->loaded -= refused;
	share->refused += refused;
}

static void count_reason(struct reason *reasons, size_t *n, const char *text, bool inbound)
{
	size_t i;

	for (i = 0; i < *n && strcmp(reasons[i].text, text); i++)
		;
	if (i == *n) {
		if (i == REASONS_MAX)
			return;
		reasons[(*n)++] = (struct reason){.text = strdup(text)};
	}
	reasons[i].all++;
	reasons[i].inbound += inbound;
}

static int reason_compare(const void *left, const void *right)
{
	const struct reason *a = left, *b = right;

	return a->inbound != b->inbound ? (int)b->inbound - (int)a->inbound : (int)b->all - (int)a->all;
}

static double percent(const struct share *share)
{
	unsigned int all = share->loaded + share->refused;

	return all ? 100.0 * share->loaded / all : 0;
}

static void report_refusals(const struct files *files, const struct inspect_report *report, struct share shares[3])
{
	static struct reason reasons[REASONS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < report->n_refused; i++) {
		const struct inspect_refusal *refusal = &report->refused[i];
		struct span line = SPAN(NULL, 0);

		for (size_t f = 0; f < files->n; f++)
			if (files->items[f].name == refusal->file)
				line = line_of(&files->items[f], refusal->line);
		move(&shares[0], true);
		move(&shares[1], is_http(line));
		move(&shares[2], is_inbound_request(line));
		if (is_http(line))
			count_reason(reasons, &n, refusal->reason, is_inbound_request(line));
	}
	qsort(reasons, n, sizeof(*reasons), reason_compare);
	printf("%8s %8s  reason, http filters only\n", "inbound", "all");
	for (size_t i = 0; i < n; i++) {
		printf("%8u %8u  %s\n", reasons[i].inbound, reasons[i].all, reasons[i].text);
		free(reasons[i].text);
	}
}

static void files_clear(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free((char *)files->items[i].name);
		free((uint8_t *)files->items[i].text.data);
	}
}

int main(int argc, char **argv)
{
	static struct files files;
	struct share shares[3] = {{"all", 0, 0}, {"http", 0, 0}, {"inbound http requests", 0, 0}};
	struct inspect_report report;
	uint8_t *image = NULL;
	size_t len = 0;

	if (argc < 2 || read_files(&files, argv[1]) < 0 || !files.n) {
		fprintf(stderr, "usage: inspect-report DIR [MIN_PERCENT]: DIR holds *.rules files\n");
		return 2;
	}
	if (inspect_compile(files.items, files.n, &image, &len, &report) < 0) {
		fprintf(stderr, "the filters do not compile\n");
		return 2;
	}
	count_all(&files, shares);
	report_refusals(&files, &report, shares);
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
		printf("%s: %u of %u load, %.1f %%\n", shares[i].name, shares[i].loaded,
			shares[i].loaded + shares[i].refused, percent(&shares[i]));
	printf("image: %zu bytes; disabled by their author: %zu\n", len, report.n_disabled);
	free(image);
	inspect_report_clear(&report);
	files_clear(&files);
	return argc > 2 && percent(&shares[2]) < strtod(argv[2], NULL);
}
