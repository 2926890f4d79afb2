/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The hypervisor as sluice-deploy sees it: libvirt behind an interface (libvirt.c), so that tests can put a fake in its
 * place that fails where they want. Every function returns 0 or -errno (-ENOENT: there is no such object; -ENOTSUP:
 * this driver cannot) and then leaves the hypervisor's own words in error. Strings given back are the caller's. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/source.h"

struct hypervisor_pool {
	char type[16]; /* "dir" */
	uint64_t available;
};

struct hypervisor_domain {
	char state[16]; /* "running" */
	bool active, autostart;
	unsigned int vcpus;
	uint64_t memory_mib;
};

struct hypervisor;

struct hypervisor_ops {
	/* of the host */
	int (*describe)(struct hypervisor *hv, char **uri, bool *local);
	/* the processor that guests of this kind ("kvm", "qemu") can have, as <cpu> with every feature named;
	 * -ENOENT: there are no guests of this kind here */
	int (*cpu)(struct hypervisor *hv, const char *virt, char **xml);
	int (*memory_free)(struct hypervisor *hv, uint64_t *bytes, unsigned int *cpus);
	int (*network)(struct hypervisor *hv, const char *name, bool *active, char **xml);
	/* volumes */
	int (*pool)(struct hypervisor *hv, const char *pool, struct hypervisor_pool *out);
	int (*volume_make)(struct hypervisor *hv, const char *pool, const char *name, const char *format,
		uint64_t capacity, char **path);
	int (*volume_upload)(struct hypervisor *hv, const char *pool, const char *name, struct source *source);
	int (*volume_convert)(struct hypervisor *hv, const char *pool, const char *from, const char *to,
		const char *format, char **path);
	int (*volume_resize)(struct hypervisor *hv, const char *pool, const char *name, uint64_t capacity);
	int (*volume_wipe)(struct hypervisor *hv, const char *pool, const char *name);
	int (*volume_delete)(struct hypervisor *hv, const char *pool, const char *name);
	/* domains */
	int (*domain)(struct hypervisor *hv, const char *name, struct hypervisor_domain *out);
	int (*domain_xml)(struct hypervisor *hv, const char *name, char **xml);
	/* names, an array that ends with NULL; free with hypervisor_free_names() */
	int (*domain_names)(struct hypervisor *hv, char ***names);
	int (*domain_define)(struct hypervisor *hv, const char *xml);
	int (*domain_undefine)(struct hypervisor *hv, const char *name);
	int (*domain_start)(struct hypervisor *hv, const char *name);
	int (*domain_destroy)(struct hypervisor *hv, const char *name);
	int (*domain_shutdown)(struct hypervisor *hv, const char *name);
	int (*domain_autostart)(struct hypervisor *hv, const char *name, bool on);
	/* puts a device, whole, in the place of the one with the same target, now and for the next start */
	int (*domain_update)(struct hypervisor *hv, const char *name, const char *device_xml);
	/* {"execute": …} to the guest agent; *reply is its answer */
	int (*agent)(struct hypervisor *hv, const char *name, const char *command, int timeout_seconds, char **reply);
	void (*close)(struct hypervisor *hv);
};

struct hypervisor {
	const struct hypervisor_ops *ops;
	void *data;
	char error[512];
};

/* the real one; uri NULL: libvirt's own default, else qemu:///system */
int hypervisor_open(const char *uri, struct hypervisor *out);
void hypervisor_close(struct hypervisor *hv);
void hypervisor_free_names(char ***names);
