/* SPDX-License-Identifier: Apache-2.0 */
/* J3, J7: what preflight finds on a host, from files that a test writes and programs whose answers it gives. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "deploy/preflight.h"
#include "deploy_fake.h"
#include "temporary.h"

static const char *link_json, *flags_text;

static char *answer(const struct host *host, const char *const *argv)
{
	const char *text = strcmp(argv[0], "ip") == 0 ? link_json : flags_text;

	return text ? strdup(text) : NULL;
}

static const struct host host = {.root = directory, .run = answer};

static void put(const char *path, const char *text)
{
	char command[600];
	FILE *file;

	snprintf(command, sizeof(command), "mkdir -p $(dirname %s/%s)", directory, path);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/%s", directory, path);
	file = fopen(command, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void shell(const char *text)
{
	char command[1000];

	snprintf(command, sizeof(command), "cd %s && { %s; }", directory, text);
	assert_int_equal(system(command), 0);
}

static void put_bridge(const char *name)
{
	static const struct {
		const char *file, *text;
	} files[] = {{"bridge/multicast_snooping", "0\n"}, {"bridge/vlan_filtering", "0\n"},
		{"bridge/stp_state", "0\n"}, {"bridge/group_fwd_mask", "0xfff8\n"}, {"flags", "0x1003\n"},
		{"mtu", "1500\n"}, {"brif/eth0", ""}};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "sys/class/net/%s/%s", name, files[i].file);
		put(path, files[i].text);
	}
}

static void put_physical(const char *name, const char *node, const char *driver)
{
	char command[800];

	snprintf(command, sizeof(command),
		"mkdir -p sys/class/net/%s/device && cd sys/class/net/%s/device && echo 4 >sriov_numvfs && echo 8 "
		">sriov_totalvfs && echo %s >numa_node && ln -sfn ../../bus/pci/drivers/%s driver && for n in 0 1 2 3; "
		"do ln -sfn "
		"../0000:3b:02.$n virtfn$n; done",
		name, name, node, driver);
	shell(command);
}

/* a host on which nothing is amiss */
static void whole_host(void)
{
	shell("rm -rf sys proc");
	put_bridge("br-a");
	put_bridge("br-b");
	put_physical("ens1f0", "0", "igb");
	put_physical("ens2f0", "0", "igb");
	put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "8192\n");
	put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8192\n");
	put("sys/devices/system/node/node0/cpu2/online", "1\n");
	put("sys/devices/system/node/node0/cpu3/online", "1\n");
	put("sys/devices/system/node/node0/cpulist", "0-3\n");
	put("sys/devices/system/cpu/cpu2/online", "1\n");
	put("sys/devices/system/cpu/cpu3/online", "1\n");
	put("sys/kernel/iommu_groups/0/x", "");
	put("proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable: 16777216 kB\n");
	put("proc/cpuinfo", "processor : 0\nflags\t\t: fpu ssse3 rdrand aes avx2 avx512ifma\n");
	link_json = "[{\"vfinfo_list\":[{\"vf\":0,\"spoofchk\":false,\"trust\":\"on\"},{\"vf\":1,\"spoofchk\":true,"
		    "\"trust\":\"off\"}]}]";
	flags_text = NULL;
}

struct found {
	struct findings findings;
	struct plan plan;
};

static void look_with(struct found *found, struct fake *fake, struct hypervisor *hv, struct options *options)
{
	char problem[256], mend[256];

	options->pool = "default";
	options->management = "network=default";
	options->sessions = options->sessions ? options->sessions : 1;
	options->disk_gib = 16;
	memset(found, 0, sizeof(*found));
	assert_int_equal(plan_make(options, &found->plan, problem, mend), 0);
	preflight_run(&found->plan, NULL, &host, hv, &found->findings);
}

static void look(struct found *found, const char *port_a, const char *port_b)
{
	struct fake fake;
	struct hypervisor hv;
	struct options options = {.port_a = port_a, .port_b = port_b};

	fake_begin(&fake, &hv);
	look_with(found, &fake, &hv, &options);
}

