/* SPDX-License-Identifier: Apache-2.0 */
/* What the spool keeps: what some target has not certainly received, within bounds of size and age. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "logship/spool.h"

uint64_t spool_now_s(void)
{
	static uint64_t began_s, began_ns;
	uint64_t wall_s = clock_wall_us() / 1000000;

	if (!began_s) {
		began_s = wall_s;
		began_ns = clock_now_ns();
	}
	return MIN(wall_s, began_s + (clock_now_ns() - began_ns) / NSEC_PER_SEC);
}

struct keep {
	const struct spool *spool;
	const struct spool_bounds *bounds;
	struct spool_usage *usage;
	struct spool_list list;
	uint64_t now_s;
};

struct segment {
	const struct spool_name *name;
	uint64_t next; /* first sequence of the segment after it; 0: it is its boot's last */
	uint64_t size, written_s;
};

static bool keep_is_target(const struct keep *keep, const char *name)
{
	for (size_t i = 0; i < keep->bounds->n_targets; i++)
		if (!strcmp(keep->bounds->targets[i], name))
			return true;
	return false;
}

static struct spool_cursor keep_slowest(const struct keep *keep, uint64_t boot)
{
	struct spool_cursor slowest = {.sequence = UINT64_MAX, .done = 1};

	for (size_t i = 0; i < keep->bounds->n_targets; i++) {
		struct spool_cursor cursor = spool_read_cursor(keep->spool->dir_fd, boot, keep->bounds->targets[i]);

		slowest.sequence = MIN(slowest.sequence, cursor.sequence);
		slowest.done &= cursor.done;
	}
	return slowest;
}

static bool keep_received(const struct keep *keep, const struct segment *segment)
{
	struct spool_cursor slowest = keep_slowest(keep, segment->name->boot);

	return segment->next ? slowest.sequence >= segment->next
			     : slowest.done && !spool_boot_is_live(keep->spool->dir_fd, segment->name->boot);
}

/* the sequence after a segment's last record */
static uint64_t keep_segment_end(int fd, uint64_t first)
{
	_cleanup_free_ char *line = malloc(EVENT_JSON_MAX);
	struct spool_record record;
	uint64_t offset = 0;

	while (line && spool_read_record(fd, offset, &record, line) == 1 && record.sequence == first) {
		offset += sizeof(record) + record.len;
		first++;
	}
	return first;
}

static uint64_t keep_missed(const struct keep *keep, const struct segment *segment)
{
	uint64_t from = MAX(segment->name->first, keep_slowest(keep, segment->name->boot).sequence);
	uint64_t end = segment->next;

	if (!end) {
		char name[SPOOL_NAME_MAX];
		_cleanup_close_ int fd = -1;

		spool_segment_name(name, segment->name->boot, segment->name->first);
		fd = openat(keep->spool->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			end = keep_segment_end(fd, segment->name->first);
	}
	return end > from ? end - from : 0;
}

static void keep_remove(const struct keep *keep, const struct segment *segment)
{
	char name[SPOOL_NAME_MAX];

	spool_segment_name(name, segment->name->boot, segment->name->first);
	if (unlinkat(keep->spool->dir_fd, name, 0) < 0)
		log_err_r(-errno, "cannot remove %s", name);
}

/* false when the file is gone */
static bool keep_look(const struct keep *keep, size_t i, struct segment *segment)
{
	const struct spool_name *names = keep->list.names;
	_cleanup_close_ int fd = -1;
	char name[SPOOL_NAME_MAX];
	struct stat st;

	*segment = (struct segment){.name = &names[i]};
	for (size_t j = i + 1; j < keep->list.n && names[j].boot == names[i].boot && !segment->next; j++)
		if (names[j].kind == SPOOL_SEGMENT)
			segment->next = names[j].first;
	spool_segment_name(name, names[i].boot, names[i].first);
	fd = openat(keep->spool->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	segment->size = (uint64_t)st.st_size;
	segment->written_s = (uint64_t)st.st_mtim.tv_sec;
	return true;
}

static bool keep_in_use(const struct keep *keep, const struct segment *segment)
{
	return !segment->next && (segment->name->boot == keep->spool->boot ||
					 spool_boot_is_live(keep->spool->dir_fd, segment->name->boot));
}

/* removes it, or adds it to what is there */
static bool keep_judge_received(const struct keep *keep, const struct segment *segment)
{
	if (keep_in_use(keep, segment) || !keep_received(keep, segment))
		return false;
	keep_remove(keep, segment);
	return true;
}

static bool keep_judge_bounds(const struct keep *keep, const struct segment *segment, uint64_t bytes)
{
	bool old = segment->written_s + keep->bounds->max_age_s < keep->now_s;

	if (keep_in_use(keep, segment) || (!old && bytes <= keep->bounds->max_bytes))
		return false;
	keep->usage->dropped += keep_missed(keep, segment);
	keep_remove(keep, segment);
	return true;
}

static void keep_segments(const struct keep *keep, bool bounds)
{
	uint64_t bytes = keep->usage->bytes;

	keep->usage->bytes = keep->usage->oldest_s = 0;
	for (size_t i = 0; i < keep->list.n; i++) {
		struct segment segment;

		if (keep->list.names[i].kind != SPOOL_SEGMENT || !keep_look(keep, i, &segment))
			continue;
		if (bounds ? keep_judge_bounds(keep, &segment, bytes) : keep_judge_received(keep, &segment)) {
			bytes -= MIN(bytes, segment.size);
			continue;
		}
		keep->usage->bytes += segment.size;
		if (!keep->usage->oldest_s)
			keep->usage->oldest_s = segment.written_s;
	}
}

static bool keep_has_segments(const struct keep *keep, uint64_t boot)
{
	struct segment segment;

	for (size_t i = 0; i < keep->list.n; i++)
		if (keep->list.names[i].boot == boot && keep->list.names[i].kind == SPOOL_SEGMENT &&
			keep_look(keep, i, &segment))
			return true;
	return false;
}

/* cursors of targets that are no longer configured, and what is left of boots without segments */
static void keep_sweep(const struct keep *keep)
{
	for (size_t i = 0; i < keep->list.n; i++) {
		const struct spool_name *name = &keep->list.names[i];
		bool over = name->boot != keep->spool->boot && !keep_has_segments(keep, name->boot) &&
			    !spool_boot_is_live(keep->spool->dir_fd, name->boot);
		char text[SPOOL_NAME_MAX];

		if (name->kind == SPOOL_CURSOR && (over || !keep_is_target(keep, name->target)))
			spool_cursor_name(text, name->boot, name->target);
		else if (name->kind == SPOOL_LOCK && over)
			spool_lock_name(text, name->boot);
		else
			continue;
		unlinkat(keep->spool->dir_fd, text, 0);
	}
}

int spool_keep(const struct spool *spool, const struct spool_bounds *bounds, struct spool_usage *usage)
{
	struct keep keep = {.spool = spool, .bounds = bounds, .usage = usage, .now_s = spool_now_s()};
	int err = spool_list(spool->dir_fd, &keep.list);

	*usage = (struct spool_usage){0};
	if (err)
		return err;
	keep_segments(&keep, false);
	keep_segments(&keep, true);
	keep_sweep(&keep);
	spool_list_free(&keep.list);
	return 0;
}
