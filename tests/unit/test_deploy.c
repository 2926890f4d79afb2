/* SPDX-License-Identifier: Apache-2.0 */
/* J3, J4, J7: the command line, the machine that it means, its XML for libvirt (test:///default), media and images. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/common.h"
#include "deploy/hypervisor.h"
#include "deploy/image.h"
#include "deploy/medium.h"
#include "deploy/options.h"
#include "deploy/plan.h"
#include "deploy/xml.h"
#include "temporary.h"

static const char *write_file(const char *name, const void *data, size_t len)
{
	static char paths[4][256];
	static unsigned int turn;
	char *path = paths[turn++ % 4];
	FILE *file;

	snprintf(path, 256, "%s/%s", directory, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	fclose(file);
	return path;
}

/* --- command line ---------------------------------------------------------------------------------------------------
 */

static int parse(struct options *options, char **said, const char *line)
{
	static char copy[512];
	char *argv[32] = {"sluice-deploy"};
	size_t len;
	FILE *err = open_memstream(said, &len);
	int argc = 1, r;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	r = options_parse(argc, argv, options, err);
	fclose(err);
	return r;
}

static void test_a_command_line_is_read(void **state)
{
	_cleanup_free_ char *said = NULL;
	struct options options;

	assert_int_equal(
		parse(&options, &said, "deploy gate --image x.qcow2 --port-a=bridge=br0 --vcpus 4 --hugepages"), 0);
	assert_string_equal(options.name, "gate");
	assert_string_equal(options.port_a, "bridge=br0");
	assert_int_equal(options.vcpus, 4);
	assert_true(options.hugepages);
	assert_string_equal(options.pool, "default");
}

static void test_what_is_wrong_with_a_command_line_is_said(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"depoy x", "did you mean deploy?"},
		{"deploy x --imgae y", "did you mean --image?"},
		{"deploy", "deploy needs NAME"},
		{"upgrade x", "upgrade needs NAME UPDATE"},
		{"deploy x --image", "--image needs FILE"},
		{"deploy x --vcpus many", "a number from 1 to 256"},
		{"deploy x y", "too much: 'y'"},
		{"status x --image y", "no option '--image'"},
		{"remove x --yes=1", "no value belongs to '--yes=1'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *said = NULL;
		struct options options;

		assert_int_equal(parse(&options, &said, cases[i].line), -EINVAL);
		if (!strstr(said, cases[i].said))
			fail_msg("'%s' said: %s", cases[i].line, said);
	}
}

static void test_completion_names_commands_and_options(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	char *words[] = {"deploy", "--port"};

	options_complete(2, words, out);
	fclose(out);
	assert_string_equal(text, "--port-a\n--port-b\n");
}

/* --- the machine ----------------------------------------------------------------------------------------------------
 */

static int make(struct plan *plan, char problem[256], const char *line)
{
	_cleanup_free_ char *said = NULL;
	static struct options options;
	char mend[256];

	assert_int_equal(parse(&options, &said, line), 0);
	return plan_make(&options, plan, problem, mend);
}

