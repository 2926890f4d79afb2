/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One log on disk: lines are gathered and appended with one write per batch; <name>.json, and <name>.json.1 (the
 * newest) to .4 once it has grown past its limit. A line is on disk whole or not at all. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_FILE_MAX (64u << 20)
#define LOG_FILE_KEEP 4
#define LOG_FILE_BUFFER (1u << 20) /* longer than any line */
#define LOG_FILE_FLAGS (O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW)

struct log_file {
	const char *name;   /* without .json; borrowed */
	int dir_fd;         /* borrowed */
	int fd;             /* -1 while closed */
	uint64_t max_size;  /* of the newest file; LOG_FILE_MAX until somebody says otherwise */
	uint64_t first_s;   /* wall clock of its first record; 0: it is empty or not known */
	bool dirty;         /* written and not yet synced */
	bool failing;       /* the last write failed; said once */
	unsigned int lines; /* in the buffer */
	size_t used;
	char *buffer;
};

/* opens nothing yet; 0 or -ENOMEM */
int log_file_init(struct log_file *file, int dir_fd, const char *name);
void log_file_close(struct log_file *file);

/* adds a line (without its end); false when the buffer has no room: flush first */
bool log_file_add(struct log_file *file, const char *line, size_t len);

struct log_file_result {
	unsigned int lines, dropped;
	uint64_t bytes;
};
/* appends what was gathered; what cannot be written (disk full) is dropped and counted */
struct log_file_result log_file_flush(struct log_file *file);
/* G8: removes what is older than that, a whole file at a time: the newest file becomes an older one in time */
void log_file_expire(struct log_file *file, uint64_t now_s, uint64_t max_age_s);
/* to disk */
void log_file_sync(struct log_file *file);
