/* SPDX-License-Identifier: Apache-2.0 */
/* The eBPF programs over single frames (BPF_PROG_TEST_RUN), with the policy of a real configuration. */
#include "programs_fixture.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "dataplane/flows.h"
#include "dataplane/publish.h"

static void test_a3_other_frames_are_forwarded_and_counted(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t ethertype, fragment;
		enum wire_counter count;
	} cases[] = {
		{0, 0x86dd, 0, COUNT_WIRE_IPV6},
		{0, 0x0806, 0, COUNT_WIRE_NON_IP},
		{0, 0x8100, 0, COUNT_WIRE_NON_IP}, /* a second tag */
		{IPPROTO_IPIP, 0x0800, 0, COUNT_WIRE_TUNNELLED},
		{IPPROTO_GRE, 0x0800, 0, COUNT_WIRE_TUNNELLED},
		{IPPROTO_IPV6, 0x0800, 0, COUNT_WIRE_TUNNELLED},
		{IPPROTO_UDP, 0x0800, 0x2000, COUNT_WIRE_FRAGMENTS},
		{0, 0x0800, 0x0003, COUNT_WIRE_FRAGMENTS},
		{IPPROTO_UDP, 0x0800, 0, COUNT_WIRE_FORWARDED},
		{IPPROTO_SCTP, 0x0800, 0, COUNT_WIRE_FORWARDED},
	};
	uint8_t data[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t length = frame_tcp(
			data, TCP(.flags = SYN, .protocol = cases[i].protocol, .fragment = cases[i].fragment));
		uint64_t before = fixture_counter(cases[i].count);

		data[12] = cases[i].ethertype >> 8;
		data[13] = cases[i].ethertype;
		assert_int_equal(fixture_run_port(state, A, data, length), TC_ACT_REDIRECT);
		assert_int_equal(fixture_counter(cases[i].count), before + 1);
		assert_int_equal(fixture_counter(COUNT_WIRE_FORWARDED), i + 1);
		assert_memory_equal(out, data, length);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_NEW_FLOWS), 0);
}

static void test_malformed_ipv4_is_forwarded_and_counted(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{14, 0x55}, {14, 0x44}, {14, 0x4f}, /* version, header length */
		{16, 0xff}, {17, 19}, {17, 39},     /* total length */
		{46, 0x40}, {46, 0xf0},             /* TCP header length */
	};
	uint8_t data[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t length = frame_tcp(data, TCP(.flags = SYN));

		data[cases[i].at] = cases[i].value;
		assert_int_equal(fixture_run_port(state, A, data, length), TC_ACT_REDIRECT);
		assert_int_equal(fixture_counter(COUNT_WIRE_MALFORMED), i + 1);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_NEW_FLOWS), 0);
}

static void test_f3_syn_of_an_ssl_server_becomes_a_flow(void **state)
{
	struct flow flow;

	fixture_expect_taken(state, A, TCP(.flags = SYN, .ttl = 61, .tos = 0x28), true);
	assert_true(fixture_find_flow(&flow, CLIENT_PORT));
	assert_int_equal(flow.config_version, 77);
	assert_int_equal(flow.profile_id, 1);
	assert_int_equal(flow.ssl_server_id, 0);
	assert_int_equal(flow.virtual_segment_id, 2);
	assert_int_equal(flow.worker, 3);
	assert_int_equal(flow.context.side, 0);
	assert_int_equal(flow.context.segment, 0);
	assert_int_equal(flow.client_port, htons(CLIENT_PORT));
	assert_int_equal(flow.header[FLOW_TO_SERVER].ttl, 61);
	assert_int_equal(flow.header[FLOW_TO_SERVER].tos, 0x28);
	assert_memory_equal(flow.header[FLOW_TO_CLIENT].mac, "\x02\0\0\0\xc\1\x02\0\0\0\5\1", 12);
	assert_int_equal(flow.packets[FLOW_TO_SERVER], 1);
	assert_int_equal(flow.bytes[FLOW_TO_SERVER], 54);
	assert_int_equal(wire.control->flows, 1);
	/* both directions now, and nothing of the reverse sides */
	fixture_expect_taken(state, A, TCP(.flags = ACK), true);
	fixture_expect_taken(state, B, TCP(BACK, .flags = SYN | ACK), true);
	fixture_expect_taken(state, B, TCP(.flags = ACK), false);
	fixture_expect_taken(state, A, TCP(BACK, .flags = ACK), false);
	fixture_expect_taken(state, C, TCP(.flags = ACK), false);
}

