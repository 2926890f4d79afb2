/* SPDX-License-Identifier: Apache-2.0 */
#include "logship/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/common.h"
#include "base/log.h"

#define SPOOL_MODE 0640
#define SPOOL_SCANNED_SEGMENTS 2 /* more than a round of the loop can have appended */

bool spool_find_ring(const struct spool *spool, uint64_t ring, uint64_t *sequence)
{
	for (unsigned int i = 0; i < spool->n_rings; i++) {
		if (spool->rings[i].ring != ring)
			continue;
		*sequence = spool->rings[i].sequence;
		return true;
	}
	return false;
}

static void spool_note_ring(struct spool *spool, const struct spool_record *record)
{
	for (unsigned int i = 0; i < spool->n_rings; i++) {
		if (spool->rings[i].ring != record->ring)
			continue;
		spool->rings[i].sequence = record->ring_sequence;
		return;
	}
	if (spool->n_rings < SPOOL_RINGS_MAX)
		spool->rings[spool->n_rings++] = (struct spool_ring){record->ring, record->ring_sequence};
}

/* reads a segment to its end; where that is, and the sequence after it */
static int spool_scan(struct spool *spool, int fd, uint64_t *end)
{
	_cleanup_free_ char *line = malloc(EVENT_JSON_MAX);
	struct spool_record record;

	if (!line)
		return -ENOMEM;
	*end = 0;
	while (spool_read_record(fd, *end, &record, line) == 1 && record.sequence == spool->next_sequence) {
		*end += sizeof(record) + record.len;
		spool->next_sequence++;
		spool_note_ring(spool, &record);
	}
	return 0;
}

static int spool_recover_segment(struct spool *spool, uint64_t first, bool last)
{
	_cleanup_close_ int fd = -1;
	char name[SPOOL_NAME_MAX];
	struct stat st;
	uint64_t end;
	int err;

	spool_segment_name(name, spool->boot, first);
	fd = openat(spool->dir_fd, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	spool->next_sequence = first;
	err = spool_scan(spool, fd, &end);
	if (err || !last)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > end) {
		log_warn("%s ends in %llu bytes of a torn record: cut off", name, (unsigned long long)st.st_size - end);
		if (ftruncate(fd, (off_t)end) < 0)
			return -errno;
	}
	spool->size = end;
	spool->fd = TAKE_FD(fd);
	return 0;
}

static int spool_recover(struct spool *spool)
{
	struct spool_list list;
	uint64_t firsts[SPOOL_SCANNED_SEGMENTS] = {0};
	int err = spool_list(spool->dir_fd, &list);

	for (size_t i = 0; i < list.n; i++) {
		if (list.names[i].kind != SPOOL_SEGMENT || list.names[i].boot != spool->boot)
			continue;
		memmove(firsts, firsts + 1, sizeof(firsts) - sizeof(firsts[0]));
		firsts[SPOOL_SCANNED_SEGMENTS - 1] = list.names[i].first;
	}
	spool_list_free(&list);
	for (size_t i = 0; i < SPOOL_SCANNED_SEGMENTS && !err; i++)
		if (firsts[i])
			err = spool_recover_segment(spool, firsts[i], i == SPOOL_SCANNED_SEGMENTS - 1);
	return err;
}

int spool_open(struct spool *spool, int dir_fd, uint64_t boot)
{
	char name[SPOOL_NAME_MAX];
	int err;

	*spool = (struct spool){.dir_fd = dir_fd,
		.lock_fd = -1,
		.fd = -1,
		.boot = boot,
		.next_sequence = 1,
		.segment_max = SPOOL_SEGMENT_MAX};
	spool_lock_name(name, boot);
	spool->lock_fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, SPOOL_MODE);
	if (spool->lock_fd < 0)
		return -errno;
	spool->buffer = malloc(SPOOL_BUFFER);
	if (!spool->buffer)
		err = -ENOMEM;
	else if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) < 0)
		err = -errno;
	else
		err = spool_recover(spool);
	if (err)
		spool_close(spool);
	return err;
}

void spool_close(struct spool *spool)
{
	if (spool->buffer && spool_flush(spool) < 0)
		log_err("%llu log records could not be spooled",
			(unsigned long long)(spool->next_sequence - spool->first_in_buffer));
	spool_sync(spool);
	cleanup_close(&spool->fd);
	cleanup_close(&spool->lock_fd);
	free(spool->buffer);
	spool->buffer = NULL;
}

void spool_add(struct spool *spool, struct spool_record record, const char *line, size_t len)
{
	record.magic = SPOOL_RECORD_MAGIC;
	record.len = (uint32_t)len;
	record.zero = 0;
	record.sequence = spool->next_sequence++;
	record.checksum = spool_checksum(&record, line);
	if (!spool->used)
		spool->first_in_buffer = record.sequence;
	memcpy(spool->buffer + spool->used, &record, sizeof(record));
	memcpy(spool->buffer + spool->used + sizeof(record), line, len);
	spool->used += sizeof(record) + len;
}

static int spool_begin_segment(struct spool *spool)
{
	char name[SPOOL_NAME_MAX];
	int fd;

	spool_segment_name(name, spool->boot, spool->first_in_buffer);
	fd = openat(spool->dir_fd, name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, SPOOL_MODE);
	if (fd < 0)
		return -errno;
	spool_sync(spool);
	cleanup_close(&spool->fd);
	spool->fd = fd;
	spool->size = 0;
	return 0;
}

/* all of the buffer, or nothing: a torn record in the middle would end the segment for its readers */
static int spool_write(struct spool *spool)
{
	size_t done = 0;

	while (done < spool->used) {
		ssize_t n = write(spool->fd, spool->buffer + done, spool->used - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			int err = n == 0 ? -ENOSPC : -errno;

			if (done && ftruncate(spool->fd, (off_t)spool->size) < 0)
				return log_err_r(-errno, "the spool's newest segment has a torn end");
			return err;
		}
	}
	return 0;
}

int spool_flush(struct spool *spool)
{
	int err = 0;

	if (!spool->used)
		return 0;
	if (spool->fd < 0 || (spool->size && spool->size + spool->used > spool->segment_max))
		err = spool_begin_segment(spool);
	if (!err)
		err = spool_write(spool);
	if (err) {
		if (!spool->failing)
			log_err_r(err, "cannot write to the spool, records wait in memory");
		spool->failing = true;
		return err;
	}
	spool->size += spool->used;
	spool->used = 0;
	spool->failing = false;
	spool->dirty = true;
	return 0;
}

void spool_sync(struct spool *spool)
{
	if (spool->dirty && fdatasync(spool->fd) < 0)
		log_err_r(-errno, "cannot sync the spool");
	spool->dirty = false;
}