static const struct finding *finding_of(const struct found *found, const char *name, enum finding_state state)
{
	for (size_t i = 0; i < found->findings.n; i++)
		if (strcmp(found->findings.items[i].name, name) == 0 && found->findings.items[i].state == state)
			return &found->findings.items[i];
	findings_print(&found->findings, stderr);
	fail_msg("no finding '%s' of state %d", name, state);
	return NULL;
}

/* a finding says what was found, what it costs, and this mend */
static void expect(
	const struct found *found, const char *name, enum finding_state state, const char *what, const char *mend)
{
	const struct finding *finding = finding_of(found, name, state);

	if (!strstr(finding->found, what) || !strstr(finding->mend, mend) || !*finding->cost)
		fail_msg("%s: found '%s', costs '%s', mend '%s'", name, finding->found, finding->cost, finding->mend);
}

static void test_j7_a_whole_host_is_good(void **state)
{
	struct found found;

	whole_host();
	look(&found, "bridge=br-a", "bridge=br-b");
	if (findings_worst(&found.findings) != FINDING_GOOD) {
		findings_print(&found.findings, stderr);
		fail_msg("not good");
	}
	look(&found, "vf=ens1f0:0", "vf=ens2f0:0");
	if (findings_worst(&found.findings) != FINDING_GOOD) {
		findings_print(&found.findings, stderr);
		fail_msg("not good");
	}
	assert_string_equal(found.plan.nics[PLAN_PORT_A].pci, "0000:3b:02.0");
}

