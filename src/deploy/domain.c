/* SPDX-License-Identifier: Apache-2.0 */
/* The one definition of the machine for libvirt; vm/domain-virtio.xml and vm/domain-sriov.xml are written by it. */
#include <string.h>

#include "base/common.h"
#include "deploy/plan.h"
#include "deploy/xml.h"

#define QUEUES_MAX 8

static void element(FILE *out, const char *before, const char *text, const char *after)
{
	fputs(before, out);
	xml_escape(out, text);
	fputs(after, out);
}

/* what `remove` deletes: volumes that deploy made */
static void write_metadata(const struct plan *plan, FILE *out)
{
	if (!*plan->disk_volume)
		return;
	fputs("  <metadata>\n    <sluice:deploy xmlns:sluice=\"urn:sluice:deploy:1\">\n", out);
	element(out, "      <sluice:volume pool=\"", plan->pool, "\"");
	element(out, " name=\"", plan->disk_volume, "\"/>\n");
	fputs("    </sluice:deploy>\n  </metadata>\n", out);
}

static void write_processors(const struct plan *plan, FILE *out)
{
	fprintf(out, "  <vcpu placement=\"static\">%u</vcpu>\n", plan->vcpus);
	if (plan->n_cpus) {
		fputs("  <cputune>\n", out);
		for (unsigned int i = 0; i < plan->vcpus && i < plan->n_cpus; i++)
			fprintf(out, "    <vcpupin vcpu=\"%u\" cpuset=\"%u\"/>\n", i, plan->cpus[i]);
		fputs("  </cputune>\n", out);
	}
	/* la57 under emulation costs a fifth page-table level for nothing */
	fputs(plan->emulated
			? "  <cpu mode=\"maximum\" check=\"none\">\n    <feature policy=\"disable\" name=\"la57\"/>\n"
			  "  </cpu>\n"
			: "  <cpu mode=\"host-passthrough\" check=\"none\"/>\n",
		out);
}

static void write_address(FILE *out, unsigned int bus)
{
	fprintf(out, "      <address type=\"pci\" domain=\"0x0000\" bus=\"0x%02x\" slot=\"0x00\" function=\"0x0\"/>\n",
		bus);
}

static void write_function(const struct plan_nic *nic, FILE *out)
{
	unsigned int domain = 0, bus = 0, slot = 0, function = 0;

	if (sscanf(nic->pci, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		element(out, "      <!-- virtual function of ", nic->name,
			": its address is not known on this host -->\n");
	fprintf(out,
		"      <source>\n        <address type=\"pci\" domain=\"0x%04x\" bus=\"0x%02x\" slot=\"0x%02x\" "
		"function=\"0x%x\"/>\n      </source>\n",
		domain, bus, slot, function);
}

/* Each has its PCI address, so that the order in the machine is fixed: management, port1a, port1b. */
static void write_nic(const struct plan *plan, enum plan_nic_id id, FILE *out)
{
	static const char *const types[] = {"network", "bridge", "hostdev"};
	const struct plan_nic *nic = &plan->nics[id];
	bool port = id != PLAN_MANAGEMENT;

	fprintf(out, "    <interface type=\"%s\"%s>\n", types[nic->kind],
		nic->kind == PLAN_VF ? " managed=\"yes\"" : "");
	if (*nic->mac)
		element(out, "      <mac address=\"", nic->mac, "\"/>\n");
	if (nic->kind == PLAN_VF) {
		write_function(nic, out);
	} else {
		fprintf(out, "      <source %s", types[nic->kind]);
		element(out, "=\"", nic->name, "\"/>\n");
	}
	/* a port on a network may be a pool of virtual functions, where libvirt gives the model */
	if (nic->kind == PLAN_BRIDGE || !port)
		fputs("      <model type=\"virtio\"/>\n", out);
	if (nic->kind == PLAN_BRIDGE && port)
		fprintf(out, "      <driver name=\"%s\" queues=\"%u\"/>\n", plan->emulated ? "qemu" : "vhost",
			MIN(plan->vcpus, QUEUES_MAX));
	write_address(out, id + 1);
	fputs("    </interface>\n", out);
}

void plan_write_drive(const char *medium_path, FILE *out)
{
	fputs("    <disk type=\"file\" device=\"cdrom\">\n      <driver name=\"qemu\" type=\"raw\"/>\n", out);
	if (medium_path && *medium_path)
		element(out, "      <source file=\"", medium_path, "\"/>\n");
	fputs("      <target dev=\"sda\" bus=\"sata\"/>\n      <readonly/>\n    </disk>\n", out);
}

static void write_devices(const struct plan *plan, FILE *out)
{
	fputs("  <devices>\n    <disk type=\"file\" device=\"disk\">\n      <driver name=\"qemu\" type=\"qcow2\" "
	      "cache=\"none\" discard=\"unmap\"/>\n",
		out);
	element(out, "      <source file=\"",
		*plan->disk_path ? plan->disk_path : "/var/lib/libvirt/images/sluice.qcow2", "\"/>\n");
	fputs("      <target dev=\"vda\" bus=\"virtio\"/>\n    </disk>\n", out);
	plan_write_drive(plan->seed_path, out);
	for (unsigned int i = 0; i < PLAN_NICS; i++)
		if (plan->nics[i].given)
			write_nic(plan, i, out);
	fputs("    <serial type=\"pty\"/>\n    <console type=\"pty\"/>\n    <channel type=\"unix\">\n"
	      "      <target type=\"virtio\" name=\"org.qemu.guest_agent.0\"/>\n    </channel>\n"
	      "    <rng model=\"virtio\">\n      <backend model=\"random\">/dev/urandom</backend>\n    </rng>\n"
	      "    <memballoon model=\"none\"/>\n  </devices>\n",
		out);
}

void plan_write_domain(const struct plan *plan, FILE *out)
{
	fprintf(out, "<domain type=\"%s\">\n", plan->emulated ? "qemu" : "kvm");
	element(out, "  <name>", plan->name, "</name>\n");
	write_metadata(plan, out);
	fprintf(out, "  <memory unit=\"MiB\">%llu</memory>\n", (unsigned long long)plan->memory_mib);
	if (plan->hugepages)
		fputs("  <memoryBacking>\n    <hugepages/>\n  </memoryBacking>\n", out);
	write_processors(plan, out);
	fputs("  <os>\n    <type arch=\"x86_64\" machine=\"q35\">hvm</type>\n    <boot dev=\"hd\"/>\n  </os>\n"
	      "  <features>\n    <acpi/>\n    <apic/>\n  </features>\n  <clock offset=\"utc\"/>\n"
	      "  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n  "
	      "<on_crash>restart</on_crash>\n",
		out);
	write_devices(plan, out);
	fputs("</domain>\n", out);
}
