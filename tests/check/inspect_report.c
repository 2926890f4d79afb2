/* SPDX-License-Identifier: Apache-2.0 */
/* inspect-report: how much of the rule files in a folder loads (C1), and why the rest does not. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "inspect/inspect.h"
#include "rule_classes.h"

#define FILES_MAX 1024
#define REASONS_MAX 512

static const char usage[] = "usage: inspect-report [--min CLASS=PERCENT]... [--reasons CLASS] [--refused CLASS] DIR\n"
			    "Loads every *.rules file of DIR and says how many filters of each class load.\n"
			    "  --min CLASS=PERCENT  fail when a smaller share of that class loads\n"
			    "  --reasons CLASS      why filters of that class are refused, most frequent first\n"
			    "  --refused CLASS      each of them: file:line, sid, reason\n"
			    "  --max-idle BYTES     fail when an idle session takes more with these filters\n"
			    "classes: all, http, requests, streams, tls\n";

struct files {
	size_t n;
	struct inspect_source items[FILES_MAX];
};

struct share {
	unsigned int loaded, refused;
	double minimum; /* percent */
};

struct options {
	enum rule_class reasons, refused; /* RULES_CLASSES: not asked for */
	struct share shares[RULES_CLASSES];
	size_t max_idle; /* 0: any */
	const char *folder;
};

struct reason {
	const char *text;
	unsigned int n;
};

/* --- files ------------------------------------------------------------------------------------------------------- */
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

static void files_clear(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free((char *)files->items[i].name);
		free((uint8_t *)files->items[i].text.data);
	}
}

static struct span line_of(const struct files *files, const char *name, unsigned int number)
{
	struct span rest = SPAN(NULL, 0);

	for (size_t i = 0; i < files->n; i++)
		if (files->items[i].name == name)
			rest = files->items[i].text;
	for (;;) {
		const uint8_t *end = rest.len ? memchr(rest.data, '\n', rest.len) : NULL;
		size_t len = end ? (size_t)(end - rest.data) : rest.len;

		if (number-- <= 1 || !end)
			return SPAN(rest.data, len);
		rest = SPAN(end + 1, rest.len - len - 1);
	}
}

/* --- figures ----------------------------------------------------------------------------------------------------- */
/* every active filter is counted as loaded first, then those of the refusals are moved */
static void count_all(const struct files *files, struct share *shares)
{
	for (size_t i = 0; i < files->n; i++) {
		struct span rest = files->items[i].text;

		while (rest.len) {
			const uint8_t *end = memchr(rest.data, '\n', rest.len);
			struct span line = SPAN(rest.data, end ? (size_t)(end - rest.data) : rest.len);

			rest = SPAN(line.data + line.len + (end != NULL), rest.len - line.len - (end != NULL));
			for (unsigned int c = 0; rule_is_active(line) && c < RULES_CLASSES; c++)
				shares[c].loaded += rule_classes[c].has(line);
		}
	}
}

static void count_refused(const struct files *files, const struct inspect_report *report, struct share *shares)
{
	for (size_t i = 0; i < report->n_refused; i++) {
		struct span line = line_of(files, report->refused[i].file, report->refused[i].line);

		for (unsigned int c = 0; c < RULES_CLASSES; c++) {
			bool has = rule_classes[c].has(line);

			shares[c].loaded -= has;
			shares[c].refused += has;
		}
	}
}

static double percent(const struct share *share)
{
	unsigned int all = share->loaded + share->refused;

	return all ? 100.0 * share->loaded / all : 0;
}

static bool print_shares(const struct share *shares)
{
	bool enough = true;

	for (unsigned int c = 0; c < RULES_CLASSES; c++) {
		bool less = percent(&shares[c]) < shares[c].minimum;

		printf("%s: %u of %u load, %.1f %%", rule_classes[c].name, shares[c].loaded,
			shares[c].loaded + shares[c].refused, percent(&shares[c]));
		if (shares[c].minimum > 0)
			printf(" (at least %.1f %%%s)", shares[c].minimum, less ? ": MISSED" : "");
		puts("");
		enough &= !less;
	}
	return enough;
}

/* --- reasons ----------------------------------------------------------------------------------------------------- */
static void count_reason(struct reason *reasons, size_t *n, const char *text)
{
	size_t i;

	for (i = 0; i < *n && strcmp(reasons[i].text, text); i++)
		;
	if (i == *n && i < REASONS_MAX)
		reasons[(*n)++] = (struct reason){.text = text};
	if (i < *n)
		reasons[i].n++;
}

static int reason_compare(const void *left, const void *right)
{
	const struct reason *a = left, *b = right;

	return a->n != b->n ? (a->n < b->n ? 1 : -1) : strcmp(a->text, b->text);
}

static void print_refusals(
	const struct files *files, const struct inspect_report *report, const struct options *options)
{
	static struct reason reasons[REASONS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < report->n_refused; i++) {
		const struct inspect_refusal *refusal = &report->refused[i];
		struct span line = line_of(files, refusal->file, refusal->line);

		if (options->refused < RULES_CLASSES && rule_classes[options->refused].has(line))
			printf("%s:%u: sid %u: %s\n", refusal->file, refusal->line, refusal->sid, refusal->reason);
		if (options->reasons < RULES_CLASSES && rule_classes[options->reasons].has(line))
			count_reason(reasons, &n, refusal->reason);
	}
	qsort(reasons, n, sizeof(*reasons), reason_compare);
	for (size_t i = 0; i < n; i++)
		printf("%8u  %s\n", reasons[i].n, reasons[i].text);
}