static void test_machines_that_mean_nothing_are_refused(void **state)
{
	static const struct {
		const char *line, *problem;
	} cases[] = {
		{"deploy x --port-a bridge=br0 --port-b bridge=br0", "a frame would go round in a circle"},
		{"deploy x --port-a bridge=br0 --management bridge=br0", "the management would be on the wire"},
		{"deploy x --port-a vf=ens1f0:0 --port-b vf=ens1f0:1", "both on ens1f0"},
		{"deploy x --port-a br0", "names no network"},
		{"deploy x --port-a vf=ens1f0", "names no network"},
		{"deploy x --port-a vf=ens1f0:x", "names no network"},
		{"deploy x --port-a bridge=../../etc", "names no network"},
		{"deploy x --management vf=ens1f0:0", "names no network"},
		{"deploy a/b", "is no name"},
		{"deploy x --cpus 2-3 --vcpus 4", "names 2 processors for 4 vCPU"},
		{"deploy x --cpus 3-2", "names 0 processors"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char problem[256] = "";
		struct plan plan;

		assert_int_equal(make(&plan, problem, cases[i].line), -EINVAL);
		if (!strstr(problem, cases[i].problem))
			fail_msg("'%s': %s", cases[i].line, problem);
	}
}

static void test_j3_size_follows_sessions(void **state)
{
	unsigned int vcpus;
	uint64_t memory;

	plan_size(1, &vcpus, &memory);
	assert_int_equal(vcpus, 2);
	assert_int_equal(memory, 2048);
	plan_size(100000, &vcpus, &memory);
	assert_int_equal(vcpus, 5);     /* 1667 handshakes a second */
	assert_int_equal(memory, 8704); /* 2048 MB and 6250 MB */
}

static void test_macs_are_fixed_and_nobody_elses(void **state)
{
	char problem[256], taken[64];
	struct plan plan, again;

	make(&plan, problem, "deploy gate --port-a bridge=a --port-b bridge=b");
	plan_choose_macs(&plan, NULL);
	make(&again, problem, "deploy gate --port-a bridge=a --port-b bridge=b");
	plan_choose_macs(&again, "");
	for (unsigned int i = 0; i < PLAN_NICS; i++) {
		assert_string_equal(plan.nics[i].mac, again.nics[i].mac);
		assert_memory_equal(plan.nics[i].mac, "52:54:00:", 9);
	}
	assert_string_not_equal(plan.nics[1].mac, plan.nics[2].mac);
	snprintf(taken, sizeof(taken), "<mac address='%s'/>", plan.nics[1].mac);
	plan_choose_macs(&again, taken);
	assert_string_not_equal(plan.nics[1].mac, again.nics[1].mac);
}

static char *domain_of(const struct plan *plan)
{
	char *xml = NULL;
	size_t len;
	FILE *out = open_memstream(&xml, &len);

	plan_write_domain(plan, out);
	fclose(out);
	return xml;
}

static void test_j7_libvirt_accepts_every_kind_of_machine(void **state)
{
	static const char *const lines[] = {
		"deploy gate --port-a bridge=br-a --port-b bridge=br-b",
		"deploy gate --port-a network=pool-a --port-b network=pool-b --hugepages",
		"deploy gate --port-a vf=ens1f0:0 --port-b vf=ens2f0:1 --vcpus 4 --cpus 2-4,7",
		"deploy gate --port-a bridge=br-a --port-b bridge=br-b --emulated",
	};
	struct hypervisor hv;

	assert_int_equal(hypervisor_open("test:///default", &hv), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *xml = NULL, *defined = NULL, *kinds = NULL;
		struct hypervisor_domain domain;
		char problem[256] = "";
		struct plan plan;

		assert_int_equal(make(&plan, problem, lines[i]), 0);
		plan_choose_macs(&plan, NULL);
		snprintf(plan.nics[1].pci, sizeof(plan.nics[1].pci), "0000:3b:02.0");
		snprintf(plan.nics[2].pci, sizeof(plan.nics[2].pci), "0000:af:0a.1");
		snprintf(plan.disk_volume, sizeof(plan.disk_volume), "gate.qcow2");
		snprintf(plan.seed_path, sizeof(plan.seed_path), "/pool/gate & co.iso");
		xml = domain_of(&plan);
		if (hv.ops->domain_define(&hv, xml) < 0)
			fail_msg("%s: %s\n%s", lines[i], hv.error, xml);
		assert_int_equal(hv.ops->domain(&hv, "gate", &domain), 0);
		assert_int_equal(domain.vcpus, plan.vcpus);
		assert_int_equal(domain.memory_mib, plan.memory_mib);
		assert_int_equal(hv.ops->domain_xml(&hv, "gate", &defined), 0);
		/* management, port A, port B: by their PCI addresses, and with their MACs */
		for (unsigned int nic = 0; nic < PLAN_NICS; nic++) {
			_cleanup_free_ char *mac = NULL;
			char xpath[128];

			snprintf(xpath, sizeof(xpath),
				"string(//interface[address/@bus='0x%02x' and @type]/mac/@address)", nic + 1);
			mac = xml_text(defined, xpath);
			assert_string_equal(mac, plan.nics[nic].mac);
		}
		kinds = xml_text(defined, "string(//disk[@device='cdrom']/source/@file)");
		assert_string_equal(kinds, "/pool/gate & co.iso");
		assert_int_equal(hv.ops->domain_undefine(&hv, "gate"), 0);
		assert_int_equal(hv.ops->domain(&hv, "gate", &domain), -ENOENT);
	}
	hypervisor_close(&hv);
}

static void test_libvirt_refuses_what_is_no_machine(void **state)
{
	struct hypervisor hv;

	assert_int_equal(hypervisor_open("test:///default", &hv), 0);
	assert_true(hv.ops->domain_define(&hv, "<domain type='kvm'><name>x</name><nonsense/></domain>") < 0);
	assert_string_not_equal(hv.error, "");
	hypervisor_close(&hv);
	assert_true(hypervisor_open("qemu+unix:///system?socket=/nonexistent", &hv) < 0);
	assert_non_null(strstr(hv.error, "/nonexistent"));
}

/* --- media ----------------------------------------------------------------------------------------------------------
 */

/* the content of a file on a medium, read with another library than it was written with */
static char *file_on(const uint8_t *iso, size_t size, const char *name)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	char *text = NULL, path[64];

	snprintf(path, sizeof(path), "./%s", name);
	archive_read_support_format_iso9660(archive);
	assert_int_equal(archive_read_open_memory(archive, iso, size), ARCHIVE_OK);
	while (!text && archive_read_next_header(archive, &entry) == ARCHIVE_OK)
		if (strcmp(archive_entry_pathname(entry), path) == 0) {
			text = calloc(1, archive_entry_size(entry) + 1);
			archive_read_data(archive, text, archive_entry_size(entry));
		}
	archive_read_free(archive);
	return text;
}

