/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The inspection engine with the filters of some rule files, for programs that run it alone (inspect-replay,
 * inspect-bench). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect/inspect.h"

#define RULE_FILES_MAX 64

struct rule_engine {
	struct inspect_engine *engine;
	struct inspect_scratch *scratch;
	uint8_t *image;
	size_t image_len;
};

static uint8_t *rule_file_read(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	uint8_t *text = NULL;

	if (file && fseek(file, 0, SEEK_END) == 0 && ftell(file) >= 0) {
		*len = (size_t)ftell(file);
		rewind(file);
		text = malloc(*len + 1);
		if (text)
			*len = fread(text, 1, *len, file);
	}
	if (file)
		fclose(file);
	return text;
}

static int rule_engine_compile(
	struct rule_engine *engine, const struct inspect_source *sources, size_t n, bool tell_refused)
{
	struct inspect_report report = {0};
	int r = inspect_compile(sources, n, NULL, &engine->image, &engine->image_len, &report);

	for (size_t i = 0; tell_refused && r == 0 && i < report.n_refused; i++)
		fprintf(stderr, "%s:%u: %s\n", report.refused[i].file, report.refused[i].line,
			report.refused[i].reason);
	inspect_report_clear(&report);
	return r;
}

/* 0 or -errno; in either case rule_engine_clear() is due */
static int rule_engine_load(struct rule_engine *engine, char **paths, size_t n, bool tell_refused)
{
	struct inspect_source sources[RULE_FILES_MAX];
	size_t n_read = 0;
	int r = 0;

	for (; r == 0 && n_read < n; n_read++) {
		size_t len = 0;
		const uint8_t *text = rule_file_read(paths[n_read], &len);

		sources[n_read] = (struct inspect_source){paths[n_read], SPAN(text, len)};
		r = text ? 0 : -ENOENT;
	}
	if (r == 0)
		r = rule_engine_compile(engine, sources, n, tell_refused);
	if (r == 0)
		r = inspect_engine_load(&engine->engine, engine->image, engine->image_len);
	if (r == 0)
		r = inspect_scratch_new(&engine->scratch);
	if (r == 0)
		r = inspect_scratch_grow(engine->scratch, engine->engine);
	while (n_read)
		free((void *)sources[--n_read].text.data);
	return r;
}

static void rule_engine_clear(struct rule_engine *engine)
{
	inspect_scratch_free(&engine->scratch);
	inspect_engine_free(&engine->engine);
	free(engine->image);
}
