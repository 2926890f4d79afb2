/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/common.h"
#include "config/config.h"
#include "config/load_internal.h"
#include "config/schema.h"

static const char full[] =
	"device: {name: sluice-1, workers: 2, ssl_inspection: on}\n"
	"limits: {max_sessions: 5000, client_hello_timeout_seconds: 5, request_body_hold_bytes: 0}\n"
	"segments: [{name: dmz, port_a: ens4, port_b: ens5, when_down: block}]\n"
	"ssl_servers:\n"
	"  - name: web\n"
	"    destinations: [10.9.0.2, 10.9.1.0/24]\n"
	"    detection_ports: [443, 8443-8450]\n"
	"    certificates: [web-rsa, web-ecdsa]\n"
	"    decrypted_service: http\n"
	"    logging: on\n"
	"    protocols: [tls1.3, tls1.2, tls1.1]\n"
	"    certificate_drift: ignore\n"
	"    when_unavailable: block\n"
	"  - name: mail\n"
	"    destinations: [10.9.0.2]\n"
	"    detection_ports: [995]\n"
	"    certificates: [mail]\n"
	"    decrypted_service: pop3\n"
	"    tcp_reset_to_server: yes\n"
	"profiles:\n"
	"  - name: empty\n"
	"  - name: default\n"
	"    filter_packages: [local.rules, /srv/et open.rules]\n"
	"    inspect_server_response: off\n"
	"    ssl_policies:\n"
	"      - {name: web-policy, ssl_server: web, source_address_exceptions: [10.9.0.99], locked: on}\n"
	"      - {name: mail-policy, ssl_server: mail}\n"
	"  - name: other\n"
	"    ssl_policies: [{name: web-policy, ssl_server: web}]\n"
	"virtual_segments:\n"
	"  - {name: in, segment: dmz, direction: a_to_b, vlans: [10, 20-30, untagged], sources: [], profile: default}\n"
	"  - {name: out, segment: dmz, direction: b_to_a, destinations: [0.0.0.0/0], profile: empty}\n"
	"  - {name: more, segment: dmz, direction: a_to_b, profile: other}\n";

static struct config *parse_good(const char *text)
{
	struct config_problems problems = {0};
	struct config *config = NULL;
	int r = config_parse(text, strlen(text), &config, &problems);

	for (size_t i = 0; i < problems.n; i++)
		print_error("%u:%u: %s\n", problems.items[i].line, problems.items[i].column, problems.items[i].message);
	assert_int_equal(r, 0);
	assert_int_equal(problems.n, 0);
	config_problems_clear(&problems);
	return config;
}

static void assert_cidr(const struct config_cidr *cidr, const char *address, unsigned int prefix)
{
	char text[INET_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET, &cidr->address, text, sizeof(text)), address);
	assert_int_equal(cidr->prefix, prefix);
}

static void test_device_and_limits(void **state)
{
	_cleanup_(config_unref) struct config *config = parse_good(full);

	assert_string_equal(config->text, full);
	assert_int_equal(config->text_len, strlen(full));
	assert_string_equal(config->device_name, "sluice-1");
	assert_int_equal(config->workers, 2);
	assert_true(config->ssl_inspection);
	assert_int_equal(config->limits.max_sessions, 5000);
	assert_int_equal(config->limits.client_hello_timeout_seconds, 5);
	assert_int_equal(config->limits.handshake_timeout_seconds, 10);
	assert_int_equal(config->limits.idle_timeout_seconds, 300);
	assert_int_equal(config->limits.drain_timeout_seconds, 30);
	assert_int_equal(config->limits.request_body_hold_bytes, 0);
	assert_int_equal(config->n_segments, 1);
	assert_string_equal(config->segments[0].port[CONFIG_SIDE_B], "ens5");
	assert_int_equal(config->segments[0].when_down, CONFIG_UNAVAILABLE_BLOCK);
	assert_int_equal(config->segments[0].line, 3);
}

static void test_e1_ssl_servers(void **state)
{
	_cleanup_(config_unref) struct config *config = parse_good(full);
	const struct config_ssl_server *web = config_find_ssl_server(config, "web");
	const struct config_ssl_server *mail = config_find_ssl_server(config, "mail");

	assert_int_equal(config->n_ssl_servers, 2);
	assert_int_equal(web->destinations.n, 2);
	assert_cidr(&web->destinations.items[0], "10.9.0.2", 32);
	assert_cidr(&web->destinations.items[1], "10.9.1.0", 24);
	assert_int_equal(web->detection_ports.n, 2);
	assert_int_equal(web->detection_ports.items[1].low, 8443);
	assert_int_equal(web->detection_ports.items[1].high, 8450);
	assert_string_equal(web->certificates.items[1], "web-ecdsa");
	assert_true(web->logging);
	assert_false(web->tcp_reset_to_server);
	assert_int_equal(web->protocol_min, 0x0302);
	assert_int_equal(web->protocol_max, 0x0304);
	assert_int_equal(web->certificate_drift, CONFIG_DRIFT_IGNORE);
	assert_int_equal(web->when_unavailable, CONFIG_UNAVAILABLE_BLOCK);
	assert_int_equal(mail->id, 1);
	assert_int_equal(mail->line, 14);
	assert_string_equal(config_service_name(mail->decrypted_service), "pop3");
	assert_true(mail->tcp_reset_to_server);
	assert_false(mail->logging);
	assert_int_equal(mail->protocol_min, 0x0303);
	assert_int_equal(mail->protocol_max, 0x0304);
	assert_int_equal(mail->certificate_drift, CONFIG_DRIFT_PIN);
	assert_null(config_find_ssl_server(config, "nobody"));
}

