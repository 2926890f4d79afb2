/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"

#define SOURCE_AHEAD (128u << 10)

int source_new(struct source **out, int spool_fd, uint64_t boot, const char *target)
{
	struct source *source = calloc(1, sizeof(*source));
	int err;

	if (!source)
		return -ENOMEM;
	source->spool_fd = spool_fd;
	source->boot = boot;
	source->fd = -1;
	source->ahead = malloc(SOURCE_AHEAD);
	if (!source->ahead) {
		free(source);
		return -ENOMEM;
	}
	err = cursor_open(&source->cursor, spool_fd, boot, target);
	if (err) {
		free(source->ahead);
		free(source);
		return err;
	}
	source->position = MAX(source->cursor.sequence, 1);
	*out = source;
	return 0;
}

void source_free(struct source **source)
{
	if (!*source)
		return;
	cursor_close(&(*source)->cursor);
	cleanup_close(&(*source)->fd);
	free((*source)->ahead);
	free(*source);
	*source = NULL;
}

void source_rewind(struct source *source)
{
	cleanup_close(&source->fd);
	source->ahead_len = 0;
	source->position = MAX(source->cursor.sequence, 1);
	source->unconfirmed = 0;
}

/* first sequence of the segment that holds position, or of the first one after it; 0: there is none */
static uint64_t source_find_segment(const struct source *source, bool after)
{
	struct spool_list list;
	uint64_t found = 0;

	if (spool_list(source->spool_fd, &list) < 0)
		return 0;
	for (size_t i = 0; i < list.n; i++) {
		const struct spool_name *name = &list.names[i];

		if (name->kind != SPOOL_SEGMENT || name->boot != source->boot)
			continue;
		if (name->first <= source->position && !after) {
			found = name->first;
		} else if (name->first > source->position) {
			found = found ? found : name->first;
			break;
		}
	}
	spool_list_free(&list);
	return found;
}

/* opens a segment; the record wanted is looked for from its beginning */
static int source_open(struct source *source, uint64_t first)
{
	char name[SPOOL_NAME_MAX];
	int fd;

	if (source->fd >= 0 && source->first == first)
		return -EALREADY;
	spool_segment_name(name, source->boot, first);
	fd = openat(source->spool_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	cleanup_close(&source->fd);
	source->fd = fd;
	source->first = first;
	source->offset = source->ahead_len = 0;
	return 0;
}

/* The segment has no more: on to the next one if that exists. 1: try again. What the writer appended between our last
 * look at this segment and its beginning the next one comes first. */
static int source_advance(struct source *source, struct spool_record *record, char line[EVENT_JSON_MAX])
{
	uint64_t first;

	if (source->fd >= 0 && !source_open(source, source->position))
		return 1;
	first = source_find_segment(source, source->fd >= 0);
	if (!first)
		return 0;
	if (source->fd >= 0 && spool_read_record(source->fd, source->offset, record, line) == 1)
		return 1;
	if (source_open(source, first) < 0)
		return 0;
	if (first > source->position) {
		/* dropped by the spool's bounds, or damaged: sluice-log counts the former */
		source->missed += first - source->position;
		source->position = first;
	}
	return 1;
}

/* as spool_read_record() at the source's offset, which mostly finds it in memory */
static int source_take(struct source *source, struct spool_record *record, char line[EVENT_JSON_MAX])
{
	for (bool again = false;; again = true) {
		uint64_t skip = source->offset - source->ahead_at;
		ssize_t n;

		if (source->offset >= source->ahead_at && skip < source->ahead_len) {
			int found =
				spool_take_record(SPAN(source->ahead + skip, source->ahead_len - skip), record, line);

			if (found > 0)
				return found;
		}
		if (again) /* not whole in memory: long, torn, damaged or not there yet */
			return spool_read_record(source->fd, source->offset, record, line);
		n = pread(source->fd, source->ahead, SOURCE_AHEAD, (off_t)source->offset);
		if (n < 0)
			return -errno;
		source->ahead_at = source->offset;
		source->ahead_len = (size_t)n;
	}
}

int source_read(struct source *source, struct spool_record *record, char line[EVENT_JSON_MAX])
{
	for (;;) {
		int n = source->fd < 0 ? 0 : source_take(source, record, line);

		if (n < 0 && n != -EBADMSG)
			return n;
		if (n != 1) {
			/* not there yet, torn, or damaged: what comes after is in the next segment */
			if (!source_advance(source, record, line))
				return 0;
			continue;
		}
		source->offset += sizeof(*record) + record->len;
		if (record->sequence < source->position)
			continue;
		source->missed += record->sequence - source->position;
		source->position = record->sequence + 1;
		return 1;
	}
}