static void test_j3_each_setting_of_a_bridge_is_told_with_its_command(void **state)
{
	static const struct {
		const char *path, *text, *name;
		enum finding_state state;
		const char *what, *mend;
	} cases[] = {
		{"sys/class/net/br-a/bridge/multicast_snooping", "1\n", "multicast snooping", FINDING_WARNING,
			"br-a: 1", "ip link set br-a type bridge mcast_snooping 0"},
		{"sys/class/net/br-b/bridge/vlan_filtering", "1\n", "VLAN filter", FINDING_WARNING, "br-b: 1",
			"ip link set br-b type bridge vlan_filtering 0"},
		{"sys/class/net/br-b/bridge/stp_state", "1\n", "spanning tree", FINDING_WARNING, "br-b: 1",
			"ip link set br-b type bridge stp_state 0"},
		{"sys/class/net/br-a/bridge/group_fwd_mask", "0x0\n", "link-local groups", FINDING_WARNING, "br-a",
			"ip link set br-a type bridge group_fwd_mask 0xfff8"},
		{"sys/class/net/br-a/flags", "0x1002\n", "bridge", FINDING_WARNING, "br-a: down",
			"ip link set br-a up"},
		{"sys/class/net/br-a/mtu", "9000\n", "MTU", FINDING_WARNING, "port A 9000",
			"ip link set br-b mtu 9000"},
		{"proc/sys/net/bridge/bridge-nf-call-iptables", "1\n", "filter on bridges", FINDING_WARNING,
			"bridge-nf-call-iptables: on", "sysctl net.bridge.bridge-nf-call-iptables=0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct found found;

		whole_host();
		put(cases[i].path, cases[i].text);
		look(&found, "bridge=br-a", "bridge=br-b");
		expect(&found, cases[i].name, cases[i].state, cases[i].what, cases[i].mend);
	}
}

static void test_j3_a_bridge_that_is_missing_is_refused_with_the_command_that_makes_it(void **state)
{
	struct found found;

	whole_host();
	shell("rm -r sys/class/net/br-b");
	look(&found, "bridge=br-a", "bridge=br-b");
	expect(&found, "bridge", FINDING_REFUSED, "br-b: there is no such bridge for port B",
		"ip link add br-b type bridge");
	whole_host();
	shell("rm sys/class/net/br-b/brif/eth0");
	look(&found, "bridge=br-a", "bridge=br-b");
	expect(&found, "bridge", FINDING_NOTE, "no interface is joined", "ip link set PHYSICAL master br-b up");
}

static void test_j3_functions_without_permission_are_told_with_their_commands(void **state)
{
	struct found found;

	whole_host();
	look(&found, "vf=ens1f0:1", "vf=ens2f0:0");
	expect(&found, "trust", FINDING_WARNING, "ens1f0 vf 1: off", "ip link set ens1f0 vf 1 trust on");
	expect(&found, "spoof check", FINDING_WARNING, "ens1f0 vf 1: on", "ip link set ens1f0 vf 1 spoofchk off");

	put_physical("ens1f0", "0", "i40e");
	flags_text = "Private flags for ens1f0:\nMFP : off\nvf-true-promisc-support: off\nlink-down : on\n";
	look(&found, "vf=ens1f0:0", "vf=ens2f0:0");
	expect(&found, "promiscuous functions", FINDING_WARNING, "off",
		"ethtool --set-priv-flags ens1f0 vf-true-promisc-support on");
	flags_text = "Private flags for ens1f0:\nvf-true-promisc-support: on\n";
	look(&found, "vf=ens1f0:0", "vf=ens2f0:0");
	finding_of(&found, "promiscuous functions", FINDING_GOOD);

	link_json = NULL; /* ip failed */
	look(&found, "vf=ens1f0:0", "vf=ens2f0:0");
	expect(&found, "trust", FINDING_WARNING, "not known", "trust on");
	link_json = "[{\"vfinfo_list\": 7}]";
	look(&found, "vf=ens1f0:0", "vf=ens2f0:0");
	expect(&found, "trust", FINDING_WARNING, "not known", "trust on");
}

static void test_j3_functions_that_are_not_there_are_refused(void **state)
{
	struct found found;

	whole_host();
	look(&found, "vf=ens1f0:6", "vf=ens2f0:0");
	expect(&found, "virtual function", FINDING_REFUSED, "too few",
		"echo 7 > /sys/class/net/ens1f0/device/sriov_numvfs");
	look(&found, "vf=ens1f0:9", "vf=ens2f0:0");
	expect(&found, "virtual function", FINDING_REFUSED, "too few", "name another physical port with --port-a");
	look(&found, "vf=eth9:0", "vf=ens2f0:0");
	expect(&found, "virtual function", FINDING_REFUSED, "no device with virtual functions", "--port-a");
	shell("rm -r sys/kernel/iommu_groups");
	look(&found, "vf=ens1f0:0", "vf=ens2f0:0");
	expect(&found, "IOMMU", FINDING_REFUSED, "off", "intel_iommu=on");
}

static void test_j7_nodes_of_memory(void **state)
{
	struct options options = {.port_a = "vf=ens1f0:0", .port_b = "vf=ens2f0:0", .cpus = "2-3", .vcpus = 2};
	struct hypervisor hv;
	struct found found;
	struct fake fake;

	whole_host();
	put_physical("ens2f0", "1", "igb");
	look(&found, "vf=ens1f0:0", "vf=ens2f0:0");
	expect(&found, "NUMA", FINDING_WARNING, "port A is at node 0, port B at node 1", "one node");
	whole_host();
	fake_begin(&fake, &hv);
	look_with(&found, &fake, &hv, &options);
	finding_of(&found, "NUMA", FINDING_GOOD);
	shell("rm -r sys/devices/system/node/node0/cpu3");
	look_with(&found, &fake, &hv, &options);
	expect(&found, "NUMA", FINDING_WARNING, "processor 3 is not of node 0", "0-3");
	shell("rm -r sys/devices/system/cpu/cpu3");
	look_with(&found, &fake, &hv, &options);
	expect(&found, "pinning", FINDING_REFUSED, "no processor 3", "--cpus");
}

static void test_j7_processors_memory_and_pages(void **state)
{
	struct options options = {.port_a = "bridge=br-a", .port_b = "bridge=br-b"};
	struct hypervisor hv;
	struct found found;
	struct fake fake;

	whole_host();
	fake_begin(&fake, &hv);
	fake.cpu = "<cpu><feature policy='require' name='aes'/><feature policy='disable' name='rdrand'/></cpu>";
	look_with(&found, &fake, &hv, &options);
	expect(&found, "ssse3", FINDING_REFUSED, "missing", "newer processor");
	expect(&found, "rdrand", FINDING_WARNING, "missing", "newer processor");
	finding_of(&found, "aes", FINDING_GOOD);
	finding_of(&found, "avx512ifma", FINDING_NOTE);

	fake.cpu_unknown = true; /* libvirt cannot say: the host's own flags */
	look_with(&found, &fake, &hv, &options);
	finding_of(&found, "ssse3", FINDING_GOOD);
	put("proc/cpuinfo", "flags : sse\n");
	look_with(&found, &fake, &hv, &options);
	finding_of(&found, "ssse3", FINDING_REFUSED);

	fake.cpu_unknown = false;
	fake.cpu = NULL;
	look_with(&found, &fake, &hv, &options);
	expect(&found, "virtualisation", FINDING_REFUSED, "no machines of kind kvm", "modprobe kvm");

	options.vcpus = 16;
	options.memory_mib = 20000;
	look_with(&found, &fake, &hv, &options);
	expect(&found, "processors", FINDING_WARNING, "8 for 16 vCPU", "--vcpus 8");
	expect(&found, "free memory", FINDING_WARNING, "16384 MB free for 20000 MB", "--memory");
	expect(&found, "huge pages", FINDING_NOTE, "8192 of 2 MB free, 10000 needed", "sysctl vm.nr_hugepages=18192");
	options.hugepages = true;
	look_with(&found, &fake, &hv, &options);
	finding_of(&found, "huge pages", FINDING_REFUSED);
	options.vcpus = 1;
	options.memory_mib = 1024;
	look_with(&found, &fake, &hv, &options);
	expect(&found, "vCPU", FINDING_REFUSED, "1", "--vcpus 2");
	expect(&found, "memory", FINDING_REFUSED, "1024 MB", "--memory 2048");
}

static void test_j7_storage_names_and_networks(void **state)
{
	struct options options = {.name = "gate", .port_a = "network=pool-a", .port_b = "bridge=br-b"};
	struct hypervisor hv;
	struct found found;
	struct fake fake;

	whole_host();
	fake_begin(&fake, &hv);
	fake.network_mode = "hostdev";
	snprintf(fake.domain, sizeof(fake.domain), "gate");
	fake.available = 100 << 20;
	look_with(&found, &fake, &hv, &options);
	expect(&found, "name", FINDING_REFUSED, "there is a machine gate already", "sluice-deploy remove gate");
	expect(&found, "free disk", FINDING_REFUSED, "100 MB in pool default", "--pool");
	fake.pool_type = "logical";
	look_with(&found, &fake, &hv, &options);
	expect(&found, "storage pool", FINDING_REFUSED, "of type logical", "dir, fs or netfs");
	fake.pool_type = NULL;
	fake.network_mode = "nat";
	look_with(&found, &fake, &hv, &options);
	expect(&found, "storage pool", FINDING_REFUSED, "there is none", "virsh pool-define-as default dir");
	expect(&found, "network", FINDING_WARNING, "forward mode nat", "--port-a bridge=NAME");
	fake.network_mode = NULL;
	look_with(&found, &fake, &hv, &options);
	expect(&found, "network", FINDING_REFUSED, "default: there is no such network", "virsh net-list");
	fake.remote = true;
	look_with(&found, &fake, &hv, &options);
	expect(&found, "host", FINDING_WARNING, "elsewhere", "run sluice-deploy preflight there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_j7_a_whole_host_is_good),
		cmocka_unit_test(test_j3_each_setting_of_a_bridge_is_told_with_its_command),
		cmocka_unit_test(test_j3_a_bridge_that_is_missing_is_refused_with_the_command_that_makes_it),
		cmocka_unit_test(test_j3_functions_without_permission_are_told_with_their_commands),
		cmocka_unit_test(test_j3_functions_that_are_not_there_are_refused),
		cmocka_unit_test(test_j7_nodes_of_memory),
		cmocka_unit_test(test_j7_processors_memory_and_pages),
		cmocka_unit_test(test_j7_storage_names_and_networks),
	};

	return cmocka_run_group_tests(tests, temporary_make, temporary_remove);
}