/* --- cost -------------------------------------------------------------------------------------------------------- */
static double seconds_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int compile(const struct files *files, struct inspect_report *report, uint8_t **image, size_t *image_len)
{
	double start = seconds_now(CLOCK_PROCESS_CPUTIME_ID);
	struct rusage used;
	int r = inspect_compile(files->items, files->n, NULL, image, image_len, report);

	getrusage(RUSAGE_SELF, &used);
	if (r == 0)
		printf("compiled in %.2f s of CPU, at most %ld MB of memory; image: %zu bytes; disabled by their "
		       "author: %zu\n",
			seconds_now(CLOCK_PROCESS_CPUTIME_ID) - start, used.ru_maxrss / 1024, *image_len,
			report->n_disabled);
	return r;
}

/* bytes of a session that has said what such sessions say, and now says nothing */
static size_t idle_memory(const struct inspect_engine *engine, struct inspect_scratch *scratch,
	enum inspect_service service, const char *const *turns)
{
	const struct inspect_stream_options options = {
		.service = service, .inspect_response = true, .body_hold_bytes = 65536, .server_port = 443};
	struct inspect_stream *stream = NULL;
	struct inspect_verdict verdict;
	size_t bytes;

	if (inspect_stream_new(&stream, engine, scratch, &options) < 0)
		return SIZE_MAX;
	for (size_t i = 0; turns[i]; i++)
		inspect_data(stream, i % 2 ? INSPECT_TO_CLIENT : INSPECT_TO_SERVER, (const uint8_t *)turns[i],
			strlen(turns[i]), &verdict);
	bytes = inspect_stream_memory(stream);
	inspect_stream_free(&stream);
	return bytes;
}

static bool print_idle(const uint8_t *image, size_t image_len, size_t max)
{
	static const char *const http[] = {
		"POST /a?b=c HTTP/1.1\r\nHost: h\r\nUser-Agent: u\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nworld", NULL};
	static const char *const imap[] = {"", "* OK ready\r\n", "a1 LOGIN bob secret\r\n", "a1 OK in\r\n",
		"a2 SELECT INBOX\r\n", "* 3 EXISTS\r\na2 OK done\r\n", "a3 IDLE\r\n", "+ idling\r\n", NULL};
	struct inspect_engine *engine = NULL;
	struct inspect_scratch *scratch = NULL;
	size_t web = SIZE_MAX, mail = SIZE_MAX;

	if (inspect_engine_load(&engine, image, image_len) == 0 && inspect_scratch_new(&scratch) == 0 &&
		inspect_scratch_grow(scratch, engine) == 0) {
		web = idle_memory(engine, scratch, INSPECT_HTTP, http);
		mail = idle_memory(engine, scratch, INSPECT_IMAP, imap);
	}
	inspect_scratch_free(&scratch);
	inspect_engine_free(&engine);
	printf("idle session: HTTP %zu bytes, IMAP %zu bytes\n", web, mail);
	return !max || (web <= max && mail <= max);
}

/* --- options ----------------------------------------------------------------------------------------------------- */
static enum rule_class class_find(const char *key, size_t len)
{
	for (unsigned int c = 0; c < RULES_CLASSES; c++)
		if (strlen(rule_classes[c].key) == len && !strncmp(rule_classes[c].key, key, len))
			return c;
	return RULES_CLASSES;
}

static bool read_minimum(struct options *options, const char *text)
{
	const char *equals = strchrnul(text, '=');
	enum rule_class class = class_find(text, (size_t)(equals - text));
	char *end;

	if (!*equals || class == RULES_CLASSES)
		return false;
	options->shares[class].minimum = strtod(equals + 1, &end);
	return !*end;
}

static bool read_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {{"min", required_argument, NULL, 'm'},
		{"reasons", required_argument, NULL, 'r'}, {"refused", required_argument, NULL, 'l'},
		{"max-idle", required_argument, NULL, 'i'}, {0}};
	bool known = true;
	int option;

	while (known && (option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (option == 'm') {
			known = read_minimum(options, optarg);
		} else if (option == 'i') {
			options->max_idle = strtoul(optarg, NULL, 10);
		} else if (option == 'r' || option == 'l') {
			enum rule_class class = class_find(optarg, strlen(optarg));

			*(option == 'r' ? &options->reasons : &options->refused) = class;
			known = class < RULES_CLASSES;
		} else {
			known = false;
		}
	}
	options->folder = known && optind == argc - 1 ? argv[optind] : NULL;
	return options->folder;
}

int main(int argc, char **argv)
{
	static struct files files;
	struct options options = {.reasons = RULES_CLASSES, .refused = RULES_CLASSES};
	struct inspect_report report;
	uint8_t *image = NULL;
	size_t image_len = 0;
	bool enough;

	if (!read_options(&options, argc, argv) || read_files(&files, options.folder) < 0 || !files.n) {
		fputs(usage, stderr);
		return 2;
	}
	if (compile(&files, &report, &image, &image_len) < 0) {
		fprintf(stderr, "the filters do not compile\n");
		return 2;
	}
	count_all(&files, options.shares);
	count_refused(&files, &report, options.shares);
	print_refusals(&files, &report, &options);
	enough = print_shares(options.shares);
	enough &= print_idle(image, image_len, options.max_idle);
	free(image);
	inspect_report_clear(&report);
	files_clear(&files);
	return enough ? 0 : 1;
}
