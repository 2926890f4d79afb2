/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over its corpus, and over simple mutations of each file, in builds without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPLAY_FILE_MAX (1 << 20)
#define REPLAY_MUTATIONS 200

static void replay_one(const uint8_t *data, size_t size)
{
	/* exact-size heap copy: the sanitizer sees every read past the end */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void replay_mutations(uint8_t *data, size_t size)
{
	uint32_t seed = 0x9e3779b9;

	for (int i = 0; i < REPLAY_MUTATIONS && size; i++) {
		seed = seed * 1664525 + 1013904223;
		size_t at = seed % size;
		uint8_t saved = data[at];

		data[at] ^= 1u << (seed >> 29);
		replay_one(data, size);
		data[at] = saved;
		replay_one(data, at);
	}
}

int main(int argc, char **argv)
{
	static uint8_t data[REPLAY_FILE_MAX];
	unsigned int n_files = 0;
	struct dirent *entry;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;

	if (!dir) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir))) {
		char path[4096];
		FILE *file;
		size_t size;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		file = fopen(path, "rb");
		if (!file)
			continue;
		size = fread(data, 1, sizeof(data), file);
		fclose(file);
		replay_one(data, size);
		replay_mutations(data, size);
		n_files++;
	}
	closedir(dir);
	printf("%u corpus files replayed\n", n_files);
	return n_files ? 0 : 1;
}