static void test_e1_f3_which_syns_are_taken(void **state)
{
	static const struct {
		struct tcp_frame tcp;
		int port;
		bool taken;
	} cases[] = {
		{{.destination_port = 442}, A, false}, {{.destination_port = 443}, A, true},
		{{.destination_port = 444}, A, false}, {{.destination_port = 8442}, A, false},
		{{.destination_port = 8443}, A, true}, {{.destination_port = 8450}, A, true},
		{{.destination_port = 8451}, A, false},
		{{.destination_port = 995}, A, true}, /* of the covering 10.9.0.0/16 */
		{{.destination = 0x0a090003, .destination_port = 995}, A, true},
		{{.destination = 0x0a090003, .destination_port = 443}, A, false}, /* not of the narrower one */
		{{.destination = 0x0a0a0002, .destination_port = 995}, A, false},
		{{.destination_port = 443}, B, false},                       /* direction */
		{{.destination_port = 443, .source = 0x0a090801}, A, false}, /* profile none */
		{{.destination_port = 443, .source = 0x0a090909}, A, false},
		{{.destination_port = 443, .source = 0x0a09090a}, A, true},
		{{.destination_port = 443, .source = 0x0a090901}, C, true},  /* segment 1 */
		{{.destination_port = 443, .source = 0x0a090701}, A, false}, /* exception */
		{{.destination_port = 995, .source = 0x0a090701}, A, true},  /* not of this policy */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tcp_frame tcp = cases[i].tcp;

		tcp.flags = SYN;
		tcp.source_port = 2000 + i;
		fixture_expect_taken(state, cases[i].port, &tcp, cases[i].taken);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_EXCEPTED), 1);
}

static void test_f4_only_the_epoch_in_force_counts(void **state)
{
	struct flow flow;

	fixture_publish(fixture_config, 2, 78);
	fixture_expect_taken(state, A, TCP(.flags = SYN), true);
	assert_true(fixture_find_flow(&flow, CLIENT_PORT) && flow.config_version == 77);
	wire.control->epoch = 2;
	fixture_expect_taken(state, A, TCP(.flags = SYN, .source_port = 2), true);
	assert_true(fixture_find_flow(&flow, 2) && flow.config_version == 78);
	assert_int_equal(publish_purge(&wire, 1), 0);
	fixture_expect_taken(state, A, TCP(.flags = SYN, .source_port = 3), false);
	wire.control->epoch = 1;
	fixture_expect_taken(state, A, TCP(.flags = SYN, .source_port = 4), true);
	wire.control->epoch = 0;
	fixture_expect_taken(state, A, TCP(.flags = SYN, .source_port = 5), false);
}

static void test_f5_inspection_off_takes_no_flow(void **state)
{
	char text[4096];

	snprintf(text, sizeof(text), "device: {name: test, ssl_inspection: off}\n%s", strchr(fixture_config, '\n') + 1);
	fixture_publish(text, 2, 1);
	wire.control->epoch = 2;
	fixture_expect_taken(state, A, TCP(.flags = SYN), false);
	publish_purge(&wire, 1);
}

