/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/cursor.h"

#include <errno.h>
#include <fcntl.h>

#include "base/common.h"
#include "logship/spool.h"

int cursor_open(struct cursor *cursor, int spool_fd, uint64_t boot, const char *target)
{
	struct spool_cursor found = spool_read_cursor(spool_fd, boot, target);
	char name[SPOOL_NAME_MAX];

	*cursor = (struct cursor){.fd = -1,
		.sequence = found.sequence,
		.written = found.sequence,
		.done = found.done,
		.written_done = found.done};
	spool_cursor_name(name, boot, target);
	cursor->fd = openat(spool_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	return cursor->fd < 0 ? -errno : 0;
}

void cursor_close(struct cursor *cursor)
{
	cursor_write(cursor);
	cleanup_close(&cursor->fd);
}

int cursor_write(struct cursor *cursor)
{
	struct spool_cursor out = {.sequence = cursor->sequence, .done = cursor->done};

	if (cursor->fd < 0 || (cursor->sequence == cursor->written && cursor->done == cursor->written_done))
		return 0;
	out.checksum = spool_cursor_checksum(&out);
	if (pwrite(cursor->fd, &out, sizeof(out), 0) != sizeof(out))
		return -errno;
	cursor->written = cursor->sequence;
	cursor->written_done = cursor->done;
	return 0;
}
