/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ports.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "daemon/supervisor.h"
#include "dataplane/port.h"

/* one port of a segment, with the one it is joined to */
struct port_view {
	const struct config_segment *segment;
	enum config_side side;
	bool there, peer_there, held;
	struct dataplane_port port, peer;
};

static bool has(const struct port_view *view, enum ethtool_feature feature)
{
	return view->port.driver.features >> feature & 1;
}

/* --- settings that break transparency --------------------------------------------------------------------------------
 */

/* not a setting, but what an operator must know who finds it down */
static bool is_held(const struct port_view *view)
{
	return view->held;
}

static bool is_missing(const struct port_view *view)
{
	return !view->there;
}

static bool is_detached(const struct port_view *view)
{
	return view->there && !view->port.attached;
}

static bool has_address(const struct port_view *view)
{
	return view->port.addresses;
}

static bool has_arp(const struct port_view *view)
{
	return view->there && view->port.arp;
}

static bool is_choosy(const struct port_view *view)
{
	return view->there && !view->port.promiscuous;
}

static bool has_lro(const struct port_view *view)
{
	return has(view, ETHTOOL_FEATURE_LRO);
}

static bool has_hardware_gro(const struct port_view *view)
{
	return has(view, ETHTOOL_FEATURE_GRO_HW);
}

/* virtio's devices obey it only without promiscuous mode */
static bool has_vlan_filter(const struct port_view *view)
{
	return strcmp(view->port.driver.driver, "virtio_net") &&
	       (has(view, ETHTOOL_FEATURE_VLAN_FILTER) || has(view, ETHTOOL_FEATURE_VLAN_SERVICE_FILTER));
}

static bool is_half_duplex(const struct port_view *view)
{
	return view->port.driver.half_duplex;
}

static bool mtu_differs(const struct port_view *view)
{
	return view->there && view->peer_there && view->port.mtu < view->peer.mtu;
}

static bool speed_differs(const struct port_view *view)
{
	uint32_t mine = view->port.driver.speed_megabits, others = view->peer.driver.speed_megabits;

	return view->there && view->peer_there && mine && others && mine < others;
}

static const struct {
	const char *name; /* in JSON */
	bool (*applies)(const struct port_view *view);
	const char *text; /* what it means, and the mend */
} warnings[] = {
	{"missing", is_missing,
		"there is no such interface: nothing passes this segment. Give the port back, and commit"},
	{"held", is_held,
		"Sluice has taken it down because the other port of its segment has no link (link_propagation); it "
		"comes "
		"back with that"},
	{"not_attached", is_detached,
		"Sluice's program is not on the port: what arrives here goes nowhere. Somebody took it off; restart "
		"sluiced"},
	{"address", has_address,
		"it has an IP address: a bump in the wire has none, the address answers on the wire. Remove it"},
	{"arp", has_arp, "ARP is on: the port may answer for addresses of this machine. Commit again, or set arp off"},
	{"not_promiscuous", is_choosy,
		"promiscuous mode is off: frames for other MACs are lost. Commit again; a virtual machine's host must "
		"allow it"},
	{"lro", has_lro, "LRO merges frames that cannot be told apart again: ethtool -K PORT lro off"},
	{"rx_gro_hw", has_hardware_gro,
		"the card merges frames, and what it loses of them cannot be restored: ethtool -K PORT rx-gro-hw off"},
	{"vlan_filter", has_vlan_filter,
		"the card filters VLANs, and may keep tagged frames from the wire: ethtool -K PORT rx-vlan-filter off "
		"rx-vlan-stag-filter off; where that is fixed, see that promiscuous mode overrides it"},
	{"half_duplex", is_half_duplex, "half duplex: frames collide and come late. Set both ends to negotiate"},
	{"mtu", mtu_differs,
		"its MTU is less than the other port's: larger frames from there are dropped here. Set both alike, and "
		"commit"},
	{"speed", speed_differs, "it is slower than the other port: bursts from there are dropped here"},
};

static json_t *warnings_json(const struct port_view *view)
{
	json_t *array = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(warnings); i++)
		if (warnings[i].applies(view))
			json_array_append_new(
				array, json_pack("{s:s, s:s}", "name", warnings[i].name, "text", warnings[i].text));
	return array;
}