static void test_a8_no_live_worker(void **state)
{
	const __u32 slot = 3;

	fixture_set_heartbeat(3, clock_now_ns() - 2 * NSEC_PER_SEC);
	fixture_expect_taken(state, A, TCP(.flags = SYN), false);
	assert_int_equal(fixture_port_tcp(state, A, TCP(.flags = SYN, .destination_port = 995)), TC_ACT_SHOT);
	fixture_set_heartbeat(3, clock_now_ns());
	fixture_expect_taken(state, A, TCP(.flags = SYN), true);
	assert_int_equal(bpf_map_delete_elem(wire.map.listeners, &slot), 0);
	/* the SYN of the dead worker's flow is decided afresh, its other frames still clear both legs */
	fixture_expect_taken(state, A, TCP(.flags = ACK), true);
	fixture_expect_taken(state, A, TCP(.flags = SYN), false);
	fixture_expect_taken(state, A, TCP(.flags = ACK), false);
	assert_int_equal(wire.control->flows, 0);
	fixture_set_listener(0); /* lives, but is not among the workers in charge */
	fixture_set_heartbeat(0, clock_now_ns());
	fixture_expect_taken(state, A, TCP(.flags = SYN), false);
	assert_int_equal(fixture_counter(COUNT_WIRE_BYPASSED_NO_WORKER), 3);
	assert_int_equal(fixture_counter(COUNT_WIRE_BLOCKED_NO_WORKER), 1);
}

static void test_a8_flows_spread_over_live_workers(void **state)
{
	unsigned int share[FLOW_WORKERS_MAX] = {0};
	struct flow flow;

	wire.control->workers = 4;
	for (unsigned int slot = 0; slot < 4; slot++) {
		fixture_set_listener(slot);
		fixture_set_heartbeat(slot, clock_now_ns() - (slot == 1 ? 2 * NSEC_PER_SEC : 0));
	}
	for (uint16_t port = 1000; port < 1900; port++) {
		fixture_port_tcp(state, A, TCP(.flags = SYN, .source_port = port));
		assert_true(fixture_find_flow(&flow, port));
		share[flow.worker]++;
	}
	assert_int_equal(share[1], 0);
	for (unsigned int slot = 0; slot < 4; slot++)
		assert_true(slot == 1 || (share[slot] > 200 && share[slot] < 400));
}

static void test_b12_full_table(void **state)
{
	wire.control->max_flows = 1;
	fixture_expect_taken(state, A, TCP(.flags = SYN), true);
	fixture_expect_taken(state, A, TCP(.flags = SYN, .source_port = 2), false);
	assert_int_equal(fixture_port_tcp(state, A, TCP(.flags = SYN, .destination_port = 995)), TC_ACT_SHOT);
	assert_int_equal(fixture_counter(COUNT_WIRE_BYPASSED_FLOW_TABLE), 1);
	assert_int_equal(fixture_counter(COUNT_WIRE_BLOCKED_FLOW_TABLE), 1);
}

/* SYN, SYN-ACK from inspect, the client's answer */
static void establish(void **state)
{
	fixture_port_tcp(state, A, TCP(.flags = SYN, .seq = 999));
	fixture_inspect_tcp(state, TCP(BACK, .flags = SYN | ACK, .seq = 4999, .ack = 1000));
	fixture_port_tcp(state, A, TCP(.flags = ACK, .seq = 1000, .ack = 5000));
}

static uint8_t flags_of(uint16_t client_port)
{
	struct flow flow;

	assert_true(fixture_find_flow(&flow, client_port));
	return flow.flags;
}

static void test_established_only_by_the_true_answer(void **state)
{
	fixture_port_tcp(state, A, TCP(.flags = SYN, .seq = 999));
	fixture_inspect_tcp(state, TCP(BACK, .flags = SYN | ACK, .seq = 4999, .ack = 1000));
	fixture_port_tcp(state, A, TCP(.flags = ACK, .seq = 1000, .ack = 4711));
	assert_int_equal(flags_of(CLIENT_PORT), 0);
	fixture_port_tcp(state, A, TCP(.flags = ACK, .seq = 1000, .ack = 5000));
	assert_int_equal(flags_of(CLIENT_PORT), FLOW_ESTABLISHED);
}

