/* SPDX-License-Identifier: Apache-2.0 */
/* H6: one definition of every counter feeds the MIB, and no published number moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/common.h"
#include "config/schema.h"
#include "snmp/notify.h"
#include "snmp/numbers.h"
#include "snmp/snapshot.h"

static void test_h6_every_counter_has_a_number_of_its_own(void **state)
{
	for (unsigned int i = 0; i < COUNTER_N; i++) {
		if (!mib_counter_number[i])
			fail_msg("add COUNTER_NUMBER for %s to src/snmp/numbers.def, with the next free number",
				counter_info[i].name);
		assert_true(mib_counter_number[i] < MIB_COLUMN_CLOSED - MIB_COLUMN_COUNTERS);
		for (unsigned int j = 0; j < i; j++)
			assert_int_not_equal(mib_counter_number[i], mib_counter_number[j]);
	}
	for (unsigned int i = CLOSE_NONE + 1; i < CLOSE_REASON_N; i++) {
		if (!mib_close_number[i])
			fail_msg("add CLOSE_NUMBER for %s to src/snmp/numbers.def, with the next free number",
				close_reason_info[i].name);
		for (unsigned int j = 0; j < i; j++)
			assert_int_not_equal(mib_close_number[i], mib_close_number[j]);
	}
}

static void test_h3_objects_are_in_order_and_fit(void **state)
{
	for (size_t t = 0; t < mib_n_tables; t++) {
		for (size_t i = 1; i < mib_tables[t].n; i++)
			assert_true(mib_tables[t].objects[i].number > mib_tables[t].objects[i - 1].number);
		assert_true(mib_tables[t].objects[mib_tables[t].n - 1].number <= MIB_COLUMN_COUNTERS);
	}
}

static struct value made(enum mib_syntax syntax, json_t *json, const char *const *words)
{
	struct mib_object object = {.syntax = syntax, .words = words};
	struct value value;

	assert_true(value_from_json(&object, json, &value));
	json_decref(json);
	return value;
}

static void test_h3_values_of_each_type(void **state)
{
	static const char *const words[] = {"on", "off", NULL};
	static const uint8_t time[] = {2026 >> 8, 2026 & 0xff, 11, 23, 14, 27, 5, 0, '+', 0, 0};
	struct value v = made(MIB_TIME, json_string("2026-11-23T14:27:05Z"), NULL);

	assert_int_equal(v.len, 11);
	assert_memory_equal(v.bytes, time, 11);
	v = made(MIB_TIME, json_integer(1795444025900000), NULL);
	assert_memory_equal(v.bytes, ((uint8_t[]){2026 >> 8, 2026 & 0xff, 11, 23, 14, 27, 5, 9}), 8);
	v = made(MIB_GAUGE, json_integer(1ll << 40), NULL);
	assert_int_equal(v.number, UINT32_MAX);
	v = made(MIB_COUNTER, json_integer(1ll << 40), NULL);
	assert_int_equal(v.number, 1ll << 40);
	v = made(MIB_WORD, json_string("off"), words);
	assert_int_equal(v.number, 2);
	v = made(MIB_TRUTH, json_false(), NULL);
	assert_int_equal(v.number, 2);
	v = made(MIB_IP, json_string("10.9.0.2"), NULL);
	assert_memory_equal(v.bytes, ((uint8_t[]){10, 9, 0, 2}), 4);
	v = made(MIB_SESSION_ID, json_string("00ff00000000aa01"), NULL);
	assert_memory_equal(v.bytes, ((uint8_t[]){0, 0xff, 0, 0, 0, 0, 0xaa, 1}), 8);
	v = made(MIB_TEXT, json_pack("[s, s]", "443", "8443-8450"), NULL);
	assert_memory_equal(v.bytes, "443, 8443-8450", v.len);
}

static void test_h3_long_text_is_cut_between_characters(void **state)
{
	char text[301] = {0};
	struct value v;

	for (int i = 0; i < 300; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	v = made(MIB_TEXT, json_string(text), NULL);
	assert_int_equal(v.len, 254);
}

static void test_h3_no_value_no_instance(void **state)
{
	struct mib_object time = {.syntax = MIB_TIME}, text = {.syntax = MIB_TEXT};
	struct value value;
	json_t *bad = json_string("tomorrow");

	assert_false(value_from_json(&time, bad, &value));
	assert_false(value_from_json(&text, NULL, &value));
	json_decref(bad);
}

static struct snapshot taken(struct feed *feed, struct stats_page *stats)
{
	struct snapshot snapshot = {0};

	feed->fd = -1;
	feed->error = -1; /* what is not in the feed stays unknown */
	feed->reports[MIB_SERVERS].answer = json_pack(
		"{s:[{s:s, s:i}, {s:s, s:i}]}", "servers", "name", "zz", "stats_slot", 0, "name", "a", "stats_slot", 1);
	assert_int_equal(snapshot_refresh(&snapshot, feed, stats), 0);
	return snapshot;
}

