/* SPDX-License-Identifier: Apache-2.0 */
/* J3: the host's side of the ports. A bridge between a port and the wire has to be as good as a cable; a virtual
 * function has to be allowed to send what others sent. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/common.h"
#include "deploy/preflight.h"

/* one setting of a bridge: what it must be, and what it costs when it is not */
static const struct bridge_setting {
	const char *name, *file;
	int64_t wanted;
	const char *mend; /* %s: the bridge */
	const char *cost;
} bridge_settings[] = {
	{"multicast snooping", "multicast_snooping", 0, "ip link set %s type bridge mcast_snooping 0",
		"groups that no querier asks for reach nobody (routing protocols, IPv6 neighbours)"},
	{"VLAN filter", "vlan_filtering", 0, "ip link set %s type bridge vlan_filtering 0",
		"tagged frames of VLANs that the bridge does not know are dropped"},
	{"spanning tree", "stp_state", 0, "ip link set %s type bridge stp_state 0",
		"the bridge takes part in the network's spanning tree and can shut the wire; neighbours' frames of the "
		"protocol do not pass"},
	{"link-local groups", "group_fwd_mask", 0xfff8, "ip link set %s type bridge group_fwd_mask 0xfff8",
		"LLDP, 802.1X and other frames to 01:80:c2:00:00:0x end at the bridge (those of LACP, pause and "
		"spanning tree always do)"},
};

static const char *const netfilter_settings[] = {
	"bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"};

#define BRIDGE_MADE "ip link add %s type bridge mcast_snooping 0 stp_state 0 group_fwd_mask 0xfff8"

/* a kernel without the feature has no such file */
static bool setting_is_good(const char *bridge, const struct bridge_setting *setting, const struct host *host)
{
	int64_t value = host_number(host, "sys/class/net/%s/bridge/%s", bridge, setting->file);

	return value == setting->wanted || value == -ENOENT;
}

static void check_setting(
	const char *bridge, const struct bridge_setting *setting, const struct host *host, struct findings *findings)
{
	int64_t value = host_number(host, "sys/class/net/%s/bridge/%s", bridge, setting->file);
	bool good = setting_is_good(bridge, setting, host);
	struct finding *finding =
		findings_add(findings, good ? FINDING_GOOD : FINDING_WARNING, setting->name, setting->cost,
			value < 0             ? "%s: not there"
			: setting->wanted > 1 ? "%s: mask %#llx"
					      : "%s: %lld",
			bridge, (long long)value);

	if (!good)
		finding_mend(finding, setting->mend, bridge);
}

/* up, joined to something besides the machine, and not the host's own way into the network */
static void check_bridge_state(const char *bridge, const struct host *host, struct findings *findings)
{
	int64_t flags = host_number(host, "sys/class/net/%s/flags", bridge);

	if (flags < 0 || !(flags & 1))
		finding_mend(findings_add(findings, FINDING_WARNING, "bridge", "no frame passes", "%s: down", bridge),
			"ip link set %s up", bridge);
	if (!host_count(host, "sys/class/net/%s/brif", bridge))
		finding_mend(findings_add(findings, FINDING_NOTE, "bridge", "nothing reaches the machine's port",
				     "%s: no interface is joined to it", bridge),
			"ip link set PHYSICAL master %s up", bridge);
}

static void check_bridge(enum plan_nic_id id, const char *bridge, const struct host *host, struct findings *findings)
{
	if (!host_exists(host, "sys/class/net/%s/bridge", bridge)) {
		finding_mend(findings_add(findings, FINDING_REFUSED, "bridge", "the machine cannot be started",
				     "%s: there is no such bridge for %s", bridge, plan_nic_titles[id]),
			BRIDGE_MADE " && ip link set %s up", bridge, bridge);
		return;
	}
	findings_add(findings, FINDING_GOOD, "bridge", "", "%s: there, for %s", bridge, plan_nic_titles[id]);
	if (id == PLAN_MANAGEMENT)
		return;
	check_bridge_state(bridge, host, findings);
	for (size_t i = 0; i < ARRAY_SIZE(bridge_settings); i++)
		check_setting(bridge, &bridge_settings[i], host, findings);
}

static void check_netfilter(const struct host *host, struct findings *findings)
{
	for (size_t i = 0; i < ARRAY_SIZE(netfilter_settings); i++) {
		const char *name = netfilter_settings[i];

		if (host_number(host, "proc/sys/net/bridge/%s", name) <= 0)
			continue; /* the module is not loaded, or it is off */
		finding_mend(findings_add(findings, FINDING_WARNING, "filter on bridges",
				     "the host's firewall sees, and may drop, what passes the wire", "%s: on", name),
			"sysctl net.bridge.%s=0", name);
	}
}