static void test_forged_resets_do_not_end_a_flow(void **state)
{
	establish(state);
	fixture_port_tcp(state, A, TCP(.flags = RST, .seq = 1001));
	assert_int_equal(flags_of(CLIENT_PORT), FLOW_ESTABLISHED);
	fixture_port_tcp(state, A, TCP(.flags = RST, .seq = 1000));
	assert_int_equal(flags_of(CLIENT_PORT), FLOW_ESTABLISHED | FLOW_RST | FLOW_RST_CLIENT_LEG);
	fixture_inspect_tcp(state, TCP(.flags = RST));
	assert_int_equal(
		flags_of(CLIENT_PORT), FLOW_ESTABLISHED | FLOW_RST | FLOW_RST_CLIENT_LEG | FLOW_RST_SERVER_LEG);
}

static void test_fins_of_both_legs_and_port_reuse(void **state)
{
	struct flow flow;

	establish(state);
	fixture_port_tcp(state, A, TCP(.flags = FIN | ACK));
	fixture_inspect_tcp(state, TCP(.flags = FIN | ACK));
	fixture_port_tcp(state, B, TCP(BACK, .flags = FIN | ACK));
	assert_int_equal(flags_of(CLIENT_PORT),
		FLOW_ESTABLISHED | FLOW_FIN_TO_SERVER | FLOW_FIN_SENT_TO_SERVER | FLOW_FIN_TO_CLIENT);
	fixture_port_tcp(state, A, TCP(.flags = SYN)); /* not over: the same flow */
	assert_int_equal(fixture_counter(COUNT_WIRE_NEW_FLOWS), 1);
	fixture_inspect_tcp(state, TCP(BACK, .flags = FIN | ACK));
	assert_true(flow_client_leg_over(flags_of(CLIENT_PORT)) && flow_server_leg_over(flags_of(CLIENT_PORT)));
	fixture_port_tcp(state, A, TCP(.flags = SYN));
	assert_int_equal(fixture_counter(COUNT_WIRE_NEW_FLOWS), 2);
	assert_int_equal(wire.control->flows, 1);
	assert_true(fixture_find_flow(&flow, CLIENT_PORT));
	assert_int_equal(flow.flags, 0);
	assert_int_equal(flow.packets[FLOW_TO_SERVER], 1);
}

static void test_a2_headers_are_those_of_the_sender(void **state)
{
	fixture_port_tcp(state, A, TCP(.flags = SYN, .ttl = 17, .tos = 0xb8));
	assert_int_equal(fixture_inspect_tcp(state, TCP(.flags = SYN, .tos = 0x03)), TC_ACT_REDIRECT);
	assert_int_equal(out[22], 17);
	assert_int_equal(out[15], 0xbb); /* the leg's own ECN bits */
	assert_memory_equal(out, "\x02\0\0\0\5\1\x02\0\0\0\xc\1", 12);
	assert_true(frame_checksums_ok(out, out_length));
	assert_int_equal(fixture_inspect_tcp(state, TCP(BACK, .flags = SYN | ACK)), TC_ACT_REDIRECT);
	assert_int_equal(out[22], 64);
	assert_memory_equal(out, "\x02\0\0\0\xc\1\x02\0\0\0\5\1", 12);
	fixture_port_tcp(state, B, TCP(BACK, .flags = SYN | ACK, .ttl = 240, .tos = 0x20));
	fixture_inspect_tcp(state, TCP(BACK, .flags = ACK));
	assert_int_equal(out[22], 240);
	assert_int_equal(out[15], 0x20);
	assert_true(frame_checksums_ok(out, out_length));
	assert_int_equal(fixture_counter(COUNT_WIRE_FROM_INSPECT), 3);
}

