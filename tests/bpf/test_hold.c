/* SPDX-License-Identifier: Apache-2.0 */
/* Held SYNs (A1), frame by frame: a worker with a ring is live in slot 3. What the programs send besides their verdict,
 * copies of the server's refusals and SYN-ACKs for `inspect`, is seen by a packet socket on every interface. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "dataplane/rtnl.h"
#include "programs_fixture.h"

#define CLIENT_SEQ 7000u /* of the client's SYN */
#define LEG_SEQ 900000u  /* of the server leg's */

static int witness = -1;

static struct {
	unsigned int n;
	int ifindex;
	uint8_t data[FRAME_MAX];
	size_t length;
} sent; /* by the programs themselves, since the last look; the newest in full */

static void look(void)
{
	struct sockaddr_ll where;
	socklen_t size = sizeof(where);
	uint8_t data[FRAME_MAX];
	ssize_t n;

	memset(&sent, 0, sizeof(sent));
	while ((n = recvfrom(witness, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&where, &size)) > 0) {
		if (where.sll_pkttype != PACKET_OUTGOING)
			continue;
		sent.n++;
		sent.ifindex = where.sll_ifindex;
		memcpy(sent.data, data, n);
		sent.length = n;
	}
}

/* of this process's namespace: or its interfaces would speak up by themselves */
static void disable_ipv6(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
}

/* The kernel puts a link into operation some time after it is up: until then what is sent is lost. */
static void wait_for_link(int port)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = port_index[port]};
	uint8_t data[FRAME_MAX];
	size_t length = frame_tcp(data, TCP(.flags = ACK));
	int sender = socket(AF_PACKET, SOCK_RAW, 0); /* a socket does not see what it sent itself */

	memset(&sent, 0, sizeof(sent));
	for (int tries = 0; tries < 500 && !sent.n; tries++) {
		usleep(10000);
		sendto(sender, data, length, 0, (const struct sockaddr *)&where, sizeof(where));
		look();
	}
	assert_int_equal(sent.n, 1);
	close(sender);
	look();
}

static int group_setup(void **state)
{
	const struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	const struct dataplane_bpf *bpf;
	const __u32 slot = 3;
	int ring;

	if (fixture_group_setup(state))
		return -1;
	disable_ipv6();
	bpf = *state;
	ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, FLOW_EVENTS_BYTES, NULL);
	assert_true(ring >= 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(bpf->maps.events), &slot, &ring, BPF_ANY), 0);
	for (int port = 0; port < PORTS; port++)
		assert_int_equal(rtnl_link_set_flags(port_index[port], IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP), 0);
	witness = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	assert_int_equal(bind(witness, (const struct sockaddr *)&all, sizeof(all)), 0);
	for (int port = 0; port < PORTS; port++)
		wait_for_link(port);
	return 0;
}

static void forget(const struct dataplane_bpf *bpf)
{
	const int maps[] = {bpf_map__fd(bpf->maps.held), bpf_map__fd(bpf->maps.answers)};
	char key[64];

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		while (bpf_map_get_next_key(maps[i], NULL, key) == 0)
			bpf_map_delete_elem(maps[i], key);
}

static int setup(void **state)
{
	fixture_setup(state);
	forget(*state);
	wire.control->holds = 1000000;
	look();
	return 0;
}

static void hold(void **state, uint16_t port)
{
	uint64_t held = fixture_counter(COUNT_WIRE_HELD);

	assert_int_equal(
		fixture_port_tcp(state, A, TCP(.flags = SYN, .source_port = port, .seq = CLIENT_SEQ)), TC_ACT_SHOT);
	assert_int_equal(fixture_counter(COUNT_WIRE_HELD), held + 1);
	/* the worker's connection to the server */
	assert_int_equal(
		fixture_inspect_tcp(state, TCP(.flags = SYN, .source_port = port, .seq = LEG_SEQ)), TC_ACT_REDIRECT);
	look();
	assert_int_equal(sent.n, 0);
}

