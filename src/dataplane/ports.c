/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/ethtool.h"
#include "dataplane/flows.h"
#include "dataplane/links.h"
#include "dataplane/netns.h"
#include "dataplane/port.h"
#include "dataplane/programs.h"
#include "dataplane/rtnl.h"
#include "dataplane/topology.h"

#define PORT_FLAGS (IFF_UP | IFF_NOARP | IFF_PROMISC)
/* what merges frames so that they cannot be told apart again, or keeps some for itself */
#define PORT_FEATURES_OFF                                                                               \
	(1u << ETHTOOL_FEATURE_LRO | 1u << ETHTOOL_FEATURE_GRO_HW | 1u << ETHTOOL_FEATURE_VLAN_FILTER | \
		1u << ETHTOOL_FEATURE_VLAN_SERVICE_FILTER)

static bool port_name_ok(const char *name)
{
	return name && *name && strlen(name) < IFNAMSIZ && strcmp(name, WIRE_TI0) && strcmp(name, "lo");
}

/* found in `wire`, or index 0 with the MTU it has in the caller's namespace */
static int port_find(struct dataplane *dp, const char *name, int *index, unsigned int *mtu)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link link;
	int err;

	if (!port_name_ok(name))
		return log_err_r(-EINVAL, "%s cannot be a port", name ?: "(nothing)");
	err = netns_enter(dp->wire_netns, &home);
	if (err)
		return err;
	err = rtnl_link_get(name, &link);
	*index = err ? 0 : link.index;
	netns_return(&home);
	if (err)
		err = rtnl_link_get(name, &link);
	if (err)
		return log_err_r(err, "there is no interface %s to be a port", name);
	*mtu = link.mtu;
	return 0;
}

/* the number that this pair has in the wire already, -1 if it is new */
static int pair_known_number(struct dataplane *dp, const struct ports_pair *pair)
{
	struct wire_port a, b;
	const __u32 index_a = pair->port[CONFIG_SIDE_A].index, index_b = pair->port[CONFIG_SIDE_B].index;

	if (!index_a || !index_b || bpf_map_lookup_elem(dp->map.ports, &index_a, &a) ||
		bpf_map_lookup_elem(dp->map.ports, &index_b, &b))
		return -1;
	if (a.peer != index_b || b.peer != index_a || a.side != CONFIG_SIDE_A || a.segment != b.segment)
		return -1;
	return a.segment;
}

/* calls fn for each entry of the ports map */
static int ports_each(struct dataplane *dp, int (*fn)(struct dataplane *dp, __u32 index, void *data), void *data)
{
	__u32 keys[2 * WIRE_SEGMENT_NUMBERS], next, *previous = NULL;
	size_t n = 0;
	int err = 0;

	while (n < ARRAY_SIZE(keys) && bpf_map_get_next_key(dp->map.ports, previous, &next) == 0) {
		keys[n] = next;
		previous = &keys[n++];
	}
	for (size_t i = 0; i < n && !err; i++)
		err = fn(dp, keys[i], data);
	return err;
}

static int mark_number(struct dataplane *dp, __u32 index, void *data)
{
	struct wire_port port;
	uint64_t *used = data;

	if (bpf_map_lookup_elem(dp->map.ports, &index, &port) == 0)
		*used |= 1ull << port.segment;
	return 0;
}

static int ports_number(struct dataplane *dp, struct ports_set *set)
{
	uint64_t used = 0;

	ports_each(dp, mark_number, &used);
	for (size_t i = 0; i < set->n; i++) {
		int number = pair_known_number(dp, &set->pairs[i]);

		if (number < 0)
			number = __builtin_ctzll(~used);
		if (number >= WIRE_SEGMENT_NUMBERS)
			return log_err_r(-ENOSPC, "no number left for segment %s", set->pairs[i].segment->name);
		set->pairs[i].number = number;
		used |= 1ull << number;
	}
	return 0;
}

int ports_resolve(struct dataplane *dp, const struct config *config, struct ports_set *set)
{
	memset(set, 0, sizeof(*set));
	if (config->n_segments > WIRE_SEGMENTS_MAX)
		return log_err("%zu segments, at most %d", config->n_segments, WIRE_SEGMENTS_MAX), -E2BIG;
	for (size_t i = 0; i < config->n_segments; i++) {
		struct ports_pair *pair = &set->pairs[set->n++];

		pair->segment = &config->segments[i];
		for (int side = 0; side < CONFIG_SIDE_N; side++) {
			int err = port_find(
				dp, pair->segment->port[side], &pair->port[side].index, &pair->port[side].mtu);

			if (err)
				return err;
		}
	}
	return ports_number(dp, set);
}

