/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/plan.h"

#define HEAD                                     \
	"device: {name: t}\n"                    \
	"segments:\n"                            \
	"  - {name: s0, port_a: a, port_b: b}\n" \
	"  - {name: s1, port_a: c, port_b: d}\n"
#define SERVER "certificates: [c], decrypted_service: http"

static int plan_of(struct plan **plan, const char *text)
{
	static const uint16_t numbers[] = {7, 5};
	struct config_problems problems = {0};
	struct config *config = NULL;
	int err = config_parse(text, strlen(text), &config, &problems);

	for (size_t i = 0; err && i < problems.n; i++)
		print_error("%u: %s\n", problems.items[i].line, problems.items[i].message);
	assert_int_equal(err, 0);
	err = plan_new(plan, config, numbers);
	config_unref(&config);
	config_problems_clear(&problems);
	return err;
}

static const struct wire_server *find_server(const struct plan *plan, uint32_t profile, const char *address, int prefix)
{
	for (size_t i = 0; i < plan->n_servers; i++) {
		const struct wire_prefix *key = &plan->servers[i].key;

		if (key->scope == profile && key->address == inet_addr(address) &&
			key->prefixlen == WIRE_PREFIX_FIXED + (unsigned int)prefix)
			return &plan->servers[i].value;
	}
	return NULL;
}

static void test_e1_a_narrow_destination_inherits_from_the_wide(void **state)
{
	_cleanup_(plan_free) struct plan *plan = NULL;
	const struct wire_server *server;

	assert_int_equal(
		plan_of(&plan, HEAD
			"ssl_servers:\n"
			"  - {name: wide, destinations: [10.0.0.0/8], detection_ports: [993], " SERVER "}\n"
			"  - {name: net, destinations: [10.1.0.0/16, 10.2.0.0/16], detection_ports: [995], "
			"when_unavailable: block, " SERVER "}\n"
			"  - {name: host, destinations: [10.1.2.3], detection_ports: [443, 8000-8010], " SERVER "}\n"
			"profiles:\n"
			"  - name: p\n"
			"    ssl_policies: [{name: w, ssl_server: wide}, {name: n, ssl_server: net}, {name: h, "
			"ssl_server: host}]\n"
			"  - name: q\n"
			"    ssl_policies: [{name: h, ssl_server: host}]\n"
			"virtual_segments:\n"
			"  - {name: v, segment: s0, direction: a_to_b, profile: p}\n"
			"  - {name: w, segment: s1, direction: b_to_a, profile: q}\n"),
		0);
	server = find_server(plan, 0, "10.1.2.3", 32);
	assert_non_null(server);
	assert_int_equal(server->ranges[0].low, 443);
	assert_int_equal(server->ranges[1].high, 8010);
	assert_int_equal(server->ranges[1].server_id, 2);
	assert_int_equal(server->ranges[2].low, 995);
	assert_true(server->ranges[2].block_when_unavailable);
	assert_int_equal(server->ranges[3].low, 993);
	assert_false(server->ranges[3].block_when_unavailable);
	assert_int_equal(server->ranges[4].high, 0);
	server = find_server(plan, 0, "10.2.0.0", 16);
	assert_non_null(server);
	assert_int_equal(server->ranges[0].low, 995);
	assert_int_equal(server->ranges[1].low, 993);
	assert_int_equal(server->ranges[2].high, 0);
	server = find_server(plan, 1, "10.1.2.3", 32);
	assert_non_null(server);
	assert_int_equal(server->ranges[2].high, 0);
	assert_int_equal(plan->n_servers, 5);
	assert_int_equal(plan->n_destinations, 4); /* each once */
	assert_int_equal(plan->virtual_segments[0].segment, 7);
	assert_int_equal(plan->virtual_segments[1].segment, 5);
	assert_int_equal(plan->virtual_segments[1].side, 1);
}

