/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/common.h"
#include "logship/log_file.h"

struct place {
	char path[32];
	int dir;
	struct log_file file;
};

static int place_setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	snprintf(place->path, sizeof(place->path), "/tmp/sluice-test-XXXXXX");
	if (!mkdtemp(place->path))
		return -1;
	place->dir = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = place;
	return log_file_init(&place->file, place->dir, "system");
}

static int place_teardown(void **state)
{
	struct place *place = *state;
	char name[32];

	log_file_close(&place->file);
	for (int i = 0; i <= LOG_FILE_KEEP + 1; i++) {
		snprintf(name, sizeof(name), i ? "system.json.%d" : "system.json", i);
		unlinkat(place->dir, name, 0);
	}
	close(place->dir);
	assert_int_equal(rmdir(place->path), 0);
	free(place);
	return 0;
}

static size_t file_read(const struct place *place, const char *name, char *out, size_t size)
{
	int fd = openat(place->dir, name, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

	if (fd >= 0)
		close(fd);
	out[n] = 0;
	return n;
}

static void add(struct place *place, const char *line)
{
	assert_true(log_file_add(&place->file, line, strlen(line)));
}

static void test_lines_are_appended_in_one_write(void **state)
{
	struct place *place = *state;
	struct log_file_result result;
	char text[64];

	add(place, "one");
	add(place, "two");
	result = log_file_flush(&place->file);
	assert_int_equal(result.lines, 2);
	assert_int_equal(result.bytes, 8);
	assert_true(place->file.dirty);
	log_file_sync(&place->file);
	assert_false(place->file.dirty);
	assert_int_equal(log_file_flush(&place->file).lines, 0);
	file_read(place, "system.json", text, sizeof(text));
	assert_string_equal(text, "one\ntwo\n");
}

static void test_half_a_line_of_a_crash_is_ended(void **state)
{
	struct place *place = *state;
	int fd = openat(place->dir, "system.json", O_CREAT | O_WRONLY, 0600);
	char text[64];

	assert_int_equal(write(fd, "ok\nhal", 6), 6);
	close(fd);
	add(place, "new");
	log_file_flush(&place->file);
	file_read(place, "system.json", text, sizeof(text));
	assert_string_equal(text, "ok\nhal\nnew\n");
}

static void test_a_file_past_its_size_is_rotated(void **state)
{
	struct place *place = *state;
	char text[64], want[64], name[32];

	place->file.max_size = 10;
	for (int i = 0; i < 7; i++) {
		snprintf(text, sizeof(text), "line %d", i);
		add(place, text);
		assert_int_equal(log_file_flush(&place->file).lines, 1);
	}
	for (int i = 0; i <= LOG_FILE_KEEP; i++) {
		snprintf(name, sizeof(name), i ? "system.json.%d" : "system.json", i);
		snprintf(want, sizeof(want), "line %d\n", 6 - i);
		file_read(place, name, text, sizeof(text));
		assert_string_equal(text, want);
	}
	assert_int_equal(file_read(place, "system.json.5", text, sizeof(text)), 0);
}

static bool exists(const struct place *place, const char *name)
{
	return !faccessat(place->dir, name, F_OK, 0);
}

static void test_g8_what_is_too_old_goes(void **state)
{
	static const char line[] =
		"{\"timestamp\":\"2026-11-25T19:00:00.000000+0000\",\"log\":\"system\",\"device\":\"d\"}";
	const uint64_t written = 1795633200; /* the line's time */
	const struct timespec times[] = {{.tv_sec = (time_t)written}, {.tv_sec = (time_t)written}};
	struct place *place = *state;

	log_file_expire(&place->file, written + 10000, 1);
	assert_false(exists(place, "system.json"));
	add(place, line);
	log_file_flush(&place->file);
	log_file_close(&place->file);
	assert_int_equal(utimensat(place->dir, "system.json", times, 0), 0);
	assert_int_equal(log_file_init(&place->file, place->dir, "system"), 0);
	/* a fifth of the age: the file is put aside, so that it can grow old */
	log_file_expire(&place->file, written + 200, 1000);
	assert_true(exists(place, "system.json") && !exists(place, "system.json.1"));
	log_file_expire(&place->file, written + 201, 1000);
	assert_true(!exists(place, "system.json") && exists(place, "system.json.1"));
	log_file_expire(&place->file, written + 1000, 1000);
	assert_true(exists(place, "system.json.1"));
	log_file_expire(&place->file, written + 1001, 1000);
	assert_false(exists(place, "system.json.1"));
}

/* a file size limit stands for a full disk */
static void test_a_full_disk_drops_whole_lines_and_recovers(void **state)
{
	struct place *place = *state;
	struct rlimit saved, small;
	struct log_file_result result;
	char text[64];

	signal(SIGXFSZ, SIG_IGN);
	add(place, "first");
	log_file_flush(&place->file);
	getrlimit(RLIMIT_FSIZE, &saved);
	small = (struct rlimit){10, saved.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	add(place, "second");
	add(place, "third");
	result = log_file_flush(&place->file);
	setrlimit(RLIMIT_FSIZE, &saved);
	assert_int_equal(result.lines, 0);
	assert_int_equal(result.dropped, 2);
	add(place, "fourth");
	assert_int_equal(log_file_flush(&place->file).lines, 1);
	file_read(place, "system.json", text, sizeof(text));
	assert_string_equal(text, "first\nfourth\n");
}

static void test_a_link_in_the_directory_is_not_followed(void **state)
{
	struct place *place = *state;

	assert_int_equal(symlinkat("/dev/null", place->dir, "system.json"), 0);
	add(place, "x");
	assert_int_equal(log_file_flush(&place->file).dropped, 1);
}

static void test_the_buffer_has_an_end(void **state)
{
	struct place *place = *state;
	static char line[100000];
	int n = 0;

	memset(line, 'a', sizeof(line));
	while (log_file_add(&place->file, line, sizeof(line)))
		n++;
	assert_int_equal(n, LOG_FILE_BUFFER / (sizeof(line) + 1));
	assert_int_equal(log_file_flush(&place->file).lines, n);
	assert_true(log_file_add(&place->file, line, sizeof(line)));
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(test_lines_are_appended_in_one_write),
		PLACE_TEST(test_half_a_line_of_a_crash_is_ended),
		PLACE_TEST(test_a_file_past_its_size_is_rotated),
		PLACE_TEST(test_g8_what_is_too_old_goes),
		PLACE_TEST(test_a_full_disk_drops_whole_lines_and_recovers),
		PLACE_TEST(test_a_link_in_the_directory_is_not_followed),
		PLACE_TEST(test_the_buffer_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
