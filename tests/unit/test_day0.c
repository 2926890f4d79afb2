/* SPDX-License-Identifier: Apache-2.0 */
/* J4: one schema for what a deployment says at the first boot, whatever brings it; errors name line and mend. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/common.h"
#include "base/system.h"
#include "config/config.h"
#include "day0/apply.h"
#include "day0/complete.h"
#include "day0/console.h"
#include "day0/identity.h"
#include "day0/nic.h"
#include "day0/seed.h"
#include "day0/settings.h"
#include "day0/wizard.h"

static struct day0_settings *parsed(const char *text)
{
	struct config_problems problems = {0};
	struct day0_settings *settings = NULL;
	int r = day0_parse(text, strlen(text), &settings, &problems);

	for (size_t i = 0; i < problems.n; i++)
		print_message(
			"%u:%u: %s\n", problems.items[i].line, problems.items[i].column, problems.items[i].message);
	assert_int_equal(problems.n, 0);
	assert_int_equal(r, 0);
	config_problems_clear(&problems);
	return settings;
}

static void test_settings_at_the_root_or_below_sluice(void **state)
{
	static const char *const documents[] = {
		"hostname: one\nmanagement: {address: 192.0.2.1/24, dns: [192.0.2.53]}\n",
		"#cloud-config\nusers: [default]\nsluice:\n  hostname: one\n  management: {address: 192.0.2.1/24, dns: "
		"[192.0.2.53]}\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		struct day0_settings *settings = parsed(documents[i]);

		assert_string_equal(day0_text(settings, "hostname"), "one");
		assert_string_equal(day0_text(settings, "management.address"), "192.0.2.1/24");
		assert_string_equal(tree_item(day0_node(settings, "management.dns"), 0)->text, "192.0.2.53");
		assert_null(day0_text(settings, "management.gateway"));
		day0_free(&settings);
	}
}

/* each wrong in one thing: where, and what the message says */
static const struct bad {
	const char *text;
	unsigned int line;
	const char *says;
} bad[] = {
	{"", 1, "empty"},
	{"hostnam: x\n", 1, "did you mean \"hostname\""},
	{"hostname: -x\n", 1, "letters, digits"},
	{"hostname: x\nmanagement: {address: 192.0.2.1}\n", 2, "prefix"},
	{"management: {address: 192.0.2.1/33}\n", 1, "prefix"},
	{"management: {address: dhcp, gateway: 192.0.2.1}\n", 1, "gateway and no address"},
	{"management: {gateway: 192.0.2.1}\n", 1, "address"},
	{"management: [x]\n", 1, "not a mapping"},
	{"ssh_keys: ssh-ed25519 AAAA\n", 1, "not a list"},
	{"ssh_keys:\n  - /etc/passwd\n", 2, "public keys"},
	{"admin_password_hash: secret\n", 1, "openssl passwd"},
	{"snmp_users:\n  - name: m\n    auth_passphrase: 12345678\n", 2, "privacy_passphrase"},
	{"snmp_users:\n  - name: m\n    auth_passphrase: short\n    privacy_passphrase: 12345678\n", 3, "8 to 128"},
	{"snmp_users:\n  - name: m\n    auth_passphrase: 'quo\"ted phrase'\n    privacy_passphrase: 12345678\n", 3,
		"quotes"},
	{"log_hosts: [{host: x, port: 70000}]\n", 1, "65535"},
	{"ports: {portA: 52:54:00:00:00:0a}\n", 1, "no key"},
	{"ports:\n  port1a: eth0\n", 2, "MAC"},
	{"certificates:\n  - name: web\n    password: x\n", 2, "either pkcs12"},
	{"certificates:\n  - name: ../web\n    password: x\n    pkcs12: AAAA\n", 2, "letters"},
	{"configuration: |\n  a\nconfiguration_file: x.yaml\n", 3, "one of the two"},
	{"configuration_file: ../../etc/shadow\n", 1, "same medium"},
	{"hostname: [a, b]\n", 1, "single value"},
	{"snmp_engine_id: 80001f880\n", 1, "hexadecimal"},
	{"snmp_users: [{name: m, auth_passphrase: 12345678, privacy_passphrase: 12345678}]\n"
	 "snmp_traps:\n  - {host: 192.0.2.20, user: n}\n",
		3, "one of snmp_users"},
	{"snmp_traps: [{host: 192.0.2.20, user: n, kind: v2c}]\n", 1, "trap and inform"},
	{"log_targets: [{name: siem, host: logs, credentials: siem}]\n", 1, "one of log_credentials"},
	{"log_credentials:\n  - name: siem\n    ca_file: ca.pem\n    key_file: key.pem\n", 2, "both, or neither"},
	{"log_credentials:\n  - {name: siem}\n", 2, "ca (PEM) or ca_file"},
	/* the configuration is read as Sluice will read it, in the lines of the whole document */
	{"hostname: x\nconfiguration: |\n  device: {name: x}\n  segmnts: []\n", 4, "did you mean \"segments\""},
	{"configuration: |\n  device: {name: x}\n  segments: [{name: a, port_a: a1, port_b: b1}]\n"
	 "  log_targets: [{name: a, host: b}]\nlog_targets: [{name: siem, host: logs}]\n",
		4, "give it once"},
	{"configuration: |\n  device: {name: x}\n  segments: [{name: a, port_a: a1, port_b: b1}]\n"
	 "log_targets: [{name: siem, host: logs, protocol: morse}]\n",
		4, "relp_tls"},
	{"hostname: &a x\n", 1, "anchor"},
};

