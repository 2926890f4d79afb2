/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The few rtnetlink requests that the wire needs, each in the calling thread's network namespace. 0 or -errno; what
 * already is as asked is no error. Nothing is logged here: the caller knows what the request was for. */
#include <linux/if_link.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct rtnl_link {
	int index;
	unsigned int flags; /* IFF_* */
	unsigned int mtu;
	uint8_t mac[6];
	char name[16];
	bool veth;
	unsigned int rx_queues, tx_queues; /* that the interface was made with */
	struct rtnl_link_stats64 stats;
};

/* -ENODEV: no such interface */
int rtnl_link_get(const char *name, struct rtnl_link *out);
/* calls fn for every interface until it returns non-zero, which is then returned */
typedef int rtnl_link_fn(const struct rtnl_link *link, void *data);
int rtnl_link_each(rtnl_link_fn *fn, void *data);
/* sets those flags of mask to their value in flags */
int rtnl_link_set_flags(int index, unsigned int flags, unsigned int mask);
int rtnl_link_set_mtu(int index, unsigned int mtu);
int rtnl_link_move(int index, int netns_fd);
int rtnl_link_delete(int index);
/* the IP addresses that it has */
struct rtnl_addresses_found {
	unsigned int n;
	char first[INET6_ADDRSTRLEN];
};
int rtnl_link_addresses(int index, struct rtnl_addresses_found *out);
/* a pair with one end here and one in peer_netns_fd */
int rtnl_veth_create(const char *name, const char *peer, int peer_netns_fd);

/* rule "pref N [iif NAME] lookup TABLE" */
int rtnl_rule_add(uint32_t pref, const char *iif, uint32_t table);
int rtnl_rule_delete(uint32_t pref, uint32_t table);
/* local 0.0.0.0/0 dev INDEX table local */
int rtnl_route_add_local(int index);
int rtnl_route_delete_local(int index);
/* default via GATEWAY dev INDEX onlink. Refused (-EINVAL) while every address is local: before the above. */
int rtnl_route_add_default(struct in_addr gateway, int index);
/* 1 if the main table has a default route through that interface, 0 if not, or -errno */
int rtnl_route_has_default(int index);
int rtnl_neighbour_add(int index, struct in_addr address, const uint8_t mac[6]);

/* the hook that classifier programs attach to */
int rtnl_clsact_add(int index);
int rtnl_clsact_delete(int index);
