/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration decides about a connection: the same answers as the wire's programs give (tests/bpf). */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/common.h"
#include "config/decide.h"

static const char document[] =
	"device: {name: d, ssl_inspection: on}\n"
	"segments: [{name: dmz, port_a: a0, port_b: b0}, {name: lan, port_a: a1, port_b: b1}]\n"
	"ssl_servers:\n"
	"  - {name: web, destinations: [10.9.0.2, 10.9.1.0/24], detection_ports: [443, 8443-8450], certificates: [c], "
	"decrypted_service: http}\n"
	"  - {name: mail, destinations: [10.9.0.2], detection_ports: [995], certificates: [c], decrypted_service: "
	"pop3}\n"
	"profiles:\n"
	"  - name: p\n"
	"    ssl_policies:\n"
	"      - {name: web-policy, ssl_server: web, source_address_exceptions: [10.9.0.99, 172.16.0.0/12]}\n"
	"  - name: q\n"
	"    ssl_policies: [{name: mail-policy, ssl_server: mail}]\n"
	"virtual_segments:\n"
	"  - {name: first, segment: dmz, direction: a_to_b, vlans: [10, 20-30], sources: [10.0.0.0/8, 172.16.0.0/12], "
	"profile: p}\n"
	"  - {name: second, segment: lan, direction: b_to_a, destinations: [10.9.0.2], profile: q}\n";

static int setup(void **state)
{
	struct config_problems problems = {0};

	return config_parse(document, strlen(document), (struct config **)state, &problems);
}

static int teardown(void **state)
{
	config_unref((struct config **)state);
	return 0;
}

static struct config_flow flow_of(const char *client, const char *server, uint16_t port)
{
	struct config_flow flow = {.port = port, .vlan = -1, .side = -1};

	inet_pton(AF_INET, client, &flow.client);
	inet_pton(AF_INET, server, &flow.server);
	return flow;
}

static void test_i2_decisions(void **state)
{
	static const struct {
		const char *client, *server;
		uint16_t port;
		const char *address, *endpoint, *segment, *policy;
		bool excepted, inspected;
	} table[] = {
		{"10.0.0.1", "10.9.0.2", 443, "web", "web", "first", "web-policy", false, true},
		{"10.0.0.1", "10.9.1.77", 8450, "web", "web", "first", "web-policy", false, true},
		{"10.0.0.1", "10.9.1.77", 8451, "web", NULL, "first", NULL, false, false},
		{"10.0.0.1", "10.9.2.1", 443, NULL, NULL, "first", NULL, false, false},
		{"10.0.0.1", "10.9.0.2", 995, "web", "mail", "first", NULL, false, false}, /* first match wins */
		{"192.0.2.1", "10.9.0.2", 995, "web", "mail", "second", "mail-policy", false, true},
		{"192.0.2.1", "10.9.1.1", 443, "web", "web", NULL, NULL, false, false},
		{"10.9.0.99", "10.9.0.2", 443, "web", "web", "first", "web-policy", true, false},
		{"172.31.255.255", "10.9.0.2", 443, "web", "web", "first", "web-policy", true, false},
		{"172.32.0.0", "10.9.0.2", 443, "web", "web", "second", NULL, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct config_flow flow = flow_of(table[i].client, table[i].server, table[i].port);
		struct config_decision d = config_decide(*state, &flow);

		assert_string_equal(d.address ? d.address->name : "", table[i].address ?: "");
		assert_string_equal(d.endpoint ? d.endpoint->name : "", table[i].endpoint ?: "");
		assert_string_equal(d.virtual_segment ? d.virtual_segment->name : "", table[i].segment ?: "");
		assert_string_equal(d.policy ? d.policy->name : "", table[i].policy ?: "");
		assert_int_equal(d.excepted, table[i].excepted);
		assert_int_equal(d.inspected, table[i].inspected);
	}
}

static void test_i2_misses(void **state)
{
	const struct config *config = *state;
	const struct config_virtual_segment *first = &config->virtual_segments[0],
					    *second = &config->virtual_segments[1];
	struct config_flow flow = flow_of("10.0.0.1", "10.9.1.1", 443);

	assert_int_equal(config_virtual_segment_miss(first, &flow), CONFIG_MISS_NONE);
	assert_int_equal(config_virtual_segment_miss(second, &flow), CONFIG_MISS_DESTINATION);
	flow.side = CONFIG_SIDE_B;
	assert_int_equal(config_virtual_segment_miss(first, &flow), CONFIG_MISS_SIDE);
	flow.side = CONFIG_SIDE_A;
	flow.vlan = 31;
	assert_int_equal(config_virtual_segment_miss(first, &flow), CONFIG_MISS_VLAN);
	flow.vlan = 30;
	assert_int_equal(config_virtual_segment_miss(first, &flow), CONFIG_MISS_NONE);
	flow.segment = "lan";
	assert_int_equal(config_virtual_segment_miss(first, &flow), CONFIG_MISS_SEGMENT);
	flow.segment = NULL;
	inet_pton(AF_INET, "192.0.2.1", &flow.client);
	assert_int_equal(config_virtual_segment_miss(first, &flow), CONFIG_MISS_SOURCE);
}

static void test_i2_disabled_inspects_nothing(void **state)
{
	struct config *config = *state;
	struct config_flow flow = flow_of("10.0.0.1", "10.9.0.2", 443);

	config->ssl_inspection = false;
	assert_false(config_decide(config, &flow).inspected);
	config->ssl_inspection = true;
	assert_true(config_decide(config, &flow).inspected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_i2_decisions),
		cmocka_unit_test(test_i2_misses),
		cmocka_unit_test(test_i2_disabled_inspects_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