static void test_f3_masks_of_virtual_segments(void **state)
{
	_cleanup_(plan_free) struct plan *plan = NULL;
	const struct wire_virtual_segment *vs;

	assert_int_equal(plan_of(&plan, HEAD "profiles: [{name: p}]\n"
					     "virtual_segments:\n"
					     "  - {name: v, segment: s0, direction: a_to_b, vlans: [untagged, 10-20], "
					     "sources: [192.0.0.0/2, 10.1.0.0/16], "
					     "destinations: [10.2.3.4], profile: p}\n"),
		0);
	vs = plan->virtual_segments;
	assert_int_equal(vs->n_vlans, 2);
	assert_int_equal(vs->vlans[0].high, 0);
	assert_int_equal(vs->vlans[1].low, 10);
	assert_int_equal(vs->n_sources, 2);
	assert_int_equal(vs->sources[0].mask, htonl(0xc0000000));
	assert_int_equal(vs->sources[1].mask, htonl(0xffff0000));
	assert_int_equal(vs->destinations[0].address, inet_addr("10.2.3.4"));
	assert_int_equal(vs->destinations[0].mask, ~0u);
}

static void test_f5_inspection_off_is_an_empty_plan(void **state)
{
	_cleanup_(plan_free) struct plan *plan = NULL;

	assert_int_equal(plan_of(&plan, "device: {name: t, ssl_inspection: off}\n"
					"segments: [{name: s0, port_a: a, port_b: b}]\n"
					"profiles: [{name: p}]\n"
					"virtual_segments: [{name: v, segment: s0, direction: a_to_b, profile: p}]\n"),
		0);
	assert_int_equal(plan->n_virtual_segments + plan->n_destinations + plan->n_servers + plan->n_exceptions, 0);
}

/* n copies of item, each with its number, between head and tail */
static char *repeat(const char *head, const char *item, unsigned int n, const char *tail)
{
	size_t size = strlen(head) + strlen(tail) + n * (strlen(item) + 8) + 1, at;
	char *text = malloc(size);

	at = snprintf(text, size, "%s", head);
	for (unsigned int i = 1; i <= n; i++)
		at += snprintf(text + at, size - at, item, i);
	snprintf(text + at, size - at, "%s", tail);
	return text;
}

static void test_f4_what_does_not_fit_is_refused(void **state)
{
	static const struct {
		const char *head, *item, *tail;
		unsigned int limit;
	} cases[] = {
		{HEAD "profiles: [{name: p}]\nvirtual_segments:\n",
			"  - {name: v%u, segment: s0, direction: a_to_b, profile: p}\n", "", WIRE_VIRTUAL_SEGMENTS_MAX},
		{HEAD "profiles: [{name: p}]\nvirtual_segments:\n  - {name: v, segment: s0, direction: a_to_b, "
		      "profile: p, vlans: [4000",
			", %u", "]}\n", WIRE_VLANS_MAX - 1},
		{HEAD "profiles: [{name: p}]\nvirtual_segments:\n  - {name: v, segment: s0, direction: a_to_b, "
		      "profile: p, sources: [9.9.9.9",
			", 10.0.0.%u", "]}\n", WIRE_CIDRS_MAX - 1},
		{HEAD "profiles: [{name: p}]\nvirtual_segments:\n  - {name: v, segment: s0, direction: a_to_b, "
		      "profile: p, destinations: [9.9.9.9",
			", 10.0.0.%u", "]}\n", WIRE_CIDRS_MAX - 1},
		{HEAD "ssl_servers: [{name: w, destinations: [10.0.0.1], " SERVER ", detection_ports: [6000", ", %u05",
			"]}]\nprofiles: [{name: p, ssl_policies: [{name: x, ssl_server: w}]}]\n",
			WIRE_PORT_RANGES_MAX - 1},
	};

	log_set_level(LOG_LEVEL_ERROR);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *fits = repeat(cases[i].head, cases[i].item, cases[i].limit, cases[i].tail);
		_cleanup_free_ char *over = repeat(cases[i].head, cases[i].item, cases[i].limit + 1, cases[i].tail);
		_cleanup_(plan_free) struct plan *plan = NULL, *none = NULL;

		assert_int_equal(plan_of(&plan, fits), 0);
		assert_int_equal(plan_of(&none, over), -E2BIG);
		assert_null(none);
	}
}