static void check_mtu(const struct plan *plan, const struct host *host, struct findings *findings)
{
	int64_t a = host_number(host, "sys/class/net/%s/mtu", plan->nics[PLAN_PORT_A].name);
	int64_t b = host_number(host, "sys/class/net/%s/mtu", plan->nics[PLAN_PORT_B].name);

	if (a > 0 && b > 0 && a != b)
		finding_mend(findings_add(findings, FINDING_WARNING, "MTU", "longer frames vanish in one direction",
				     "port A %lld, port B %lld bytes", (long long)a, (long long)b),
			"ip link set %s mtu %lld", plan->nics[a < b ? PLAN_PORT_A : PLAN_PORT_B].name,
			(long long)MAX(a, b));
}

void preflight_bridges(const struct plan *plan, const struct host *host, struct findings *findings)
{
	bool any = false;

	for (unsigned int i = 0; i < PLAN_NICS; i++)
		if (plan->nics[i].given && plan->nics[i].kind == PLAN_BRIDGE) {
			check_bridge(i, plan->nics[i].name, host, findings);
			any |= i != PLAN_MANAGEMENT;
		}
	if (!any)
		return;
	check_netfilter(host, findings);
	if (plan->nics[PLAN_PORT_A].kind == PLAN_BRIDGE && plan->nics[PLAN_PORT_B].kind == PLAN_BRIDGE)
		check_mtu(plan, host, findings);
}

/* --- virtual functions ----------------------------------------------------------------------------------------------
 */

/* the function's row in `ip -json link show dev PHYSICAL`; a borrowed reference */
static const json_t *find_function(const json_t *links, unsigned int function)
{
	const json_t *list = json_object_get(json_array_get(links, 0), "vfinfo_list"), *item;
	size_t i;

	json_array_foreach(list, i, item) if (json_integer_value(json_object_get(item, "vf")) == function) return item;
	return NULL;
}

/* iproute2 writes booleans, older ones "on" and "off" */
static bool is_on(const json_t *value)
{
	return json_is_true(value) || (json_is_string(value) && strcmp(json_string_value(value), "on") == 0);
}

static void check_permissions(const struct plan_nic *nic, const struct host *host, struct findings *findings)
{
	const char *const argv[] = {"ip", "-details", "-json", "link", "show", "dev", nic->name, NULL};
	_cleanup_free_ char *text = host_run(host, argv);
	json_auto_t *links = text ? json_loads(text, 0, NULL) : NULL;
	const json_t *row = find_function(links, nic->function);
	bool trust = is_on(json_object_get(row, "trust")), spoof = is_on(json_object_get(row, "spoofchk"));
	struct finding *finding;

	finding = findings_add(findings, row && trust ? FINDING_GOOD : FINDING_WARNING, "trust",
		"the function may not be promiscuous: it receives its own address only, and no client's frames",
		"%s vf %u: %s", nic->name, nic->function,
		!row    ? "not known"
		: trust ? "on"
			: "off");
	finding_mend(finding, "ip link set %s vf %u trust on", nic->name, nic->function);
	finding = findings_add(findings, row && !spoof ? FINDING_GOOD : FINDING_WARNING, "spoof check",
		"frames with a client's or a server's own MAC are dropped when the machine sends them on",
		"%s vf %u: %s", nic->name, nic->function,
		!row    ? "not known"
		: spoof ? "on"
			: "off");
	finding_mend(finding, "ip link set %s vf %u spoofchk off", nic->name, nic->function);
}

/* Intel's drivers let a trusted function be promiscuous only with a flag of their own */
static void check_promiscuous(
	const struct plan_nic *nic, const char *driver, const struct host *host, struct findings *findings)
{
	const char *const argv[] = {"ethtool", "--show-priv-flags", nic->name, NULL};
	_cleanup_free_ char *text = NULL;
	const char *flag;
	bool on;

	if (strcmp(driver, "i40e") != 0 && strcmp(driver, "ice") != 0)
		return;
	text = host_run(host, argv);
	flag = text ? strstr(text, "vf-true-promisc-support") : NULL;
	on = flag && strstr(flag, ": on") && strstr(flag, ": on") < flag + strcspn(flag, "\n");
	finding_mend(findings_add(findings, on ? FINDING_GOOD : FINDING_WARNING, "promiscuous functions",
			     "a trusted function still receives its own address only", "%s (%s): %s", nic->name, driver,
			     on     ? "allowed"
			     : flag ? "off"
				    : "not known"),
		"ethtool --set-priv-flags %s vf-true-promisc-support on", nic->name);
}

static void check_function(
	enum plan_nic_id id, struct plan_nic *nic, const struct host *host, struct findings *findings)
{
	char driver[64];
	int64_t made = host_number(host, "sys/class/net/%s/device/sriov_numvfs", nic->name);
	int64_t most = host_number(host, "sys/class/net/%s/device/sriov_totalvfs", nic->name);

