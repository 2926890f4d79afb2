/* SPDX-License-Identifier: Apache-2.0 */
/* One layer of GRE or IP-in-IP (row A4), frame by frame. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "base/common.h"
#include "programs_fixture.h"

#define GRE_KEY 0x2000
#define DF 0x4000

static const struct tunnel_frame ipip = {.protocol = IPPROTO_IPIP}, gre = {.protocol = IPPROTO_GRE},
				 gre_key = {.protocol = IPPROTO_GRE, .gre_flags = GRE_KEY, .key = 0x01020304};
static const struct tunnel_frame *const kinds[] = {&ipip, &gre, &gre_key};

static struct tunnel_frame reverse(const struct tunnel_frame *tunnel)
{
	struct tunnel_frame back = *tunnel;

	back.source = tunnel->destination ?: TUNNEL_SERVER_IP;
	back.destination = tunnel->source ?: TUNNEL_CLIENT_IP;
	return back;
}

static int run_tunnel(void **state, int port, const struct tunnel_frame *tunnel, const struct tcp_frame *tcp)
{
	uint8_t data[FRAME_MAX];

	return fixture_run_port(state, port, data, frame_wrap(data, frame_tcp(data, tcp), tunnel));
}

static void expect_taken(
	void **state, int port, const struct tunnel_frame *tunnel, const struct tcp_frame *tcp, bool taken)
{
	uint64_t before = fixture_counter(COUNT_WIRE_TO_INSPECT), forwarded = fixture_counter(COUNT_WIRE_FORWARDED);

	assert_int_equal(run_tunnel(state, port, tunnel, tcp), TC_ACT_REDIRECT);
	assert_int_equal(fixture_counter(COUNT_WIRE_TO_INSPECT) - before, taken);
	assert_int_equal(fixture_counter(COUNT_WIRE_FORWARDED) - forwarded, !taken);
}

/* what leaves is what this tunnel's own end would have made of the packet, but for the outer header's id */
static void expect_wrapped(const struct tunnel_frame *tunnel, uint8_t *inner, size_t length)
{
	uint8_t was[FRAME_MAX];
	size_t total;

	memcpy(was, out, out_length);
	total = frame_wrap(inner, length, tunnel);
	assert_int_equal(out_length, total);
	memcpy(inner + 18, was + 18, 2);
	frame_fix_ip(inner);
	assert_memory_equal(was, inner, total);
}

static void test_a4_a_flow_inside_a_tunnel_is_proxied(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct tcp_frame syn = {.flags = SYN, .source_port = 3000 + i, .ttl = 61, .tos = 0x28};
		struct tunnel_frame there = *kinds[i], back = reverse(kinds[i]);
		uint8_t plain[FRAME_MAX];
		struct flow flow;

		there.fragment = DF;
		expect_taken(state, A, &there, &syn, true);
		assert_int_equal(out_length, frame_tcp(plain, &syn)); /* `inspect` sees the inner packet */
		assert_memory_equal(out, plain, out_length);
		assert_true(fixture_find_flow(&flow, 3000 + i));
		assert_int_equal(flow.context.encap, FLOW_ENCAP_IPIP + i);
		assert_int_equal(flow.context.gre_key, i == 2 ? htonl(0x01020304) : 0);
		assert_int_equal(flow.context.tunnel_client, htonl(TUNNEL_CLIENT_IP));
		assert_int_equal(flow.context.tunnel_server, htonl(TUNNEL_SERVER_IP));
		expect_taken(state, B, &back, TCP(BACK_TO(3000 + i), .flags = ACK), true);
		/* other contexts */
		expect_taken(state, B, &there, TCP(BACK_TO(3000 + i), .flags = ACK), false);
		fixture_expect_taken(state, A, TCP(.source_port = 3000 + i, .flags = ACK), false);
		expect_taken(state, A, kinds[(i + 1) % 3], TCP(.source_port = 3000 + i, .flags = ACK), false);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_NEW_FLOWS), 3);
	assert_int_equal(fixture_counter(COUNT_WIRE_TUNNELLED), 12);
}

