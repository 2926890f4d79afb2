/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which network interface is which (J4): mgmt0, port1a, port1b, port2a … in the order of their PCI addresses, or as
 * /data/etc/ports says ("NAME MAC-or-PCI" a line). */
#include <stddef.h>

#define NIC_PORTS_FILE "/data/etc/ports"
#define NIC_MAX 32

struct nic {
	char name[16], mac[18], pci[16], driver[32];
	int index; /* the firmware's own (ACPI), 0: none; comes before the PCI address */
	char wanted[16];
};

struct nics {
	size_t n;
	struct nic nic[NIC_MAX];
};

int nic_list(struct nics *nics);
/* decides every wanted name; `assignments` is the text of NIC_PORTS_FILE or NULL. -ENOENT, with its line logged, when
 * an assignment fits no interface; the others are decided all the same. */
int nic_assign(struct nics *nics, const char *assignments);
int nic_rename(struct nics *nics);
