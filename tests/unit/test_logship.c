/* SPDX-License-Identifier: Apache-2.0 */
/* The real program over real rings. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/common.h"
#include "events/event.h"
#include "ipc/message.h"
#include "program_fixture.h"
#include "stats/stats.h"

#define WAIT_MS 20000

struct ship {
	pid_t pid;
	int control, dir;
	char path[32];
	struct stats_page *stats;
};

static int ship_setup(void **state)
{
	struct ship *ship = calloc(1, sizeof(*ship));

	snprintf(ship->path, sizeof(ship->path), "/tmp/sluice-test-XXXXXX");
	if (!mkdtemp(ship->path))
		return -1;
	ship->dir = open(ship->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(stats_page_create(&ship->stats), 0);
	ship->pid = start_program(SLUICE_LOG, NULL, &ship->control);
	send_message(ship->control, json_pack("{s:s, s:s, s:i}", "message", "start", "device", "dev", "boot", 77),
		(int[]){ship->dir, stats_page_fd(ship->stats)}, 2);
	*state = ship;
	return 0;
}

static void remove_spool(int dir)
{
	int spool = openat(dir, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = spool < 0 ? NULL : fdopendir(spool);
	struct dirent *entry;

	if (!stream)
		return;
	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			unlinkat(spool, entry->d_name, 0);
	closedir(stream);
	assert_int_equal(unlinkat(dir, "spool", AT_REMOVEDIR), 0);
}

static int ship_teardown(void **state)
{
	struct ship *ship = *state;
	char name[64];

	if (ship->pid > 0) {
		kill(ship->pid, SIGKILL);
		waitpid(ship->pid, NULL, 0);
	}
	for (int i = 0; i < EVENT_LOG_N; i++) {
		snprintf(name, sizeof(name), "%s.json", event_log_name(i));
		unlinkat(ship->dir, name, 0);
	}
	remove_spool(ship->dir);
	assert_int_equal(rmdir(ship->path), 0);
	cleanup_close(&ship->control);
	close(ship->dir);
	stats_page_free(&ship->stats);
	free(ship);
	return 0;
}

static int ship_end(struct ship *ship)
{
	int status;

	assert_int_equal(waitpid(ship->pid, &status, 0), ship->pid);
	ship->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static struct event_ring *ring_open(struct ship *ship, int producer, const char *name)
{
	struct event_ring *ring = NULL;

	assert_int_equal(event_ring_create(&ring), 0);
	send_message(ship->control, json_pack("{s:s, s:i, s:s}", "message", "ring", "producer", producer, "name", name),
		(int[]){event_ring_memfd(ring), event_ring_eventfd(ring)}, 2);
	return ring;
}

static int write_record(struct event_ring *ring, enum event_log log, uint64_t id)
{
	struct event event;

	event_begin(&event, log);
	event_u64(&event, EVENT_SESSION_ID, id);
	event_str(&event, EVENT_DETAIL, "line\nbreak");
	return event_commit(ring, &event, 77); /* a false name: the reader knows better */
}

/* the lines of a log as a JSON array */
static json_t *log_lines(struct ship *ship, enum event_log log)
{
	json_t *lines = json_array();
	char name[64], line[8192];
	FILE *file;
	int fd;

	snprintf(name, sizeof(name), "%s.json", event_log_name(log));
	fd = openat(ship->dir, name, O_RDONLY);
	if (fd < 0)
		return lines;
	file = fdopen(fd, "r");
	while (fgets(line, sizeof(line), file)) {
		json_t *json;

		if (line[strlen(line) - 1] != '\n') /* it is being written */
			break;
		json = json_loads(line, 0, NULL);
		assert_non_null(json);
		json_array_append_new(lines, json);
	}
	fclose(file);
	return lines;
}

/* waits until the log has n lines */
static json_t *log_wait(struct ship *ship, enum event_log log, size_t n)
{
	uint64_t end = clock_now_ns() + WAIT_MS * NSEC_PER_MSEC;

	for (;;) {
		json_t *lines = log_lines(ship, log);

		if (json_array_size(lines) >= n || clock_now_ns() > end)
			return lines;
		json_decref(lines);
		poll(NULL, 0, 10);
	}
}

static int64_t number_of(const json_t *lines, size_t i, const char *key)
{
	return json_integer_value(json_object_get(json_array_get(lines, i), key));
}

static const char *text_of(const json_t *lines, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(lines, i), key));
}

