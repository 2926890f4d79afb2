/* SPDX-License-Identifier: Apache-2.0 */
/* Test rig: TCP peers by the hundred thousand, made of frames, which take neither sockets nor descriptors. Shares
 * nothing with src/.
 *
 * tcp_crowd client INTERFACE SERVER_IP SERVER_MAC PORT COUNT   connects COUNT times, as 10.128.0.0 and up, and keeps
 * what it has tcp_crowd server INTERFACE SERVER_IP SERVER_MAC              answers every SYN to that address, and
 * whatever else needs an answer tcp_crowd flood INTERFACE SERVER_IP SERVER_MAC PORT COUNT    COUNT SYNs from 172.16.0.0
 * and up, which nobody will answer for
 *
 * Prints "ready", then a line of JSON twice a second: {"sent", "established", "reset"}. A client that is told SIGTERM
 * resets all it has and ends. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, ACK = 0x10 };
#define CLIENT_NET 0x0a800000u
#define FLOOD_NET 0xac100000u
#define CLIENT_MAC "\x02\xc1\0\0\0\xc8"
#define PORTS_PER_ADDRESS 50000u
#define FIRST_PORT 1024u
#define OPTIONS "\2\4\5\xb4\1\1\4\2" /* MSS 1460, SACK */
#define OPTION_BYTES 8
#define IN_FLIGHT 2000 /* SYNs without an answer */
#define FLOOD_BATCH 128
#define REPEAT_MS 1000

struct segment {
	uint32_t source, destination, seq, ack;
	uint16_t source_port, destination_port, payload;
	uint8_t flags;
};

struct peer { /* a client's connection */
	uint32_t theirs;
	uint32_t sent_ms; /* its SYN; 0: not yet */
	bool established, gone;
};

static struct {
	int fd;
	uint32_t server;
	uint8_t server_mac[6];
	uint16_t port;
	uint32_t count;
	struct peer *peers;
} crowd;

static struct {
	unsigned long sent, established, reset;
} seen;

static volatile sig_atomic_t over;

static void end(int signal_number)
{
	over = signal_number;
}

static uint32_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- frames --------------------------------------------------------------------------------------------------------
 */
static uint32_t sum(const void *data, size_t length, uint32_t total)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < length; i += 2)
		total += at[i] << 8 | at[i + 1];
	return total;
}

static uint16_t fold(uint32_t total)
{
	total = (total & 0xffff) + (total >> 16);
	return htons(~(total + (total >> 16)));
}

struct wire_frame {
	uint8_t macs[12];
	uint16_t type;
	uint8_t version, tos;
	uint16_t length, id, fragment;
	uint8_t ttl, protocol;
	uint16_t ip_checksum;
	uint32_t source, destination;
	uint16_t source_port, destination_port;
	uint32_t seq, ack;
	uint8_t words, flags;
	uint16_t window, checksum, urgent;
	uint8_t options[OPTION_BYTES];
} __attribute__((packed));

static bool segment_send(const struct segment *segment)
{
	size_t options = segment->flags & SYN ? OPTION_BYTES : 0, tcp = 20 + options;
	bool to_server = segment->destination == crowd.server;
	struct wire_frame frame = {.type = htons(ETH_P_IP),
		.version = 0x45,
		.length = htons(20 + tcp),
		.fragment = htons(0x4000),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.source = htonl(segment->source),
		.destination = htonl(segment->destination),
		.source_port = htons(segment->source_port),
		.destination_port = htons(segment->destination_port),
		.seq = htonl(segment->seq),
		.ack = htonl(segment->ack),
		.words = tcp / 4 << 4,
		.flags = segment->flags,
		.window = htons(64240)};

	memcpy(frame.macs + (to_server ? 0 : 6), crowd.server_mac, 6);
	memcpy(frame.macs + (to_server ? 6 : 0), CLIENT_MAC, 6);
	memcpy(frame.options, OPTIONS, OPTION_BYTES);
	frame.ip_checksum = fold(sum(&frame.version, 20, 0));
	frame.checksum = fold(sum(&frame.source_port, tcp, sum(&frame.source, 8, IPPROTO_TCP + tcp)));
	return send(crowd.fd, &frame, 34 + tcp, 0) >= 0;
}

/* the next TCP segment that came, if it is of the server or to it */
static bool segment_receive(struct segment *segment)
{
	struct wire_frame frame;
	ssize_t n;

	while ((n = recv(crowd.fd, &frame, sizeof(frame), MSG_TRUNC)) > 0) {
		if (n < 54 || frame.type != htons(ETH_P_IP) || frame.version != 0x45 || frame.protocol != IPPROTO_TCP)
			continue;
		*segment = (struct segment){ntohl(frame.source), ntohl(frame.destination), ntohl(frame.seq),
			ntohl(frame.ack), ntohs(frame.source_port), ntohs(frame.destination_port),
			ntohs(frame.length) - 20 - (frame.words >> 4) * 4, frame.flags};
		if (segment->source == crowd.server || segment->destination == crowd.server)
			return true;
	}
	return false;
}

static void answer(const struct segment *to, uint8_t flags, uint32_t seq, uint32_t ack)
{
	const struct segment back = {
		to->destination, to->source, seq, ack, to->destination_port, to->source_port, 0, flags};

	segment_send(&back);
}

/* --- client ----------------------------------------------------------------------------------------------------------
 */
static struct segment of_peer(uint32_t i, uint8_t flags, uint32_t seq)
{
	return (struct segment){.source = CLIENT_NET + i / PORTS_PER_ADDRESS,
		.destination = crowd.server,
		.source_port = FIRST_PORT + i % PORTS_PER_ADDRESS,
		.destination_port = crowd.port,
		.flags = flags,
		.seq = seq};
}

