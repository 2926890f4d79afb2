/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What there is to know of one port of a segment, for whoever shows it (`show ports`, SNMP): the facts of its driver
 * and its counters. Read on demand, from the kernel. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/abi.h"
#include "dataplane/ethtool.h"

struct dataplane;

/* frames that the port itself lost, by cause: the name and the kernel's figure (struct rtnl_link_stats64) */
#define DATAPLANE_PORT_DROP_LIST                            \
	PORT_DROP(RX_DROPPED, "rx_dropped", rx_dropped)     \
	PORT_DROP(RX_MISSED, "rx_missed", rx_missed_errors) \
	PORT_DROP(RX_OVERRUN, "rx_overrun", rx_over_errors) \
	PORT_DROP(RX_FIFO, "rx_fifo", rx_fifo_errors)       \
	PORT_DROP(RX_LENGTH, "rx_length", rx_length_errors) \
	PORT_DROP(RX_CHECKSUM, "rx_crc", rx_crc_errors)     \
	PORT_DROP(RX_FRAME, "rx_frame", rx_frame_errors)    \
	PORT_DROP(TX_DROPPED, "tx_dropped", tx_dropped)     \
	PORT_DROP(TX_ERRORS, "tx_errors", tx_errors)        \
	PORT_DROP(TX_CARRIER, "tx_carrier", tx_carrier_errors)
enum dataplane_port_drop {
#define PORT_DROP(id, name, field) DATAPLANE_PORT_DROP_##id,
	DATAPLANE_PORT_DROP_LIST
#undef PORT_DROP
		DATAPLANE_PORT_DROPS
};
const char *dataplane_port_drop_name(enum dataplane_port_drop cause);

struct dataplane_port {
	struct ethtool_facts driver;
	bool up, link;         /* administratively; carrier */
	bool promiscuous, arp; /* as the wire needs it: true, false */
	bool attached;         /* Sluice's program takes its frames */
	unsigned int mtu;
	uint8_t mac[6];
	unsigned int addresses; /* a port of a wire has none */
	char first_address[INET6_ADDRSTRLEN];
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes; /* since the interface was made */
	uint64_t drops[DATAPLANE_PORT_DROPS];
	/* frames that came in here and that Sluice dropped, by the device's counter that they are in (WIRE rows of
	 * counters.def); since the port joined its segment */
	uint64_t wire_drops[WIRE_COUNTERS];
};
/* -ENODEV: there is no such port in the wire, or -errno */
int dataplane_read_port(struct dataplane *dataplane, const char *name, struct dataplane_port *out);
