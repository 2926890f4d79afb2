/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 fragments (RFC 1858, RFC 3128): none is a way around inspection, and all others pass. */
#include <arpa/inet.h>
#include <linux/pkt_cls.h>

#include "base/common.h"
#include "programs_fixture.h"

#define MORE 0x2000

static const enum wire_counter fates[] = {COUNT_WIRE_FRAGMENTS_DROPPED_SYN, COUNT_WIRE_FRAGMENTS_DROPPED_TINY,
	COUNT_WIRE_FRAGMENTS_DROPPED_FLOW, COUNT_WIRE_FRAGMENTS};
enum { SYN_DROPPED, TINY_DROPPED, FLOW_DROPPED, PASSED };

/* that fate and no other */
static void expect_fate(void **state, int port, const uint8_t *data, size_t length, unsigned int fate)
{
	uint64_t before[ARRAY_SIZE(fates)];

	for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
		before[i] = fixture_counter(fates[i]);
	assert_int_equal(fixture_run_port(state, port, data, length), fate == PASSED ? TC_ACT_REDIRECT : TC_ACT_SHOT);
	for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
		assert_int_equal(fixture_counter(fates[i]) - before[i], i == fate);
}

static const struct {
	struct tcp_frame tcp;
	size_t cut; /* bytes of TCP in the fragment; 0: all */
	unsigned int fate;
} cases[] = {
	{{.flags = SYN, .fragment = MORE}, 0, SYN_DROPPED},
	{{.flags = SYN | FIN, .fragment = MORE}, 0, SYN_DROPPED},
	{{.flags = SYN, .fragment = MORE, .destination_port = 8444}, 0, SYN_DROPPED},
	{{.flags = SYN, .fragment = MORE, .destination = 0x0a09ff01, .destination_port = 995}, 0, SYN_DROPPED},
	{{.flags = SYN, .fragment = MORE, .destination_port = 80}, 0, PASSED},
	{{.flags = SYN, .fragment = MORE, .destination = 0x0a0a0001}, 0, PASSED},
	{{.flags = ACK, .fragment = MORE}, 0, PASSED}, /* of a flow that was bypassed */
	{{.flags = ACK, .fragment = MORE}, 16, TINY_DROPPED},
	{{.flags = ACK, .fragment = MORE}, 8, TINY_DROPPED},
	{{.flags = ACK, .fragment = MORE, .destination_port = 80}, 16, TINY_DROPPED},
	{{.flags = ACK, .fragment = MORE, .destination = 0x0a0a0001}, 8, PASSED},
	{{.flags = ACK, .fragment = MORE, .source = 0x0a090801}, 8, PASSED}, /* profile without SSL servers */
	{{.flags = ACK, .fragment = MORE | 1}, 0, TINY_DROPPED},
	{{.flags = ACK, .fragment = 1}, 0, TINY_DROPPED},
	{{.flags = ACK, .fragment = 1}, 8, TINY_DROPPED},
	{{.flags = ACK, .fragment = 1, .destination = 0x0a0a0001}, 0, PASSED},
	{{.flags = SYN, .fragment = 2}, 0, PASSED},
	{{.flags = SYN, .fragment = MORE | 185}, 0, PASSED},
	{{.flags = SYN, .fragment = MORE, .protocol = IPPROTO_UDP}, 0, PASSED},
	{{.flags = SYN, .fragment = 1, .protocol = IPPROTO_UDP}, 0, PASSED},
	{{.flags = SYN, .fragment = MORE, .protocol = IPPROTO_ICMP}, 8, PASSED},
};

static size_t make(uint8_t *data, size_t i)
{
	size_t length = frame_tcp(data, &cases[i].tcp);

	if (!cases[i].cut)
		return length;
	data[17] = 20 + cases[i].cut;
	frame_fix_ip(data);
	return 34 + cases[i].cut;
}

static void test_a9_fragments_that_could_carry_a_syn_are_dropped(void **state)
{
	uint8_t data[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_fate(state, A, data, make(data, i), cases[i].fate);
	assert_int_equal(fixture_counter(COUNT_WIRE_NEW_FLOWS), 0);
	/* from the servers' side no virtual segment takes anything */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_fate(state, B, data, make(data, i), PASSED);
}

static void test_a4_fragments_inside_a_tunnel_are_judged_the_same(void **state)
{
	const struct tunnel_frame tunnel = {.protocol = IPPROTO_GRE, .gre_flags = 0x2000, .key = 7};
	uint8_t data[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_fate(state, A, data, frame_wrap(data, make(data, i), &tunnel), cases[i].fate);
}

/* the tunnel packet itself is torn: its first fragment shows what is inside */
static void test_a4_fragments_of_a_tunnel_packet(void **state)
{
	static const struct {
		struct tcp_frame tcp;
		uint16_t fragment;
		unsigned int fate;
	} outer[] = {
		{{.flags = SYN}, MORE, SYN_DROPPED},
		{{.flags = SYN, .destination_port = 80}, MORE, PASSED},
		{{.flags = ACK}, MORE, PASSED},
		{{.flags = SYN}, 1, PASSED},
		{{.flags = SYN}, MORE | 20, PASSED},
	};
	uint8_t data[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(outer); i++) {
		const struct tunnel_frame tunnel = {.protocol = IPPROTO_IPIP, .fragment = outer[i].fragment};
		size_t length = frame_tcp(data, &outer[i].tcp);

		data[16] = 5; /* the inner packet goes on in the next fragment */
		frame_fix_ip(data);
		expect_fate(state, A, data, frame_wrap(data, length, &tunnel), outer[i].fate);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_TUNNEL_FRAGMENTS), ARRAY_SIZE(outer));
	assert_int_equal(fixture_counter(COUNT_WIRE_NEW_FLOWS), 0);
}

static void test_a9_first_fragments_of_proxied_flows_are_dropped(void **state)
{
	uint8_t data[FRAME_MAX];

	fixture_expect_taken(state, A, TCP(.flags = SYN), true);
	expect_fate(state, A, data, frame_tcp(data, TCP(.flags = ACK, .fragment = MORE)), FLOW_DROPPED);
	expect_fate(state, A, data, frame_tcp(data, TCP(.flags = SYN, .fragment = MORE)), FLOW_DROPPED);
	expect_fate(state, B, data, frame_tcp(data, TCP(BACK, .flags = ACK, .fragment = MORE)), FLOW_DROPPED);
	/* another connection, and the later fragments of any */
	expect_fate(state, A, data, frame_tcp(data, TCP(.flags = ACK, .source_port = 9, .fragment = MORE)), PASSED);
	expect_fate(state, A, data, frame_tcp(data, TCP(.flags = ACK, .fragment = 100)), PASSED);
	expect_fate(state, B, data, frame_tcp(data, TCP(BACK, .flags = ACK, .fragment = 1)), PASSED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, fixture_setup)
	const struct CMUnitTest tests[] = {
		T(test_a9_fragments_that_could_carry_a_syn_are_dropped),
		T(test_a4_fragments_inside_a_tunnel_are_judged_the_same),
		T(test_a4_fragments_of_a_tunnel_packet),
		T(test_a9_first_fragments_of_proxied_flows_are_dropped),
	};

	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