/* --- the report ------------------------------------------------------------------------------------------------------
 */

static json_t *offloads_json(const struct dataplane_port *port)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < ETHTOOL_FEATURES; i++)
		if (port->driver.features >> i & 1)
			json_array_append_new(array, json_string(ethtool_feature_name(i)));
	return array;
}

/* causes that there were: the card's own, then Sluice's by the names of its counters */
static json_t *drops_json(const struct dataplane_port *port, uint64_t *sum)
{
	json_t *object = json_object();

	*sum = 0;
	for (unsigned int i = 0; i < DATAPLANE_PORT_DROPS; i++) {
		*sum += port->drops[i];
		if (port->drops[i])
			json_object_set_new(object, dataplane_port_drop_name(i), json_integer(port->drops[i]));
	}
	for (unsigned int i = 0; i < WIRE_COUNTERS; i++) {
		*sum += port->wire_drops[i];
		if (port->wire_drops[i])
			json_object_set_new(object, counter_info[i].name, json_integer(port->wire_drops[i]));
	}
	return object;
}

static const char *link_name(const struct port_view *view)
{
	return !view->there ? "missing" : view->port.link ? "up" : "down";
}

static json_t *view_json(const struct port_view *view)
{
	const struct dataplane_port *port = &view->port;
	const uint8_t *m = port->mac;
	char mac[18];
	uint64_t sum;
	json_t *drops = drops_json(port, &sum);

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
		"name", view->segment->port[view->side], "segment", view->segment->name, "side",
		view->side == CONFIG_SIDE_A ? "a" : "b", "link", link_name(view), "driver", port->driver.driver,
		"speed_megabits", (int)port->driver.speed_megabits, "duplex",
		port->driver.half_duplex ? "half" : "full", "rx_queues", (int)port->driver.rx_queues, "tx_queues",
		(int)port->driver.tx_queues, "mtu", (int)port->mtu, "mac", view->there ? mac : "", "offloads",
		offloads_json(port), "rx_frames", (json_int_t)port->rx_frames, "rx_bytes", (json_int_t)port->rx_bytes,
		"tx_frames", (json_int_t)port->tx_frames, "tx_bytes", (json_int_t)port->tx_bytes, "dropped",
		(json_int_t)sum, "drops", drops, "warnings", warnings_json(view));
}

/* both ports of a segment, each with the other */
static void segment_read(
	struct supervisor *supervisor, const struct config_segment *segment, struct port_view views[CONFIG_SIDE_N])
{
	memset(views, 0, CONFIG_SIDE_N * sizeof(*views));
	for (int side = 0; side < CONFIG_SIDE_N; side++) {
		struct port_view *view = &views[side], *other = &views[!side];

		view->segment = segment;
		view->side = side;
		view->held = links_held(supervisor, segment) == side;
		view->there = dataplane_read_port(supervisor->dataplane, segment->port[side], &view->port) == 0;
		other->peer_there = view->there;
		other->peer = view->port;
	}
}

json_t *report_ports(struct supervisor *supervisor, const json_t *request)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	struct port_view views[CONFIG_SIDE_N];
	json_t *ports = json_array();

	for (size_t i = 0; config && i < config->n_segments; i++) {
		segment_read(supervisor, &config->segments[i], views);
		for (int side = 0; side < CONFIG_SIDE_N; side++)
			json_array_append_new(ports, view_json(&views[side]));
	}
	return json_pack("{s:b, s:o}", "ok", 1, "ports", ports);
}

void ports_record(struct supervisor *supervisor)
{
	const struct config *config = supervisor->policy->config;
	struct port_view views[CONFIG_SIDE_N];

	for (size_t i = 0; i < config->n_segments; i++) {
		segment_read(supervisor, &config->segments[i], views);
		for (int side = 0; side < CONFIG_SIDE_N; side++)
			for (size_t w = 0; w < ARRAY_SIZE(warnings); w++)
				if (warnings[w].applies(&views[side]))
					supervisor_record(supervisor, EVENT_LOG_SYSTEM, "warning", "port %s: %s",
						config->segments[i].port[side], warnings[w].text);
	}
}