static void test_what_is_wrong_is_named_with_its_line_and_mend(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct config_problems problems = {0};
		struct day0_settings *settings = NULL;
		bool said = false;

		assert_int_equal(day0_parse(bad[i].text, strlen(bad[i].text), &settings, &problems), -EINVAL);
		assert_null(settings);
		for (size_t k = 0; k < problems.n; k++)
			said |= problems.items[k].line == bad[i].line && strstr(problems.items[k].message, bad[i].says);
		if (!said)
			fail_msg("%s: said \"%s\" in line %u", bad[i].text, problems.items[0].message,
				problems.items[0].line);
		config_problems_clear(&problems);
	}
}

static const char environment[] =
	"<?xml version=\"1.0\"?>\n"
	"<Environment xmlns=\"http://schemas.dmtf.org/ovf/environment/1\" "
	"xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\">\n"
	"<PropertySection>\n"
	"<Property oe:key=\"hostname\" oe:value=\"sluice-9\"/>\n"
	"<Property oe:key=\"ssh_keys\" oe:value=\"ssh-ed25519 AAAAx it's me, ssh-rsa AAAAy\"/>\n"
	"<Property oe:key=\"management.address\" oe:value=\"192.0.2.7/25\"/>\n"
	"<Property oe:key=\"management.dns\" oe:value=\"192.0.2.53,192.0.2.54\"/>\n"
	"<Property oe:key=\"management.gateway\" oe:value=\"\"/>\n"
	"<Property oe:key=\"somebody.else\" oe:value=\"x: y\"/>\n"
	"</PropertySection></Environment>\n";

static void test_an_ovf_environment_is_the_same_schema(void **state)
{
	char *text = NULL;
	size_t len;
	struct day0_settings *settings;

	assert_int_equal(day0_from_ovf(environment, strlen(environment), &text, &len), 0);
	settings = parsed(text);
	assert_string_equal(day0_text(settings, "hostname"), "sluice-9");
	assert_string_equal(day0_text(settings, "management.address"), "192.0.2.7/25");
	assert_null(day0_text(settings, "management.gateway"));
	assert_string_equal(tree_item(day0_node(settings, "ssh_keys"), 0)->text, "ssh-ed25519 AAAAx it's me");
	assert_string_equal(tree_item(day0_node(settings, "management.dns"), 1)->text, "192.0.2.54");
	day0_free(&settings);
	free(text);
}

