/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How far a target has certainly received a boot's records, on disk (logship/spool.h). */
#include <stdbool.h>
#include <stdint.h>

struct cursor {
	int fd; /* owned; -1 while closed */
	uint64_t sequence, written;
	bool done, written_done;
};

/* reads what an earlier process left; 0 or -errno */
int cursor_open(struct cursor *cursor, int spool_fd, uint64_t boot, const char *target);
void cursor_close(struct cursor *cursor);
/* to the file, where it has changed. It may be behind after a crash of the machine: then records go twice. */
int cursor_write(struct cursor *cursor);