static void test_h3_a_walk_meets_every_instance_in_order(void **state)
{
	struct stats_page *stats;
	struct feed feed = {0};
	const struct snapshot_entry *entry;
	uint32_t name[SNAPSHOT_NAME_MAX];
	size_t n = 0, seen = 0;

	assert_int_equal(stats_page_create(&stats), 0);
	struct snapshot snapshot = taken(&feed, stats);

	while ((entry = snapshot_next(&snapshot, name, n, false))) {
		memcpy(name, snapshot.names + entry->name, entry->n * sizeof(*name));
		n = entry->n;
		assert_ptr_equal(snapshot_get(&snapshot, name, n), entry);
		seen++;
	}
	assert_int_equal(seen, snapshot.n);
	assert_true(seen > COUNTER_N + CLOSE_REASON_N);
	snapshot_clear(&snapshot);
	feed_clear(&feed);
	stats_page_free(&stats);
}

/* the server's row is found by its name, its counters by its slot in the stats page */
static void test_h3_server_counters_by_name(void **state)
{
	struct stats_page *stats;
	struct feed feed = {0};

	assert_int_equal(stats_page_create(&stats), 0);
	stats_add(stats_server_cells(stats, 0, 1), COUNTER_SESSIONS_NEW, 7);
	struct snapshot snapshot = taken(&feed, stats);
	const uint32_t name[] = {1, 4, 1, MIB_COLUMN_COUNTERS + mib_counter_number[COUNTER_SESSIONS_NEW], 'a'};
	const struct snapshot_entry *entry = snapshot_get(&snapshot, name, ARRAY_SIZE(name));

	assert_non_null(entry);
	assert_int_equal(entry->payload, 7);
	snapshot_clear(&snapshot);
	feed_clear(&feed);
	stats_page_free(&stats);
}

/* --- notifications -------------------------------------------------------------------------------------------------
 */

static void test_h4_every_notification_has_its_word(void **state)
{
	size_t n = 0;

	for (const struct schema_word *word = schema_notification_words; word->name; word++, n++) {
		assert_int_equal(word->value, n);
		assert_string_equal(word->name, mib_notifications[n].word);
	}
	assert_int_equal(n, NOTIFY_N);
}

struct told {
	unsigned int n[NOTIFY_N], hits[NOTIFY_N];
	char index[64];
};

static void on_told(void *data, enum mib_notification_id what, const char *index, unsigned int hits)
{
	struct told *told = data;

	told->n[what]++;
	told->hits[what] = hits;
	snprintf(told->index, sizeof(told->index), "%s", index ?: "");
}

/* a look at these reports, which are taken, two seconds after the last one */
static struct told look(struct notify *notify, json_t *status, json_t *servers, json_t *segments, const char *link)
{
	struct told told = {0};

	notify->data = &told;
	feed_clear(notify->feed);
	notify->feed->reports[MIB_STATUS].answer = status;
	notify->feed->reports[MIB_SERVERS].answer = servers;
	notify->feed->reports[MIB_SEGMENTS].answer = segments;
	notify->feed->reports[MIB_PORTS].answer = json_pack("{s:[{s:s, s:s}]}", "ports", "name", "p1", "link", link);
	notify_look(notify, notify->looked_ns + 2000000000u);
	return told;
}

static json_t *status_of(const char *inspection, const char *sessions, const char *off, int interval)
{
	return json_pack("{s:s, s:s, s:[s], s:i, s:{s:[i, i]}}", "inspection", inspection, "sessions_state", sessions,
		"notifications_off", off, "notification_interval", interval, "certificates_told", "old", 5, 1);
}

static json_t *servers_of(const char *state, int n)
{
	json_t *rows = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(
			rows, json_pack("{s:o, s:s}", "name", json_sprintf("s%d", i), "key_state", state));
	return json_pack("{s:o}", "servers", rows);
}

static json_t *segment_of(const char *cause)
{
	return json_pack("{s:[{s:s, s:s*}]}", "segments", "name", "dmz", "cause", cause);
}

struct looking {
	struct stats_page *stats;
	struct feed feed;
	struct notify notify;
};

static void looking_begin(struct looking *looking)
{
	*looking = (struct looking){.feed = {.fd = -1, .error = -1}};
	assert_int_equal(stats_page_create(&looking->stats), 0);
	looking->notify = (struct notify){.feed = &looking->feed, .stats = looking->stats, .send = on_told};
}

