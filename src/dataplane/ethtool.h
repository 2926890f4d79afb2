/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a driver says of an interface, in the calling thread's network namespace. What it does not say is 0. */
#include <stdint.h>

/* the features that a bump in the wire cares about: a bit 1 << enum ethtool_feature each; their names are the kernel's,
 * as `ethtool -k` shows the longer ones */
enum ethtool_feature {
#define ETHTOOL_FEATURE(id, name) ETHTOOL_FEATURE_##id,
#define ETHTOOL_FEATURE_LIST                                        \
	ETHTOOL_FEATURE(LRO, "rx-lro")                              \
	ETHTOOL_FEATURE(GRO_HW, "rx-gro-hw")                        \
	ETHTOOL_FEATURE(GRO, "rx-gro")                              \
	ETHTOOL_FEATURE(GRO_LIST, "rx-gro-list")                    \
	ETHTOOL_FEATURE(GSO, "tx-generic-segmentation")             \
	ETHTOOL_FEATURE(TSO, "tx-tcp-segmentation")                 \
	ETHTOOL_FEATURE(RX_CHECKSUM, "rx-checksum")                 \
	ETHTOOL_FEATURE(TX_CHECKSUM, "tx-checksum-ip-generic")      \
	ETHTOOL_FEATURE(VLAN_FILTER, "rx-vlan-filter")              \
	ETHTOOL_FEATURE(VLAN_SERVICE_FILTER, "rx-vlan-stag-filter") \
	ETHTOOL_FEATURE(VLAN_STRIP, "rx-vlan-hw-parse")             \
	ETHTOOL_FEATURE(VLAN_INSERT, "tx-vlan-hw-insert")
	ETHTOOL_FEATURE_LIST
#undef ETHTOOL_FEATURE
		ETHTOOL_FEATURES
};
const char *ethtool_feature_name(enum ethtool_feature feature);

struct ethtool_facts {
	char driver[32];
	uint32_t speed_megabits; /* 0: not known */
	int half_duplex;
	unsigned int rx_queues, tx_queues; /* in use; 0: not known */
	uint32_t features;                 /* that are on */
};

/* -ENODEV: no such interface; other requests that a driver does not know are no error */
int ethtool_read(const char *name, struct ethtool_facts *out);
/* features (bits) off, as far as the driver lets them: what stays on, ethtool_read() shows */
int ethtool_disable(const char *name, uint32_t features);
