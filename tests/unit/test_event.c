/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "events/event.h"
#include "events/event_document.h"

/* offsets of the shared header, which a hostile producer can write */
#define SHARED_HEAD 64
#define SHARED_DATA 4096

static uint8_t record[EVENT_MAX];
static char line[EVENT_JSON_MAX];

static int ring_setup(void **state)
{
	struct event_ring *ring = NULL;
	int err = event_ring_create(&ring);

	*state = ring;
	return err;
}

static int ring_teardown(void **state)
{
	struct event_ring *ring = *state;

	event_ring_free(&ring);
	return 0;
}

static void fill_event(struct event *event)
{
	event_begin(event, EVENT_LOG_SSL_INSPECTION);
	event_u64(event, EVENT_SESSION_ID, 0x1a2b);
	event_str(event, EVENT_SSL_SERVER, "web");
	event_str(event, EVENT_SSL_POLICY, NULL);
	event_ip4(event, EVENT_CLIENT_IP, (struct in_addr){htonl(0x0a090063)});
	event_u64(event, EVENT_CLIENT_PORT, 40000);
	event_mac(event, EVENT_CLIENT_MAC, (const uint8_t[]){2, 0, 0, 0xa, 0xbc, 0xff});
	event_u64(event, EVENT_CLIENT_RESUMED, true);
	event_u64(event, EVENT_SERVER_RESUMED, false);
	event_u64(event, EVENT_STARTED, 1795435200123456);
	event_u64(event, EVENT_BYTES_TO_SERVER, UINT64_MAX);
}

static void test_a_record_crosses_the_ring_and_reads_as_eve(void **state)
{
	struct event_ring *ring = *state;
	struct event event;
	json_t *json;
	int len;

	fill_event(&event);
	((struct event_header *)event.bytes)->time_us = 951782400000001;
	assert_int_equal(event_commit(ring, &event, 3), 0);
	assert_int_equal(event_ring_read(ring, record, sizeof(record)), 1);
	assert_int_equal(event_ring_read(ring, record, sizeof(record)), 0);
	len = event_encode_json(record, &(struct event_origin){"sluice-1", 0, 0}, line, sizeof(line));
	assert_int_equal(len, strlen(line));
	assert_string_equal(line,
		"{\"timestamp\":\"2000-02-29T00:00:00.000001+0000\",\"log\":\"ssl_inspection\",\"device\":\"sluice-1\","
		"\"producer\":3,\"sequence\":0,\"session_id\":\"0000000000001a2b\",\"ssl_server\":\"web\","
		"\"src_ip\":\"10.9.0.99\",\"src_port\":40000,\"src_mac\":\"02:00:00:0a:bc:ff\","
		"\"client_tls_resumed\":true,\"server_tls_resumed\":false,\"started\":\"2026-11-23T12:00:00.123456+"
		"0000\","
		"\"bytes_toserver\":18446744073709551615}");
	event_begin(&event, EVENT_LOG_SYSTEM);
	event_str(&event, EVENT_MESSAGE, "a");
	event_commit(ring, &event, 0);
	event_ring_read(ring, record, sizeof(record));
	event_encode_json(record, &(struct event_origin){"d", 0, 0}, line, sizeof(line));
	json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "sequence")), 1);
	json_decref(json);
}

static void test_g6_a_record_stays_in_the_ring_until_it_is_released(void **state)
{
	struct event_ring *ring, *first, *second;
	struct event event;

	assert_int_equal(event_ring_create(&ring), 0);
	for (unsigned int i = 0; i < 3; i++) {
		event_begin(&event, EVENT_LOG_SYSTEM);
		assert_int_equal(event_commit(ring, &event, 0), 0);
	}
	assert_int_equal(event_ring_map(&first, event_ring_memfd(ring), event_ring_eventfd(ring)), 0);
	assert_int_equal(event_ring_peek(first, record, sizeof(record)), 1);
	event_ring_release(first);
	assert_int_equal(event_ring_peek(first, record, sizeof(record)), 1);
	assert_int_equal(event_ring_peek(first, record, sizeof(record)), 1);
	assert_int_equal(event_ring_peek(first, record, sizeof(record)), 0);
	event_ring_free(&first); /* killed before it came to release them */
	assert_int_equal(event_ring_map(&second, event_ring_memfd(ring), event_ring_eventfd(ring)), 0);
	assert_int_equal(event_ring_id(second), event_ring_id(ring));
	assert_int_equal(event_ring_peek(second, record, sizeof(record)), 1);
	assert_int_equal(((struct event_header *)record)->sequence, 1);
	event_ring_free(&second);
	event_ring_free(&ring);
}