static void test_a4_replies_leave_in_the_same_tunnel(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const uint16_t port = 3000 + i;
		const struct tcp_frame syn = {.flags = SYN, .source_port = port, .ttl = 61, .tos = 0x28};
		const struct tcp_frame ack = {BACK_TO(port), .flags = ACK, .ttl = 99, .tos = 0x48};
		struct tunnel_frame there = *kinds[i], back = reverse(kinds[i]);
		uint8_t inner[FRAME_MAX];
		size_t length;

		there.ttl = 31;
		there.tos = 0xb8;
		there.fragment = DF;
		back.fragment = DF;
		run_tunnel(state, A, &there, &syn);
		/* to the server: as the client's end sent it */
		assert_int_equal(fixture_inspect_tcp(state, TCP(.flags = SYN, .source_port = port)), TC_ACT_REDIRECT);
		length = frame_tcp(inner, &syn);
		expect_wrapped(&there, inner, length);
		/* to the client, before the server has spoken, and after */
		fixture_inspect_tcp(state, TCP(BACK_TO(port), .flags = SYN | ACK));
		length = frame_tcp(inner, TCP(BACK_TO(port), .flags = SYN | ACK));
		memcpy(inner, "\x02\0\0\0\xc\1\x02\0\0\0\5\1", 12);
		expect_wrapped(&back, inner, length);
		back.ttl = 7;
		back.tos = 0x20;
		back.fragment = 0;
		run_tunnel(state, B, &back, &ack);
		fixture_inspect_tcp(state, TCP(BACK_TO(port), .flags = ACK));
		length = frame_tcp(inner, &ack);
		expect_wrapped(&back, inner, length);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_ERRORS), 0);
}

static void test_a4_tenants_with_one_tuple_in_several_tunnels(void **state)
{
	const struct tunnel_frame tunnels[] = {ipip, gre, gre_key, {.protocol = IPPROTO_GRE, .source = 0xc0a80009},
		{.protocol = IPPROTO_GRE, .gre_flags = GRE_KEY, .key = 5},
		{.protocol = IPPROTO_IPIP, .destination = 0xc0a80008}};
	uint16_t internal[ARRAY_SIZE(tunnels)];

	fixture_expect_taken(state, A, TCP(.flags = SYN), true);
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		expect_taken(state, A, &tunnels[i], TCP(.flags = SYN), true);
		internal[i] = out[34] << 8 | out[35];
		assert_int_not_equal(internal[i], CLIENT_PORT);
		assert_true(frame_checksums_ok(out, out_length));
	}
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		struct tunnel_frame back = reverse(&tunnels[i]);
		uint8_t inner[FRAME_MAX];
		size_t length;

		expect_taken(state, B, &back, TCP(BACK, .flags = ACK), true);
		assert_int_equal(out[36] << 8 | out[37], internal[i]);
		/* each goes back to its own client */
		fixture_inspect_tcp(state, TCP(BACK_TO(internal[i]), .flags = ACK));
		length = frame_tcp(inner, TCP(BACK, .flags = ACK));
		expect_wrapped(&back, inner, length);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_OVERLAPS), ARRAY_SIZE(tunnels));
}

