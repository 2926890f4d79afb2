/* SPDX-License-Identifier: Apache-2.0 */
/* Test rig: one end of a GRE or IP-in-IP tunnel, between a TUN device and a raw socket, so that the kernel's own IP
 * layer makes and checks the outer header. Has nothing in common with src/dataplane.
 * tunnel_end DEVICE ipip|gre KEY LOCAL REMOTE TTL TOS DF [INTERFACE], with KEY "-", "N" or "SEND,RECEIVE".
 * With INTERFACE it takes tunnel packets there, as a card with offloads hands them up: super-packets, and checksums
 * that are still to be made, go into the TUN device as such. */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 8 /* for the GRE header, in front of a packet */

static struct {
	bool gre, keyed;
	uint32_t send_key, receive_key;
} tunnel;

static int open_device(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		err(1, "%s", name);
	return fd;
}

static void parse_key(const char *text)
{
	if (!strcmp(text, "-"))
		return;
	tunnel.keyed = true;
	tunnel.send_key = tunnel.receive_key = strtoul(text, NULL, 0);
	if (strchr(text, ','))
		tunnel.receive_key = strtoul(strchr(text, ',') + 1, NULL, 0);
}

static void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
		err(1, "option %d", option);
}

static int open_raw(char **argv)
{
	struct sockaddr_in local = {.sin_family = AF_INET}, remote = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, tunnel.gre ? IPPROTO_GRE : IPPROTO_IPIP);

	if (fd < 0 || inet_pton(AF_INET, argv[4], &local.sin_addr) != 1 ||
		inet_pton(AF_INET, argv[5], &remote.sin_addr) != 1)
		errx(1, "socket or addresses");
	set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20);
	set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20);
	set_option(fd, IPPROTO_IP, IP_TTL, atoi(argv[6]));
	set_option(fd, IPPROTO_IP, IP_TOS, atoi(argv[7]));
	set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, atoi(argv[8]) ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
		connect(fd, (struct sockaddr *)&remote, sizeof(remote)) < 0)
		err(1, "bind or connect");
	return fd;
}

/* Tunnel packets as the interface has them. The raw socket then only sends: without one the kernel would answer that
 * nobody wants them. */
static int open_packet(const char *interface, int raw)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog none = {1, &nothing};
	const struct sockaddr_ll where = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, &none, sizeof(none)) < 0)
		err(1, "packet socket");
	set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
	set_option(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	if (bind(fd, (const struct sockaddr *)&where, sizeof(where)) < 0)
		err(1, "bind to %s", interface);
	return fd;
}

/* the header ends at data, returns its length */
static size_t put_header(uint8_t *data)
{
	size_t length = !tunnel.gre ? 0 : tunnel.keyed ? 8 : 4;
	const uint16_t words[] = {htons(tunnel.keyed ? 0x2000 : 0), htons(0x0800)};
	const uint32_t key = htonl(tunnel.send_key);

	if (length)
		memcpy(data - length, words, 4);
	if (length == 8)
		memcpy(data - 4, &key, 4);
	return length;
}

/* the inner packet's offset, or 0 for what is not of this tunnel */
static size_t skip_header(const uint8_t *data, size_t length)
{
	size_t at = (data[0] & 15) * 4;
	uint32_t key;

	if (!tunnel.gre)
		return at;
	if (length < at + 8 || memcmp(data + at, tunnel.keyed ? "\x20\0\x08\0" : "\0\0\x08\0", 4))
		return 0;
	if (!tunnel.keyed)
		return at + 4;
	memcpy(&key, data + at + 4, 4);
	return ntohl(key) == tunnel.receive_key ? at + 8 : 0;
}

/* VNET: bytes of the header that the device has in front of each packet; it is left free of offloads */
#define VNET ((ssize_t)sizeof(struct virtio_net_hdr))

static void from_device(int device, int raw)
{
	uint8_t data[ROOM + 65536];
	ssize_t n;

	/* what is to be put in front of the packet takes the place of the device's header */
	_Static_assert(ROOM <= sizeof(struct virtio_net_hdr), "room");
	while ((n = read(device, data, sizeof(data)) - VNET) > 0) {
		size_t header = put_header(data + VNET);

		if ((data[VNET] >> 4) == 4 && send(raw, data + VNET - header, n + header, 0) < 0)
			warn("send of %zd bytes", n);
	}
}

static void from_raw(int device, int raw)
{
	uint8_t data[VNET + 65536];
	ssize_t n;

	while ((n = recv(raw, data + VNET, sizeof(data) - VNET, 0)) > 0) {
		size_t at = skip_header(data + VNET, n);

		memset(data + at, 0, VNET);
		if (at && write(device, data + at, n - at + VNET) < 0)
			warn("write of %zd bytes", n - at);
	}
}

/* of the tunnel, and no fragment */
static bool is_ours(const uint8_t *ip, ssize_t n)
{
	return n > 20 && ip[9] == (tunnel.gre ? IPPROTO_GRE : IPPROTO_IPIP) && !((ip[6] & 0x3f) | ip[7]);
}

static void from_packet(int device, int packet)
{
	static uint8_t data[VNET + ETH_HLEN + 65536];
	struct virtio_net_hdr net;
	ssize_t n;

	while ((n = recv(packet, data, sizeof(data), 0) - VNET - ETH_HLEN) > 0) {
		const uint8_t *ip = data + VNET + ETH_HLEN;
		size_t at = is_ours(ip, n) ? skip_header(ip, n) : 0;

		if (!at)
			continue;
		memcpy(&net, data, sizeof(net));
		if (net.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			net.csum_start -= ETH_HLEN + at;
		net.hdr_len = 0;
		memcpy(data + ETH_HLEN + at, &net, sizeof(net));
		if (write(device, data + ETH_HLEN + at, n - at + VNET) < 0)
			warn("write of %zd bytes", n - at);
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[3] = {{.events = POLLIN}, {.events = POLLIN}, {.fd = -1, .events = POLLIN}};

	if (argc != 9 && argc != 10)
		return 2;
	tunnel.gre = !strcmp(argv[2], "gre");
	parse_key(argv[3]);
	fds[0].fd = open_device(argv[1]);
	fds[1].fd = open_raw(argv);
	if (argc == 10)
		fds[2].fd = open_packet(argv[9], fds[1].fd);
	puts("ready");
	fflush(stdout);
	while (poll(fds, 3, -1) > 0) {
		if (fds[0].revents)
			from_device(fds[0].fd, fds[1].fd);
		if (fds[1].revents)
			from_raw(fds[0].fd, fds[1].fd);
		if (fds[2].revents)
			from_packet(fds[0].fd, fds[2].fd);
	}
	return 1;
}
