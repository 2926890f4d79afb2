/* SPDX-License-Identifier: Apache-2.0 */
/* The appliance's root slots (J5): RAUC's word about them, the notes on the data partition, the judgement after a boot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/system.h"
#include "slots/slots.h"

/* as `rauc status --detailed --output-format=json` of RAUC 1.13 writes it, without what we do not read */
#define STATUS(a_state, b_state, primary)                                                                     \
	"{\"compatible\":\"sluice-x86_64\",\"booted\":\"x\",\"boot_primary\":\"" primary "\",\"slots\":["     \
	"{\"rootfs.1\":{\"class\":\"rootfs\",\"device\":\"/dev/disk/by-partlabel/slot-b\",\"type\":\"ext4\"," \
	"\"bootname\":\"b\",\"state\":\"" b_state "\",\"boot_status\":\"good\",\"slot_status\":{\"bundle\":{" \
	"\"version\":\"0.2.0\"},\"installed\":{\"timestamp\":\"2026-11-25T20:00:00Z\"},\"status\":\"ok\"}}}," \
	"{\"rootfs.0\":{\"class\":\"rootfs\",\"device\":\"/dev/disk/by-partlabel/slot-a\",\"type\":\"ext4\"," \
	"\"bootname\":\"a\",\"state\":\"" a_state "\",\"boot_status\":\"bad\",\"slot_status\":{}}}]}"

static void test_j5_status_is_read(void **state)
{
	struct slots slots;
	char error[SLOTS_ERROR_MAX];

	(void)state;
	assert_int_equal(slots_parse(&slots, STATUS("booted", "inactive", "rootfs.1"), error), 0);
	assert_string_equal(slots.slot[0].name, "a");
	assert_ptr_equal(slots.booted, &slots.slot[0]);
	assert_ptr_equal(slots.other, &slots.slot[1]);
	assert_false(slots.booted->good);
	assert_false(slots.booted->next);
	assert_true(slots.other->next);
	assert_true(slots.other->good);
	assert_string_equal(slots.other->version, "0.2.0");
	assert_string_equal(slots.other->installed, "2026-11-25T20:00:00Z");
	assert_string_equal(slots.other->device, "/dev/disk/by-partlabel/slot-b");
}

static void test_j5_status_that_makes_no_sense(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "{}", "{\"slots\":[]}",
		"{\"slots\":[{\"rootfs.0\":{\"bootname\":\"a\",\"state\":\"booted\"}}]}", "{\"slots\":{\"a\":1}}",
		"{\"slots\":[1,2]}", STATUS("inactive", "inactive", "rootfs.0")};
	struct slots slots;
	char error[SLOTS_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		error[0] = '\0';
		assert_true(slots_parse(&slots, texts[i], error) < 0);
		assert_non_null(strstr(error, "rauc status"));
	}
}

static void test_j5_notes_survive_and_end(void **state)
{
	char root[] = "/tmp/test_slots.XXXXXX", command[64], path[64];
	json_t *note, *last;

	(void)state;
	assert_non_null(mkdtemp(root));
	system_set_root(root);
	assert_int_equal(system_make_directory("/var/lib/sluice", 0755), 0);
	assert_null(slots_load_pending());
	assert_int_equal(slots_end_pending("confirmed", NULL), 0);
	assert_null(slots_load_last());

	note = json_pack("{s:s, s:s, s:{s:i}}", "from", "0.1.0", "to", "0.2.0", "before", "config_version", 3);
	assert_int_equal(slots_save_pending(note), 0);
	json_decref(note);
	note = slots_load_pending();
	assert_string_equal(json_string_value(json_object_get(note, "to")), "0.2.0");
	json_decref(note);

	assert_int_equal(slots_end_pending("failed", "it did not start"), 0);
	assert_null(slots_load_pending());
	last = slots_load_last();
	assert_string_equal(json_string_value(json_object_get(last, "state")), "failed");
	assert_string_equal(json_string_value(json_object_get(last, "reason")), "it did not start");
	assert_null(json_object_get(last, "before"));
	json_decref(last);

	/* half a note is none: an upgrade is not held back by it */
	snprintf(path, sizeof(path), "%s/var/lib/sluice/upgrade.json", root);
	FILE *file = fopen(path, "w");
	fputs("{\"to\": ", file);
	fclose(file);
	assert_null(slots_load_pending());
	system_set_root("");
	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

static const char *judge(const char *before_text, const char *status_text)
{
	json_t *before = before_text ? json_loads(before_text, 0, NULL) : NULL,
	       *status = json_loads(status_text, 0, NULL);
	const char *wrong = slots_judge(before, status);

	json_decref(before);
	json_decref(status);
	return wrong;
}

#define WELL                                                                                                 \
	"{\"ok\": true, \"config_version\": 3, \"inspection\": \"on\", \"segments\": [{\"link_a\": \"up\", " \
	"\"link_b\": \"up\"}]}"

static void test_j5_as_well_as_before(void **state)
{
	(void)state;
	assert_null(judge(WELL, WELL));
	assert_null(judge(NULL, "{\"ok\": true}"));
	assert_null(judge("{\"ok\": true, \"inspection\": \"off\"}", "{\"ok\": true, \"inspection\": \"off\"}"));
	/* what was not well before is not the new version's doing */
	assert_null(judge("{\"config_version\": 0, \"inspection\": \"fallback\"}",
		"{\"ok\": true, \"config_version\": 0, \"inspection\": \"no configuration\"}"));
	assert_non_null(judge(WELL, "{}"));
	assert_string_equal(judge(NULL, "{\"ok\": false}"), "the supervisor does not answer");
	assert_string_equal(judge(WELL, "{\"ok\": true, \"config_version\": 0, \"inspection\": \"on\"}"),
		"no configuration is in force");
	assert_string_equal(
		judge(WELL,
			"{\"ok\": true, \"config_version\": 2, \"inspection\": \"on\", \"configuration_problem\": {}}"),
		"the newest configuration cannot be put in force");
	assert_string_equal(judge(WELL, "{\"ok\": true, \"config_version\": 3, \"inspection\": \"fallback\"}"),
		"SSL inspection does not work");
	assert_string_equal(judge(WELL, "{\"ok\": true, \"config_version\": 3, \"inspection\": \"on\", \"segments\": "
					"[{\"link_a\": \"up\", \"link_b\": \"missing\"}]}"),
		"a port is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_j5_status_is_read),
		cmocka_unit_test(test_j5_status_that_makes_no_sense),
		cmocka_unit_test(test_j5_notes_survive_and_end),
		cmocka_unit_test(test_j5_as_well_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