static void test_a4_what_is_forwarded_and_why(void **state)
{
	static const struct {
		struct tunnel_frame tunnel;
		uint8_t inner_protocol;
		enum wire_counter count;
	} cases[] = {
		{{.protocol = IPPROTO_GRE, .gre_flags = 0x8000}, 0, COUNT_WIRE_TUNNEL_GRE_OPTIONS},
		{{.protocol = IPPROTO_GRE, .gre_flags = 0x1000}, 0, COUNT_WIRE_TUNNEL_GRE_OPTIONS},
		{{.protocol = IPPROTO_GRE, .gre_flags = 0x3000}, 0, COUNT_WIRE_TUNNEL_GRE_OPTIONS},
		{{.protocol = IPPROTO_GRE, .gre_flags = 0x4000}, 0, COUNT_WIRE_TUNNEL_GRE_OPTIONS},
		{{.protocol = IPPROTO_GRE, .gre_flags = 0x2001}, 0, COUNT_WIRE_TUNNEL_GRE_OPTIONS},
		{{.protocol = IPPROTO_GRE, .gre_protocol = 0x86dd}, 0, COUNT_WIRE_TUNNEL_NON_IPV4},
		{{.protocol = IPPROTO_GRE, .gre_protocol = 0x6558}, 0, COUNT_WIRE_TUNNEL_NON_IPV4},
		{{.protocol = IPPROTO_IPV6}, 0, COUNT_WIRE_TUNNEL_NON_IPV4},
		{{.protocol = IPPROTO_IPIP, .n_options = 4}, 0, COUNT_WIRE_TUNNEL_IP_OPTIONS},
		{{.protocol = IPPROTO_GRE, .n_options = 40}, 0, COUNT_WIRE_TUNNEL_IP_OPTIONS},
		{{.protocol = IPPROTO_IPIP}, IPPROTO_IPIP, COUNT_WIRE_TUNNEL_NESTED},
		{{.protocol = IPPROTO_IPIP}, IPPROTO_GRE, COUNT_WIRE_TUNNEL_NESTED},
		{{.protocol = IPPROTO_GRE}, IPPROTO_IPV6, COUNT_WIRE_TUNNEL_NESTED},
		{{.protocol = IPPROTO_IPIP}, IPPROTO_UDP, COUNT_WIRE_FORWARDED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t before = fixture_counter(cases[i].count);

		expect_taken(state, A, &cases[i].tunnel, TCP(.flags = SYN, .protocol = cases[i].inner_protocol), false);
		assert_int_equal(fixture_counter(cases[i].count), before + 1);
		assert_int_equal(fixture_counter(COUNT_WIRE_TUNNELLED), i + 1);
	}
	fixture_expect_taken(
		state, A, TCP(.protocol = IPPROTO_UDP, .destination_port = 2152, .source_port = 2152), false);
	assert_int_equal(fixture_counter(COUNT_WIRE_TUNNEL_GTP), 1);
	assert_int_equal(fixture_counter(COUNT_WIRE_NEW_FLOWS), 0);
}

static void test_f3_virtual_segments_match_the_inner_addresses(void **state)
{
	expect_taken(state, A, &gre, TCP(.flags = SYN, .source = 0x0a090801), false); /* profile without servers */
	expect_taken(state, A, &gre, TCP(.flags = SYN, .source = 0x0a090701), false); /* exception */
	expect_taken(state, A, &gre, TCP(.flags = SYN, .destination = 0x0a0a0002), false);
	expect_taken(state, B, &gre, TCP(.flags = SYN), false);
	/* an SSL server as a tunnel end is none */
	expect_taken(state, A, &(struct tunnel_frame){.protocol = IPPROTO_GRE, .destination = SERVER_IP},
		TCP(.flags = SYN, .destination = 0x0a0a0002), false);
	assert_int_equal(fixture_counter(COUNT_WIRE_EXCEPTED), 1);
}

static void test_a4_mss_leaves_room_for_the_tunnel_header(void **state)
{
	static const uint8_t mss[] = {2, 4, 0x05, 0xb4};
	static const unsigned int expected[] = {1440, 1436, 1432};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t header = frame_tunnel_length(kinds[i]);

		expect_taken(state, A, kinds[i],
			TCP(.flags = SYN, .source_port = 10 + i, .options = mss, .n_options = sizeof(mss)), true);
		assert_int_equal(out[56] << 8 | out[57], expected[i]);
		assert_true(frame_checksums_ok(out, out_length));
		fixture_inspect_tcp(
			state, TCP(BACK_TO(10 + i), .flags = SYN | ACK, .options = mss, .n_options = sizeof(mss)));
		assert_int_equal(out[header + 56] << 8 | out[header + 57], expected[i]);
		memmove(out + 14, out + 14 + header, out_length - 14 - header);
		assert_true(frame_checksums_ok(out, out_length - header));
	}
}