	if (made <= nic->function) {
		struct finding *finding = findings_add(findings, FINDING_REFUSED, "virtual function",
			"the machine cannot be started", "%s: %s, number %u is wanted for %s", nic->name,
			most < 0 ? "no device with virtual functions"
			: made   ? "too few functions"
				 : "none is made",
			nic->function, plan_nic_titles[id]);

		if (most > nic->function)
			finding_mend(finding, "echo %u > /sys/class/net/%s/device/sriov_numvfs", nic->function + 1,
				nic->name);
		else
			finding_mend(finding, "name another physical port with %s", plan_nic_options[id]);
		return;
	}
	host_link(host, nic->pci, sizeof(nic->pci), "sys/class/net/%s/device/virtfn%u", nic->name, nic->function);
	host_link(host, driver, sizeof(driver), "sys/class/net/%s/device/driver", nic->name);
	findings_add(findings, FINDING_GOOD, "virtual function", "", "%s vf %u: %s, for %s", nic->name, nic->function,
		nic->pci, plan_nic_titles[id]);
	check_permissions(nic, host, findings);
	check_promiscuous(nic, driver, host, findings);
}

static void check_nodes(const struct plan *plan, const struct host *host, struct findings *findings)
{
	const struct plan_nic *a = &plan->nics[PLAN_PORT_A], *b = &plan->nics[PLAN_PORT_B];
	int64_t node_a = host_number(host, "sys/class/net/%s/device/numa_node", a->name);
	int64_t node_b = host_number(host, "sys/class/net/%s/device/numa_node", b->name);

	if (node_a < 0 || node_b < 0 || !a->given || !b->given)
		return;
	if (node_a != node_b) {
		finding_mend(
			findings_add(findings, FINDING_WARNING, "NUMA",
				"every frame crosses from one memory node to the other",
				"port A is at node %lld, port B at node %lld", (long long)node_a, (long long)node_b),
			"take physical ports of one node");
		return;
	}
	for (unsigned int i = 0; i < plan->n_cpus; i++)
		if (!host_exists(host, "sys/devices/system/node/node%lld/cpu%u", (long long)node_a, plan->cpus[i])) {
			char cpus[100] = "";

			host_read(host, cpus, sizeof(cpus), "sys/devices/system/node/node%lld/cpulist",
				(long long)node_a);
			finding_mend(findings_add(findings, FINDING_WARNING, "NUMA",
					     "its memory and the ports' are of two nodes",
					     "processor %u is not of node %lld, where the ports are", plan->cpus[i],
					     (long long)node_a),
				"--cpus with processors out of %s", cpus);
			return;
		}
	findings_add(findings, FINDING_GOOD, "NUMA", "", "both ports are at node %lld", (long long)node_a);
}

void preflight_functions(struct plan *plan, const struct host *host, struct findings *findings)
{
	bool any = false;

	for (unsigned int i = 0; i < PLAN_NICS; i++)
		if (plan->nics[i].given && plan->nics[i].kind == PLAN_VF) {
			check_function(i, &plan->nics[i], host, findings);
			any = true;
		}
	if (!any)
		return;
	if (!host_count(host, "sys/kernel/iommu_groups"))
		finding_mend(findings_add(findings, FINDING_REFUSED, "IOMMU", "functions cannot be given to a machine",
				     "off"),
			"add intel_iommu=on (AMD: amd_iommu=on) to the kernel's command line, switch VT-d or AMD-Vi on "
			"in "
			"the firmware, boot again");
	else
		findings_add(findings, FINDING_GOOD, "IOMMU", "", "on");
	check_nodes(plan, host, findings);
}

/* a bridge that is there needs what differs; one that is not, everything */
static void write_bridge_commands(const char *bridge, const struct host *host, FILE *out)
{
	if (!host_exists(host, "sys/class/net/%s/bridge", bridge)) {
		fprintf(out,
			BRIDGE_MADE
			"\nip link set %s up\nip link set PHYSICAL master %s up    # the port of the network\n",
			bridge, bridge, bridge);
		return;
	}
	if (!(host_number(host, "sys/class/net/%s/flags", bridge) & 1))
		fprintf(out, "ip link set %s up\n", bridge);
	for (size_t i = 0; i < ARRAY_SIZE(bridge_settings); i++)
		if (!setting_is_good(bridge, &bridge_settings[i], host)) {
			fprintf(out, bridge_settings[i].mend, bridge);
			fputc('\n', out);
		}
}

void preflight_write_commands(const struct plan *plan, const struct host *host, FILE *out)
{
	bool bridged = false;

	for (unsigned int i = PLAN_PORT_A; i < PLAN_NICS; i++) {
		const struct plan_nic *nic = &plan->nics[i];

		if (nic->given && nic->kind == PLAN_BRIDGE) {
			write_bridge_commands(nic->name, host, out);
			bridged = true;
		} else if (nic->given && nic->kind == PLAN_VF) {
			fprintf(out, "ip link set %s vf %u trust on spoofchk off\n", nic->name, nic->function);
		}
	}
	for (size_t i = 0; bridged && i < ARRAY_SIZE(netfilter_settings); i++)
		if (host_number(host, "proc/sys/net/bridge/%s", netfilter_settings[i]) > 0)
			fprintf(out, "sysctl net.bridge.%s=0\n", netfilter_settings[i]);
}