static void test_ovf_user_data_is_a_whole_document(void **state)
{
	static const char xml[] =
		"<e:Environment xmlns:e=\"http://schemas.dmtf.org/ovf/environment/1\"><e:Property e:key=\"user_data\" "
		"e:value=\"aG9zdG5hbWU6IHgxCg==\"/><e:Property e:key=\"hostname\" e:value=\"x2\"/></e:Environment>";
	char *text = NULL;
	size_t len;

	assert_int_equal(day0_from_ovf(xml, strlen(xml), &text, &len), 0);
	assert_int_equal(len, 13);
	assert_memory_equal(text, "hostname: x1\n", 13);
	free(text);
}

static void test_what_is_no_ovf_environment_is_refused(void **state)
{
	static const char *const documents[] = {"", "hostname: x", "<a/>", "<Environment>",
		"<!DOCTYPE x [<!ENTITY a \"b\">]><Environment>&a;</Environment>"};
	char *text = NULL;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(documents); i++)
		assert_true(day0_from_ovf(documents[i], strlen(documents[i]), &text, &len) < 0);
	assert_null(text);
}

static void test_interfaces_are_named_by_pci_order_or_as_assigned(void **state)
{
	struct nics nics = {.n = 4,
		.nic = {{"a", "52:54:00:00:00:01", "0000:00:03.0", "", 0, ""},
			{"b", "52:54:00:00:00:02", "0000:00:04.0", "", 0, ""},
			{"c", "52:54:00:00:00:03", "0000:00:05.0", "", 0, ""},
			{"d", "52:54:00:00:00:04", "0000:00:06.0", "", 0, ""}}};
	struct nics assigned = nics;
	static const char *const by_order[] = {"mgmt0", "port1a", "port1b", "port2a"};
	static const char *const by_hand[] = {"port1a", "mgmt0", "port1b", "port2a"};

	assert_int_equal(nic_assign(&nics, NULL), 0);
	assert_int_equal(nic_assign(&assigned, "port1a 52:54:00:00:00:01\nport2b 52:54:00:00:00:99\n"), -ENOENT);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(nics.nic[i].wanted, by_order[i]);
		assert_string_equal(assigned.nic[i].wanted, by_hand[i]);
	}
	memset(assigned.nic[0].wanted, 0, 16);
	assert_int_equal(nic_assign(&nics, "mgmt0 0000:00:06.0\n"), 0);
}

static void test_log_targets_and_snmp_complete_the_configuration(void **state)
{
	static const char before[] = "device: {name: x}\nsegments: [{name: a, port_a: a1, port_b: b1}]";
	struct day0_settings *settings = parsed(
		"snmp_users: [{name: m, auth_passphrase: 12345678, privacy_passphrase: 12345678}]\n"
		"log_credentials: [{name: tls, ca_file: ca.pem}]\n"
		"log_targets: [{name: siem, host: 192.0.2.9, port: 2514, protocol: relp_tls, credentials: tls}]\n");
	struct config_problems problems = {0};
	struct config *config = NULL;
	char *text = NULL;
	size_t len;

	assert_int_equal(day0_complete(settings, before, strlen(before), &text, &len, &problems), 0);
	assert_int_equal(config_parse(text, len, &config, &problems), 0);
	assert_string_equal(config->agentx_socket, "/run/agentx/master");
	assert_int_equal(config->n_log_targets, 1);
	assert_string_equal(config->log_targets[0].host, "192.0.2.9");
	config_unref(&config);
	config_problems_clear(&problems);
	free(text);
	day0_free(&settings);
}

static char *content(const char *path)
{
	char *text = NULL;
	size_t len;

	assert_int_equal(system_read_file(path, 65536, &text, &len), 0);
	return text;
}

static void expect(const char *path, const char *part)
{
	char *text = content(path);

	if (!strstr(text, part))
		fail_msg("%s: lacks %s: %s", path, part, text);
	free(text);
}

