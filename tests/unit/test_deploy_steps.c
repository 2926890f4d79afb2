/* SPDX-License-Identifier: Apache-2.0 */
/* J7: whatever step of a deployment fails, nothing is left half-made; what cannot be taken back is named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "deploy/machine.h"
#include "deploy_fake.h"
#include "temporary.h"

/* everything that a deployment needs */
struct rig {
	struct fake fake;
	struct hypervisor hv;
	struct host host;
	struct options options;
	struct report report;
	struct machine machine;
	volatile bool interrupted;
	char root[256], day0[256], image[256], problem[256], mend[256];
	char *said;
	size_t said_len;
};

static void write_text(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	fwrite(text, 1, len, file);
	fclose(file);
}

static void begin(struct rig *rig, bool ova)
{
	static const char qcow2[64] = "QFI\xfb\0\0\0\3";
	char command[700];

	memset(rig, 0, sizeof(*rig));
	fake_begin(&rig->fake, &rig->hv);
	snprintf(rig->root, sizeof(rig->root), "%s", directory);
	snprintf(rig->day0, sizeof(rig->day0), "%s/day0.yaml", directory);
	snprintf(rig->image, sizeof(rig->image), "%s/image%s", directory, ova ? ".ova" : "");
	write_text(rig->day0, "sluice: {hostname: gate}\n", 25);
	if (ova) {
		snprintf(command, sizeof(command),
			"cd %s && echo disk >a.vmdk && tar --format=ustar -cf image.ova a.vmdk", directory);
		assert_int_equal(system(command), 0);
	} else {
		write_text(rig->image, qcow2, sizeof(qcow2));
	}
	snprintf(command, sizeof(command), "mkdir -p %s/sys/class/net/br-a/bridge %s/sys/class/net/br-b/bridge",
		directory, directory);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command),
		"cd %s/sys/class/net && for b in br-a br-b; do echo 0x1003 >$b/flags; mkdir -p $b/brif/x; done",
		directory);
	assert_int_equal(system(command), 0);
	rig->host.root = rig->root;
	rig->options = (struct options){.command = "deploy",
		.name = "gate",
		.image = rig->image,
		.day0 = rig->day0,
		.pool = "default",
		.management = "network=default",
		.port_a = "bridge=br-a",
		.port_b = "bridge=br-b",
		.sessions = 1,
		.disk_gib = 16,
		.wait_seconds = 10};
	report_begin(&rig->report, false);
	rig->report.out = rig->report.err = open_memstream(&rig->said, &rig->said_len);
	rig->machine = (struct machine){.hv = &rig->hv,
		.host = &rig->host,
		.options = &rig->options,
		.report = &rig->report,
		.interrupted = &rig->interrupted,
		.with_image = true};
	assert_int_equal(plan_make(&rig->options, &rig->machine.plan, rig->problem, rig->mend), 0);
	assert_int_equal(image_open(rig->image, NULL, &rig->machine.image, rig->problem), 0);
}

static void end(struct rig *rig)
{
	medium_free(&rig->machine.seed);
	report_end(&rig->report);
	fclose(rig->report.out);
	free(rig->said);
	free(rig->fake.xml);
}

static void assert_nothing_is_left(struct rig *rig)
{
	fflush(rig->report.out);
	if (fake_n_volumes(&rig->fake) || *rig->fake.domain || rig->fake.active)
		fail_msg("left: %u volumes (%s), machine '%s'%s after %s\n%s", fake_n_volumes(&rig->fake),
			rig->fake.volumes[0], rig->fake.domain, rig->fake.active ? ", running" : "",
			rig->fake.last_call, rig->said);
}

static void test_j4_a_deployment_ends_with_the_medium_wiped_and_gone(void **state)
{
	struct rig rig;

	begin(&rig, false);
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_OK);
	assert_string_equal(rig.fake.domain, "gate");
	assert_true(rig.fake.active && rig.fake.autostart);
	assert_false(rig.fake.medium_in);
	assert_int_equal(fake_n_volumes(&rig.fake), 1);
	assert_string_equal(rig.fake.volumes[0], "gate.qcow2");
	assert_string_equal(rig.fake.wiped[0], "gate-day0.iso");
	fflush(rig.report.out);
	assert_non_null(strstr(rig.said, "not wiped"));
	assert_non_null(strstr(rig.said, rig.day0));
	end(&rig);
}

static void test_j7_any_failing_step_leaves_nothing(void **state)
{
	for (unsigned int ova = 0; ova < 2; ova++)
		for (const char *const *step = machine_steps; *step; step++) {
			struct rig rig;

			begin(&rig, ova);
			rig.machine.fail_at = *step;
			if (!ova && strcmp(*step, "foreign") == 0) {
				end(&rig);
				continue; /* not a step of a qcow2's */
			}
			assert_int_equal(machine_deploy(&rig.machine), DEPLOY_FAILED);
			assert_nothing_is_left(&rig);
			end(&rig);
		}
}

