/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-config-doc: writes docs/configuration.md from the schema to standard output; --check FILE compares. */
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "config/schema.h"

#define FILE_MAX (1 << 20)

static int check_file(const char *path, const char *wanted, size_t len)
{
	_cleanup_free_ char *text = malloc(FILE_MAX);
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!file || !text) {
		perror(path);
		return 1;
	}
	n = fread(text, 1, FILE_MAX, file);
	fclose(file);
	if (n == len && memcmp(text, wanted, len) == 0)
		return 0;
	fprintf(stderr, "%s is not what the schema says: run sluice-config-doc >%s\n", path, path);
	return 1;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return 1;
	schema_write_document(out);
	fclose(out);
	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return check_file(argv[2], text, len);
	return fwrite(text, 1, len, stdout) == len ? 0 : 1;
}