static const char *encode_text(struct span text)
{
	struct event event;
	static char value[EVENT_JSON_MAX];
	const char *at;

	event_begin(&event, EVENT_LOG_SYSTEM);
	event_bytes(&event, EVENT_MESSAGE, text);
	((struct event_header *)event.bytes)->len = event.used;
	assert_int_equal(event_check(event.bytes, event.used), 0);
	assert_true(event_encode_json(event.bytes, &(struct event_origin){"d", 0, 0}, line, sizeof(line)) > 0);
	at = strstr(line, "\"message\":") + strlen("\"message\":");
	snprintf(value, sizeof(value), "%.*s", (int)strlen(at) - 1, at);
	return value;
}

#define TEXT(literal) SPAN(literal, sizeof(literal) - 1)

static void test_g5_text_from_the_wire_forges_nothing(void **state)
{
	static const struct {
		struct span in;
		const char *out;
	} cases[] = {
		{TEXT("plain /~"), "\"plain /~\""},
		{TEXT("a\",\"log\":\"b"), "\"a\\\",\\\"log\\\":\\\"b\""},
		{TEXT("\\\n\r\t\x7f\x1b\0x"), "\"\\\\\\u000a\\u000d\\u0009\\u007f\\u001b\\u0000x\""},
		{TEXT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91"), "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91\""},
		{TEXT("\xe9 \xc3"), "\"\\u00e9 \\u00c3\""},
		{TEXT("\xc0\xaf\xed\xa0\x80"), "\"\\u00c0\\u00af\\u00ed\\u00a0\\u0080\""},
		{TEXT("\xf4\x90\x80\x80\xff"), "\"\\u00f4\\u0090\\u0080\\u0080\\u00ff\""},
		{TEXT("\xc2\x9b"), "\"\\u00c2\\u009b\""},
		{TEXT("\xe2\x80\xa8\xe2\x80\xae"), "\"\\u00e2\\u0080\\u00a8\\u00e2\\u0080\\u00ae\""},
		{TEXT("\xe2\x80\xa7"), "\"\xe2\x80\xa7\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *json;

		assert_string_equal(encode_text(cases[i].in), cases[i].out);
		json = json_loads(line, JSON_ALLOW_NUL, NULL);
		assert_non_null(json);
		json_decref(json);
	}
	(void)state;
}

static void test_long_text_is_cut_and_late_fields_are_left_out(void **state)
{
	static uint8_t text[EVENT_STR_MAX * 2];
	struct event event;
	int len;

	memset(text, 0xff, sizeof(text));
	event_begin(&event, EVENT_LOG_ALERT);
	for (unsigned int f = 0; f < EVENT_FIELD_N; f++)
		if (event_field_info[f].type == EVENT_TYPE_STR)
			event_bytes(&event, f, SPAN(text, sizeof(text)));
	event_u64(&event, EVENT_FILTER_ID, 1);
	assert_true(event.used <= EVENT_MAX && event.used > EVENT_MAX - EVENT_STR_MAX - 8);
	assert_int_equal(event_commit(*state, &event, 0), 0);
	assert_int_equal(event_ring_read(*state, record, sizeof(record)), 1);
	len = event_encode_json(record, &(struct event_origin){"d", 0, 0}, line, sizeof(line));
	assert_true(len > 6 * EVENT_STR_MAX);
	assert_int_equal(event_encode_json(record, &(struct event_origin){"d", 0, 0}, line, len), -ENOBUFS);
	assert_int_equal(event_encode_json(record, &(struct event_origin){"d", 0, 0}, line, len + 1), len);
	assert_non_null(strstr(line, "\"signature_id\":1,\"ssl_inspect\":false}"));
}

/* the record's line, with whether the field ssl_inspect is there and what it says: -1 absent */
static int ssl_inspect_of(enum event_log log, const char *kind, int set)
{
	struct event event;

	event_begin(&event, log);
	event_str(&event, EVENT_REPUTATION_KIND, kind);
	if (set >= 0)
		event_u64(&event, EVENT_SSL_INSPECT, (uint64_t)set);
	((struct event_header *)event.bytes)->len = event.used;
	assert_true(event_encode_json(event.bytes, &(struct event_origin){"d", 0, 0}, line, sizeof(line)) > 0);
	return strstr(line, "\"ssl_inspect\":true") ? 1 : strstr(line, "\"ssl_inspect\":false") ? 0 : -1;
}

static void test_g1_the_field_ssl_inspect_is_exactly_where_it_belongs(void **state)
{
	static const struct {
		enum event_log log;
		const char *kind;
		bool has;
	} cases[] = {
		{EVENT_LOG_SYSTEM, NULL, false},
		{EVENT_LOG_AUDIT, NULL, false},
		{EVENT_LOG_SSL_INSPECTION, NULL, false},
		{EVENT_LOG_BLOCK, NULL, true},
		{EVENT_LOG_ALERT, NULL, true},
		{EVENT_LOG_QUARANTINE, NULL, true},
		{EVENT_LOG_REPUTATION_BLOCK, "ip", false},
		{EVENT_LOG_REPUTATION_BLOCK, "dns", false},
		{EVENT_LOG_REPUTATION_BLOCK, "url", true},
		{EVENT_LOG_REPUTATION_BLOCK, NULL, false},
		{EVENT_LOG_REPUTATION_ALERT, "ip", false},
		{EVENT_LOG_REPUTATION_ALERT, "dns", false},
		{EVENT_LOG_REPUTATION_ALERT, "url", true},
	};

	/* whatever the producer said: nothing, no, yes */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int set = -1; set <= 1; set++)
			assert_int_equal(ssl_inspect_of(cases[i].log, cases[i].kind, set), cases[i].has ? set > 0 : -1);
	(void)state;
}

