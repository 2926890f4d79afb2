/* SPDX-License-Identifier: Apache-2.0 */
#include "logship/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "events/event_line.h"

#define LOG_FILE_MODE 0640

int log_file_init(struct log_file *file, int dir_fd, const char *name)
{
	*file = (struct log_file){.name = name, .dir_fd = dir_fd, .fd = -1, .max_size = LOG_FILE_MAX};
	file->buffer = malloc(LOG_FILE_BUFFER);
	return file->buffer ? 0 : -ENOMEM;
}

void log_file_close(struct log_file *file)
{
	log_file_sync(file);
	cleanup_close(&file->fd);
	free(file->buffer);
	file->buffer = NULL;
}

bool log_file_add(struct log_file *file, const char *line, size_t len)
{
	if (len + 1 > LOG_FILE_BUFFER - file->used)
		return false;
	memcpy(file->buffer + file->used, line, len);
	file->buffer[file->used + len] = '\n';
	file->used += len + 1;
	file->lines++;
	return true;
}

static void log_file_path(const struct log_file *file, unsigned int generation, char path[64])
{
	if (generation)
		snprintf(path, 64, "%s.json.%u", file->name, generation);
	else
		snprintf(path, 64, "%s.json", file->name);
}

/* a crash in the middle of a write may have left part of a line */
static int log_file_end_last_line(int fd)
{
	struct stat st;
	char last;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!st.st_size || (pread(fd, &last, 1, st.st_size - 1) == 1 && last == '\n'))
		return 0;
	return write(fd, "\n", 1) == 1 ? 0 : -errno;
}

/* the time of the first record, by its own line; 0 when there is none */
static uint64_t log_file_first_s(int fd)
{
	char line[64];
	const size_t at = sizeof("{\"timestamp\":") - 1, len = sizeof("\"2026-11-25T19:00:00.000000+0000\"") - 1;

	if (pread(fd, line, sizeof(line), 0) != sizeof(line))
		return 0;
	return event_value_time_us(SPAN(line + at, len)) / 1000000;
}

static int log_file_open(struct log_file *file)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	int err;

	if (file->fd >= 0)
		return 0;
	log_file_path(file, 0, path);
	fd = openat(file->dir_fd, path, LOG_FILE_FLAGS, LOG_FILE_MODE);
	if (fd < 0)
		return -errno;
	err = log_file_end_last_line(fd);
	if (err)
		return err;
	file->first_s = log_file_first_s(fd);
	file->fd = TAKE_FD(fd);
	return 0;
}

static void log_file_rotate(struct log_file *file)
{
	char from[64], to[64];

	log_file_sync(file);
	cleanup_close(&file->fd);
	for (unsigned int g = LOG_FILE_KEEP; g > 0; g--) {
		log_file_path(file, g - 1, from);
		log_file_path(file, g, to);
		if (renameat(file->dir_fd, from, file->dir_fd, to) < 0 && errno != ENOENT)
			log_err_r(-errno, "cannot rename %s", from);
	}
}

/* Appends all of the buffer, or takes back the part that went in: a line cut in two would spoil the next one. */
static int log_file_append(struct log_file *file, uint64_t size)
{
	size_t done = 0;

	while (done < file->used) {
		ssize_t n = write(file->fd, file->buffer + done, file->used - done);

		if (n > 0) {
			done += n;
		} else if (n == 0 || errno != EINTR) {
			int err = n == 0 ? -ENOSPC : -errno;

			if (done && ftruncate(file->fd, (off_t)size) < 0)
				log_err_r(-errno, "%s.json may hold part of a line", file->name);
			return err;
		}
	}
	return 0;
}

static int log_file_write(struct log_file *file)
{
	struct stat st;
	int err = log_file_open(file);

	if (err)
		return err;
	if (fstat(file->fd, &st) < 0)
		return -errno;
	if (st.st_size && st.st_size + file->used > file->max_size) {
		log_file_rotate(file);
		err = log_file_open(file);
		st.st_size = 0;
	}
	return err ? err : log_file_append(file, (uint64_t)st.st_size);
}

struct log_file_result log_file_flush(struct log_file *file)
{
	struct log_file_result result = {0};
	int err;

	if (!file->used)
		return result;
	err = log_file_write(file);
	if (err) {
		if (!file->failing)
			log_err_r(err, "cannot write to %s.json, records are dropped", file->name);
		result.dropped = file->lines;
	} else {
		result.lines = file->lines;
		result.bytes = file->used;
		file->dirty = true;
		if (!file->first_s)
			file->first_s = clock_wall_us() / 1000000;
	}
	file->failing = err != 0;
	file->used = 0;
	file->lines = 0;
	return result;
}

void log_file_sync(struct log_file *file)
{
	if (file->dirty && file->fd >= 0 && fdatasync(file->fd) < 0)
		log_err_r(-errno, "cannot sync %s.json", file->name);
	file->dirty = false;
}

static void log_file_expire_newest(struct log_file *file, uint64_t now_s, uint64_t max_age_s)
{
	char path[64];
	struct stat st;

	log_file_path(file, 0, path);
	/* not made only to be looked at */
	if (fstatat(file->dir_fd, path, &st, 0) < 0 || !st.st_size || log_file_open(file) < 0)
		return;
	if (file->first_s && file->first_s + max_age_s / (LOG_FILE_KEEP + 1) < now_s)
		log_file_rotate(file);
}

void log_file_expire(struct log_file *file, uint64_t now_s, uint64_t max_age_s)
{
	for (unsigned int generation = 1; generation <= LOG_FILE_KEEP; generation++) {
		char path[64];
		struct stat st;

		log_file_path(file, generation, path);
		if (fstatat(file->dir_fd, path, &st, 0) < 0 || (uint64_t)st.st_mtim.tv_sec + max_age_s >= now_s)
			continue;
		if (unlinkat(file->dir_fd, path, 0) < 0)
			log_err_r(-errno, "cannot remove %s", path);
	}
	log_file_expire_newest(file, now_s, max_age_s);
}
