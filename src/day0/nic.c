/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/nic.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/common.h"
#include "base/log.h"
#include "base/system.h"

#define SYS_NET "/sys/class/net"

static bool nic_attribute(const char *name, const char *attribute, char *out, size_t size)
{
	char path[384];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), SYS_NET "/%s/%s", name, attribute);
	file = fopen(system_path(path), "re");
	if (!file)
		return false;
	good = fgets(out, (int)size, file);
	fclose(file);
	if (good)
		out[strcspn(out, "\n")] = '\0';
	return good;
}

/* the last PCI address on the way to the device: .../0000:00:05.0/virtio2 */
static void nic_find_pci(const char *path, char out[16])
{
	for (const char *part = strchr(path, '/'); part; part = strchr(part + 1, '/')) {
		size_t len = strcspn(part + 1, "/");

		if (len == 12 && part[5] == ':' && part[8] == ':' && part[11] == '.')
			snprintf(out, 16, "%.12s", part + 1);
	}
}

static bool nic_read(const char *name, struct nic *nic)
{
	char path[320], index[16];
	_cleanup_free_ char *device = NULL;

	snprintf(path, sizeof(path), SYS_NET "/%s/device", name);
	device = realpath(system_path(path), NULL);
	if (!device || !nic_attribute(name, "address", nic->mac, sizeof(nic->mac)))
		return false;
	snprintf(nic->name, sizeof(nic->name), "%.15s", name);
	nic_find_pci(device, nic->pci);
	if (nic_attribute(name, "device/acpi_index", index, sizeof(index)) ||
		nic_attribute(name, "device/../acpi_index", index, sizeof(index)))
		nic->index = atoi(index);
	return true;
}

static int nic_compare(const void *left, const void *right)
{
	const struct nic *a = left, *b = right;

	if (a->index != b->index)
		return !a->index ? 1 : !b->index ? -1 : a->index - b->index;
	return strcmp(a->pci, b->pci) ? strcmp(a->pci, b->pci) : strcmp(a->name, b->name);
}

int nic_list(struct nics *nics)
{
	DIR *directory = opendir(system_path(SYS_NET));
	struct dirent *entry;

	nics->n = 0;
	if (!directory)
		return log_err_r(-errno, "cannot read " SYS_NET);
	while (nics->n < NIC_MAX && (entry = readdir(directory))) {
		struct nic nic = {0};

		if (entry->d_name[0] != '.' && nic_read(entry->d_name, &nic))
			nics->nic[nics->n++] = nic;
	}
	closedir(directory);
	qsort(nics->nic, nics->n, sizeof(nics->nic[0]), nic_compare);
	return 0;
}

static int nic_assign_line(struct nics *nics, const char *name, const char *address)
{
	for (size_t i = 0; i < nics->n; i++) {
		struct nic *nic = &nics->nic[i];

		if (strcasecmp(nic->mac, address) == 0 || strcasecmp(nic->pci, address) == 0) {
			snprintf(nic->wanted, sizeof(nic->wanted), "%.15s", name);
			return 0;
		}
	}
	log_err(NIC_PORTS_FILE ": %s: no network interface has the address %s", name, address);
	return -ENOENT;
}

static bool nic_taken(const struct nics *nics, const char *name)
{
	for (size_t i = 0; i < nics->n; i++)
		if (strcmp(nics->nic[i].wanted, name) == 0)
			return true;
	return false;
}

/* the n-th name in the order: mgmt0, port1a, port1b, port2a … */
static void nic_default_name(unsigned int n, char out[16])
{
	if (n == 0)
		snprintf(out, 16, "mgmt0");
	else
		snprintf(out, 16, "port%u%c", (n - 1) / 2 + 1, (n - 1) % 2 ? 'b' : 'a');
}

int nic_assign(struct nics *nics, const char *assignments)
{
	char name[16], address[32];
	unsigned int next = 0;
	int r = 0;

	for (const char *line = assignments; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (sscanf(line, "%15s %31s", name, address) == 2 && nic_assign_line(nics, name, address) < 0)
			r = -ENOENT;
	for (size_t i = 0; i < nics->n; i++) {
		if (*nics->nic[i].wanted)
			continue;
		do
			nic_default_name(next++, name);
		while (nic_taken(nics, name));
		snprintf(nics->nic[i].wanted, sizeof(nics->nic[i].wanted), "%s", name);
	}
	return r;
}

static int nic_set_name(int fd, const char *from, const char *to)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", from);
	snprintf(request.ifr_newname, sizeof(request.ifr_newname), "%.15s", to);
	if (ioctl(fd, SIOCSIFNAME, &request) < 0)
		return log_err_r(-errno, "cannot rename %s to %s", from, to);
	return 0;
}

/* by way of a name that nobody has, since two may want each other's */
int nic_rename(struct nics *nics)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char between[32];
	int r = 0;

	if (fd < 0)
		return -errno;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < nics->n; i++) {
			struct nic *nic = &nics->nic[i];

			if (strcmp(nic->name, nic->wanted) == 0)
				continue;
			snprintf(between, sizeof(between), "renaming%u", (unsigned int)i);
			if (nic_set_name(fd, round ? between : nic->name, round ? nic->wanted : between) < 0)
				r = -EIO;
		}
	}
	return r;
}
