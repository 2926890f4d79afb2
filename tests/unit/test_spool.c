/* SPDX-License-Identifier: Apache-2.0 */
/* The spool (G6): what is appended is read back, a torn end is cut off, bounds and cursors decide what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logship/spool.h"

#define BOOT 7

struct bench {
	char path[32];
	int dir;
	struct spool spool;
	struct spool_bounds bounds;
};

static int bench_setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	snprintf(bench->path, sizeof(bench->path), "/tmp/sluice-test-XXXXXX");
	if (!mkdtemp(bench->path))
		return -1;
	bench->dir = open(bench->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(spool_open(&bench->spool, bench->dir, BOOT), 0);
	bench->spool.segment_max = 4096;
	bench->bounds =
		(struct spool_bounds){.n_targets = 1, .targets = {"siem"}, .max_bytes = 1 << 20, .max_age_s = 3600};
	*state = bench;
	return 0;
}

static int bench_teardown(void **state)
{
	struct bench *bench = *state;
	DIR *dir = fdopendir(dup(bench->dir));
	struct dirent *entry;

	spool_close(&bench->spool);
	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(bench->dir, entry->d_name, 0);
	closedir(dir);
	close(bench->dir);
	assert_int_equal(rmdir(bench->path), 0);
	free(bench);
	return 0;
}

static void add(struct bench *bench, unsigned int n)
{
	char line[200];

	memset(line, 'x', sizeof(line));
	for (unsigned int i = 0; i < n; i++) {
		spool_add(&bench->spool,
			(struct spool_record){.ring = 5, .ring_sequence = bench->spool.next_sequence + 100}, line,
			sizeof(line));
		assert_int_equal(spool_flush(&bench->spool), 0);
	}
}

static unsigned int segments(struct bench *bench, uint64_t *oldest)
{
	struct spool_list list;
	unsigned int n = 0;

	assert_int_equal(spool_list(bench->dir, &list), 0);
	for (size_t i = 0; i < list.n; i++)
		if (list.names[i].kind == SPOOL_SEGMENT && !n++)
			*oldest = list.names[i].first;
	spool_list_free(&list);
	return n;
}

static void set_cursor(struct bench *bench, const char *target, uint64_t sequence)
{
	struct spool_cursor cursor = {.sequence = sequence};
	char name[SPOOL_NAME_MAX];
	int fd;

	cursor.checksum = spool_cursor_checksum(&cursor);
	spool_cursor_name(name, BOOT, target);
	fd = openat(bench->dir, name, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, &cursor, sizeof(cursor)), sizeof(cursor));
	close(fd);
}

static void test_g6_torn_end_is_cut_off_and_the_sequence_goes_on(void **state)
{
	struct bench *bench = *state;
	uint64_t oldest, ring;
	char name[SPOOL_NAME_MAX];
	struct stat before, after;
	int fd;

	add(bench, 5);
	spool_close(&bench->spool);
	assert_int_equal(segments(bench, &oldest), 1);
	spool_segment_name(name, BOOT, 1);
	fd = openat(bench->dir, name, O_RDWR | O_APPEND);
	fstat(fd, &before);
	assert_int_equal(write(fd, "01lS torn record", 16), 16);
	assert_int_equal(spool_open(&bench->spool, bench->dir, BOOT), 0);
	fstat(fd, &after);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(bench->spool.next_sequence, 6);
	assert_true(spool_find_ring(&bench->spool, 5, &ring));
	assert_int_equal(ring, 105);
	close(fd);
}

static void test_g6_damaged_byte_is_no_record(void **state)
{
	struct bench *bench = *state;
	static char line[EVENT_JSON_MAX];
	struct spool_record record;
	char name[SPOOL_NAME_MAX];
	int fd;

	add(bench, 2);
	spool_segment_name(name, BOOT, 1);
	fd = openat(bench->dir, name, O_RDWR);
	assert_int_equal(spool_read_record(fd, 0, &record, line), 1);
	assert_int_equal(strlen(line), 200);
	assert_int_equal(record.sequence, 1);
	for (size_t at = 0; at < sizeof(record) + 200; at += 13) {
		char byte, wrong;

		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		wrong = byte ^ 4;
		assert_int_equal(pwrite(fd, &wrong, 1, (off_t)at), 1);
		assert_int_not_equal(spool_read_record(fd, 0, &record, line), 1);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	}
	close(fd);
}

static void test_g6_a_segment_goes_when_the_slowest_target_has_it(void **state)
{
	struct bench *bench = *state;
	struct spool_usage usage;
	uint64_t oldest = 0;
	unsigned int n;

	add(bench, 100);
	n = segments(bench, &oldest);
	assert_true(n > 5);
	assert_int_equal(spool_keep(&bench->spool, &bench->bounds, &usage), 0);
	assert_int_equal(segments(bench, &oldest), n); /* nothing is received yet */
	set_cursor(bench, "siem", 101);
	snprintf(bench->bounds.targets[bench->bounds.n_targets++], 64, "slow");
	set_cursor(bench, "slow", 50);
	assert_int_equal(spool_keep(&bench->spool, &bench->bounds, &usage), 0);
	segments(bench, &oldest);
	assert_true(oldest > 30 && oldest <= 50);
	set_cursor(bench, "slow", 101);
	assert_int_equal(spool_keep(&bench->spool, &bench->bounds, &usage), 0);
	assert_int_equal(segments(bench, &oldest), 1);
	assert_int_equal(usage.dropped, 0);
}