static void test_a4_answers_in_another_tunnel(void **state)
{
	static const struct tunnel_frame other[] = {
		{.protocol = IPPROTO_GRE, .gre_flags = GRE_KEY, .key = 9},
		{.protocol = IPPROTO_GRE},
		{.protocol = IPPROTO_IPIP},
		{.protocol = IPPROTO_GRE, .gre_flags = GRE_KEY, .key = 0x01020304, .source = 0xc0a80009},
	};

	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		struct tunnel_frame there = gre_key, back = reverse(&other[i]);
		const uint16_t port = 100 + i;
		struct flow flow;

		there.source = 0xc0a80100 + i;
		if (!other[i].source)
			back.destination = there.source;
		expect_taken(state, A, &there, TCP(.flags = SYN, .source_port = port), true);
		fixture_inspect_tcp(state, TCP(.flags = SYN, .source_port = port, .seq = 999));
		/* not an answer to it */
		expect_taken(state, B, &back, TCP(BACK_TO(port), .flags = SYN | ACK, .ack = 999), false);
		assert_int_equal(fixture_counter(COUNT_WIRE_TUNNEL_KEYS_DIFFER), i);
		expect_taken(state, A, &there, TCP(.flags = SYN, .source_port = 200 + i), true);
		assert_int_equal(
			run_tunnel(state, B, &back, TCP(BACK_TO(port), .flags = SYN | ACK, .ack = 1000)), TC_ACT_SHOT);
		assert_int_equal(fixture_counter(COUNT_WIRE_TUNNEL_KEYS_DIFFER), i + 1);
		assert_false(fixture_find_flow(&flow, port));
		/* later ones in this tunnel pass, those in others do not */
		expect_taken(state, A, &there, TCP(.flags = SYN, .source_port = 300 + i), false);
		assert_int_equal(fixture_counter(COUNT_WIRE_BYPASSED_TUNNEL), i + 1);
		expect_taken(state, A, &gre_key, TCP(.flags = SYN, .source_port = 400 + i), true);
	}
}

static void test_a4_a_repeated_syn_is_shown_to_the_server_once(void **state)
{
	expect_taken(state, A, &gre_key, TCP(.flags = SYN, .seq = 999), true);
	assert_int_equal(fixture_counter(COUNT_WIRE_TUNNEL_PROBES), 0);
	expect_taken(state, A, &gre_key, TCP(.flags = SYN, .seq = 999), true);
	expect_taken(state, A, &gre_key, TCP(.flags = SYN, .seq = 999), true);
	assert_int_equal(fixture_counter(COUNT_WIRE_TUNNEL_PROBES), 1);
	fixture_expect_taken(state, A, TCP(.flags = SYN), true); /* without a tunnel there is nothing to learn */
	fixture_expect_taken(state, A, TCP(.flags = SYN), true);
	assert_int_equal(fixture_counter(COUNT_WIRE_TUNNEL_PROBES), 1);
}

/* a router between the ends: what reaches the leg is an error about the packet inside */
static void test_a4_path_mtu_of_a_tunnel(void **state)
{
	uint8_t quoted[FRAME_MAX], data[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const size_t header = frame_tunnel_length(kinds[i]);
		const uint16_t port = 500 + i;
		size_t length;

		expect_taken(state, A, kinds[i], TCP(.flags = SYN, .source_port = port), true);
		length = frame_tcp(quoted, TCP(.flags = ACK, .source_port = port));
		length = frame_icmp_quote(data, 3, 4, 1400, quoted, frame_wrap(quoted, length, kinds[i]));
		assert_true(frame_checksums_ok(data, length));
		assert_int_equal(fixture_run_port(state, B, data, length), TC_ACT_REDIRECT);
		assert_int_equal(fixture_counter(COUNT_WIRE_ICMP_TO_INSPECT), 3 * i + 1);
		assert_int_equal(out_length, length - header);
		assert_int_equal(out[16] << 8 | out[17], out_length - 14);
		assert_true(frame_checksums_ok(out, out_length));
		assert_int_equal(out[40] << 8 | out[41], 1400 - header);
		frame_tcp(data, TCP(.flags = ACK, .source_port = port));
		assert_memory_equal(out + 42, data + 14, 40);
		/* a router that gives no MTU, or none that leaves room */
		for (uint16_t mtu = 0; mtu <= header; mtu += header) {
			length = frame_icmp_quote(data, 3, 4, mtu, quoted, 14 + header + 40);
			fixture_run_port(state, B, data, length);
			assert_true(frame_checksums_ok(out, out_length));
			assert_int_equal(out[40] << 8 | out[41], 0);
		}
		/* from the wrong side, or of another kind: as it came */
		length = frame_icmp_quote(data, 3, 4, 1400, quoted, 14 + header + 40);
		assert_int_equal(fixture_run_port(state, A, data, length), TC_ACT_REDIRECT);
		length = frame_icmp_quote(data, 3, 1, 0, quoted, 14 + header + 40);
		assert_int_equal(fixture_run_port(state, B, data, length), TC_ACT_REDIRECT);
		assert_memory_equal(out, data, length);
		length = frame_icmp_quote(data, 3, 4, 1400, quoted, 14 + 28); /* too short a quotation */
		assert_int_equal(fixture_run_port(state, B, data, length), TC_ACT_REDIRECT);
		assert_int_equal(fixture_counter(COUNT_WIRE_ICMP_TO_INSPECT), 3 * i + 3);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_ERRORS), 0);
}