/* the programs' way: one exact lookup under each mask */
static bool bypass_has(const struct plan_bypass *plan, const struct wire_bypass_mask *frame)
{
	for (size_t i = 0; i < plan->n_keys; i++) {
		const struct wire_bypass_mask *m = &plan->masks[plan->keys[i].key.mask], *b = &plan->keys[i].key.bits;

		if ((frame->segment & m->segment) == b->segment && (frame->vlan & m->vlan) == b->vlan &&
			(frame->port & m->port) == b->port && (frame->side & m->side) == b->side &&
			(frame->protocol & m->protocol) == b->protocol && (frame->source & m->source) == b->source &&
			(frame->destination & m->destination) == b->destination)
			return true;
	}
	return false;
}

static void test_b5_ranges_become_blocks_that_hold_no_more_and_no_less(void **state)
{
	_cleanup_(plan_free) struct plan *plan = NULL;
	struct wire_bypass_mask frame = {.segment = 5, .side = 1, .protocol = 6, .source = inet_addr("10.1.2.3")};

	assert_int_equal(plan_of(&plan, HEAD
				 "bypass_rules:\n"
				 "  - {name: r, segment: s1, direction: b_to_a, protocol: tcp, sources: [10.1.0.0/16], "
				 "ports: [3-17, 400-65535], vlans: [untagged, 7-9]}\n"),
		0);
	for (unsigned int port = 1; port < 65536; port++) {
		frame.port = htons(port);
		assert_int_equal(bypass_has(&plan->bypass, &frame), (port >= 3 && port <= 17) || port >= 400);
	}
	for (frame.vlan = 0; frame.vlan < 4095; frame.vlan++)
		assert_int_equal(
			bypass_has(&plan->bypass, &frame), !frame.vlan || (frame.vlan >= 7 && frame.vlan <= 9));
	frame.vlan = 8;
	frame.side = 0;
	assert_false(bypass_has(&plan->bypass, &frame));
	frame.side = 1;
	frame.segment = 7;
	assert_false(bypass_has(&plan->bypass, &frame));
	frame.segment = 5;
	frame.source = inet_addr("10.2.2.3");
	assert_false(bypass_has(&plan->bypass, &frame));
}

/* these two names have one FNV-1a hash, 0xdc8ccbfd */
static void test_f6_servers_whose_names_have_one_hash_have_figures_of_their_own(void **state)
{
	_cleanup_(plan_free) struct plan *plan = NULL;

	assert_int_equal(
		plan_of(&plan, HEAD "ssl_servers:\n"
				    "  - {name: web-730e, destinations: [10.0.0.1], detection_ports: [443], "
				    "max_sessions: 5, " SERVER "}\n"
				    "  - {name: other, destinations: [10.0.0.3], detection_ports: [443], " SERVER "}\n"
				    "  - {name: web-5aa00, destinations: [10.0.0.2], detection_ports: [443], "
				    "max_sessions: 7, " SERVER "}\n"),
		0);
	assert_int_equal(plan->server_limits[0].mark, 0xdc8ccbfd);
	assert_int_equal(plan->server_limits[1].mark, 0);
	assert_int_equal(plan->server_limits[2].mark, 0xdc8ccbfe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_e1_a_narrow_destination_inherits_from_the_wide),
		cmocka_unit_test(test_f3_masks_of_virtual_segments),
		cmocka_unit_test(test_f5_inspection_off_is_an_empty_plan),
		cmocka_unit_test(test_f4_what_does_not_fit_is_refused),
		cmocka_unit_test(test_f6_servers_whose_names_have_one_hash_have_figures_of_their_own),
		cmocka_unit_test(test_b5_ranges_become_blocks_that_hold_no_more_and_no_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