static void test_g6_beyond_its_size_the_oldest_goes_and_is_counted(void **state)
{
	struct bench *bench = *state;
	struct spool_usage usage;
	uint64_t oldest = 0;

	add(bench, 100);
	set_cursor(bench, "siem", 11);
	bench->bounds.max_bytes = 10000;
	assert_int_equal(spool_keep(&bench->spool, &bench->bounds, &usage), 0);
	segments(bench, &oldest);
	assert_true(oldest > 40);
	assert_int_equal(usage.dropped, oldest - 11);
	assert_true(usage.bytes <= 10000);
}

static void test_g6_beyond_its_age_all_but_the_newest_goes(void **state)
{
	struct bench *bench = *state;
	struct spool_usage usage;
	uint64_t oldest = 0;
	struct spool_list list;

	add(bench, 100);
	assert_int_equal(spool_list(bench->dir, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		char name[SPOOL_NAME_MAX];

		spool_segment_name(name, BOOT, list.names[i].first);
		if (list.names[i].kind == SPOOL_SEGMENT)
			utimensat(bench->dir, name, (struct timespec[2]){{.tv_sec = 1000}, {.tv_sec = 1000}}, 0);
	}
	spool_list_free(&list);
	assert_int_equal(spool_keep(&bench->spool, &bench->bounds, &usage), 0);
	assert_int_equal(segments(bench, &oldest), 1);
	assert_int_equal(usage.dropped, oldest - 1);
}

static void test_g6_a_boot_that_ended_goes_when_it_is_received_whole(void **state)
{
	struct bench *bench = *state;
	struct spool later;
	struct spool_usage usage;
	struct spool_cursor done = {.sequence = 11, .done = 1};
	char name[SPOOL_NAME_MAX];
	uint64_t oldest;
	int fd;

	add(bench, 10);
	assert_int_equal(spool_open(&later, bench->dir, BOOT + 1), 0);
	set_cursor(bench, "siem", 11);
	assert_int_equal(spool_keep(&later, &bench->bounds, &usage), 0);
	assert_int_equal(segments(bench, &oldest), 1); /* its writer lives */
	assert_true(spool_boot_is_live(bench->dir, BOOT));
	spool_close(&bench->spool);
	assert_false(spool_boot_is_live(bench->dir, BOOT));
	assert_int_equal(spool_keep(&later, &bench->bounds, &usage), 0);
	assert_int_equal(segments(bench, &oldest), 1); /* the target has not said that there is no more */
	done.checksum = spool_cursor_checksum(&done);
	spool_cursor_name(name, BOOT, "siem");
	fd = openat(bench->dir, name, O_WRONLY);
	assert_int_equal(write(fd, &done, sizeof(done)), sizeof(done));
	close(fd);
	assert_int_equal(spool_keep(&later, &bench->bounds, &usage), 0);
	assert_int_equal(segments(bench, &oldest), 0);
	assert_int_equal(usage.dropped, 0);
	assert_int_not_equal(faccessat(bench->dir, name, F_OK, 0), 0);
	spool_close(&later);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define SPOOL_TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)
		SPOOL_TEST(test_g6_torn_end_is_cut_off_and_the_sequence_goes_on),
		SPOOL_TEST(test_g6_damaged_byte_is_no_record),
		SPOOL_TEST(test_g6_a_segment_goes_when_the_slowest_target_has_it),
		SPOOL_TEST(test_g6_beyond_its_size_the_oldest_goes_and_is_counted),
		SPOOL_TEST(test_g6_beyond_its_age_all_but_the_newest_goes),
		SPOOL_TEST(test_g6_a_boot_that_ended_goes_when_it_is_received_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