/* every call that changes something, one after the other, until the deployment works */
static void test_j7_any_failing_call_leaves_nothing(void **state)
{
	for (unsigned int ova = 0; ova < 2; ova++)
		for (unsigned int call = 1;; call++) {
			struct rig rig;
			int r;

			begin(&rig, ova);
			rig.fake.fail_call = call;
			r = machine_deploy(&rig.machine);
			if (r == DEPLOY_FAILED) {
				assert_nothing_is_left(&rig);
				assert_string_not_equal(rig.report.what, "");
				assert_string_not_equal(rig.report.mend, "");
			} else if (r == DEPLOY_LEFT) {
				/* the machine is well: what is left is the medium's, and is named */
				assert_true(rig.fake.active);
				assert_true(json_array_size(rig.report.left) > 0);
			} else {
				assert_int_equal(r, DEPLOY_OK);
				assert_true(rig.fake.calls < call); /* the fault lay behind the end */
				assert_true(call > 8);
				end(&rig);
				break;
			}
			end(&rig);
		}
}

static void test_j7_what_cannot_be_taken_back_is_named(void **state)
{
	struct rig rig;

	begin(&rig, false);
	rig.fake.fail_call = 7; /* about the start, and everything after it */
	rig.fake.stubborn = true;
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_FAILED);
	assert_true(fake_n_volumes(&rig.fake) > 0);
	assert_true(json_array_size(rig.report.left) >= fake_n_volumes(&rig.fake));
	end(&rig);
}

static void test_j7_a_machine_that_does_not_read_its_settings_is_taken_back(void **state)
{
	struct rig rig;

	begin(&rig, false);
	rig.options.wait_seconds = 0;
	rig.fake.settings_read = false;
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_FAILED);
	assert_nothing_is_left(&rig);
	assert_non_null(strstr(rig.report.what, "the settings of day 0 are not in force"));
	assert_string_equal(rig.fake.wiped[0], "gate-day0.iso");
	end(&rig);

	begin(&rig, false);
	rig.options.wait_seconds = 0;
	rig.options.keep = true;
	rig.fake.no_agent = true;
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_UNHEALTHY);
	assert_true(rig.fake.active);
	end(&rig);
}

static void test_j7_volumes_and_machines_of_others_are_not_touched(void **state)
{
	struct rig rig;

	begin(&rig, false);
	snprintf(rig.fake.volumes[3], sizeof(rig.fake.volumes[3]), "gate.qcow2");
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_FAILED);
	assert_string_equal(rig.fake.volumes[3], "gate.qcow2");
	end(&rig);

	begin(&rig, false);
	snprintf(rig.fake.domain, sizeof(rig.fake.domain), "gate");
	rig.fake.active = true;
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_FAILED);
	assert_true(rig.fake.active);
	assert_int_equal(rig.fake.calls, 0);
	end(&rig);
}

static void test_j7_an_interrupt_takes_back(void **state)
{
	struct rig rig;

	begin(&rig, false);
	rig.fake.no_agent = true;
	rig.interrupted = true;
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_FAILED);
	assert_nothing_is_left(&rig);
	assert_string_equal(rig.report.what, "interrupted");
	end(&rig);
}

static void set_snooping(const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/sys/class/net/br-b/bridge/multicast_snooping", directory);
	write_text(path, text, strlen(text));
}

static void test_j7_a_dry_run_changes_nothing_and_says_what_the_host_needs(void **state)
{
	struct rig rig;

	begin(&rig, false);
	rig.options.dry_run = true;
	set_snooping("1\n");
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_OK);
	assert_int_equal(rig.fake.calls, 0);
	fflush(rig.report.out);
	assert_non_null(strstr(rig.said, "<source bridge=\"br-a\"/>"));
	assert_non_null(strstr(rig.said, "ip link set br-b type bridge mcast_snooping 0\n"));
	assert_null(strstr(rig.said, "ip link set br-a"));
	set_snooping("0\n");
	end(&rig);
}

static void test_j7_remove_deletes_what_deploy_made_and_asks(void **state)
{
	struct rig rig;
	FILE *silent = freopen("/dev/null", "r", stdin);

	assert_non_null(silent);
	begin(&rig, false);
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_OK);
	snprintf(rig.fake.volumes[5], sizeof(rig.fake.volumes[5]), "others.qcow2");
	assert_int_equal(machine_remove(&rig.machine), DEPLOY_FAILED); /* nobody answers */
	assert_true(rig.fake.active);
	rig.report.what[0] = '\0';
	rig.options.yes = true;
	assert_int_equal(machine_remove(&rig.machine), DEPLOY_OK);
	assert_string_equal(rig.fake.domain, "");
	assert_false(rig.fake.active);
	assert_int_equal(fake_n_volumes(&rig.fake), 1);
	assert_string_equal(rig.fake.volumes[5], "others.qcow2");
	end(&rig);
}

/* --- upgrade --------------------------------------------------------------------------------------------------------
 */

