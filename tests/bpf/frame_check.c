/* SPDX-License-Identifier: Apache-2.0 */
/* Test rig: an independent judge of frames. Reads every frame that arrives on an interface, as the driver handed it up
 * (before any tc program), and holds it to what its sender is known to send. Shares nothing with src/.
 *
 * frame_check INTERFACE KEY=VALUE...   until SIGTERM; prints "ready", and at the end one line of JSON
 *
 *   mtu=N                 no packet may be longer; of a super-packet: no segment
 *   macs=SOURCE,DESTINATION
 *   tags=TPID:ID[,TPID:ID]    outer first; absent: none may be there
 *   tunnel=ipip|gre|gre_key:KEY   around every TCP, UDP and ICMP packet; absent: none may be there
 *   outer=SOURCE,DESTINATION,TTL,DSCP,DF
 *   inner=SOURCE,DESTINATION,TTL,DSCP   DSCP of TCP and UDP, as a TOS byte; a reset of no socket's may have 0
 *
 * ARP and IPv6 are counted apart, and only their MACs judged. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TAGS_MAX 2
#define TCP_RST 0x04
#define TCP_SYN 0x02

struct ends {
	struct in_addr source, destination;
	unsigned int ttl, tos, df;
};

static struct {
	unsigned int mtu, n_tags;
	uint8_t macs[12]; /* destination, source */
	struct {
		unsigned int protocol, id;
	} tags[TAGS_MAX];
	unsigned int tunnel_protocol, tunnel_bytes; /* 0: none */
	uint32_t key;
	struct ends outer, inner;
} expected;

static struct {
	unsigned long frames, bytes, bad, tcp, udp, icmp, fragments, apart, super_packets, partial_checksums;
	unsigned int largest; /* packet, or segment of a super-packet with its headers */
	char first[160];
} seen;

/* one frame on its way through the judgement */
struct frame {
	const uint8_t *data;
	size_t length;
	struct virtio_net_hdr net;
	size_t headers; /* in front of the inner packet, from the outermost IP header */
};

static volatile sig_atomic_t over;

static void end(int signal_number)
{
	over = signal_number;
}

/* --- expectations --------------------------------------------------------------------------------------------------
 */
static void parse_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		errx(2, "not a MAC: %s", text);
}

static void parse_macs(char *text)
{
	parse_mac(strsep(&text, ","), expected.macs + 6);
	parse_mac(text ?: "", expected.macs);
}

static void parse_tags(char *text)
{
	for (char *word; (word = strsep(&text, ",")); expected.n_tags++)
		if (expected.n_tags == TAGS_MAX || sscanf(word, "%x:%u", &expected.tags[expected.n_tags].protocol,
							   &expected.tags[expected.n_tags].id) != 2)
			errx(2, "not a tag: %s", word);
}

static void parse_tunnel(char *text)
{
	expected.tunnel_protocol = strcmp(text, "ipip") ? IPPROTO_GRE : IPPROTO_IPIP;
	expected.tunnel_bytes = expected.tunnel_protocol == IPPROTO_IPIP ? 20 : 24;
	if (strchr(text, ':')) {
		expected.tunnel_bytes = 28;
		expected.key = strtoul(strchr(text, ':') + 1, NULL, 0);
	}
}

static void parse_ends(char *text, struct ends *ends)
{
	char from[16], to[16];

	if (sscanf(text, "%15[0-9.],%15[0-9.],%u,%u,%u", from, to, &ends->ttl, &ends->tos, &ends->df) < 4 ||
		inet_pton(AF_INET, from, &ends->source) != 1 || inet_pton(AF_INET, to, &ends->destination) != 1)
		errx(2, "not SOURCE,DESTINATION,TTL,TOS: %s", text);
}

static void parse(char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		errx(2, "not KEY=VALUE: %s", word);
	*value++ = '\0';
	if (!strcmp(word, "mtu"))
		expected.mtu = atoi(value);
	else if (!strcmp(word, "macs"))
		parse_macs(value);
	else if (!strcmp(word, "tags"))
		parse_tags(value);
	else if (!strcmp(word, "tunnel"))
		parse_tunnel(value);
	else if (!strcmp(word, "outer"))
		parse_ends(value, &expected.outer);
	else if (!strcmp(word, "inner"))
		parse_ends(value, &expected.inner);
	else
		errx(2, "what is %s?", word);
}

/* --- judgement: each answers what is wrong, or NULL ------------------------------------------------------------------
 */
static unsigned int get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint64_t sum(const uint8_t *data, size_t length, uint64_t total)
{
	for (; length > 1; data += 2, length -= 2)
		total += get16(data);
	return length ? total + (data[0] << 8) : total;
}

