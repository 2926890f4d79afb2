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
#include "config/locked.h"
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

/* warnings do not matter: what is not used by a virtual segment, and the like */
static struct config *parse_usable(const char *text)
{
	struct config_problems problems = {0};
	struct config *config = NULL;
	int r = config_parse(text, strlen(text), &config, &problems);

	for (size_t i = 0; r && i < problems.n; i++)
		print_error("%u:%u: %s\n", problems.items[i].line, problems.items[i].column, problems.items[i].message);
	assert_int_equal(r, 0);
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

#define INHERIT_HEAD                                                                                              \
	"device: {name: d}\nsegments: [{name: s, port_a: a, port_b: b}]\n"                                        \
	"ssl_servers:\n"                                                                                          \
	"- {name: web, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: "  \
	"http}\n"                                                                                                 \
	"- {name: mail, destinations: [10.0.0.1], detection_ports: [995], certificates: [c], decrypted_service: " \
	"pop3}\n"

static void test_f1_a_child_has_what_its_parents_give(void **state)
{
	struct config *config = parse_usable(INHERIT_HEAD
		"profiles:\n"
		"- {name: grandchild, parent: child, filter_packages: [c.rules, a.rules], inspect_server_response: "
		"on}\n"
		"- {name: child, parent: base, filter_packages: [b.rules],\n"
		"   ssl_policies: [{name: w, ssl_server: web, source_address_exceptions: [10.1.0.1]}]}\n"
		"- {name: base, filter_packages: [a.rules], inspect_server_response: off,\n"
		"   ssl_policies: [{name: w, ssl_server: web}, {name: m, ssl_server: mail, locked: on}]}\n");
	const struct config_profile *grandchild = &config->profiles[0], *child = &config->profiles[1],
				    *base = &config->profiles[2];

	assert_ptr_equal(grandchild->parent, child);
	assert_ptr_equal(child->parent, base);
	assert_null(base->parent);
	assert_false(base->inspect_server_response || child->inspect_server_response);
	assert_true(grandchild->inspect_server_response);
	assert_int_equal(grandchild->filter_packages.n, 3); /* the parents' first, each once */
	assert_string_equal(grandchild->filter_packages.items[0], "a.rules");
	assert_string_equal(grandchild->filter_packages.items[1], "b.rules");
	assert_string_equal(grandchild->filter_packages.items[2], "c.rules");
	for (size_t i = 0; i < 2; i++) { /* child and grandchild: the Locked one of base, and w as child gives it */
		const struct config_profile *profile = &config->profiles[i];

		assert_int_equal(profile->n_ssl_policies, 2);
		assert_string_equal(profile->ssl_policies[0].name, "m");
		assert_true(profile->ssl_policies[0].locked && profile->ssl_policies[0].origin == 3);
		assert_string_equal(profile->ssl_policies[1].name, "w");
		assert_int_equal(profile->ssl_policies[1].origin, i ? 0 : 2);
		assert_int_equal(profile->ssl_policies[1].source_address_exceptions.n, 1);
	}
	assert_int_equal(base->ssl_policies[0].source_address_exceptions.n, 0);
	for (uint16_t id = 0; id < 6; id++) {
		const struct config_profile *profile;

		assert_int_equal(config_find_ssl_policy(config, id, &profile)->id, id);
		assert_ptr_equal(profile, &config->profiles[id / 2]);
	}
	config_unref(&config);
}

static char locked_said[1024];

static void on_locked(void *ctx, const struct config_locked_change *change)
{
	char line[160];

	snprintf(line, sizeof(line), "%s/%s %s;", change->profile, change->policy, change->what);
	strncat(locked_said, line, sizeof(locked_said) - strlen(locked_said) - 1);
}

/* what has to be overridden to go from one list of profiles to another */
static const char *locked_changes(const char *before, const char *after)
{
	char text[2048];
	struct config *a = NULL, *b;

	if (before) {
		snprintf(text, sizeof(text), "%sprofiles: [%s]\n", INHERIT_HEAD, before);
		a = parse_usable(text);
	}
	snprintf(text, sizeof(text), "%sprofiles: [%s]\n", INHERIT_HEAD, after);
	b = parse_usable(text);
	*locked_said = '\0';
	config_locked_changes(a, b, on_locked, NULL);
	config_unref(&a);
	config_unref(&b);
	return locked_said;
}

static void test_f2_locked_policies_are_protected(void **state)
{
	static const char base[] = "{name: p, ssl_policies: [{name: w, ssl_server: web, locked: on, "
				   "source_address_exceptions: [10.1.0.1, 10.2.0.0/16]}]}";
	static const char child[] = "{name: p, ssl_policies: [{name: w, ssl_server: web, locked: on}]}, "
				    "{name: c, parent: p}";
	static const char override[] = "{name: p, ssl_policies: [{name: w, ssl_server: web, locked: on}]}, "
				       "{name: c, parent: p, ssl_policies: [{name: w, ssl_server: web}]}";

	assert_string_equal(locked_changes(NULL, base), "");
	assert_string_equal(locked_changes(base, base), "");
	assert_string_equal(locked_changes(base, "{name: p, ssl_policies: [{name: w, ssl_server: web, locked: on, "
						 "source_address_exceptions: [10.2.0.0/16, 10.1.0.1]}]}"),
		"");
	assert_string_equal(locked_changes(base, "{name: p, ssl_policies: [{name: w, ssl_server: web, locked: on, "
						 "source_address_exceptions: [10.2.0.0/16]}]}"),
		"p/w has other source address exceptions;");
	assert_string_equal(locked_changes(base, "{name: p, ssl_policies: [{name: w, ssl_server: mail, locked: on, "
						 "source_address_exceptions: [10.1.0.1, 10.2.0.0/16]}]}"),
		"p/w has another SSL server;");
	assert_string_equal(locked_changes(base, "{name: p, ssl_policies: [{name: w, ssl_server: web, "
						 "source_address_exceptions: [10.1.0.1, 10.2.0.0/16]}]}"),
		"p/w is unlocked;");
	assert_string_equal(locked_changes(base, "{name: p}"), "p/w is removed;");
	assert_string_equal(locked_changes(base, "{name: q}"), "p/w is removed;");
	/* inherited ones too */
	assert_string_equal(locked_changes(child, child), "");
	assert_string_equal(locked_changes(child, "{name: p, ssl_policies: [{name: w, ssl_server: web, locked: on}]}, "
						  "{name: c}"),
		"c/w is removed;");
	assert_string_equal(locked_changes(child, override), "c/w is unlocked;");
	assert_string_equal(locked_changes(NULL, override), "c/w takes the place of a Locked one of its parent;");
	assert_string_equal(locked_changes(override, override), "");
	assert_string_equal(locked_changes("{name: p, ssl_policies: [{name: w, ssl_server: web}]}", "{name: p}"), "");
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
		cmocka_unit_test(test_f1_a_child_has_what_its_parents_give),
		cmocka_unit_test(test_f2_locked_policies_are_protected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