static void test_settings_become_files_and_secrets_stay_where_they_belong(void **state)
{
	char root[] = "/tmp/sluice-day0-XXXXXX", command[64];
	static const char shadow[] = "root:!:1::::::\nadmin:!:20000:0:99999:7:::\nlast:*:1::::::\n";
	struct day0_settings *settings = parsed(
		"hostname: s1\nmanagement: {address: 192.0.2.10/24, gateway: 192.0.2.1}\n"
		"ssh_keys: [ssh-ed25519 AAAAx me]\nadmin_password_hash: $6$salt$0123456789abcdef\n"
		"snmp_users: [{name: m, auth_passphrase: authauth, privacy_passphrase: privpriv}]\n"
		"snmp_engine_id: 80001f880401\n"
		"snmp_traps: [{host: 192.0.2.20, user: m}, {host: 192.0.2.21, port: 1162, user: m, kind: inform}]\n"
		"log_hosts: [{host: 192.0.2.9, port: 2514}]\nports: {port1a: 52:54:00:00:00:0a}\n");
	struct stat st;

	assert_non_null(mkdtemp(root));
	system_set_root(root);
	for (size_t i = 0; i < 7; i++)
		system_make_directory(
			(const char *[]){"/etc", "/var/lib/snmp", "/data/etc/ssh/authorized_keys", "/data/etc/chrony",
				"/data/etc/snmp", "/data/etc/rsyslog.d", "/data/day0"}[i],
			0755);
	assert_int_equal(system_write_file("/etc/shadow", 0640, shadow, strlen(shadow)), 0);
	assert_int_equal(apply_settings(settings), 0);
	expect("/data/etc/hostname", "s1");
	expect("/data/etc/management.network", "Address=192.0.2.10/24\nGateway=192.0.2.1\n");
	expect("/data/etc/ssh/authorized_keys/admin", "ssh-ed25519 AAAAx me\n");
	expect("/etc/shadow", "root:!:1::::::\nadmin:$6$salt$0123456789abcdef:20000:0:99999:7:::\nlast:*:1::::::\n");
	expect("/var/lib/snmp/snmpd.conf", "createUser m SHA-256 \"authauth\" AES \"privpriv\"\n");
	expect("/data/etc/snmp/users.conf", "rouser m authpriv\n");
	expect("/data/etc/snmp/engine.conf", "exactEngineID 0x80001f880401\n");
	expect("/data/etc/snmp/receivers.conf",
		"trapsess -v 3 -l authPriv -u m -a SHA-256 -x AES udp:192.0.2.20:162\n"
		"trapsess -v 3 -l authPriv -u m -a SHA-256 -x AES -Ci -A \"authauth\" -X \"privpriv\" "
		"udp:192.0.2.21:1162\n");
	expect("/data/etc/rsyslog.d/day0.conf", "target=\"192.0.2.9\" port=\"2514\"");
	expect("/data/etc/ports", "port1a 52:54:00:00:00:0a\n");
	assert_int_equal(stat(system_path("/var/lib/snmp/snmpd.conf"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	day0_free(&settings);
	system_set_root("");
	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

/* VMware's vmtoolsd is a script: no other hypervisor answers on that channel */
static void test_guestinfo_is_read_and_wiped_on_vmware_only(void **state)
{
	char root[] = "/tmp/sluice-day0-XXXXXX", tool[64], path[256], told[256], *before = getenv("PATH");
	static const char script[] = "#!/bin/sh\ncd \"${0%/*}\" || exit 1\nset -- $2\ncase $1 in\n"
				     "info-get) cat \"$2\" ;;\ninfo-set) rm \"$2\" ;;\nesac 2>/dev/null\n";
	static const char document[] = "aG9zdG5hbWU6IHgxCg==\n";
	struct seed seed = {0};

	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s:%s", root, before);
	snprintf(tool, sizeof(tool), "%s/vmtoolsd", root);
	assert_int_equal(system_write_file(tool, 0755, script, strlen(script)), 0);
	snprintf(tool, sizeof(tool), "%s/guestinfo.userdata", root);
	assert_int_equal(system_write_file(tool, 0644, document, strlen(document)), 0);
	before = strdup(before);
	setenv("PATH", path, 1);
	system_set_root(root);
	assert_int_equal(seed_find(&seed), -ENOENT);
	system_make_directory("/sys/class/dmi/id", 0755);
	assert_int_equal(system_write_file("/sys/class/dmi/id/sys_vendor", 0644, "VMware, Inc.\n", 13), 0);
	assert_int_equal(seed_find(&seed), 0);
	assert_string_equal(seed.file, "guestinfo.userdata");
	assert_int_equal(seed.len, 13);
	assert_memory_equal(seed.text, "hostname: x1\n", 13);
	seed_wipe(&seed, told, sizeof(told));
	assert_non_null(strstr(told, "guestinfo.userdata is wiped"));
	assert_int_equal(access(tool, F_OK), -1);
	seed_close(&seed);
	system_set_root("");
	setenv("PATH", before, 1);
	free(before);
	snprintf(path, sizeof(path), "rm -rf %s", root);
	assert_int_equal(system(path), 0);
}

static bool never(void)
{
	return false;
}

/* what somebody types, and what comes of it; NULL: the wizard does not end with a document */
static char *typed(const char *lines, char **said)
{
	int pipes[2];
	size_t len;
	char *document = NULL;
	struct wizard wizard = {.over = never, .out = open_memstream(said, &len)};

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], lines, strlen(lines)), strlen(lines));
	close(pipes[1]);
	wizard.in = pipes[0];
	if (wizard_ask(&wizard, &document) < 0)
		assert_null(document);
	close(pipes[0]);
	fclose(wizard.out);
	return document;
}

static void test_the_wizard_asks_until_settings_are_right(void **state)
{
	char *said,
		*document = typed("s1\n192.0.2.10\n192.0.2.10/24\n192.0.2.1\n\n\nssh-ed25519 AAAAx me\n\nyes\n", &said);
	struct day0_settings *settings;

	assert_non_null(document);
	assert_non_null(strstr(said, "192.0.2.10/24, or dhcp is needed")); /* the first answer was none */
	settings = parsed(document);
	assert_string_equal(day0_text(settings, "hostname"), "s1");
	assert_string_equal(day0_text(settings, "management.address"), "192.0.2.10/24");
	assert_string_equal(day0_text(settings, "management.gateway"), "192.0.2.1");
	assert_string_equal(tree_item(day0_node(settings, "ssh_keys"), 0)->text, "ssh-ed25519 AAAAx me");
	assert_null(day0_node(settings, "admin_password_hash"));
	day0_free(&settings);
	free(document);
	free(said);
}

static void test_the_wizard_lets_nobody_lock_himself_out(void **state)
{
	char *said, *document = typed("\n\n\n\n\ny\n"  /* no key, no password */
				      "s2\ndhcp\n\n\n" /* a password: too short, not the same, at last */
				      "short\na good password\na bad password\na good password\na good password\n\n",
			    &said);
	struct day0_settings *settings;

	assert_non_null(document);
	assert_non_null(strstr(said, "nobody could log in"));
	assert_non_null(strstr(said, "at least 8"));
	assert_non_null(strstr(said, "differ"));
	assert_null(strstr(said, "good password"));
	settings = parsed(document);
	assert_int_equal(strncmp(day0_text(settings, "admin_password_hash"), "$6$", 3), 0);
	assert_null(day0_node(settings, "ssh_keys"));
	day0_free(&settings);
	free(document);
	free(said);
}

static void test_the_wizard_takes_no_settings_within_an_answer(void **state)
{
	char *said, *document = typed("s1\ndhcp\n\nssh-ed25519 AAAA\"]\\nadmin_password_hash: x\n", &said);

	assert_null(document); /* the input ended at the question that was asked again */
	assert_non_null(strstr(said, "not accepted"));
	free(said);
}

static void test_the_console_says_what_to_do(void **state)
{
	static const char status[] =
		"{\"inspection\": \"on\", \"config_version\": 3, \"segments\": [{\"name\": \"d\\\\4{x}\\u001b\", "
		"\"state\": \"fallback\", \"cause\": \"no worker\", \"port_a\": \"port1a\", \"link_a\": \"up\", "
		"\"port_b\": \"port1b\", \"link_b\": \"down\"}]}";
	struct console_facts facts = {.hostname = "s1", .slot = "a", .management = true};
	static const struct {
		bool later;
		const char *says;
	} expected[] = {{false, "No settings of day 0"}, {false, "no address yet"}, {false, "off: no key"},
		{false, "Refused     SSSE3: missing"}, {true, "ssh admin@192.0.2.10\n"},
		{true, "on, configuration version 3"}, {true, "d?4{x}?: fallback (no worker); port1a up, port1b down"}};
	char *text[2];
	size_t len;

	for (size_t i = 0; i < 2; i++) {
		FILE *out = open_memstream(&text[i], &len);

		console_write(out, &facts);
		fclose(out);
		facts.ssh = facts.settings = true;
		facts.status = status;
		snprintf(facts.address, sizeof(facts.address), "192.0.2.10/24");
	}
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (!strstr(text[expected[i].later], expected[i].says))
			fail_msg("lacks %s: %s", expected[i].says, text[expected[i].later]);
	assert_null(strstr(text[1], "No settings"));
	free(text[0]);
	free(text[1]);
}

static void write_text(const char *path, const char *text)
{
	assert_int_equal(system_write_file(path, 0644, text, strlen(text)), 0);
}

static void test_j5_a_copied_machine_notices(void **state)
{
	char root[] = "/tmp/sluice-day0-XXXXXX", command[64];
	enum identity identity;

	assert_non_null(mkdtemp(root));
	system_set_root(root);
	system_make_directory("/etc", 0755);
	system_make_directory("/data/etc/ssh", 0755);
	system_make_directory("/sys/class/dmi/id", 0755);
	assert_true(identity_boot(&identity) < 0); /* no firmware's word at all */
	write_text("/sys/class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000000\n");
	assert_int_equal(identity_boot(&identity), 0); /* nothing can be told */
	assert_true(access(system_path("/data/identity"), F_OK) < 0);
	write_text("/sys/class/dmi/id/product_uuid", "01234567-89ab-cdef-0123-456789abcdef\n");
	write_text(DAY0_SSH_KEY, "key");
	write_text(DAY0_SSH_KEY ".pub", "key");
	assert_int_equal(identity_boot(&identity), 0);
	assert_int_equal(identity, IDENTITY_FIRST);
	assert_int_equal(identity_boot(&identity), 0);
	assert_int_equal(identity, IDENTITY_SAME);
	assert_int_equal(access(system_path(DAY0_SSH_KEY), F_OK), 0);

	write_text("/sys/class/dmi/id/product_uuid", "11234567-89ab-cdef-0123-456789abcdef\n");
	assert_int_equal(identity_boot(&identity), 0);
	assert_int_equal(identity, IDENTITY_CLONE);
	assert_true(access(system_path(DAY0_SSH_KEY), F_OK) < 0);
	assert_true(access(system_path(DAY0_SSH_KEY ".pub"), F_OK) < 0);
	assert_int_equal(access(system_path("/data/clone-pending"), F_OK), 0);
	assert_int_equal(identity_boot(&identity), 0);
	assert_int_equal(identity, IDENTITY_SAME);

	write_text("/data/identity", "half");
	assert_int_equal(identity_boot(&identity), -EINVAL); /* nothing is taken away by a damaged file */
	system_set_root("");
	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings_at_the_root_or_below_sluice),
		cmocka_unit_test(test_what_is_wrong_is_named_with_its_line_and_mend),
		cmocka_unit_test(test_an_ovf_environment_is_the_same_schema),
		cmocka_unit_test(test_ovf_user_data_is_a_whole_document),
		cmocka_unit_test(test_what_is_no_ovf_environment_is_refused),
		cmocka_unit_test(test_interfaces_are_named_by_pci_order_or_as_assigned),
		cmocka_unit_test(test_log_targets_and_snmp_complete_the_configuration),
		cmocka_unit_test(test_guestinfo_is_read_and_wiped_on_vmware_only),
		cmocka_unit_test(test_the_wizard_asks_until_settings_are_right),
		cmocka_unit_test(test_the_wizard_lets_nobody_lock_himself_out),
		cmocka_unit_test(test_the_wizard_takes_no_settings_within_an_answer),
		cmocka_unit_test(test_the_console_says_what_to_do),
		cmocka_unit_test(test_settings_become_files_and_secrets_stay_where_they_belong),
		cmocka_unit_test(test_j5_a_copied_machine_notices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