static unsigned int fold(uint64_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static const char *judge_ip(const uint8_t *ip, size_t length, const struct ends *ends, bool super)
{
	if (length < 20 || ip[0] != 0x45)
		return "an IPv4 header without options";
	if (fold(sum(ip, 20, 0)) != 0xffff)
		return "an IP header checksum";
	if (get16(ip + 2) != length && !(super && get16(ip + 2) == 0))
		return "an IP total length";
	if (memcmp(ip + 12, &ends->source, 4) || memcmp(ip + 16, &ends->destination, 4))
		return "IP addresses";
	if (ip[8] != ends->ttl)
		return "a TTL";
	if (get16(ip + 6) & 0x8000)
		return "the reserved bit of IP";
	return NULL;
}

/* the transport checksum at l4 + at: right, or left to the hardware with the pseudo header in its place */
static const char *judge_checksum(
	const struct frame *frame, const uint8_t *ip, const uint8_t *l4, size_t length, size_t at)
{
	uint64_t pseudo = sum(ip + 12, 8, ip[9] + length);

	if (length < at + 2)
		return "a transport header";
	if (!(frame->net.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return fold(sum(l4, length, pseudo)) == 0xffff ? NULL : "a transport checksum";
	seen.partial_checksums++;
	if (frame->net.csum_start != (size_t)(l4 - frame->data) || frame->net.csum_offset != at)
		return "where a checksum is to be put";
	return get16(l4 + at) == fold(pseudo) ? NULL : "the pseudo header of a partial checksum";
}

static const char *judge_tcp(const struct frame *frame, const uint8_t *ip, const uint8_t *l4, size_t length)
{
	size_t header = length < 20 ? 0 : (l4[12] >> 4) * 4;
	unsigned int room = expected.mtu - 40 - expected.tunnel_bytes;

	seen.tcp++;
	if (header < 20 || header > length || l4[12] & 0x0e)
		return "a TCP header's length or reserved bits";
	if ((ip[1] & 0xfc) != expected.inner.tos && !(l4[13] & TCP_RST && !(ip[1] & 0xfc)))
		return "a DSCP";
	for (size_t at = 20; l4[13] & TCP_SYN && at + 4 <= header && l4[at]; at += l4[at] == 1 ? 1 : l4[at + 1] ?: 1)
		if (l4[at] == 2 && get16(l4 + at + 2) > room)
			return "a segment size beyond the MTU";
	if (frame->net.gso_type) {
		unsigned int segment = frame->headers + 20 + header + frame->net.gso_size;

		seen.super_packets++;
		if ((frame->net.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_TCPV4 || !frame->net.gso_size)
			return "the kind of a super-packet";
		if (segment > expected.mtu)
			return "the segments of a super-packet";
		seen.largest = segment > seen.largest ? segment : seen.largest;
	}
	return judge_checksum(frame, ip, l4, length, 16);
}

static const char *judge_udp(const struct frame *frame, const uint8_t *ip, const uint8_t *l4, size_t length)
{
	seen.udp++;
	if (length < 8 || get16(l4 + 4) != length)
		return "a UDP length";
	if ((ip[1] & 0xfc) != expected.inner.tos)
		return "a DSCP";
	return judge_checksum(frame, ip, l4, length, 6);
}

static const char *judge_inner(const struct frame *frame, const uint8_t *ip, size_t length)
{
	const char *wrong = judge_ip(ip, length, &expected.inner, frame->net.gso_type);

	if (wrong)
		return wrong;
	if (get16(ip + 6) & 0x3fff) {
		seen.fragments++;
		return NULL;
	}
	switch (ip[9]) {
	case IPPROTO_TCP:
		return judge_tcp(frame, ip, ip + 20, length - 20);
	case IPPROTO_UDP:
		return judge_udp(frame, ip, ip + 20, length - 20);
	case IPPROTO_ICMP:
		seen.icmp++;
		return fold(sum(ip + 20, length - 20, 0)) == 0xffff ? NULL : "an ICMP checksum";
	}
	return "the protocol";
}

static const char *judge_outer(const struct frame *frame, const uint8_t *ip, size_t length)
{
	const char *wrong = judge_ip(ip, length, &expected.outer, frame->net.gso_type);

	if (wrong)
		return wrong;
	if (ip[9] != expected.tunnel_protocol)
		return "the protocol of the tunnel packet";
	if ((ip[1] & 0xfc) != expected.outer.tos)
		return "the DSCP of the tunnel packet";
	if (get16(ip + 6) != (expected.outer.df ? 0x4000 : 0))
		return "flags or offset of the tunnel packet";
	if (length < expected.tunnel_bytes)
		return "the length of the tunnel packet";
	if (expected.tunnel_bytes == 24 && get32(ip + 20) != 0x0800)
		return "the GRE header";
	if (expected.tunnel_bytes == 28 && (get32(ip + 20) != 0x20000800 || get32(ip + 24) != expected.key))
		return "the GRE header or key";
	return NULL;
}

static const char *judge_packet(struct frame *frame, const uint8_t *ip, size_t length)
{
	const char *wrong = expected.tunnel_protocol ? judge_outer(frame, ip, length) : NULL;

	if (wrong)
		return wrong;
	if (!frame->net.gso_type) {
		if (length > expected.mtu)
			return "a length beyond the MTU";
		seen.largest = length > seen.largest ? length : seen.largest;
	}
	frame->headers = expected.tunnel_bytes;
	return judge_inner(frame, ip + frame->headers, length - frame->headers);
}

/* the outer tag, which the kernel has taken out of the data, and an inner one in it */
static const char *judge_tags(const struct tpacket_auxdata *tag, const uint8_t **at)
{
	bool tagged = tag->tp_status & TP_STATUS_VLAN_VALID;

	if (tagged != (expected.n_tags > 0))
		return "whether there is a tag";
	if (tagged &&
		(tag->tp_vlan_tpid != expected.tags[0].protocol || (tag->tp_vlan_tci & 0xfff) != expected.tags[0].id))
		return "the tag";
	if (expected.n_tags < 2)
		return NULL;
	if (get16(*at) != expected.tags[1].protocol || (get16(*at + 2) & 0xfff) != expected.tags[1].id)
		return "the inner tag";
	*at += 4;
	return NULL;
}

static const char *judge(struct frame *frame, const struct tpacket_auxdata *tag)
{
	const uint8_t *at = frame->data + 12;
	const char *wrong;

	if (frame->length < 18)
		return "the length of a frame";
	if (memcmp(frame->data + 6, expected.macs + 6, 6))
		return "the source MAC";
	if (!(frame->data[0] & 1) && memcmp(frame->data, expected.macs, 6))
		return "the destination MAC";
	wrong = judge_tags(tag, &at);
	if (wrong)
		return wrong;
	if (get16(at) == ETH_P_ARP || get16(at) == ETH_P_IPV6) {
		seen.apart++;
		return NULL;
	}
	if (get16(at) != ETH_P_IP)
		return "the Ethernet type";
	return judge_packet(frame, at + 2, frame->data + frame->length - at - 2);
}

static void take(struct frame *frame, const struct tpacket_auxdata *tag)
{
	const char *wrong = judge(frame, tag);

	seen.frames++;
	seen.bytes += frame->length;
	if (!wrong)
		return;
	if (!seen.bad++) {
		int n = snprintf(seen.first, sizeof(seen.first), "%s; %zu bytes: ", wrong, frame->length);

		for (size_t i = 0; i < frame->length && n + 3 < (int)sizeof(seen.first); i++)
			n += snprintf(seen.first + n, sizeof(seen.first) - n, "%02x", frame->data[i]);
	}
}

/* --- the socket ------------------------------------------------------------------------------------------------------
 */
static int open_socket(const char *interface)
{
	const struct timeval tick = {.tv_usec = 100000};
	const int on = 1, room = 256 << 20;
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
		setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick)) ||
		setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
		bind(fd, (struct sockaddr *)&where, sizeof(where)))
		err(1, "socket on %s", interface);
	return fd;
}

/* false when nothing came for a while */
static bool receive(int fd, uint8_t *data, size_t room)
{
	struct frame frame = {.data = data};
	struct iovec parts[] = {{&frame.net, sizeof(frame.net)}, {data, room}};
	union {
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	struct msghdr message = {
		.msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control)};
	const struct tpacket_auxdata none = {0}, *tag = &none;
	ssize_t n = recvmsg(fd, &message, 0);

	if (n < (ssize_t)sizeof(frame.net)) {
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			err(1, "recvmsg");
		return false;
	}
	if (CMSG_FIRSTHDR(&message))
		tag = (const struct tpacket_auxdata *)CMSG_DATA(CMSG_FIRSTHDR(&message));
	frame.length = n - sizeof(frame.net);
	take(&frame, tag);
	return true;
}

int main(int argc, char **argv)
{
	static uint8_t data[1 << 18];
	struct tpacket_stats stats = {0};
	socklen_t length = sizeof(stats);
	int fd;

	if (argc < 3)
		errx(2, "frame_check INTERFACE KEY=VALUE...");
	for (int i = 2; i < argc; i++)
		parse(argv[i]);
	signal(SIGTERM, end);
	fd = open_socket(argv[1]);
	puts("ready");
	fflush(stdout);
	while (receive(fd, data, sizeof(data)) || !over)
		;
	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length);
	printf("{\"frames\": %lu, \"bytes\": %lu, \"bad\": %lu, \"first_bad\": \"%s\", \"tcp\": %lu, \"udp\": %lu, "
	       "\"icmp\": %lu, \"fragments\": %lu, "
	       "\"apart\": %lu, \"super_packets\": %lu, \"partial_checksums\": %lu, \"largest\": %u, \"missed\": %u}\n",
		seen.frames, seen.bytes, seen.bad, seen.first, seen.tcp, seen.udp, seen.icmp, seen.fragments,
		seen.apart, seen.super_packets, seen.partial_checksums, seen.largest, stats.tp_drops);
	return 0;
}
