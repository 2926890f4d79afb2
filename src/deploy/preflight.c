/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/preflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "deploy/xml.h"

/* --- processor ------------------------------------------------------------------------------------------------------
 */

/* the same costs as `sluice show health` names inside the machine (J2) */
static const struct cpu_feature {
	const char *name, *flag; /* libvirt's and /proc/cpuinfo's names */
	enum finding_state missing;
	const char *cost;
} cpu_features[] = {
	{"ssse3", "ssse3", FINDING_REFUSED, "SSL inspection is refused: signature filters need it"},
	{"rdrand", "rdrand", FINDING_WARNING, "the machine's random generator has one source less"},
	{"aes", "aes", FINDING_WARNING, "AES is computed without it, several times slower"},
	{"avx2", "avx2", FINDING_NOTE, "signature filters and RSA are slower"},
	{"avx512ifma", "avx512ifma", FINDING_NOTE,
		"private-key operations are not computed eight at a time: fewer full handshakes a second"},
};

static bool xml_has_feature(const char *cpu_xml, const char *name)
{
	_cleanup_free_ char *found = NULL;
	char xpath[128];

	snprintf(xpath, sizeof(xpath), "string(/cpu/feature[@name='%s'][not(@policy='disable')]/@name)", name);
	found = xml_text(cpu_xml, xpath);
	return found && *found;
}

static void check_cpu(
	const struct plan *plan, const struct host *host, struct hypervisor *hv, bool local, struct findings *findings)
{
	_cleanup_free_ char *xml = NULL;
	const char *virt = plan->emulated ? "qemu" : "kvm";
	int r = hv->ops->cpu(hv, virt, &xml);

	if (r == -ENOENT) {
		finding_mend(findings_add(findings, FINDING_REFUSED, "virtualisation", "the machine cannot be started",
				     "no machines of kind %s here", virt),
			"modprobe kvm_intel (or kvm_amd); switch VT-x or AMD-V on in the firmware; for a test: "
			"--emulated");
		return;
	}
	findings_add(findings, plan->emulated ? FINDING_NOTE : FINDING_GOOD, "virtualisation",
		"everything is ten to fifty times slower", "%s", plan->emulated ? "emulated" : virt);
	for (size_t i = 0; i < ARRAY_SIZE(cpu_features); i++) {
		const struct cpu_feature *feature = &cpu_features[i];
		bool has = xml ? xml_has_feature(xml, feature->name) : local && host_cpu_has(host, feature->flag);

		finding_mend(findings_add(findings, has ? FINDING_GOOD : feature->missing, feature->name, feature->cost,
				     "%s", has ? "there" : "missing"),
			"a host with a newer processor, or its firmware's switch for it");
	}
}

/* --- memory and processors ------------------------------------------------------------------------------------------
 */

/* what programs could still get, page cache included; 0: not known */
static uint64_t memory_available(const struct host *host)
{
	_cleanup_free_ char *line = NULL;
	char path[512];
	unsigned long long kib = 0;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/meminfo", host->root);
	file = fopen(path, "re");
	while (file && !kib && getline(&line, &size, file) > 0)
		sscanf(line, "MemAvailable: %llu", &kib);
	if (file)
		fclose(file);
	return (uint64_t)kib << 10;
}

static void check_capacity(
	const struct plan *plan, const struct host *host, struct hypervisor *hv, bool local, struct findings *findings)
{
	uint64_t memory = 0, wanted = plan->memory_mib << 20;
	unsigned int cpus = 0;

	if (hv->ops->memory_free(hv, &memory, &cpus) < 0) {
		findings_add(findings, FINDING_NOTE, "memory", "it may be short", "not known: %s", hv->error);
		return;
	}
	finding_mend(findings_add(findings, cpus < plan->vcpus ? FINDING_WARNING : FINDING_GOOD, "processors",
			     "vCPU wait for each other: frames are late", "%u for %u vCPU", cpus, plan->vcpus),
		"--vcpus %u", MAX(cpus, 2));
	finding_mend(findings_add(findings, plan->vcpus < 2 ? FINDING_REFUSED : FINDING_GOOD, "vCPU",
			     "SSL inspection is refused below 2", "%u", plan->vcpus),
		"--vcpus 2");
	finding_mend(findings_add(findings, plan->memory_mib < 2048 ? FINDING_REFUSED : FINDING_GOOD, "memory",
			     "SSL inspection is refused below 2048 MB", "%llu MB for %u sessions",
			     (unsigned long long)plan->memory_mib, plan->sessions),
		"--memory 2048");
	if (local && memory_available(host))
		memory = memory_available(host);
	if (!plan->hugepages)
		finding_mend(findings_add(findings, memory < wanted ? FINDING_WARNING : FINDING_GOOD, "free memory",
				     "the host pages out, or ends programs", "%llu MB free for %llu MB",
				     (unsigned long long)(memory >> 20), (unsigned long long)plan->memory_mib),
			"stop other machines, or --memory with less");
}