int dataplane_port_link(struct dataplane *dp, const char *name)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link link;
	int err = port_name_ok(name) ? netns_enter(dp->wire_netns, &home) : -ENODEV;

	if (!err)
		err = rtnl_link_get(name, &link);
	return err ? err : (link.flags & IFF_RUNNING) != 0;
}

static const struct {
	const char *name;
	size_t offset;
} port_drops[DATAPLANE_PORT_DROPS] = {
#define PORT_DROP(id, name, field) [DATAPLANE_PORT_DROP_##id] = {name, offsetof(struct rtnl_link_stats64, field)},
	DATAPLANE_PORT_DROP_LIST
#undef PORT_DROP
};

const char *dataplane_port_drop_name(enum dataplane_port_drop cause)
{
	return port_drops[cause].name;
}

static void port_copy_stats(struct dataplane_port *out, const struct rtnl_link_stats64 *stats)
{
	out->rx_frames = stats->rx_packets;
	out->rx_bytes = stats->rx_bytes;
	out->tx_frames = stats->tx_packets;
	out->tx_bytes = stats->tx_bytes;
	for (size_t i = 0; i < ARRAY_SIZE(port_drops); i++)
		memcpy(&out->drops[i], (const char *)stats + port_drops[i].offset, sizeof(out->drops[i]));
}

static int port_read_wire_drops(struct dataplane *dp, __u32 index, uint64_t sums[static WIRE_COUNTERS])
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct wire_port_drops *cells = cpus > 0 ? calloc(cpus, sizeof(*cells)) : NULL;
	struct wire_port port;
	__u32 place;

	if (!cells || bpf_map_lookup_elem(dp->map.ports, &index, &port))
		return cells ? -ENODEV : -ENOMEM;
	place = port.segment * 2 + port.side;
	if (bpf_map_lookup_elem(dp->map.port_drops, &place, cells))
		return -errno;
	for (int cpu = 0; cpu < cpus; cpu++)
		for (unsigned int i = 0; i < WIRE_COUNTERS; i++)
			sums[i] += cells[cpu].counter[i];
	return 0;
}

/* in `wire` */
static int port_read(struct dataplane *dp, const char *name, struct dataplane_port *out)
{
	struct rtnl_addresses_found addresses;
	struct rtnl_link link;
	int err = rtnl_link_get(name, &link);

	if (!err)
		err = ethtool_read(name, &out->driver);
	if (!err)
		err = rtnl_link_addresses(link.index, &addresses);
	if (err)
		return err;
	out->up = link.flags & IFF_UP;
	out->link = link.flags & IFF_RUNNING;
	out->promiscuous = link.flags & IFF_PROMISC;
	out->arp = !(link.flags & IFF_NOARP);
	out->attached = programs_on_port(dp, link.index);
	out->mtu = link.mtu;
	memcpy(out->mac, link.mac, sizeof(out->mac));
	out->addresses = addresses.n;
	snprintf(out->first_address, sizeof(out->first_address), "%s", addresses.first);
	out->driver.rx_queues = out->driver.rx_queues ?: link.rx_queues;
	out->driver.tx_queues = out->driver.tx_queues ?: link.tx_queues;
	port_copy_stats(out, &link.stats);
	return port_read_wire_drops(dp, link.index, out->wire_drops);
}

int dataplane_read_port(struct dataplane *dp, const char *name, struct dataplane_port *out)
{
	_cleanup_netns_ int home = -1;
	int err = port_name_ok(name) ? netns_enter(dp->wire_netns, &home) : -ENODEV;

	memset(out, 0, sizeof(*out));
	return err ? err : port_read(dp, name, out);
}

static unsigned int ports_max_mtu(const struct ports_set *set)
{
	unsigned int mtu = 0;

	for (size_t i = 0; i < set->n; i++)
		mtu = MAX(mtu, MAX(set->pairs[i].port[CONFIG_SIDE_A].mtu, set->pairs[i].port[CONFIG_SIDE_B].mtu));
	return mtu;
}

/* from the caller's namespace; sets index to the one in `wire` */
static int port_move_in(struct dataplane *dp, const char *name, int *index)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link link;
	int err = rtnl_link_get(name, &link);

	if (!err)
		err = rtnl_link_move(link.index, dp->wire_netns);
	if (!err)
		err = netns_enter(dp->wire_netns, &home);
	if (!err)
		err = rtnl_link_get(name, &link); /* its index may have been taken in `wire` */
	if (err)
		return log_err_r(err, "cannot move port %s into %s", name, dp->instance.netns_wire);
	*index = link.index;
	return 0;
}