static int upgrade(struct rig *rig, const char *slots, int install_status, const char *install_said)
{
	static char update[256];

	begin(rig, false);
	assert_int_equal(machine_deploy(&rig->machine), DEPLOY_OK);
	snprintf(update, sizeof(update), "%s/new.update", directory);
	write_text(update, "signed", 6);
	rig->options.update = update;
	rig->options.wait_seconds = 1;
	rig->fake.slots = slots;
	rig->fake.install_status = install_status;
	rig->fake.install_said = install_said;
	return machine_upgrade(&rig->machine);
}

/* whatever happened, the medium is out and gone, and the machine as it was */
static void end_upgrade(struct rig *rig)
{
	assert_false(rig->fake.medium_in);
	assert_int_equal(fake_n_volumes(&rig->fake), 1);
	assert_true(rig->fake.active);
	end(rig);
}

#define LAST(state)                                      \
	"{\"slots\": [], \"last\": {\"state\": \"" state \
	"\", \"from\": \"1\", \"to\": \"2\", \"reason\": \"sessions\"}}"

static void test_j5_an_upgrade_ends_with_the_new_version_or_says_why_not(void **state)
{
	struct rig rig;

	assert_int_equal(upgrade(&rig, LAST("confirmed"), 0, "{\"to\": \"2\", \"slot\": \"b\"}"), DEPLOY_OK);
	assert_int_equal(rig.fake.boots, 1);
	fflush(rig.report.out);
	assert_non_null(strstr(rig.said, "gate runs version 2, before it 1"));
	end_upgrade(&rig);

	assert_int_equal(upgrade(&rig, LAST("failed"), 0, "{\"to\": \"2\", \"slot\": \"b\"}"), DEPLOY_UNHEALTHY);
	assert_non_null(strstr(rig.report.what, "went back to version 1: sessions"));
	end_upgrade(&rig);

	/* a bad signature: the machine is not restarted */
	assert_int_equal(
		upgrade(&rig, LAST("confirmed"), 1, "{\"error\": \"the signature is not ours\"}"), DEPLOY_FAILED);
	assert_non_null(strstr(rig.report.what, "the signature is not ours"));
	assert_int_equal(rig.fake.boots, 0);
	end_upgrade(&rig);

	/* it waits for its first boot for ever */
	assert_int_equal(upgrade(&rig, "{\"upgrade\": {\"to\": \"2\"}}", 0, "{\"to\": \"2\"}"), DEPLOY_UNHEALTHY);
	assert_non_null(strstr(rig.report.what, "is not back after 1 s"));
	end_upgrade(&rig);
}

static void test_j7_what_a_machine_says_does_nothing_to_a_terminal(void **state)
{
	static const char said[] = "a\033[2Jb\tc\x7f\xc2\x9b"
				   "d\xe2\x80\xae"
				   "e\xe2\x81\xa6"
				   "f\xc3\xbc\n";
	char text[64];
	struct rig rig;

	snprintf(text, sizeof(text), "%s", said);
	report_clean(text);
	assert_string_equal(text, "a?[2Jb\tc???d???e???f\xc3\xbc\n");
	assert_int_equal(upgrade(&rig, LAST("confirmed"), 1, "{\"error\": \"no \\u001b[31m good\"}"), DEPLOY_FAILED);
	assert_non_null(strstr(rig.report.what, "no ?[31m good"));
	end_upgrade(&rig);
}

static void test_j5_an_upgrade_of_nothing_is_refused(void **state)
{
	struct rig rig;

	begin(&rig, false);
	rig.options.update = "/nonexistent";
	assert_int_equal(machine_upgrade(&rig.machine), DEPLOY_UNHEALTHY); /* no machine */
	assert_int_equal(machine_deploy(&rig.machine), DEPLOY_OK);
	rig.report.what[0] = '\0';
	assert_int_equal(machine_upgrade(&rig.machine), DEPLOY_FAILED);
	assert_non_null(strstr(rig.report.what, "/nonexistent"));
	end_upgrade(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_j4_a_deployment_ends_with_the_medium_wiped_and_gone),
		cmocka_unit_test(test_j7_any_failing_step_leaves_nothing),
		cmocka_unit_test(test_j7_any_failing_call_leaves_nothing),
		cmocka_unit_test(test_j7_what_cannot_be_taken_back_is_named),
		cmocka_unit_test(test_j7_a_machine_that_does_not_read_its_settings_is_taken_back),
		cmocka_unit_test(test_j7_volumes_and_machines_of_others_are_not_touched),
		cmocka_unit_test(test_j7_an_interrupt_takes_back),
		cmocka_unit_test(test_j7_a_dry_run_changes_nothing_and_says_what_the_host_needs),
		cmocka_unit_test(test_j7_remove_deletes_what_deploy_made_and_asks),
		cmocka_unit_test(test_j5_an_upgrade_ends_with_the_new_version_or_says_why_not),
		cmocka_unit_test(test_j5_an_upgrade_of_nothing_is_refused),
		cmocka_unit_test(test_j7_what_a_machine_says_does_nothing_to_a_terminal),
	};

	return cmocka_run_group_tests(tests, temporary_make, temporary_remove);
}
