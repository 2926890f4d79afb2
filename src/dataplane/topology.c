/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/topology.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/netns.h"
#include "dataplane/rtnl.h"

static const struct netns_sysctl wire_sysctls[] = {
	{"ipv6/conf/all/disable_ipv6", "1"},
	{"ipv6/conf/default/disable_ipv6", "1"},
	{"ipv4/ip_forward", "0"},
	{NULL, NULL},
};

static const struct netns_sysctl inspect_sysctls[] = {
	{"ipv6/conf/all/disable_ipv6", "1"},
	{"ipv6/conf/default/disable_ipv6", "1"},
	{"ipv4/ip_forward", "0"},
	{"ipv4/conf/all/rp_filter", "0"},
	{"ipv4/conf/default/rp_filter", "0"},
	{"ipv4/conf/ti1/rp_filter", "0"},
	{"ipv4/conf/all/arp_ignore", "8"},
	{"ipv4/conf/all/send_redirects", "0"},
	{"ipv4/conf/all/accept_redirects", "0"},
	{"ipv4/conf/ti1/accept_redirects", "0"},
	{"ipv4/ip_unprivileged_port_start", "0"}, /* the client's own port may be below 1024 (A2) */
	{"ipv4/tcp_max_tw_buckets", "0"},         /* a client port is reused at once, with or without timestamps */
	{"core/somaxconn", "65535"},
	{"ipv4/tcp_max_syn_backlog", "65536"},
	{"ipv4/tcp_syncookies", "1"},
	{"ipv4/tcp_mtu_probing", "1"},
	{"ipv4/icmp_echo_ignore_all", "1"},
	{NULL, NULL},
};

static int veth_is_whole(const struct dataplane *dp)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link link;

	if (netns_enter(dp->wire_netns, &home) || rtnl_link_get(WIRE_TI0, &link))
		return 0;
	netns_return(&home);
	return netns_enter(dp->inspect_netns, &home) == 0 && rtnl_link_get(WIRE_TI1, &link) == 0;
}

/* in `wire`; an end that lost its peer's namespace is gone already, one in a wrong place is replaced */
static int veth_create(const struct dataplane *dp)
{
	struct rtnl_link link;
	int err;

	if (rtnl_link_get(WIRE_TI0, &link) == 0) {
		err = rtnl_link_delete(link.index);
		if (err)
			return err;
	}
	return rtnl_veth_create(WIRE_TI0, WIRE_TI1, dp->inspect_netns);
}

static int wire_set_up(const struct dataplane *dp, int make_veth)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link ti0;
	int err = netns_enter(dp->wire_netns, &home);

	if (!err)
		err = netns_write_sysctls(wire_sysctls);
	if (!err && make_veth)
		err = veth_create(dp);
	if (!err)
		err = rtnl_link_get(WIRE_TI0, &ti0);
	if (!err)
		err = rtnl_link_set_flags(ti0.index, IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP);
	return err ? log_err_r(err, "cannot set up namespace %s", dp->instance.netns_wire) : 0;
}

/* The default route is refused while every address is local, so a new pair starts over; an adopted one is whole. */
static int inspect_set_default(int lo, int ti1)
{
	static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0xfe}; /* replaced by the flow's own at ti0 */
	const struct in_addr gateway = {htonl(0xa9fe0001)};     /* 169.254.0.1: one neighbour, not one per peer */
	int err = rtnl_route_has_default(ti1);

	if (err)
		return MIN(err, 0);
	err = rtnl_route_delete_local(lo);
	if (!err)
		err = rtnl_neighbour_add(ti1, gateway, mac);
	return err ? err : rtnl_route_add_default(gateway, ti1);
}

/* Everything that comes in on ti1 is local, everything made locally goes out of ti1. The local table has no rule of
 * its own any more, so that resets which the kernel sends without a socket get out as well. */
static int inspect_set_routes(int lo, int ti1)
{
	int err = inspect_set_default(lo, ti1);

	if (!err)
		err = rtnl_route_add_local(lo);
	if (!err)
		err = rtnl_rule_add(1, WIRE_TI1, RT_TABLE_LOCAL);
	if (!err)
		err = rtnl_rule_add(2, NULL, RT_TABLE_MAIN);
	return err ? err : rtnl_rule_delete(0, RT_TABLE_LOCAL);
}

static int inspect_set_up(const struct dataplane *dp)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link lo, ti1;
	int err = netns_enter(dp->inspect_netns, &home);

	if (!err)
		err = netns_write_sysctls(inspect_sysctls);
	if (!err)
		err = rtnl_link_get("lo", &lo);
	if (!err)
		err = rtnl_link_get(WIRE_TI1, &ti1);
	if (!err)
		err = rtnl_link_set_flags(lo.index, IFF_UP, IFF_UP);
	if (!err)
		err = rtnl_link_set_flags(ti1.index, IFF_UP | IFF_NOARP, IFF_UP | IFF_NOARP);
	if (!err)
		err = inspect_set_routes(lo.index, ti1.index);
	return err ? log_err_r(err, "cannot set up namespace %s", dp->instance.netns_inspect) : 0;
}

int topology_up(struct dataplane *dp)
{
	int created, err;

	dp->wire_netns = netns_ensure(dp->instance.netns_wire, &created);
	if (dp->wire_netns < 0)
		return dp->wire_netns;
	dp->inspect_netns = netns_ensure(dp->instance.netns_inspect, &created);
	if (dp->inspect_netns < 0)
		return dp->inspect_netns;
	err = wire_set_up(dp, !veth_is_whole(dp));
	return err ? err : inspect_set_up(dp);
}

static int set_mtu_in(int netns, const char *name, unsigned int mtu)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link link;
	int err = netns_enter(netns, &home);

	if (!err)
		err = rtnl_link_get(name, &link);
	if (!err && link.mtu != mtu)
		err = rtnl_link_set_mtu(link.index, mtu);
	return err;
}

int topology_set_mtu(struct dataplane *dp, unsigned int mtu)
{
	int err = set_mtu_in(dp->wire_netns, WIRE_TI0, mtu);

	if (!err)
		err = set_mtu_in(dp->inspect_netns, WIRE_TI1, mtu);
	if (err)
		return log_err_r(err, "cannot set the MTU of the veth pair to %u", mtu);
	__atomic_store_n(&dp->control->mtu, mtu, __ATOMIC_RELAXED);
	return 0;
}

static int veth_delete(const char *netns_name)
{
	_cleanup_close_ int netns = netns_open(netns_name);
	_cleanup_netns_ int home = -1;
	struct rtnl_link link;
	int err;

	if (netns < 0)
		return netns == -ENOENT ? 0 : netns;
	err = netns_enter(netns, &home);
	if (err || rtnl_link_get(WIRE_TI0, &link))
		return err;
	return rtnl_link_delete(link.index);
}

int topology_down(const struct instance *instance)
{
	int err = veth_delete(instance->netns_wire);

	if (err)
		return log_err_r(err, "cannot remove the veth pair");
	err = netns_delete(instance->netns_inspect);
	return err ? err : netns_delete(instance->netns_wire);
}