/* in `wire`; the program comes before the port is up */
static int port_set_up(struct dataplane *dp, const char *name, int index)
{
	unsigned int mask = dataplane_port_is_held(dp, index) ? PORT_FLAGS & ~IFF_UP : PORT_FLAGS;
	char path[64];
	int err = programs_attach_port(dp, index);

	snprintf(path, sizeof(path), "ipv6/conf/%.32s/disable_ipv6", name);
	if (!err)
		err = netns_write_sysctl(path, "1");
	if (!err)
		err = ethtool_disable(name, PORT_FEATURES_OFF);
	if (!err)
		err = rtnl_link_set_flags(index, mask, mask);
	return err ? log_err_r(err, "cannot set up port %s", name) : 0;
}

/* in `wire`: out to the namespace `home`; up, since one that was held down (A11) has nobody left to let it up */
static int port_move_out(const char *name, int index, int home)
{
	int err = rtnl_clsact_delete(index);

	if (!err)
		err = rtnl_link_set_flags(index, IFF_UP, IFF_UP | IFF_NOARP | IFF_PROMISC);
	if (!err)
		err = rtnl_link_move(index, home);
	return err ? log_err_r(err, "cannot move port %s out of its namespace", name) : 0;
}

static int port_write(struct dataplane *dp, const struct ports_pair *pair, int side, bool inspection)
{
	const __u32 index = pair->port[side].index, cell = pair->number * 2 + side;
	const struct wire_port port = {.peer = pair->port[!side].index,
		.mtu = pair->port[side].mtu,
		.segment = pair->number,
		.side = side,
		.block_when_down = inspection && pair->segment->when_down == CONFIG_UNAVAILABLE_BLOCK};

	if (bpf_map_update_elem(dp->map.segment_ports, &cell, &index, BPF_ANY) ||
		bpf_map_update_elem(dp->map.ports, &index, &port, BPF_ANY))
		return log_err_r(-errno, "cannot enter port %s", pair->segment->port[side]);
	return 0;
}

/* its place may have been another port's */
static int port_clear_wire_drops(struct dataplane *dp, __u32 place)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct wire_port_drops *none = cpus > 0 ? calloc(cpus, sizeof(*none)) : NULL;

	if (!none)
		return -ENOMEM;
	return bpf_map_update_elem(dp->map.port_drops, &place, none, BPF_ANY) ? -errno : 0;
}

/* A port that was in force in another pair keeps that until ports_switch(). */
static int port_enter(struct dataplane *dp, struct ports_pair *pair, int side)
{
	_cleanup_netns_ int home = -1;
	const __u32 index = pair->port[side].index;
	int err = 0;

	pair->port[side].known = !bpf_map_lookup_elem(dp->map.ports, &index, &pair->port[side].before);
	if (!pair->port[side].known)
		err = port_clear_wire_drops(dp, pair->number * 2 + side) ?: port_write(dp, pair, side, false);
	if (!err)
		err = netns_enter(dp->wire_netns, &home);
	return err ? err : port_set_up(dp, pair->segment->port[side], pair->port[side].index);
}

static int pair_enter(struct dataplane *dp, struct ports_pair *pair)
{
	int err = 0;

	for (int side = 0; side < CONFIG_SIDE_N && !err; side++) {
		if (pair->port[side].index)
			continue;
		err = port_move_in(dp, pair->segment->port[side], &pair->port[side].index);
		pair->port[side].entered = pair->port[side].index != 0;
	}
	for (int side = 0; side < CONFIG_SIDE_N && !err; side++)
		err = port_enter(dp, pair, side);
	return err;
}

int ports_enter(struct dataplane *dp, struct ports_set *set)
{
	unsigned int mtu = ports_max_mtu(set);
	int err = mtu > dp->control->mtu ? topology_set_mtu(dp, mtu) : 0;

	for (size_t i = 0; i < set->n && !err; i++)
		err = pair_enter(dp, &set->pairs[i]);
	return err;
}

/* the pair that a port was in */
static void port_restore(struct dataplane *dp, __u32 index, const struct wire_port *before)
{
	const __u32 cell = before->segment * 2 + before->side;

	if (bpf_map_update_elem(dp->map.segment_ports, &cell, &index, BPF_ANY) ||
		bpf_map_update_elem(dp->map.ports, &index, before, BPF_ANY))
		log_err("cannot put port %u back into its pair: %s", index, strerror(errno));
}

/* the cell of the pair that it was to be in */
static void port_leave_cell(struct dataplane *dp, __u32 index, __u32 cell)
{
	const __u32 none = 0;
	__u32 there;

	if (!bpf_map_lookup_elem(dp->map.segment_ports, &cell, &there) && there == index)
		bpf_map_update_elem(dp->map.segment_ports, &cell, &none, BPF_ANY);
}