static void test_a1_the_answer_lets_the_syn_in(void **state)
{
	static const uint8_t options[] = {2, 4, 5, 0x78, 1, 3, 3, 7};
	const struct tcp_frame syn = {
		.flags = SYN, .source_port = 20, .seq = CLIENT_SEQ, .options = options, .n_options = sizeof(options)};
	uint8_t answer[FRAME_MAX];
	size_t length =
		frame_tcp(answer, TCP(BACK_TO(20), .flags = SYN | ACK, .seq = 5, .ack = LEG_SEQ + 1, .ttl = 61));

	assert_int_equal(fixture_port_tcp(state, A, &syn), TC_ACT_SHOT);
	fixture_inspect_tcp(state, TCP(.flags = SYN, .source_port = 20, .seq = LEG_SEQ));
	assert_int_equal(fixture_run_port(state, B, answer, length), TC_ACT_REDIRECT);
	look();
	/* a copy of the answer, to the stack of `inspect` */
	assert_int_equal(sent.n, 1);
	assert_int_equal(sent.ifindex, port_index[D]);
	assert_int_equal(sent.length, length);
	assert_memory_equal(sent.data + 12, answer + 12, length - 12);
	/* and the frame itself has become the SYN, with the client's options and none besides */
	assert_int_equal(out_length, 14 + 20 + 60);
	assert_true(frame_checksums_ok(out, out_length));
	assert_memory_equal(out + 26, "\x0a\x09\0\1\x0a\x09\0\2\0\x14\x01\xbb", 12);
	assert_memory_equal(out + 38, "\0\0\x1b\x58", 4); /* CLIENT_SEQ */
	assert_int_equal(out[47], SYN);
	assert_memory_equal(out + 54, options, sizeof(options));
	for (size_t i = 54 + sizeof(options); i < out_length; i++)
		assert_int_equal(out[i], 0);
	assert_int_equal(fixture_counter(COUNT_WIRE_ERRORS), 0);
}

static void test_a1_a_refusal_goes_to_the_client_alone(void **state)
{
	uint8_t reset[FRAME_MAX], expected[FRAME_MAX];
	size_t length = frame_tcp(reset, TCP(BACK_TO(21), .flags = RST | ACK, .ack = LEG_SEQ + 1, .ttl = 60));

	hold(state, 21);
	/* one that acknowledges something else is none */
	fixture_port_tcp(state, B, TCP(BACK_TO(21), .flags = RST | ACK, .ack = LEG_SEQ + 2));
	look();
	assert_int_equal(sent.n, 0);
	assert_int_equal(fixture_run_port(state, B, reset, length), TC_ACT_REDIRECT);
	look();
	assert_int_equal(sent.n, 1);
	assert_int_equal(sent.ifindex, port_index[A]);
	frame_tcp(expected, TCP(BACK_TO(21), .flags = RST | ACK, .ack = CLIENT_SEQ + 1, .ttl = 60));
	assert_int_equal(sent.length, length);
	assert_memory_equal(sent.data, expected, length);
	assert_memory_equal(out, reset, length); /* the leg's socket gets it as it came */
	assert_int_equal(fixture_counter(COUNT_WIRE_HELD_REFUSED), 1);
}

static void test_a1_an_unreachable_server_is_told_to_the_client_alone(void **state)
{
	uint8_t error[FRAME_MAX], expected[FRAME_MAX];
	size_t length = frame_icmp(error, 3, 1, TCP(.source_port = 22, .flags = SYN, .seq = LEG_SEQ));

	hold(state, 22);
	assert_int_equal(fixture_run_port(state, B, error, length), TC_ACT_REDIRECT);
	look();
	assert_int_equal(sent.n, 1);
	assert_int_equal(sent.ifindex, port_index[A]);
	frame_icmp(expected, 3, 1, TCP(.source_port = 22, .flags = SYN, .seq = CLIENT_SEQ));
	assert_int_equal(sent.length, length);
	assert_true(frame_checksums_ok(sent.data, length));
	assert_memory_equal(sent.data + 42, expected + 42, 28);
	assert_memory_equal(out, error, length);
}

/* --- frames at random: numbers from so few that many meet a flow in every state
 * ------------------------------------------ */
static uint32_t some_number(void)
{
	static const uint32_t numbers[] = {0, 1, CLIENT_SEQ, CLIENT_SEQ + 1, LEG_SEQ, LEG_SEQ + 1, 0xffffffff};

	return numbers[rand() % ARRAY_SIZE(numbers)];
}