static uint8_t *whole_medium(struct medium *medium, size_t *size)
{
	struct source source;
	uint8_t *iso;
	size_t at = 0;
	ssize_t n;

	assert_int_equal(medium_source(medium, &source), 0);
	iso = malloc(source.size);
	while ((n = source.read(&source, iso + at, MIN(source.size - at, 1000))) > 0)
		at += n;
	assert_int_equal(n, 0);
	assert_int_equal(at, source.size);
	*size = at;
	return iso;
}

static void begin_report(struct report *report, FILE *out)
{
	report_begin(report, false);
	report->out = report->err = out;
}

static void test_j4_settings_become_a_cidata_medium_with_the_files_they_name(void **state)
{
	static const char settings[] = "#cloud-config\nsluice:\n  hostname: gate\n"
				       "  configuration_file: sluice.yaml\n"
				       "  certificates: [{name: web, pkcs12_file: web.p12, password: secret}]\n"
				       "  rule_files: [{name: local.rules}, {name: own.rules, text: \"alert x\"}]\n";
	_cleanup_free_ char *user_data = NULL, *rules = NULL, *configuration = NULL, *meta = NULL;
	_cleanup_(medium_free) struct medium *medium = NULL;
	_cleanup_free_ uint8_t *iso = NULL;
	struct report report;
	size_t size;

	write_file("sluice.yaml", "device: {name: gate}\n", 21);
	write_file("web.p12", "p12", 3);
	write_file("local.rules", "# rules\n", 8);
	begin_report(&report, stderr);
	assert_int_equal(
		medium_from_day0(write_file("day0.yaml", settings, strlen(settings)), "gate", &report, &medium), 0);
	iso = whole_medium(medium, &size);
	assert_memory_equal(iso + 16 * 2048 + 40, "CIDATA ", 7); /* ECMA-119, 8.4.7: volume identifier */
	user_data = file_on(iso, size, "user-data");
	assert_string_equal(user_data, settings);
	configuration = file_on(iso, size, "sluice.yaml");
	assert_string_equal(configuration, "device: {name: gate}\n");
	rules = file_on(iso, size, "local.rules");
	assert_string_equal(rules, "# rules\n");
	meta = file_on(iso, size, "meta-data");
	assert_string_equal(meta, "instance-id: gate\n");
	assert_null(file_on(iso, size, "own.rules"));
	report_end(&report);
}

static void refuse_settings(const char *settings, const char *said)
{
	_cleanup_free_ char *text = NULL;
	struct medium *medium = NULL;
	struct report report;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	begin_report(&report, out);
	assert_true(medium_from_day0(write_file("bad.yaml", settings, strlen(settings)), "x", &report, &medium) < 0);
	assert_null(medium);
	report_end(&report);
	fclose(out);
	if (!strstr(text, said))
		fail_msg("said: %s", text);
}

static void test_j4_wrong_settings_are_refused_with_line_and_mend(void **state)
{
	refuse_settings("sluice:\n  hostname: gate\n  managment: {address: dhcp}\n", "bad.yaml:3:");
	refuse_settings(
		"sluice:\n  configuration_file: not-there.yaml\n", "not-there.yaml cannot be read: No such file");
	refuse_settings("sluice:\n  configuration_file: not-there.yaml\n", "mend: put it beside the settings");
}

/* --- images ---------------------------------------------------------------------------------------------------------
 */