static void looking_end(struct looking *looking)
{
	notify_clear(&looking->notify);
	feed_clear(&looking->feed);
	stats_page_free(&looking->stats);
}

static void test_h4_changes_are_told_once_and_counted(void **state)
{
	struct looking looking;
	struct notify *notify = &looking.notify;

	looking_begin(&looking);
	struct told told = look(notify, status_of("on", "normal", "", 1), servers_of("available", 12), NULL, "up");

	assert_int_equal(told.n[NOTIFY_INSPECTION], 0);
	assert_int_equal(told.n[NOTIFY_CERTIFICATE], 1);
	assert_string_equal(told.index, "old");
	told = look(notify, status_of("fallback", "warning", "", 1), servers_of("missing", 12), NULL, "up");
	assert_int_equal(told.n[NOTIFY_INSPECTION], 1);
	assert_int_equal(told.n[NOTIFY_SESSIONS], 1);
	assert_int_equal(told.n[NOTIFY_CERTIFICATE], 0);
	assert_int_equal(told.n[NOTIFY_SERVER_KEY], NOTIFY_ROWS_MAX);
	assert_int_equal(told.hits[NOTIFY_SERVER_KEY], 12);
	told = look(notify, status_of("fallback", "warning", "", 1), servers_of("missing", 12), NULL, "up");
	assert_int_equal(told.n[NOTIFY_INSPECTION] + told.n[NOTIFY_SESSIONS] + told.n[NOTIFY_SERVER_KEY], 0);
	told = look(notify, status_of("on", "normal", "inspection", 1), servers_of("missing", 12), NULL, "up");
	assert_int_equal(told.n[NOTIFY_INSPECTION], 0);
	assert_int_equal(told.n[NOTIFY_SESSIONS], 1);
	looking_end(&looking);
}

static void test_h4_segments_and_their_ports(void **state)
{
	struct looking looking;
	struct notify *notify = &looking.notify;
	struct told told;

	looking_begin(&looking);
	look(notify, status_of("on", "normal", "", 1), NULL, segment_of(NULL), "up");
	told = look(notify, status_of("on", "normal", "", 1), NULL, segment_of(NULL), "up");
	assert_int_equal(told.n[NOTIFY_FALLBACK] + told.n[NOTIFY_PORT], 0);
	told = look(notify, status_of("on", "normal", "", 1), NULL, segment_of("command"), "up");
	assert_int_equal(told.n[NOTIFY_FALLBACK], 1);
	assert_string_equal(told.index, "dmz");
	told = look(notify, status_of("on", "normal", "", 1), NULL, segment_of(NULL), "down");
	assert_int_equal(told.n[NOTIFY_FALLBACK], 1);
	assert_int_equal(told.n[NOTIFY_PORT], 1);
	looking_end(&looking);
}

/* a link that flaps at every look: told at first, then once in ten seconds with all its changes */
static void test_h4_what_happens_in_the_interval_is_told_together(void **state)
{
	struct looking looking;
	struct notify *notify = &looking.notify;
	unsigned int n = 0, hits = 0, most = 0;

	looking_begin(&looking);
	look(notify, status_of("on", "normal", "", 10), NULL, segment_of(NULL), "up");
	for (int i = 0; i < 26; i++) {
		struct told told =
			look(notify, status_of("on", "normal", "", 10), NULL, segment_of(NULL), i % 2 ? "up" : "down");

		n += told.n[NOTIFY_PORT];
		hits += told.hits[NOTIFY_PORT];
		most = MAX(most, told.hits[NOTIFY_PORT]);
	}
	assert_int_equal(n, 6);
	assert_int_equal(hits, 26);
	assert_int_equal(most, 5);
	looking_end(&looking);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_h6_every_counter_has_a_number_of_its_own),
		cmocka_unit_test(test_h3_objects_are_in_order_and_fit),
		cmocka_unit_test(test_h3_values_of_each_type),
		cmocka_unit_test(test_h3_long_text_is_cut_between_characters),
		cmocka_unit_test(test_h3_no_value_no_instance),
		cmocka_unit_test(test_h3_a_walk_meets_every_instance_in_order),
		cmocka_unit_test(test_h3_server_counters_by_name),
		cmocka_unit_test(test_h4_every_notification_has_its_word),
		cmocka_unit_test(test_h4_changes_are_told_once_and_counted),
		cmocka_unit_test(test_h4_segments_and_their_ports),
		cmocka_unit_test(test_h4_what_happens_in_the_interval_is_told_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