static void test_a1_nothing_else_leaves_inspect(void **state)
{
	const struct dataplane_bpf *bpf = *state;
	uint8_t data[FRAME_MAX];
	size_t length = frame_icmp(data, 3, 4, TCP(.flags = ACK));

	assert_int_equal(fixture_inspect_tcp(state, TCP(.flags = ACK)), TC_ACT_SHOT);
	fixture_port_tcp(state, A, TCP(.flags = SYN));
	assert_int_equal(fixture_run_program(bpf->progs.ti0_ingress, data, length, port_index[D]), TC_ACT_SHOT);
	assert_int_equal(fixture_inspect_tcp(state, TCP(.flags = ACK, .protocol = IPPROTO_UDP)), TC_ACT_SHOT);
	assert_int_equal(fixture_inspect_tcp(state, TCP(.flags = ACK, .fragment = 0x2000)), TC_ACT_SHOT);
	assert_int_equal(fixture_counter(COUNT_WIRE_LEFTOVERS), 4);
}

static void test_a5_overlapping_tenants_in_two_segments(void **state)
{
	uint8_t data[FRAME_MAX];
	uint16_t internal;

	fixture_expect_taken(state, A, TCP(.flags = SYN), true);
	fixture_expect_taken(state, C, TCP(.flags = SYN), true);
	internal = out[34] << 8 | out[35];
	assert_int_not_equal(internal, CLIENT_PORT);
	assert_true(frame_checksums_ok(out, out_length));
	assert_int_equal(fixture_counter(COUNT_WIRE_OVERLAPS), 1);
	fixture_expect_taken(state, C, TCP(.flags = ACK), true);
	assert_int_equal(out[34] << 8 | out[35], internal);
	fixture_expect_taken(state, D, TCP(BACK, .flags = ACK), true);
	assert_int_equal(out[36] << 8 | out[37], internal);
	assert_true(frame_checksums_ok(out, out_length));
	fixture_expect_taken(state, A, TCP(.flags = ACK), true);
	assert_int_equal(out[34] << 8 | out[35], CLIENT_PORT);
	/* out again under the true port */
	fixture_inspect_tcp(state, TCP(.flags = SYN, .source_port = internal));
	assert_int_equal(out[34] << 8 | out[35], CLIENT_PORT);
	assert_true(frame_checksums_ok(out, out_length));
	/* an error about it: the quoted port is the internal one, the checksum right */
	assert_int_equal(fixture_run_port(state, D, data, frame_icmp(data, 3, 4, TCP(.flags = ACK))), TC_ACT_REDIRECT);
	assert_int_equal(fixture_counter(COUNT_WIRE_ICMP_TO_INSPECT), 1);
	assert_int_equal(out[62] << 8 | out[63], internal);
	assert_true(frame_checksums_ok(out, out_length));
	/* its end takes the alias with it */
	fixture_set_heartbeat(3, 1);
	fixture_expect_taken(state, C, TCP(.flags = SYN), false);
	assert_int_equal(wire.control->aliases, 0);
	assert_int_equal(wire.control->flows, 1);
}

static void test_a9_icmp_errors_about_flows(void **state)
{
	static const struct {
		uint8_t type;
		bool error;
	} types[] = {{3, true}, {11, true}, {12, true}, {5, false}, {4, false}, {8, false}, {0, false}};
	uint8_t data[FRAME_MAX];
	uint64_t expected = 0;

	fixture_port_tcp(state, A, TCP(.flags = SYN));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		/* about the server leg, from the server's side; about the client leg, from the client's */
		assert_int_equal(
			fixture_run_port(state, B, data, frame_icmp(data, types[i].type, 4, TCP(.flags = ACK))),
			TC_ACT_REDIRECT);
		assert_int_equal(
			fixture_run_port(state, A, data, frame_icmp(data, types[i].type, 4, TCP(BACK, .flags = ACK))),
			TC_ACT_REDIRECT);
		expected += types[i].error ? 2 : 0;
		assert_int_equal(fixture_counter(COUNT_WIRE_ICMP_TO_INSPECT), expected);
		/* the wrong side, and a stranger */
		fixture_run_port(state, A, data, frame_icmp(data, types[i].type, 4, TCP(.flags = ACK)));
		fixture_run_port(
			state, B, data, frame_icmp(data, types[i].type, 4, TCP(.flags = ACK, .source_port = 1)));
		assert_int_equal(fixture_counter(COUNT_WIRE_ICMP_TO_INSPECT), expected);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_TO_INSPECT), 1);
}