static void test_a_qcow2_is_measured_and_compared(void **state)
{
	uint8_t bytes[512] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3, [24] = 0, 0, 0, 1, 0x80};
	/* sha256sum of those bytes is asked of sha256sum itself */
	const char *path = write_file("disk.qcow2", bytes, sizeof(bytes));
	char command[600], sum[65] = "", problem[256];
	struct image image;
	FILE *tool;

	snprintf(command, sizeof(command), "sha256sum %s", path);
	tool = popen(command, "r");
	assert_int_equal(fscanf(tool, "%64s", sum), 1);
	pclose(tool);
	assert_int_equal(image_open(path, NULL, &image, problem), 0);
	assert_string_equal(image.sha256, sum);
	assert_int_equal(image.capacity, 6ull << 30);
	assert_string_equal(image.compared, "");
	assert_int_equal(image_open(path, sum, &image, problem), 0);
	assert_true(image.matches);
	sum[0] = sum[0] == '0' ? '1' : '0';
	write_file("disk.qcow2.sha256", sum, 64);
	assert_int_equal(image_open(path, NULL, &image, problem), 0);
	assert_string_equal(image.compared, "disk.qcow2.sha256");
	assert_false(image.matches);
}

static const char *write_ova(const char *name, const char *manifest)
{
	static char path[256];
	char command[900];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	write_file("a.ovf", "<Envelope/>", 11);
	write_file("a.vmdk", "KDMV and so on", 14);
	if (manifest)
		write_file("a.mf", manifest, strlen(manifest));
	else {
		snprintf(command, sizeof(command),
			"cd %s && for f in a.ovf a.vmdk; do echo \"SHA256($f)= $(sha256sum $f | cut -d' ' -f1)\"; done "
			">a.mf",
			directory);
		assert_int_equal(system(command), 0);
	}
	snprintf(command, sizeof(command), "cd %s && tar --format=ustar -cf %s a.ovf a.mf a.vmdk", directory, name);
	assert_int_equal(system(command), 0);
	return path;
}

static void test_an_ova_is_compared_to_its_manifest_and_its_disk_is_read(void **state)
{
	char problem[256], bytes[64] = "";
	struct source source;
	struct image image;

	assert_int_equal(image_open(write_ova("good.ova", NULL), NULL, &image, problem), 0);
	assert_int_equal(image.kind, IMAGE_OVA);
	assert_true(image.matches);
	assert_int_equal(image_source(&image, &source), 0);
	assert_int_equal(source.size, 14);
	assert_int_equal(source.read(&source, bytes, sizeof(bytes)), 14);
	assert_string_equal(bytes, "KDMV and so on");
	assert_int_equal(source.read(&source, bytes, sizeof(bytes)), 0);
	source_close(&source);
	assert_int_equal(image_open(write_ova("bad.ova", "SHA256(a.vmdk)= 00\n"), NULL, &image, problem), 0);
	assert_false(image.matches);
}

static void test_other_files_are_no_images(void **state)
{
	char problem[256];
	struct image image;

	assert_true(image_open("/nonexistent", NULL, &image, problem) < 0);
	assert_non_null(strstr(problem, "No such file"));
	assert_true(image_open(write_file("text", "hello", 5), NULL, &image, problem) < 0);
	assert_non_null(strstr(problem, "neither a qcow2 nor an OVA"));
	assert_true(image_open(write_file("empty", "", 0), NULL, &image, problem) < 0);
	assert_true(image_open(directory, NULL, &image, problem) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_command_line_is_read),
		cmocka_unit_test(test_what_is_wrong_with_a_command_line_is_said),
		cmocka_unit_test(test_completion_names_commands_and_options),
		cmocka_unit_test(test_machines_that_mean_nothing_are_refused),
		cmocka_unit_test(test_j3_size_follows_sessions),
		cmocka_unit_test(test_macs_are_fixed_and_nobody_elses),
		cmocka_unit_test(test_j7_libvirt_accepts_every_kind_of_machine),
		cmocka_unit_test(test_libvirt_refuses_what_is_no_machine),
		cmocka_unit_test(test_j4_settings_become_a_cidata_medium_with_the_files_they_name),
		cmocka_unit_test(test_j4_wrong_settings_are_refused_with_line_and_mend),
		cmocka_unit_test(test_a_qcow2_is_measured_and_compared),
		cmocka_unit_test(test_an_ova_is_compared_to_its_manifest_and_its_disk_is_read),
		cmocka_unit_test(test_other_files_are_no_images),
	};

	return cmocka_run_group_tests(tests, temporary_make, temporary_remove);
}
