/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-deploy-doc man|virtio|sriov [--check FILE]: docs/man/sluice-deploy.1 from the table of options;
 * vm/domain-*.xml from the one definition of the machine. */
#include <string.h>

#include "deploy/options.h"
#include "deploy/plan.h"
#include "generated.h"

static const char virtio_head[] =
	"<!-- Sluice with virtio ports: virsh define vm/domain-virtio.xml. The networks (bridges br-clients, "
	"br-servers: one per port, without any\n"
	"     other bridge between them) are the host's; the disk is a copy of sluice-VERSION.qcow2. The order of the "
	"interfaces is that of the\n"
	"     ports: management, port1a, port1b. Written by sluice-deploy-doc from src/deploy/domain.c. -->\n";
static const char sriov_head[] = "<!-- Sluice with SR-IOV virtual functions as ports: virsh define "
				 "vm/domain-sriov.xml. The two networks are pools of virtual functions\n"
				 "     (vm/network-hostdev.xml), each of a physical port of its own; the disk is a "
				 "copy of sluice-VERSION.qcow2. The order of the\n"
				 "     interfaces is that of the ports: management, port1a, port1b. Written by "
				 "sluice-deploy-doc from src/deploy/domain.c. -->\n";

static void write_example(FILE *out, const char *head, const char *port_a, const char *port_b)
{
	char *argv[] = {"sluice-deploy", "deploy", "sluice", "--port-a", (char *)port_a, "--port-b", (char *)port_b,
		"--memory", "4096"};
	char problem[256], mend[256];
	struct options options;
	struct plan plan;

	if (options_parse(ARRAY_SIZE(argv), argv, &options, stderr) < 0 ||
		plan_make(&options, &plan, problem, mend) < 0)
		abort();
	fputs(head, out);
	plan_write_domain(&plan, out);
}

static void write_virtio(FILE *out)
{
	write_example(out, virtio_head, "bridge=br-clients", "bridge=br-servers");
}

static void write_sriov(FILE *out)
{
	write_example(out, sriov_head, "network=sluice-clients", "network=sluice-servers");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*write)(FILE *out);
	} documents[] = {{"man", options_manual}, {"virtio", write_virtio}, {"sriov", write_sriov}};

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(documents); i++)
		if (strcmp(argv[1], documents[i].name) == 0)
			return generated_main(argc - 1, argv + 1, documents[i].write);
	fputs("usage: sluice-deploy-doc man|virtio|sriov [--check FILE]\n", stderr);
	return 2;
}
