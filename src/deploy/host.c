/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/system.h"

#define HOST_OUTPUT_MAX (1u << 20)

static void host_path(const struct host *host, char out[512], const char *fmt, va_list args)
{
	int n = snprintf(out, 512, "%s/", host->root);

	if (n < 512)
		vsnprintf(out + n, 512 - n, fmt, args);
}

#define HOST_PATH(host, path, fmt)                   \
	do {                                         \
		va_list args_;                       \
		va_start(args_, fmt);                \
		host_path((host), path, fmt, args_); \
		va_end(args_);                       \
	} while (0)

static int read_line(const char *path, char *out, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	if (n < 0) {
		out[0] = '\0';
		return -errno;
	}
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

int host_read(const struct host *host, char *out, size_t size, const char *fmt, ...)
{
	char path[512];

	HOST_PATH(host, path, fmt);
	return read_line(path, out, size);
}

int64_t host_number(const struct host *host, const char *fmt, ...)
{
	char path[512], text[64];
	int r;

	HOST_PATH(host, path, fmt);
	r = read_line(path, text, sizeof(text));
	return r < 0 ? r : strtoll(text, NULL, 0);
}

bool host_exists(const struct host *host, const char *fmt, ...)
{
	char path[512];

	HOST_PATH(host, path, fmt);
	return access(path, F_OK) == 0;
}

void host_link(const struct host *host, char *out, size_t size, const char *fmt, ...)
{
	char path[512], target[512];
	const char *last;
	ssize_t n;

	HOST_PATH(host, path, fmt);
	n = readlink(path, target, sizeof(target) - 1);
	target[MAX(n, 0)] = '\0';
	last = strrchr(target, '/');
	snprintf(out, size, "%s", last ? last + 1 : target);
}

unsigned int host_count(const struct host *host, const char *fmt, ...)
{
	char path[512];
	unsigned int n = 0;
	struct dirent *entry;
	DIR *folder;

	HOST_PATH(host, path, fmt);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)))
		n += entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return n;
}

char *host_run(const struct host *host, const char *const *argv)
{
	char *out = NULL;
	size_t len;

	if (host->run)
		return host->run(host, argv);
	return system_output(argv, HOST_OUTPUT_MAX, &out, &len) < 0 ? NULL : out;
}

bool host_cpu_has(const struct host *host, const char *flag)
{
	_cleanup_free_ char *line = NULL;
	char path[512];
	size_t size = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/cpuinfo", host->root);
	file = fopen(path, "re");
	while (file && !found && getline(&line, &size, file) > 0) {
		if (strncmp(line, "flags", 5) != 0)
			continue;
		for (char *word = strtok(strchr(line, ':') ?: line, " \t\n"); word && !found;
			word = strtok(NULL, " \t\n"))
			found = strcmp(word, flag) == 0;
		break;
	}
	if (file)
		fclose(file);
	return found;
}