static void test_g1_records_reach_their_logs_in_order(void **state)
{
	struct ship *ship = *state;
	struct event_ring *ring = ring_open(ship, 0, "sluice-proxy[0]");
	json_t *block, *alert;

	for (int i = 0; i < 1000; i++)
		assert_int_equal(write_record(ring, i % 10 ? EVENT_LOG_BLOCK : EVENT_LOG_ALERT, i), 0);
	event_ring_flush(ring);
	block = log_wait(ship, EVENT_LOG_BLOCK, 900);
	alert = log_wait(ship, EVENT_LOG_ALERT, 100);
	assert_int_equal(json_array_size(block), 900);
	assert_int_equal(json_array_size(alert), 100);
	assert_int_equal(number_of(block, 0, "producer_sequence"), 1);
	assert_int_equal(number_of(block, 899, "producer_sequence"), 999);
	assert_int_equal(number_of(block, 0, "producer"), 0);
	assert_string_equal(text_of(block, 0, "device"), "dev");
	assert_string_equal(text_of(block, 0, "log"), "block");
	assert_string_equal(text_of(block, 0, "detail"), "line\nbreak");
	assert_int_equal(stats_sum(ship->stats, COUNTER_LOG_RECORDS), 1000);
	assert_true(stats_sum(ship->stats, COUNTER_LOG_BYTES) > 100000);
	json_decref(block);
	json_decref(alert);
	event_ring_free(&ring);
}

static void test_g6_stop_drains_every_ring(void **state)
{
	struct ship *ship = *state;

	for (int round = 0; round < 2; round++) {
		struct event_ring *a = ring_open(ship, 0, "sluice-proxy[0]"),
				  *b = ring_open(ship, 1, "sluice-proxy[1]");
		json_t *lines;

		for (int i = 0; i < 3000; i++) { /* without the doorbell */
			assert_int_equal(write_record(a, EVENT_LOG_ALERT, i), 0);
			assert_int_equal(write_record(b, EVENT_LOG_ALERT, i), 0);
		}
		send_message(ship->control, json_pack("{s:s}", "message", "stop"), NULL, 0);
		assert_int_equal(ship_end(ship), 0);
		lines = log_lines(ship, EVENT_LOG_ALERT);
		assert_int_equal(json_array_size(lines), 6000 * (round + 1));
		json_decref(lines);
		event_ring_free(&a);
		event_ring_free(&b);
		cleanup_close(&ship->control);
		if (!round) {
			ship->pid = start_program(SLUICE_LOG, NULL, &ship->control);
			send_message(ship->control,
				json_pack("{s:s, s:s, s:i}", "message", "start", "device", "dev", "boot", 77),
				(int[]){ship->dir, stats_page_fd(ship->stats)}, 2);
		}
	}
}

static void test_sigterm_alone_ends_it(void **state)
{
	struct ship *ship = *state;
	struct event_ring *ring = ring_open(ship, 0, "sluice-proxy[0]");
	json_t *lines;

	write_record(ring, EVENT_LOG_ALERT, 1);
	event_ring_flush(ring);
	json_decref(log_wait(ship, EVENT_LOG_ALERT, 1));
	write_record(ring, EVENT_LOG_ALERT, 2);
	kill(ship->pid, SIGTERM);
	assert_int_equal(ship_end(ship), 0);
	lines = log_lines(ship, EVENT_LOG_ALERT);
	assert_int_equal(json_array_size(lines), 2);
	json_decref(lines);
	event_ring_free(&ring);
}

static void test_unring_drains_first(void **state)
{
	struct ship *ship = *state;
	struct event_ring *ring = ring_open(ship, 4, "sluice-proxy[4]");
	json_t *lines;

	for (int i = 0; i < 3000; i++)
		assert_int_equal(write_record(ring, EVENT_LOG_SSL_INSPECTION, i), 0);
	send_message(ship->control, json_pack("{s:s, s:i}", "message", "unring", "producer", 4), NULL, 0);
	lines = log_wait(ship, EVENT_LOG_SSL_INSPECTION, 3000);
	assert_int_equal(json_array_size(lines), 3000);
	json_decref(lines);
	event_ring_free(&ring);
}

