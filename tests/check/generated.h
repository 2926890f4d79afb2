/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A document that a program writes from a table: to standard output, or with --check FILE compared to what is there. */
#include <stdio.h>
#include <string.h>

#include "base/common.h"

#define GENERATED_MAX (1 << 20)

static inline int generated_check(const char *path, const char *wanted, size_t len, const char *program)
{
	_cleanup_free_ char *text = malloc(GENERATED_MAX);
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!file || !text) {
		perror(path);
		return 1;
	}
	n = fread(text, 1, GENERATED_MAX, file);
	fclose(file);
	if (n == len && memcmp(text, wanted, len) == 0)
		return 0;
	fprintf(stderr, "%s is not what the sources say: run %s >%s\n", path, program, path);
	return 1;
}

static inline int generated_main(int argc, char **argv, void (*write_document)(FILE *out))
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return 1;
	write_document(out);
	fclose(out);
	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return generated_check(argv[2], text, len, argv[0]);
	return fwrite(text, 1, len, stdout) == len ? 0 : 1;
}