static uint32_t isn(uint32_t i)
{
	return i * 2654435761u;
}

static void client_take(const struct segment *in)
{
	uint32_t i = (in->destination - CLIENT_NET) * PORTS_PER_ADDRESS + in->destination_port - FIRST_PORT;
	struct peer *peer = &crowd.peers[i];

	if (in->destination_port < FIRST_PORT || i >= crowd.count)
		return;
	if (in->flags & RST) {
		seen.reset += peer->established && !peer->gone;
		peer->gone = peer->established;
		return;
	}
	if ((in->flags & (SYN | ACK)) == (SYN | ACK)) {
		peer->theirs = in->seq + 1;
		seen.established += !peer->established;
		peer->established = true;
	}
	/* a SYN-ACK, data, the end, or a question whether we are still there */
	if (in->flags & (SYN | FIN) || in->payload || in->seq + 1 == peer->theirs)
		answer(in, ACK, isn(i) + 1, in->seq + in->payload + !!(in->flags & (SYN | FIN)));
}

/* starts what may be started, and repeats what was lost on the way */
static void client_connect(uint32_t *next)
{
	static uint32_t repeat;
	uint32_t now = now_ms();

	while (*next < crowd.count && *next - seen.established < IN_FLIGHT) {
		struct segment syn = of_peer(*next, SYN, isn(*next));

		seen.sent += segment_send(&syn);
		crowd.peers[(*next)++].sent_ms = now;
	}
	for (uint32_t looks = 0; looks < 20000 && *next; looks++, repeat++) {
		struct peer *peer = &crowd.peers[repeat % *next];
		struct segment syn = of_peer(repeat % *next, SYN, isn(repeat % *next));

		if (peer->established || now - peer->sent_ms < REPEAT_MS)
			continue;
		seen.sent += segment_send(&syn);
		peer->sent_ms = now;
	}
}

static void client_reset_all(void)
{
	for (uint32_t i = 0; i < crowd.count; i++) {
		struct segment reset = of_peer(i, RST | ACK, isn(i) + 1);

		if (!crowd.peers[i].established || crowd.peers[i].gone)
			continue;
		reset.ack = crowd.peers[i].theirs;
		seen.reset += segment_send(&reset);
		if (i % FLOOD_BATCH == 0)
			usleep(2000);
	}
}

/* --- server ----------------------------------------------------------------------------------------------------------
 */
static void server_take(const struct segment *in)
{
	uint32_t mine = in->source * 2654435761u ^ in->source_port << 8;

	if (in->flags & RST) {
		seen.reset++;
	} else if (in->flags & SYN) {
		seen.established++;
		answer(in, SYN | ACK, mine, in->seq + 1);
	} else if (in->flags & FIN) {
		answer(in, FIN | ACK, in->ack, in->seq + in->payload + 1);
	} else if (in->payload) {
		answer(in, ACK, in->ack, in->seq + in->payload);
	}
}

/* --- flood -----------------------------------------------------------------------------------------------------------
 */
static void flood(uint32_t *next)
{
	for (int i = 0; i < FLOOD_BATCH && *next < crowd.count; i++, (*next)++) {
		struct segment syn = of_peer(*next, SYN, isn(*next));

		syn.source = FLOOD_NET + *next;
		if (!segment_send(&syn))
			return; /* the queue is full: again in a millisecond */
		seen.sent++;
	}
}

static void report(bool at_once)
{
	static uint32_t last;
	uint32_t now = now_ms();

	if (!at_once && now - last < 500)
		return;
	last = now;
	printf("{\"sent\": %lu, \"established\": %lu, \"reset\": %lu}\n", seen.sent, seen.established, seen.reset);
	fflush(stdout);
}

static void open_socket(const char *interface)
{
	const int on = 1, room = 256 << 20;
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(interface)};

	crowd.fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	if (crowd.fd < 0 || setsockopt(crowd.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
		setsockopt(crowd.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) ||
		setsockopt(crowd.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
		bind(crowd.fd, (struct sockaddr *)&where, sizeof(where)))
		err(1, "socket on %s", interface);
}

int main(int argc, char **argv)
{
	bool client = argc > 5 && !strcmp(argv[1], "client"), flooding = argc > 5 && !strcmp(argv[1], "flood");
	uint8_t *mac = crowd.server_mac;
	struct segment in;
	uint32_t next = 0;

	if (argc < 5 || (!client && !flooding && strcmp(argv[1], "server")) ||
		sscanf(argv[4], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		errx(2, "tcp_crowd client|server|flood INTERFACE SERVER_IP SERVER_MAC [PORT COUNT]");
	crowd.server = ntohl(inet_addr(argv[3]));
	crowd.port = argc > 6 ? atoi(argv[5]) : 0;
	crowd.count = argc > 6 ? atoi(argv[6]) : 0;
	crowd.peers = calloc(crowd.count + 1, sizeof(*crowd.peers));
	open_socket(argv[2]);
	signal(SIGTERM, end);
	puts("ready");
	fflush(stdout);
	while (!over && !(flooding && next == crowd.count)) {
		struct pollfd wait = {.fd = crowd.fd, .events = POLLIN};

		if (flooding)
			flood(&next);
		if (client)
			client_connect(&next);
		poll(&wait, 1, 1);
		while (!over && segment_receive(&in))
			if (client)
				client_take(&in);
			else if (!flooding)
				server_take(&in);
		report(false);
	}
	if (client)
		client_reset_all();
	report(true);
	return 0;
}
