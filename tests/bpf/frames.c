/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <arpa/inet.h>
#include <string.h>

#define IP 14
#define L4 34

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint32_t sum(const uint8_t *data, size_t length, uint32_t start)
{
	for (size_t i = 0; i < length; i++)
		start += i & 1 ? data[i] : data[i] << 8;
	return start;
}

static uint16_t fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static uint32_t pseudo_header(const uint8_t *data, size_t l4_length)
{
	return sum(data + IP + 12, 8, data[IP + 9] + l4_length);
}

void frame_fix_ip(uint8_t *data)
{
	put16(data + IP + 10, 0);
	put16(data + IP + 10, ~fold(sum(data + IP, 20, 0)));
}

static void put_ip(uint8_t *data, const struct tcp_frame *tcp, uint8_t protocol, size_t l4_length)
{
	memcpy(data, "\x02\0\0\0\5\1\x02\0\0\0\xc\1\x08\0", IP);
	memset(data + IP, 0, 20);
	data[IP] = 0x45;
	data[IP + 1] = tcp->tos;
	put16(data + IP + 2, 20 + l4_length);
	put16(data + IP + 6, tcp->fragment);
	data[IP + 8] = tcp->ttl ?: 64;
	data[IP + 9] = protocol;
	put32(data + IP + 12, tcp->source ?: CLIENT_IP);
	put32(data + IP + 16, tcp->destination ?: SERVER_IP);
	frame_fix_ip(data);
}

size_t frame_tcp(uint8_t data[FRAME_MAX], const struct tcp_frame *tcp)
{
	size_t length = 20 + tcp->n_options;
	uint8_t *at = data + L4;

	put_ip(data, tcp, tcp->protocol ?: IPPROTO_TCP, length);
	memset(at, 0, 20);
	put16(at, tcp->source_port ?: CLIENT_PORT);
	put16(at + 2, tcp->destination_port ?: SERVER_PORT);
	put32(at + 4, tcp->seq);
	put32(at + 8, tcp->ack);
	at[12] = length / 4 << 4;
	at[13] = tcp->flags;
	put16(at + 14, 65535);
	if (tcp->n_options)
		memcpy(at + 20, tcp->options, tcp->n_options);
	put16(at + 16, ~fold(sum(at, length, pseudo_header(data, length))));
	return L4 + length;
}

size_t frame_icmp_quote(
	uint8_t data[FRAME_MAX], uint8_t type, uint8_t code, uint16_t mtu, const uint8_t *quoted, size_t length)
{
	const struct tcp_frame outer = {.source = 0x0a090063,
		.destination = (uint32_t)quoted[26] << 24 | quoted[27] << 16 | quoted[28] << 8 | quoted[29]};

	put_ip(data, &outer, IPPROTO_ICMP, 8 + length - IP);
	memset(data + L4, 0, 8);
	data[L4] = type;
	data[L4 + 1] = code;
	put16(data + L4 + 6, mtu);
	memcpy(data + L4 + 8, quoted + IP, length - IP);
	put16(data + L4 + 2, ~fold(sum(data + L4, 8 + length - IP, 0)));
	return L4 + 8 + length - IP;
}

size_t frame_icmp(uint8_t data[FRAME_MAX], uint8_t type, uint8_t code, const struct tcp_frame *tcp)
{
	uint8_t quoted[FRAME_MAX];

	frame_tcp(quoted, tcp);
	return frame_icmp_quote(data, type, code, 0, quoted, IP + 28);
}

bool frame_checksums_ok(const uint8_t *data, size_t length)
{
	uint32_t start = data[IP + 9] == IPPROTO_TCP ? pseudo_header(data, length - L4) : 0;

	return fold(sum(data + IP, 20, 0)) == 0xffff && fold(sum(data + L4, length - L4, start)) == 0xffff;
}

size_t frame_tunnel_length(const struct tunnel_frame *tunnel)
{
	size_t gre = tunnel->gre_flags & 0x2000 ? 8 : 4;

	return 20 + tunnel->n_options + (tunnel->protocol == IPPROTO_GRE ? gre : 0);
}

size_t frame_wrap(uint8_t data[FRAME_MAX], size_t length, const struct tunnel_frame *tunnel)
{
	const struct tcp_frame outer = {.source = tunnel->source ?: TUNNEL_CLIENT_IP,
		.destination = tunnel->destination ?: TUNNEL_SERVER_IP,
		.ttl = tunnel->ttl,
		.tos = tunnel->tos,
		.fragment = tunnel->fragment};
	size_t added = frame_tunnel_length(tunnel);
	uint8_t *at = data + L4 + tunnel->n_options;
	uint8_t macs[12];

	memcpy(macs, data, sizeof(macs));
	memmove(data + IP + added, data + IP, length - IP);
	put_ip(data, &outer, tunnel->protocol, length - IP + added - 20);
	memcpy(data, macs, sizeof(macs));
	memset(data + L4, 1, tunnel->n_options);
	data[IP] += tunnel->n_options / 4;
	put16(data + IP + 10, 0);
	put16(data + IP + 10, ~fold(sum(data + IP, 20 + tunnel->n_options, 0)));
	if (tunnel->protocol == IPPROTO_GRE) {
		put16(at, tunnel->gre_flags);
		put16(at + 2, tunnel->gre_protocol ?: 0x0800);
		if (tunnel->gre_flags & 0x2000)
			put32(at + 4, tunnel->key);
	}
	return length + added;
}