static void test_a9_mss_fits_the_smaller_port(void **state)
{
	static const uint8_t even[] = {2, 4, 0x05, 0xb4, 1, 1, 4, 2}, odd[] = {1, 2, 4, 0x05, 0xb4, 1, 1, 0};
	static const uint8_t small[] = {2, 4, 0x02, 0x00}, broken[] = {8, 0, 2, 4, 0x05, 0xb4, 1, 1};
	const unsigned int clamped = SMALL_MTU - 40;

	fixture_add_port(A, SMALL_MTU);
	fixture_expect_taken(state, A, TCP(.flags = SYN, .options = even, .n_options = sizeof(even)), true);
	assert_int_equal(out[56] << 8 | out[57], clamped);
	assert_true(frame_checksums_ok(out, out_length));
	fixture_expect_taken(state, A, TCP(.flags = SYN, .options = odd, .n_options = sizeof(odd)), true);
	assert_int_equal(out[57] << 8 | out[58], clamped);
	assert_true(frame_checksums_ok(out, out_length));
	fixture_expect_taken(state, A, TCP(.flags = SYN, .options = small, .n_options = sizeof(small)), true);
	assert_int_equal(out[56] << 8 | out[57], 0x200);
	fixture_expect_taken(state, A, TCP(.flags = SYN, .options = broken, .n_options = sizeof(broken)), true);
	fixture_inspect_tcp(state, TCP(BACK, .flags = SYN | ACK, .options = even, .n_options = sizeof(even)));
	assert_int_equal(out[56] << 8 | out[57], clamped);
	assert_true(frame_checksums_ok(out, out_length));
	fixture_inspect_tcp(
		state, TCP(.flags = SYN, .options = even, .n_options = sizeof(even))); /* leaves on the large port */
	assert_int_equal(out[56] << 8 | out[57], 1460);
	fixture_add_port(A, PORT_MTU);
}

static void test_frames_of_an_unknown_port_are_dropped(void **state)
{
	const struct dataplane_bpf *bpf = *state;
	uint8_t data[FRAME_MAX];
	size_t length = frame_tcp(data, TCP(.flags = SYN));

	assert_int_equal(fixture_run_program(bpf->progs.port_ingress, data, length, 1), TC_ACT_SHOT);
}

/* Every frame has one fate, and each fate its counter. */
static uint64_t fates(void)
{
	static const enum wire_counter counters[] = {COUNT_WIRE_FORWARDED, COUNT_WIRE_TO_INSPECT,
		COUNT_WIRE_ICMP_TO_INSPECT, COUNT_WIRE_ERRORS, COUNT_WIRE_BLOCKED_NO_WORKER,
		COUNT_WIRE_BLOCKED_FLOW_TABLE, COUNT_WIRE_BLOCKED_DOWN, COUNT_WIRE_FRAGMENTS_DROPPED_SYN,
		COUNT_WIRE_FRAGMENTS_DROPPED_TINY, COUNT_WIRE_FRAGMENTS_DROPPED_FLOW};
	uint64_t total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		total += fixture_counter(counters[i]);
	return total;
}

