/* SPDX-License-Identifier: Apache-2.0 */
/* Test rig: sends random frames of every kind into a port, and judges whose frames come out of it: a source MAC says at
 * which port a frame was sent. Shares nothing with src/.
 *
 * frame_storm INTERFACE MARK PEER_MARK FRAMES_PER_MS SEED [MAC...]   until SIGTERM; prints "ready", and at the end one
 * line of JSON
 *
 * Frames sent have source MACs 02:aa:MARK:xx:xx:xx. Every frame that comes must have 02:aa:PEER_MARK:..., or be of a
 * host at the other port (MAC). */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 1514
#define MACS_MAX 8

static struct {
	uint8_t mark, peer;
	uint8_t macs[MACS_MAX][6];
	int n_macs;
} who;

static struct {
	unsigned long sent, refused, received, marked, foreign;
	char first[100];
} seen;

static volatile sig_atomic_t over;

static void end(int signal_number)
{
	over = signal_number;
}

/* --- frames: each maker fills from `at` and answers the end
 * ------------------------------------------------------------ */
static uint8_t *put16(uint8_t *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	return put16(put16(at, value >> 16), value & 0xffff);
}

static unsigned int checksum(const uint8_t *data, size_t length, uint64_t total)
{
	for (size_t i = 0; i < length; i++)
		total += i & 1 ? data[i] : data[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static uint32_t some_address(void)
{
	/* the hosts of the laboratory, more clients, tunnel ends, strangers */
	static const uint32_t addresses[] = {
		0x0a090001, 0x0a090002, 0x0a090002, 0x0a090063, 0x0a090103, 0xc0000201, 0xc0000202, 0xe0000001};

	uint32_t stranger = rand();

	return rand() % 8 ? addresses[rand() % 8] : stranger;
}

static unsigned int some_port(void)
{
	static const unsigned int ports[] = {443, 443, 8443, 9001, 80, 53, 2152, 30000};
	unsigned int client = 30000 + rand() % 64;

	return rand() % 4 ? ports[rand() % 8] : client;
}

static uint8_t *put_tcp(uint8_t *at)
{
	static const uint8_t flags[] = {0x02, 0x02, 0x12, 0x10, 0x11, 0x04, 0x14, 0x18, 0x03, 0xff, 0};
	uint8_t *options = at + 20;
	size_t words = 5 + rand() % 4;

	put16(put16(at, some_port()), some_port());
	put32(put32(at + 4, rand() % 4 ? rand() % 4 : rand()), rand() % 4 ? rand() % 4 : rand());
	at[12] = words << 4;
	at[13] = flags[rand() % sizeof(flags)];
	memset(put16(at + 14, 65535), 0, 4);
	memset(options, 1, words * 4 - 20);
	return at + words * 4 + (rand() % 2 ? 0 : rand() % 400);
}

static uint8_t *put_udp(uint8_t *at)
{
	size_t length = 8 + rand() % 300;

	put32(put16(put16(at, some_port()), some_port()), length << 16);
	return at + length;
}

static uint8_t *put_packet(uint8_t *at, int depth);

static uint8_t *put_icmp(uint8_t *at, int depth)
{
	static const uint8_t types[] = {8, 0, 3, 3, 3, 11, 12, 5};

	put32(at, types[rand() % 8] << 24 | (rand() % 5) << 16);
	put32(at + 4, rand() % 2 ? 1400 : 0);
	return rand() % 2 ? at + 8 + rand() % 60 : put_packet(at + 8, depth + 1);
}

static uint8_t *put_gre(uint8_t *at, int depth)
{
	static const unsigned int flags[] = {0, 0, 0x2000, 0x2000, 0x8000, 0x1000, 0x3000, 1};
	unsigned int chosen = flags[rand() % 8];

	at = put16(put16(at, chosen), rand() % 8 ? 0x0800 : 0x86dd);
	if (chosen & 0x2000)
		at = put32(at, rand() % 3);
	return put_packet(at, depth + 1);
}

static uint8_t *put_packet(uint8_t *at, int depth)
{
	static const uint8_t protocols[] = {6, 6, 6, 6, 17, 1, 47, 4, 41, 50, 132};
	uint8_t protocol = protocols[rand() % sizeof(protocols)], *l4 = at + 20 + (rand() % 16 ? 0 : 4), *stop;

	if (depth > 2)
		protocol = 6;
	memset(at, 1, 24);
	switch (protocol) {
	case 6:
		stop = put_tcp(l4);
		break;
	case 17:
		stop = put_udp(l4);
		break;
	case 1:
		stop = put_icmp(l4, depth);
		break;
	case 47:
		stop = put_gre(l4, depth);
		break;
	case 4:
		stop = put_packet(l4, depth + 1);
		break;
	default:
		stop = l4 + rand() % 100;
	}
	at[0] = 0x40 | (l4 - at) / 4;
	at[1] = rand() % 4 ? 0 : rand();
	put32(put16(at + 2, stop - at),
		(uint32_t)rand() << 16 | (rand() % 8 ? 0x4000 : (rand() % 3) << 13 | rand() % 3));
	at[8] = rand() % 16 ? 64 : rand();
	at[9] = protocol;
	put16(at + 10, 0);
	put32(put32(at + 12, some_address()), some_address());
	put16(at + 10, ~checksum(at, l4 - at, 0));
	if (protocol == 6)
		put16(l4 + 16, ~checksum(l4, stop - l4, checksum(at + 12, 8, 6 + (stop - l4))));
	if (protocol == 1)
		put16(l4 + 2, ~checksum(l4, stop - l4, 0));
	return stop;
}

static void put_macs(uint8_t *data)
{
	static const uint8_t groups[][6] = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {1, 0x80, 0xc2, 0, 0, 0},
		{1, 0x80, 0xc2, 0, 0, 0x0e}, {1, 0, 0x5e, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}};

	if (rand() % 4 == 0)
		memcpy(data, groups[rand() % 5], 6);
	else if (who.n_macs && rand() % 2)
		memcpy(data, who.macs[rand() % who.n_macs], 6);
	else
		put32(put16(data, 0x0203), rand());
	data[6] = 0x02;
	data[7] = 0xaa;
	data[8] = who.mark;
	data[9] = rand() % 4;
	put16(data + 10, 0);
}

static size_t make(uint8_t *data)
{
	static const unsigned int types[] = {0x0806, 0x86dd, 0x88cc, 0x8847, 0x88f7, 0x0026, 0x8809};
	uint8_t *at = data + 12, *stop;

	for (int i = 14; i < FRAME_MAX; i++)
		data[i] = i;
	put_macs(data);
	for (int tags = rand() % 4 ? 0 : rand() % 4; tags; tags--)
		at = put16(put16(at, rand() % 2 ? 0x8100 : 0x88a8), rand() % 3 ? 10 + rand() % 3 : rand());
	if (rand() % 8) {
		stop = put_packet(put16(at, ETH_P_IP), 0);
	} else {
		stop = put16(at, types[rand() % 7]) + 46 + rand() % 100;
	}
	for (int changes = rand() % 3 ? 0 : rand() % 6; changes; changes--)
		data[12 + rand() % (stop - data - 12)] = rand();
	if (rand() % 16 == 0)
		stop = data + 14 + rand() % (stop - data - 13);
	return stop - data;
}

/* --- what comes
 * -------------------------------------------------------------------------------------------------------- */
static bool is_known(const uint8_t *mac)
{
	if (mac[0] == 0x02 && mac[1] == 0xaa) {
		seen.marked++;
		return mac[2] == who.peer;
	}
	for (int i = 0; i < who.n_macs; i++)
		if (!memcmp(mac, who.macs[i], 6))
			return true;
	return false;
}

static void take(const uint8_t *data, ssize_t length)
{
	int n = 0;

	seen.received++;
	if (length >= 14 && is_known(data + 6))
		return;
	if (!seen.foreign++)
		for (ssize_t i = 0; i < length && n + 3 < (int)sizeof(seen.first); i++)
			n += snprintf(seen.first + n, sizeof(seen.first) - n, "%02x", data[i]);
}

static int open_socket(const char *interface)
{
	const int on = 1, room = 64 << 20;
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
		setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
		bind(fd, (struct sockaddr *)&where, sizeof(where)))
		err(1, "socket on %s", interface);
	return fd;
}