static void test_a_gap_is_said_in_the_system_log(void **state)
{
	struct ship *ship = *state;
	struct event_ring *ring = NULL;
	int lost = 0;
	json_t *lines;

	/* full before anyone reads */
	assert_int_equal(event_ring_create(&ring), 0);
	while (!write_record(ring, EVENT_LOG_ALERT, 1))
		;
	for (int i = 0; i < 41; i++)
		lost += write_record(ring, EVENT_LOG_ALERT, 1) != 0;
	assert_int_equal(lost, 41);
	send_message(ship->control,
		json_pack("{s:s, s:i, s:s}", "message", "ring", "producer", 1, "name", "sluice-proxy[1]"),
		(int[]){event_ring_memfd(ring), event_ring_eventfd(ring)}, 2);
	while (write_record(ring, EVENT_LOG_ALERT, 2)) {
		lost++;
		poll(NULL, 0, 1);
	}
	event_ring_flush(ring);
	lines = log_wait(ship, EVENT_LOG_SYSTEM, 1);
	assert_int_equal(json_array_size(lines), 1);
	assert_string_equal(text_of(lines, 0, "component"), "sluice-log");
	assert_int_equal(atoi(text_of(lines, 0, "message")), lost + 1);
	assert_non_null(strstr(text_of(lines, 0, "message"), "sluice-proxy[1] were lost"));
	json_decref(lines);
	event_ring_free(&ring);
}

static void test_i4_only_the_supervisor_writes_the_audit_log(void **state)
{
	struct ship *ship = *state;
	struct event_ring *worker = ring_open(ship, 0, "sluice-proxy[0]"), *supervisor = ring_open(ship, 40, "sluiced");
	json_t *lines;

	write_record(worker, EVENT_LOG_AUDIT, 1);
	event_ring_flush(worker);
	write_record(supervisor, EVENT_LOG_AUDIT, 2);
	event_ring_flush(supervisor);
	lines = log_wait(ship, EVENT_LOG_SYSTEM, 1);
	assert_non_null(strstr(text_of(lines, 0, "message"), "not its to write"));
	json_decref(lines);
	lines = log_wait(ship, EVENT_LOG_AUDIT, 1);
	assert_int_equal(json_array_size(lines), 1);
	assert_int_equal(number_of(lines, 0, "producer"), 40);
	assert_int_equal(stats_sum(ship->stats, COUNTER_LOG_DROPPED), 1);
	json_decref(lines);
	event_ring_free(&worker);
	event_ring_free(&supervisor);
}

static void test_a_hostile_ring_harms_only_itself(void **state)
{
	struct ship *ship = *state;
	struct event_ring *bad = ring_open(ship, 0, "sluice-proxy[0]"), *good = ring_open(ship, 1, "sluice-proxy[1]");
	uint8_t *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, event_ring_memfd(bad), 0);
	json_t *lines;

	assert_ptr_not_equal(shared, MAP_FAILED);
	fcntl(event_ring_eventfd(bad), F_SETFL, 0);
	for (int i = 0; i < 20; i++) {
		write_record(bad, EVENT_LOG_ALERT, 0);
		memset(shared + 4096, 0xff, 4096);
		*(uint64_t *)(shared + 64) += 12345;
		event_ring_flush(bad);
		write_record(good, EVENT_LOG_BLOCK, i);
		event_ring_flush(good);
	}
	lines = log_wait(ship, EVENT_LOG_BLOCK, 20);
	assert_int_equal(json_array_size(lines), 20);
	json_decref(lines);
	lines = log_wait(ship, EVENT_LOG_SYSTEM, 1);
	assert_non_null(strstr(text_of(lines, 0, "message"), "malformed"));
	json_decref(lines);
	munmap(shared, 8192);
	event_ring_free(&bad);
	event_ring_free(&good);
}

static void test_headless_it_goes_on(void **state)
{
	struct ship *ship = *state;
	struct event_ring *ring = ring_open(ship, 0, "sluice-proxy[0]");
	json_t *lines;

	cleanup_close(&ship->control);
	poll(NULL, 0, 50);
	write_record(ring, EVENT_LOG_ALERT, 1);
	event_ring_flush(ring);
	lines = log_wait(ship, EVENT_LOG_ALERT, 1);
	assert_int_equal(json_array_size(lines), 1);
	json_decref(lines);
	event_ring_free(&ring);
}

#define SHIP_TEST(f) cmocka_unit_test_setup_teardown(f, ship_setup, ship_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHIP_TEST(test_g1_records_reach_their_logs_in_order),
		SHIP_TEST(test_g6_stop_drains_every_ring),
		SHIP_TEST(test_sigterm_alone_ends_it),
		SHIP_TEST(test_unring_drains_first),
		SHIP_TEST(test_a_gap_is_said_in_the_system_log),
		SHIP_TEST(test_i4_only_the_supervisor_writes_the_audit_log),
		SHIP_TEST(test_a_hostile_ring_harms_only_itself),
		SHIP_TEST(test_headless_it_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