static size_t random_frame(uint8_t *data)
{
	static const uint8_t options[] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 5, 0xb4};
	static const uint8_t flags[] = {SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK, SYN | FIN, 0xff};
	const struct tcp_frame tcp = {.flags = flags[rand() % 8],
		.source_port = rand() % 64 + 1,
		.options = options,
		.n_options = rand() % 5 * 4};
	size_t length = rand() % 4 ? frame_tcp(data, &tcp) : frame_icmp(data, rand() % 13, 4, &tcp);

	for (int changes = rand() % 4; changes > 0; changes--)
		data[12 + rand() % (length - 12)] = rand();
	if (rand() % 8 == 0)
		length = 34 + rand() % (length - 34); /* less is refused by the test call */
	return length;
}

static void test_mutated_frames(void **state)
{
	const struct dataplane_bpf *bpf = *state;
	const uint64_t rounds = 60000;
	uint8_t data[FRAME_MAX];

	srand(4711);
	fixture_add_port(A, SMALL_MTU);
	for (uint64_t i = 0; i < rounds; i++) {
		size_t length = random_frame(data);
		int verdict;

		if (i % 1000 == 0)
			fixture_set_heartbeat(3, clock_now_ns());
		verdict = fixture_run_port(state, rand() % PORTS, data, length);
		assert_true(verdict == TC_ACT_REDIRECT || verdict == TC_ACT_SHOT);
		verdict = fixture_run_program(bpf->progs.ti0_ingress, data, length, port_index[D]);
		assert_true(verdict == TC_ACT_REDIRECT || verdict == TC_ACT_SHOT);
	}
	/* errors are of both programs; there are none */
	assert_int_equal(fixture_counter(COUNT_WIRE_ERRORS), 0);
	assert_int_equal(fates(), rounds);
	assert_int_equal(fixture_counter(COUNT_WIRE_FROM_INSPECT) + fixture_counter(COUNT_WIRE_LEFTOVERS), rounds);
	fixture_add_port(A, PORT_MTU);
}

static void test_reaper_keeps_the_counts(void **state)
{
	struct dataplane_reap reap;

	fixture_port_tcp(state, A, TCP(.flags = SYN));
	fixture_port_tcp(state, C, TCP(.flags = SYN));
	assert_int_equal(dataplane_reap(&wire, 100, &reap), 0);
	assert_int_equal(reap.flows, 2);
	assert_int_equal(flows_remove_segment(&wire, 1), 0);
	assert_int_equal(wire.control->flows, 1);
	assert_int_equal(wire.control->aliases, 0);
	wire.control->flows = 17; /* what a crash may leave */
	assert_int_equal(flows_recount(&wire), 0);
	assert_int_equal(wire.control->flows, 1);
	assert_int_equal(wire.control->aliases, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, fixture_setup)
	const struct CMUnitTest tests[] = {
		T(test_a3_other_frames_are_forwarded_and_counted),
		T(test_malformed_ipv4_is_forwarded_and_counted),
		T(test_f3_syn_of_an_ssl_server_becomes_a_flow),
		T(test_e1_f3_which_syns_are_taken),
		T(test_f4_only_the_epoch_in_force_counts),
		T(test_f5_inspection_off_takes_no_flow),
		T(test_a8_no_live_worker),
		T(test_a8_flows_spread_over_live_workers),
		T(test_b12_full_table),
		T(test_established_only_by_the_true_answer),
		T(test_forged_resets_do_not_end_a_flow),
		T(test_fins_of_both_legs_and_port_reuse),
		T(test_a2_headers_are_those_of_the_sender),
		T(test_a1_nothing_else_leaves_inspect),
		T(test_a5_overlapping_tenants_in_two_segments),
		T(test_a9_icmp_errors_about_flows),
		T(test_a9_mss_fits_the_smaller_port),
		T(test_frames_of_an_unknown_port_are_dropped),
		T(test_mutated_frames),
		T(test_reaper_keeps_the_counts),
	};

	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