void ports_undo(struct dataplane *dp, struct ports_set *set)
{
	_cleanup_netns_ int home = -1;

	if (netns_enter(dp->wire_netns, &home))
		return;
	for (size_t i = 0; i < set->n; i++) {
		for (int side = 0; side < CONFIG_SIDE_N; side++) {
			const __u32 index = set->pairs[i].port[side].index;

			if (set->pairs[i].port[side].known || set->pairs[i].port[side].entered)
				port_leave_cell(dp, index, set->pairs[i].number * 2 + side);
			if (set->pairs[i].port[side].known)
				port_restore(dp, index, &set->pairs[i].port[side].before);
			if (!set->pairs[i].port[side].entered)
				continue;
			port_move_out(set->pairs[i].segment->port[side], index, home);
			bpf_map_delete_elem(dp->map.ports, &index);
		}
	}
}

int ports_switch(struct dataplane *dp, const struct ports_set *set, bool inspection)
{
	int err = 0;

	for (size_t i = 0; i < set->n; i++)
		for (int side = 0; side < CONFIG_SIDE_N && !err; side++)
			err = port_write(dp, &set->pairs[i], side, inspection);
	return err;
}

static bool set_has_index(const struct ports_set *set, int index)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->pairs[i].port[CONFIG_SIDE_A].index == index ||
			set->pairs[i].port[CONFIG_SIDE_B].index == index)
			return true;
	return false;
}

/* which links of `wire` are to leave */
struct release {
	const struct ports_set *keep; /* NULL: none stays */
	size_t n;
	struct rtnl_link links[2 * WIRE_SEGMENT_NUMBERS];
};

static int release_consider(const struct rtnl_link *link, void *data)
{
	struct release *release = data;

	if ((link->flags & IFF_LOOPBACK) || !strcmp(link->name, WIRE_TI0) ||
		(release->keep && set_has_index(release->keep, link->index)))
		return 0;
	if (release->n < ARRAY_SIZE(release->links))
		release->links[release->n++] = *link;
	return 0;
}

/* in `wire`; goes on after a failure, so that one port does not hold the others */
static int release_links(struct release *release, int home)
{
	int err = rtnl_link_each(release_consider, release);

	if (err)
		return log_err_r(err, "cannot list the ports");
	for (size_t i = 0; i < release->n; i++) {
		int failed = port_move_out(release->links[i].name, release->links[i].index, home);

		err = failed ?: err;
	}
	return err;
}

static bool set_has_number(const struct ports_set *set, unsigned int number)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->pairs[i].number == number)
			return true;
	return false;
}

static int forget_port(struct dataplane *dp, __u32 index, void *data)
{
	const struct ports_set *set = data;
	struct wire_port port;

	if (set_has_index(set, index) || bpf_map_lookup_elem(dp->map.ports, &index, &port))
		return 0;
	bpf_map_delete_elem(dp->map.ports, &index);
	return set_has_number(set, port.segment) ? 0 : flows_remove_segment(dp, port.segment);
}

int ports_release_others(struct dataplane *dp, const struct ports_set *set)
{
	_cleanup_netns_ int home = -1;
	struct release release = {.keep = set};
	unsigned int mtu = ports_max_mtu(set);
	int err = netns_enter(dp->wire_netns, &home), failed;

	if (err)
		return err;
	err = release_links(&release, home);
	netns_return(&home);
	for (size_t i = 0; i < ARRAY_SIZE(dp->held_ports); i++)
		if (!set_has_index(set, dp->held_ports[i]))
			dp->held_ports[i] = 0;
	failed = ports_each(dp, forget_port, (void *)set);
	err = err ?: failed;
	return err || !mtu ? err : topology_set_mtu(dp, mtu);
}

static int adopt_port(struct dataplane *dp, __u32 index, void *data)
{
	int err = programs_attach_port(dp, index);

	if (err != -ENODEV)
		return err;
	return bpf_map_delete_elem(dp->map.ports, &index) ? -errno : 0; /* unplugged meanwhile */
}

int ports_adopt(struct dataplane *dp)
{
	_cleanup_netns_ int home = -1;
	int err = netns_enter(dp->wire_netns, &home);

	return err ? err : ports_each(dp, adopt_port, NULL);
}

int ports_release_all(const struct instance *instance)
{
	_cleanup_close_ int netns = netns_open(instance->netns_wire);
	_cleanup_netns_ int home = -1;
	struct release release = {0};
	int err;

	if (netns < 0)
		return netns == -ENOENT ? 0 : netns;
	err = netns_enter(netns, &home);
	return err ? err : release_links(&release, home);
}