int main(int argc, char **argv)
{
	const struct timespec tick = {.tv_nsec = 1000000};
	static uint8_t data[1 << 16];
	ssize_t n;
	int fd;

	if (argc < 6)
		errx(2, "frame_storm INTERFACE MARK PEER_MARK FRAMES_PER_MS SEED [MAC...]");
	who.mark = atoi(argv[2]);
	who.peer = atoi(argv[3]);
	srand(atoi(argv[5]));
	for (int i = 6; i < argc && who.n_macs < MACS_MAX; i++) {
		uint8_t *mac = who.macs[who.n_macs++];

		if (sscanf(argv[i], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4,
			    mac + 5) != 6)
			errx(2, "not a MAC: %s", argv[i]);
	}
	signal(SIGTERM, end);
	fd = open_socket(argv[1]);
	puts("ready");
	fflush(stdout);
	while (!over) {
		for (int i = atoi(argv[4]); i; i--) {
			if (send(fd, data, make(data), 0) < 0)
				seen.refused++;
			else
				seen.sent++;
		}
		nanosleep(&tick, NULL);
		while ((n = recv(fd, data, sizeof(data), 0)) > 0)
			take(data, n);
	}
	printf("{\"sent\": %lu, \"refused\": %lu, \"received\": %lu, \"marked\": %lu, \"foreign\": %lu, "
	       "\"first_foreign\": \"%s\"}\n",
		seen.sent, seen.refused, seen.received, seen.marked, seen.foreign, seen.first);
	return 0;
}