static struct tcp_frame some_tcp(bool back)
{
	static const uint8_t flags[] = {
		SYN, SYN, SYN | ACK, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK, SYN | FIN, 0xff};
	static const uint8_t options[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7};
	struct tcp_frame tcp = {.flags = flags[rand() % ARRAY_SIZE(flags)],
		.seq = some_number(),
		.ack = some_number(),
		.options = options,
		.n_options = rand() % 6 * 4};
	uint16_t port = rand() % 4 + 1;

	if (back) {
		tcp.source = SERVER_IP;
		tcp.destination = CLIENT_IP;
		tcp.source_port = SERVER_PORT;
		tcp.destination_port = port;
	} else {
		tcp.source_port = port;
	}
	return tcp;
}

static size_t some_frame(uint8_t *data, bool back)
{
	const struct tcp_frame tcp = some_tcp(back), quoted = some_tcp(!back);
	const struct tunnel_frame tunnels[] = {{.protocol = IPPROTO_IPIP}, {.protocol = IPPROTO_GRE},
		{.protocol = IPPROTO_GRE, .gre_flags = 0x2000, .key = 5}};
	struct tunnel_frame tunnel = tunnels[rand() % ARRAY_SIZE(tunnels)];
	size_t length = rand() % 6 ? frame_tcp(data, &tcp) : frame_icmp(data, rand() % 2 ? 3 : 11, rand() % 5, &quoted);

	if (back) {
		tunnel.source = TUNNEL_SERVER_IP;
		tunnel.destination = TUNNEL_CLIENT_IP;
	}
	if (rand() % 3 == 0)
		length = frame_wrap(data, length, &tunnel);
	if (rand() % 2)
		for (int changes = rand() % 4; changes > 0; changes--)
			data[12 + rand() % (length - 12)] = rand();
	return rand() % 16 ? length : 34 + rand() % (length - 34);
}

/* what may have been done to a frame that came from a port */
static void expect_port(const uint8_t *data, size_t length, int verdict, int port, uint64_t forwarded)
{
	assert_true(verdict == TC_ACT_REDIRECT || verdict == TC_ACT_SHOT);
	look();
	assert_true(sent.n <= 1);
	if (sent.n) /* to the other port, or into `inspect` */
		assert_true(sent.ifindex == port_index[port ^ 1] || sent.ifindex == port_index[D]);
	if (fixture_counter(COUNT_WIRE_FORWARDED) == forwarded)
		return;
	assert_int_equal(verdict, TC_ACT_REDIRECT);
	assert_int_equal(out_length, length);
	assert_memory_equal(out, data, length);
	assert_int_equal(sent.n, 0);
}

static void test_a1_mutated_frames_of_held_flows(void **state)
{
	const struct dataplane_bpf *bpf = *state;
	uint64_t held = 0, refused = 0, clones = 0;
	uint8_t data[FRAME_MAX];

	srand(4714);
	for (int i = 0; i < 60000; i++) {
		int port = rand() % 2;
		size_t length = some_frame(data, port == B);
		uint64_t forwarded = fixture_counter(COUNT_WIRE_FORWARDED);

		expect_port(data, length, fixture_run_port(state, port, data, length), port, forwarded);
		clones += sent.n;
		if (rand() % 2) { /* what legs in `inspect` might send, or anything else */
			length = some_frame(data, rand() % 2);
			fixture_run_program(bpf->progs.ti0_ingress, data, length, port_index[D]);
			look();
			assert_int_equal(sent.n, 0);
		}
		if (i % 200 == 0)
			fixture_set_heartbeat(3, clock_now_ns());
		if (i % 1000 == 999) {
			held += fixture_counter(COUNT_WIRE_HELD);
			refused += fixture_counter(COUNT_WIRE_HELD_REFUSED);
			assert_int_equal(fixture_counter(COUNT_WIRE_ERRORS), 0);
			setup(state); /* counters, too */
		}
	}
	/* it has been where it should */
	print_message("%lu held, %lu refused, %lu copies\n", held, refused, clones);
	assert_true(held > 1000 && refused > 50 && clones > refused + 50);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(test_a1_the_answer_lets_the_syn_in),
		T(test_a1_a_refusal_goes_to_the_client_alone),
		T(test_a1_an_unreachable_server_is_told_to_the_client_alone),
		T(test_a1_mutated_frames_of_held_flows),
	};

	return cmocka_run_group_tests(tests, group_setup, fixture_group_teardown);
}