/* names that other products read must be ones they accept, and each field's its own */
static void test_the_table_of_fields_is_sound(void **state)
{
	char name[EVENT_NAME_MAX], other[EVENT_NAME_MAX];

	for (enum event_field a = 0; a < EVENT_FIELD_N; a++) {
		const struct event_field_info *info = &event_field_info[a];

		assert_int_equal(event_field_find(SPAN(info->name, strlen(info->name))), a);
		assert_in_range(strspn(info->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(info->name), 32);
		assert_int_equal(strspn(info->eve, "abcdefghijklmnopqrstuvwxyz0123456789_."), strlen(info->eve));
		assert_true(*info->eve && info->eve[strlen(info->eve) - 1] != '.');
		for (enum event_field b = 0; b < a; b++) {
			assert_string_not_equal(info->eve, event_field_info[b].eve);
			event_ecs_name(a, name);
			event_ecs_name(b, other);
			assert_string_not_equal(name, other);
			event_cef_key(a, name);
			event_cef_key(b, other);
			assert_string_not_equal(name, other);
		}
	}
	for (int log = 0; log < EVENT_LOG_N; log++)
		assert_int_equal(event_log_find(event_log_name(log)), log);
	assert_int_equal(event_log_find("x"), -ENOENT);
	(void)state;
}

static void test_a_full_ring_loses_the_record_and_leaves_a_gap(void **state)
{
	struct event_ring *ring = *state;
	struct event_header header;
	uint64_t expect = 0, lost = 0;
	struct event event;

	/* several times round, so that records lie across the end */
	for (int i = 0; i < 5; i++) {
		for (;;) {
			fill_event(&event);
			if (event_commit(ring, &event, 0)) {
				lost++;
				break;
			}
		}
		while (event_ring_read(ring, record, sizeof(record)) == 1) {
			memcpy(&header, record, sizeof(header));
			assert_int_equal(header.sequence, expect++);
		}
		expect++; /* the lost one */
	}
	assert_int_equal(lost, 5);
}

static void test_the_doorbell_rings_once_per_flush(void **state)
{
	struct event_ring *ring = *state;
	struct event event;
	uint64_t n;

	event_ring_flush(ring);
	assert_int_equal(read(event_ring_eventfd(ring), &n, sizeof(n)), -1);
	for (int i = 0; i < 3; i++) {
		fill_event(&event);
		event_commit(ring, &event, 0);
	}
	event_ring_flush(ring);
	event_ring_flush(ring);
	assert_int_equal(read(event_ring_eventfd(ring), &n, sizeof(n)), 8);
	assert_int_equal(n, 1);
}

static void test_another_process_reads_what_a_dead_one_wrote(void **state)
{
	struct event_ring *ring = *state;
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct event_ring *mine = NULL;
		struct event event;

		if (event_ring_map(&mine, event_ring_memfd(ring), event_ring_eventfd(ring)))
			_exit(1);
		fill_event(&event);
		_exit(event_commit(mine, &event, 9) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(event_ring_read(ring, record, sizeof(record)), 1);
	assert_int_equal(((struct event_header *)record)->producer, 9);
}

static void test_a_hostile_producer_is_skipped(void **state)
{
	struct event_ring *ring = *state;
	uint8_t *shared = mmap(NULL, SHARED_DATA * 2, PROT_READ | PROT_WRITE, MAP_SHARED, event_ring_memfd(ring), 0);
	static const uint32_t lengths[] = {0, 8, 23, 25, 32, 1 << 20, UINT32_MAX};
	struct event event;

	assert_ptr_not_equal(shared, MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		fill_event(&event);
		event.bytes[sizeof(struct event_header)] = 255; /* a field that is none */
		event_commit(ring, &event, 0);
		memcpy(shared + SHARED_DATA, &lengths[i], sizeof(lengths[i]));
		assert_int_equal(event_ring_read(ring, record, sizeof(record)), -EPROTO);
		assert_int_equal(event_ring_read(ring, record, sizeof(record)), 0);
		fill_event(&event);
		assert_int_equal(event_commit(ring, &event, 0), 0);
		assert_int_equal(event_ring_read(ring, record, sizeof(record)), 1);
	}
	*(uint64_t *)(shared + SHARED_HEAD) += 2 << 20;
	assert_int_equal(event_ring_read(ring, record, sizeof(record)), -EPROTO);
	assert_int_equal(event_ring_read(ring, record, sizeof(record)), 0);
	munmap(shared, SHARED_DATA * 2);
}

static void test_a_field_given_twice_is_refused(void **state)
{
	struct event event;

	event_begin(&event, EVENT_LOG_AUDIT);
	event_str(&event, EVENT_USER, "a");
	event_str(&event, EVENT_USER, "b");
	assert_int_equal(event_commit(*state, &event, 0), 0);
	assert_int_equal(event_ring_read(*state, record, sizeof(record)), -EPROTO);
}

#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, ring_setup, ring_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_g6_a_record_stays_in_the_ring_until_it_is_released),
		RING_TEST(test_a_record_crosses_the_ring_and_reads_as_eve),
		RING_TEST(test_g5_text_from_the_wire_forges_nothing),
		RING_TEST(test_long_text_is_cut_and_late_fields_are_left_out),
		cmocka_unit_test(test_g1_the_field_ssl_inspect_is_exactly_where_it_belongs),
		cmocka_unit_test(test_the_table_of_fields_is_sound),
		RING_TEST(test_a_full_ring_loses_the_record_and_leaves_a_gap),
		RING_TEST(test_the_doorbell_rings_once_per_flush),
		RING_TEST(test_another_process_reads_what_a_dead_one_wrote),
		RING_TEST(test_a_hostile_producer_is_skipped),
		RING_TEST(test_a_field_given_twice_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