static void test_a4_icmp_inside_a_tunnel(void **state)
{
	uint8_t data[FRAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct tunnel_frame back = reverse(kinds[i]);
		size_t length;

		expect_taken(state, A, kinds[i], TCP(.flags = SYN, .source_port = 600 + i), true);
		length = frame_icmp(data, 3, 4, TCP(.flags = ACK, .source_port = 600 + i));
		fixture_run_port(state, B, data, frame_wrap(data, length, &back));
		assert_int_equal(fixture_counter(COUNT_WIRE_ICMP_TO_INSPECT), i + 1);
		assert_int_equal(out_length, length);
		assert_true(frame_checksums_ok(out, out_length));
	}
}

/* RFC 6040: what the tunnel met is told inside, and ECN outside is the sender's way */
static void test_a4_ecn(void **state)
{
	struct tunnel_frame there = gre;

	there.tos = 0x03;
	expect_taken(state, A, &there, TCP(.flags = SYN, .tos = 0x02), true);
	assert_int_equal(out[15], 0x03);
	assert_true(frame_checksums_ok(out, out_length));
	fixture_inspect_tcp(state, TCP(.flags = SYN, .tos = 0x01));
	assert_int_equal(out[15], 0x01);
	expect_taken(state, A, &there, TCP(.flags = ACK), true);
	assert_int_equal(out[15], 0);
	there.tos = 0;
	expect_taken(state, A, &there, TCP(.flags = ACK), true);
	fixture_inspect_tcp(state, TCP(.flags = ACK, .tos = 0x01));
	assert_int_equal(out[15], 0);
	assert_int_equal(out[39], 0x01);
}

static size_t random_frame(uint8_t *data)
{
	static const uint8_t flags[] = {SYN, SYN | ACK, ACK, RST, 0xff};
	const struct tcp_frame tcp = {.flags = flags[rand() % 5], .source_port = rand() % 64 + 1};
	struct tunnel_frame tunnel = *kinds[rand() % 3];
	size_t length = rand() % 4 ? frame_tcp(data, &tcp) : frame_icmp(data, 3, 4, &tcp);

	if (rand() % 2) {
		uint8_t quoted[FRAME_MAX];

		memcpy(quoted, data, length);
		length = frame_wrap(quoted, length, &tunnel);
		length = frame_icmp_quote(data, 3, 4, rand(), quoted, length);
	} else {
		length = frame_wrap(data, length, &tunnel);
	}
	for (int changes = rand() % 4; changes > 0; changes--)
		data[14 + rand() % (length - 14)] = rand();
	return rand() % 4 ? length : 34 + rand() % (length - 34);
}

static void test_a4_mutated_frames(void **state)
{
	const struct dataplane_bpf *bpf = *state;
	uint8_t data[FRAME_MAX];

	srand(42);
	for (int i = 0; i < 40000; i++) {
		size_t length = random_frame(data);
		int verdict = fixture_run_port(state, rand() % PORTS, data, length);

		assert_true(verdict == TC_ACT_REDIRECT || verdict == TC_ACT_SHOT);
		verdict = fixture_run_program(bpf->progs.ti0_ingress, data, length, port_index[D]);
		assert_int_equal(verdict, TC_ACT_SHOT); /* no tunnel comes from `inspect` */
		if (i % 1000 == 0)
			fixture_setup(state);
	}
	assert_int_equal(fixture_counter(COUNT_WIRE_ERRORS), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, fixture_setup)
	const struct CMUnitTest tests[] = {
		T(test_a4_a_flow_inside_a_tunnel_is_proxied),
		T(test_a4_replies_leave_in_the_same_tunnel),
		T(test_a4_tenants_with_one_tuple_in_several_tunnels),
		T(test_a4_what_is_forwarded_and_why),
		T(test_f3_virtual_segments_match_the_inner_addresses),
		T(test_a4_mss_leaves_room_for_the_tunnel_header),
		T(test_a4_answers_in_another_tunnel),
		T(test_a4_a_repeated_syn_is_shown_to_the_server_once),
		T(test_a4_path_mtu_of_a_tunnel),
		T(test_a4_icmp_inside_a_tunnel),
		T(test_a4_ecn),
		T(test_a4_mutated_frames),
	};

	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