static void test_f1_profiles_and_policies(void **state)
{
	_cleanup_(config_unref) struct config *config = parse_good(full);
	const struct config_profile *profile = config_find_profile(config, "default"), *of = NULL;

	assert_int_equal(profile->id, 1);
	assert_int_equal(profile->filter_packages.n, 2);
	assert_string_equal(profile->filter_packages.items[1], "/srv/et open.rules");
	assert_false(profile->inspect_server_response);
	assert_true(config_find_profile(config, "empty")->inspect_server_response);
	assert_int_equal(profile->n_ssl_policies, 2);
	assert_ptr_equal(profile->ssl_policies[0].ssl_server, config_find_ssl_server(config, "web"));
	assert_true(profile->ssl_policies[0].locked);
	assert_cidr(&profile->ssl_policies[0].source_address_exceptions.items[0], "10.9.0.99", 32);
	for (uint16_t id = 0; id < 3; id++)
		assert_int_equal(config_find_ssl_policy(config, id, &of)->id, id);
	assert_string_equal(of->name, "other");
	assert_ptr_equal(config_find_ssl_policy(config, 1, NULL), &profile->ssl_policies[1]);
	assert_null(config_find_ssl_policy(config, 3, NULL));
	assert_null(config_find_profile(config, "nobody"));
}

static void test_f3_virtual_segments(void **state)
{
	_cleanup_(config_unref) struct config *config = parse_good(full);
	const struct config_virtual_segment *in = &config->virtual_segments[0], *out = &config->virtual_segments[1];

	assert_int_equal(config->n_virtual_segments, 3);
	assert_ptr_equal(in->segment, &config->segments[0]);
	assert_ptr_equal(in->profile, config_find_profile(config, "default"));
	assert_int_equal(in->direction, CONFIG_SIDE_A);
	assert_int_equal(in->vlans.n, 3);
	assert_int_equal(in->vlans.items[1].high, 30);
	assert_int_equal(in->vlans.items[2].low, 0);
	assert_int_equal(in->vlans.items[2].high, 0);
	assert_int_equal(in->sources.n, 0);
	assert_null(in->sources.items);
	assert_int_equal(out->direction, CONFIG_SIDE_B);
	assert_int_equal(out->id, 1);
	assert_cidr(&out->destinations.items[0], "0.0.0.0", 0);
}

static void test_references_are_counted(void **state)
{
	struct config *config = parse_good(full), *second = config_ref(config);

	config_unref(&config);
	assert_null(config);
	assert_string_equal(second->device_name, "sluice-1");
	config_unref(&second);
	config_unref(&second); /* NULL is fine */
}

static void test_json_is_yaml_too(void **state)
{
	_cleanup_(config_unref) struct config *config =
		parse_good("{\"device\": {\"name\": \"d\", \"ssl_inspection\": false, \"workers\": 0},"
			   " \"segments\": [{\"name\": \"s\", \"port_a\": \"a0\", \"port_b\": \"b0.100\"}]}");

	assert_false(config->ssl_inspection);
	assert_string_equal(config->segments[0].port[CONFIG_SIDE_B], "b0.100");
}

/* the example of docs/configuration.md can be committed as it stands */
static void test_documented_example_is_good(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct config *config;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	schema_write_example(out);
	fclose(out);
	config = parse_good(text);
	assert_int_equal(config->n_virtual_segments, 1);
	config_unref(&config);
}

/* the table of a section's keys has room for the schema's */
static void test_schema_fits_the_loader(void **state)
{
	for (enum schema_section section = 0; section < SCHEMA_SECTION_N; section++) {
		size_t keys = 0;

		for (const struct schema_row *row = NULL; (row = schema_next(section, row));)
			keys++;
		assert_in_range(keys, 1, LOAD_KEYS_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_and_limits),
		cmocka_unit_test(test_e1_ssl_servers),
		cmocka_unit_test(test_f1_profiles_and_policies),
		cmocka_unit_test(test_f3_virtual_segments),
		cmocka_unit_test(test_references_are_counted),
		cmocka_unit_test(test_json_is_yaml_too),
		cmocka_unit_test(test_documented_example_is_good),
		cmocka_unit_test(test_schema_fits_the_loader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