static void check_hugepages(const struct plan *plan, const struct host *host, struct findings *findings)
{
	int64_t free_pages = host_number(host, "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	uint64_t needed = (plan->memory_mib + 1) / 2;
	bool enough = free_pages >= (int64_t)needed;
	enum finding_state missing = plan->hugepages ? FINDING_REFUSED : FINDING_NOTE;
	struct finding *finding = findings_add(findings, enough ? FINDING_GOOD : missing, "huge pages",
		plan->hugepages ? "the machine cannot be started" : "the processor looks addresses up more often",
		"%lld of 2 MB free, %llu needed", (long long)MAX(free_pages, 0), (unsigned long long)needed);

	if (!enough)
		finding_mend(finding, "sysctl vm.nr_hugepages=%llu%s",
			(unsigned long long)(needed +
					     MAX(host_number(
							 host, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"),
						     0)),
			plan->hugepages ? "" : ", then --hugepages");
}

static void check_pinning(const struct plan *plan, const struct host *host, struct findings *findings)
{
	unsigned int nodes = 0;

	while (host_exists(host, "sys/devices/system/node/node%u", nodes))
		nodes++;
	if (nodes > 1 && !plan->n_cpus)
		finding_mend(findings_add(findings, FINDING_NOTE, "NUMA", "vCPU and memory may be on two nodes",
				     "%u nodes, and the vCPU are not pinned", nodes),
			"--cpus with processors of one node (lscpu --extended)");
	for (unsigned int i = 0; i < plan->n_cpus; i++)
		if (!host_exists(host, "sys/devices/system/cpu/cpu%u", plan->cpus[i]))
			finding_mend(findings_add(findings, FINDING_REFUSED, "pinning", "the machine cannot be started",
					     "there is no processor %u", plan->cpus[i]),
				"--cpus with processors that `lscpu --extended` lists");
}

/* --- storage, names, networks, image --------------------------------------------------------------------------------
 */

static void check_pool(
	const struct plan *plan, const struct image *image, struct hypervisor *hv, struct findings *findings)
{
	struct hypervisor_pool pool;
	int r = hv->ops->pool(hv, plan->pool, &pool);
	/* an OVA's disk is there twice while it is converted */
	uint64_t needed = image ? image->bytes * (image->kind == IMAGE_OVA ? 3 : 1) + (512ull << 20) : 1ull << 30;

	if (r < 0) {
		struct finding *finding =
			findings_add(findings, FINDING_REFUSED, "storage pool", "there is no place for the disk",
				"%s: %s", plan->pool, r == -ENOENT ? "there is none" : hv->error);

		if (r == -ENODEV)
			finding_mend(finding, "virsh pool-start %s", plan->pool);
		else
			finding_mend(finding,
				"virsh pool-define-as %s dir --target /var/lib/libvirt/images && virsh pool-start %s",
				plan->pool, plan->pool);
		return;
	}
	if (strcmp(pool.type, "dir") != 0 && strcmp(pool.type, "fs") != 0 && strcmp(pool.type, "netfs") != 0)
		finding_mend(findings_add(findings, FINDING_REFUSED, "storage pool", "it cannot hold a qcow2",
				     "%s is of type %s", plan->pool, pool.type),
			"--pool with one of type dir, fs or netfs");
	finding_mend(findings_add(findings, pool.available < needed ? FINDING_REFUSED : FINDING_GOOD, "free disk",
			     "the image does not fit", "%llu MB in pool %s, %llu MB needed, up to %llu GB later",
			     (unsigned long long)(pool.available >> 20), plan->pool, (unsigned long long)(needed >> 20),
			     (unsigned long long)plan->disk_gib),
		"free some, or --pool with another");
}

static void check_name(const struct plan *plan, struct hypervisor *hv, struct findings *findings)
{
	struct hypervisor_domain domain;

	if (hv->ops->domain(hv, plan->name, &domain) == 0)
		finding_mend(findings_add(findings, FINDING_REFUSED, "name", "nothing is made",
				     "there is a machine %s already, %s", plan->name, domain.state),
			"another name, or sluice-deploy remove %s", plan->name);
}

static void check_network(
	const struct plan_nic *nic, enum plan_nic_id id, struct hypervisor *hv, struct findings *findings)
{
	_cleanup_free_ char *xml = NULL;
	bool active = false;
	int r = hv->ops->network(hv, nic->name, &active, &xml);

	if (r < 0)
		finding_mend(findings_add(findings, FINDING_REFUSED, "network", "the machine cannot be started",
				     "%s: there is no such network for %s", nic->name, plan_nic_titles[id]),
			id == PLAN_MANAGEMENT ? "virsh net-list --all; --management with another"
					      : "virsh net-define FILE, such as vm/network-hostdev.xml");
	else
		finding_mend(findings_add(findings, active ? FINDING_GOOD : FINDING_REFUSED, "network",
				     "the machine cannot be started", "%s: %s, for %s", nic->name,
				     active ? "started" : "not started", plan_nic_titles[id]),
			"virsh net-start %s && virsh net-autostart %s", nic->name, nic->name);
	if (xml && id != PLAN_MANAGEMENT) {
		_cleanup_free_ char *mode = xml_text(xml, "string(/network/forward/@mode)");

		if (mode && strcmp(mode, "hostdev") != 0 && strcmp(mode, "bridge") != 0)
			finding_mend(findings_add(findings, FINDING_WARNING, "network",
					     "libvirt's own bridge has rules and an address of the host's on the wire",
					     "%s: forward mode %s", nic->name, *mode ? mode : "none"),
				"%s bridge=NAME with a bridge of its own", plan_nic_options[id]);
	}
}

static void check_image(const struct image *image, struct findings *findings)
{
	if (!*image->compared)
		finding_mend(findings_add(findings, FINDING_WARNING, "checksum",
				     "nobody knows whether this is the image that was published",
				     "%.16s…, compared to nothing", image->sha256),
			"--sha256 with the published sum");
	else
		finding_mend(findings_add(findings, image->matches ? FINDING_GOOD : FINDING_REFUSED, "checksum",
				     "the image is damaged, or another", "%s %s",
				     image->matches ? "as in" : "differs from", image->compared),
			"download it again");
}

static void choose_macs(struct plan *plan, struct hypervisor *hv)
{
	char **names = NULL, *all = NULL;
	size_t size;
	FILE *out = open_memstream(&all, &size);

	if (out && hv->ops->domain_names(hv, &names) == 0)
		for (char **name = names; name && *name; name++) {
			_cleanup_free_ char *xml = NULL;

			if (hv->ops->domain_xml(hv, *name, &xml) == 0)
				fputs(xml, out);
		}
	if (out)
		fclose(out);
	plan_choose_macs(plan, all);
	hypervisor_free_names(&names);
	free(all);
}

void preflight_run(struct plan *plan, const struct image *image, const struct host *host, struct hypervisor *hv,
	struct findings *findings)
{
	_cleanup_free_ char *uri = NULL;
	bool local = true;

	hv->ops->describe(hv, &uri, &local);
	check_cpu(plan, host, hv, local, findings);
	check_capacity(plan, host, hv, local, findings);
	check_pool(plan, image, hv, findings);
	check_name(plan, hv, findings);
	for (unsigned int i = 0; i < PLAN_NICS; i++)
		if (plan->nics[i].given && plan->nics[i].kind == PLAN_NETWORK)
			check_network(&plan->nics[i], i, hv, findings);
	if (local) {
		check_hugepages(plan, host, findings);
		check_pinning(plan, host, findings);
		preflight_bridges(plan, host, findings);
		preflight_functions(plan, host, findings);
	} else {
		finding_mend(
			findings_add(findings, FINDING_WARNING, "host", "bridges and functions may hold frames back",
				"%s is another host: its bridges and functions were not looked at", uri),
			"run sluice-deploy preflight there");
	}
	if (image)
		check_image(image, findings);
	choose_macs(plan, hv);
}
