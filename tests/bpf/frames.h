/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Hand-made Ethernet frames with correct checksums. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 512
enum { FIN = 0x01, SYN = 0x02, RST = 0x04, ACK = 0x10 };

struct tcp_frame {                    /* zero means a usual value, for addresses and ports: of the default connection */
	uint32_t source, destination; /* host byte order, as all here */
	uint16_t source_port, destination_port;
	uint8_t flags, ttl, tos, protocol;
	uint16_t fragment; /* of the IP header */
	uint32_t seq, ack;
	const uint8_t *options; /* of TCP, a multiple of 4 bytes */
	size_t n_options;
};

#define CLIENT_IP 0x0a090001u
#define SERVER_IP 0x0a090002u
#define CLIENT_PORT 50000
#define SERVER_PORT 443

/* fills data, returns the length */
size_t frame_tcp(uint8_t data[FRAME_MAX], const struct tcp_frame *tcp);
/* an ICMP error of that type and code that quotes the first 28 bytes of tcp's packet */
size_t frame_icmp(uint8_t data[FRAME_MAX], uint8_t type, uint8_t code, const struct tcp_frame *tcp);
/* an ICMP error with that MTU that quotes the packet in the frame `quoted` */
size_t frame_icmp_quote(
	uint8_t data[FRAME_MAX], uint8_t type, uint8_t code, uint16_t mtu, const uint8_t *quoted, size_t length);

struct tunnel_frame {
	uint32_t source, destination; /* zero: of the default tunnel */
	uint8_t protocol, ttl, tos;   /* IPPROTO_IPIP or IPPROTO_GRE */
	uint16_t fragment;            /* flags and offset */
	uint16_t gre_flags, gre_protocol;
	uint32_t key;
	size_t n_options; /* bytes of options that say "no operation" */
};

#define TUNNEL_CLIENT_IP 0xc0a80001u
#define TUNNEL_SERVER_IP 0xc0a80002u

/* length of the tunnel header */
size_t frame_tunnel_length(const struct tunnel_frame *tunnel);
/* puts it around the packet in data, returns the new length of the frame */
size_t frame_wrap(uint8_t data[FRAME_MAX], size_t length, const struct tunnel_frame *tunnel);
/* fixes the checksum of the IP header after a change of it */
void frame_fix_ip(uint8_t *data);
/* the IP header's, and that of TCP or ICMP */
bool frame_checksums_ok(const uint8_t *data, size_t length);
