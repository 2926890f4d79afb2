/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A hypervisor in memory: volumes and machines are names in lists; the call with number fail_call fails. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "deploy/hypervisor.h"

#define FAKE_MAX 8

struct fake {
	char volumes[FAKE_MAX][96], wiped[FAKE_MAX][96];
	char domain[64], *xml;
	bool active, autostart, medium_in;
	unsigned int calls, fail_call; /* of those that change something; 0: none fails */
	bool stubborn;                 /* every call after the failing one fails too */
	bool settings_read;            /* what the guest agent says of day 0 */
	bool no_agent;
	char last_call[32];
	uint64_t sent;   /* bytes of the last upload */
	const char *cpu; /* answer; NULL: no machines of that kind */
	bool cpu_unknown;
	const char *pool_type;
	uint64_t available;
	const char *network_mode; /* NULL: there is no network */
	bool remote;
	/* of an upgrade: what the machine prints */
	unsigned int boots;
	const char *slots, *install_said;
	int install_status;
};

static inline struct fake *fake_of(struct hypervisor *hv)
{
	return hv->data;
}

static inline int fake_change(struct hypervisor *hv, const char *what)
{
	struct fake *fake = fake_of(hv);

	snprintf(fake->last_call, sizeof(fake->last_call), "%s", what);
	fake->calls++;
	if (fake->fail_call && (fake->calls == fake->fail_call || (fake->stubborn && fake->calls > fake->fail_call))) {
		snprintf(hv->error, sizeof(hv->error), "%s fails", what);
		return -EIO;
	}
	return 0;
}

static inline char *fake_volume(struct fake *fake, const char *name)
{
	for (unsigned int i = 0; i < FAKE_MAX; i++)
		if (strcmp(fake->volumes[i], name) == 0)
			return fake->volumes[i];
	return NULL;
}

static int fake_describe(struct hypervisor *hv, char **uri, bool *local)
{
	*uri = strdup(fake_of(hv)->remote ? "qemu+ssh://elsewhere/system" : "fake:///");
	*local = !fake_of(hv)->remote;
	return 0;
}

static int fake_cpu(struct hypervisor *hv, const char *virt, char **xml)
{
	if (fake_of(hv)->cpu_unknown)
		return -ENOTSUP;
	if (!fake_of(hv)->cpu)
		return -ENOENT;
	*xml = strdup(fake_of(hv)->cpu);
	return 0;
}

static int fake_memory_free(struct hypervisor *hv, uint64_t *bytes, unsigned int *cpus)
{
	*bytes = 16ull << 30;
	*cpus = 8;
	return 0;
}

static int fake_network(struct hypervisor *hv, const char *name, bool *active, char **xml)
{
	const char *mode = fake_of(hv)->network_mode;

	if (!mode)
		return -ENOENT;
	*active = true;
	return asprintf(xml, "<network><forward mode='%s'/></network>", mode) < 0 ? -ENOMEM : 0;
}

static int fake_pool(struct hypervisor *hv, const char *pool, struct hypervisor_pool *out)
{
	if (!fake_of(hv)->pool_type)
		return -ENOENT;
	snprintf(out->type, sizeof(out->type), "%s", fake_of(hv)->pool_type);
	out->available = fake_of(hv)->available;
	return 0;
}

static int fake_volume_make(
	struct hypervisor *hv, const char *pool, const char *name, const char *format, uint64_t capacity, char **path)
{
	struct fake *fake = fake_of(hv);
	int r = fake_change(hv, "volume_make");

	if (r < 0)
		return r;
	if (fake_volume(fake, name))
		return -EEXIST;
	snprintf(fake_volume(fake, ""), 96, "%s", name);
	return asprintf(path, "/pool/%s", name) < 0 ? -ENOMEM : 0;
}

static int fake_volume_upload(struct hypervisor *hv, const char *pool, const char *name, struct source *source)
{
	struct fake *fake = fake_of(hv);
	char buffer[4096];
	ssize_t n;

	if (!fake_volume(fake, name))
		return -ENOENT;
	fake->sent = 0;
	while ((n = source->read(source, buffer, sizeof(buffer))) > 0)
		fake->sent += n;
	return n < 0 ? n : fake_change(hv, "volume_upload");
}

static int fake_volume_convert(
	struct hypervisor *hv, const char *pool, const char *from, const char *to, const char *format, char **path)
{
	return fake_volume(fake_of(hv), from) ? fake_volume_make(hv, pool, to, format, 0, path) : -ENOENT;
}

static int fake_volume_resize(struct hypervisor *hv, const char *pool, const char *name, uint64_t capacity)
{
	return fake_volume(fake_of(hv), name) ? fake_change(hv, "volume_resize") : -ENOENT;
}

static int fake_volume_wipe(struct hypervisor *hv, const char *pool, const char *name)
{
	struct fake *fake = fake_of(hv);
	int r = fake_volume(fake, name) ? fake_change(hv, "volume_wipe") : -ENOENT;

	for (unsigned int i = 0; r >= 0 && i < FAKE_MAX; i++)
		if (!*fake->wiped[i]) {
			snprintf(fake->wiped[i], sizeof(fake->wiped[i]), "%s", name);
			break;
		}
	return r;
}

static int fake_volume_delete(struct hypervisor *hv, const char *pool, const char *name)
{
	char *volume = fake_volume(fake_of(hv), name);
	int r = volume ? fake_change(hv, "volume_delete") : -ENOENT;

	if (r >= 0)
		*volume = '\0';
	return r;
}

static int fake_domain(struct hypervisor *hv, const char *name, struct hypervisor_domain *out)
{
	struct fake *fake = fake_of(hv);

	if (!*fake->domain || strcmp(fake->domain, name) != 0)
		return -ENOENT;
	*out = (struct hypervisor_domain){.active = fake->active, .autostart = fake->autostart, .vcpus = 2};
	snprintf(out->state, sizeof(out->state), "%s", fake->active ? "running" : "shut off");
	return 0;
}

static int fake_domain_xml(struct hypervisor *hv, const char *name, char **xml)
{
	struct hypervisor_domain domain;

	if (fake_domain(hv, name, &domain) < 0)
		return -ENOENT;
	*xml = strdup(fake_of(hv)->xml ? fake_of(hv)->xml : "<domain/>");
	return 0;
}

static int fake_domain_names(struct hypervisor *hv, char ***names)
{
	*names = calloc(2, sizeof(**names));
	if (*fake_of(hv)->domain)
		(*names)[0] = strdup(fake_of(hv)->domain);
	return 0;
}

static int fake_domain_define(struct hypervisor *hv, const char *xml)
{
	struct fake *fake = fake_of(hv);
	const char *name = strstr(xml, "<name>");
	int r = fake_change(hv, "domain_define");

	if (r < 0)
		return r;
	sscanf(name, "<name>%63[^<]", fake->domain);
	free(fake->xml);
	fake->xml = strdup(xml);
	fake->medium_in = strstr(xml, "-day0.iso");
	return 0;
}

static int fake_domain_undefine(struct hypervisor *hv, const char *name)
{
	int r = fake_change(hv, "domain_undefine");

	if (r >= 0)
		*fake_of(hv)->domain = '\0';
	return r;
}

static int fake_domain_start(struct hypervisor *hv, const char *name)
{
	int r = fake_change(hv, "domain_start");

	if (r >= 0)
		fake_of(hv)->active = true;
	return r;
}

static int fake_domain_destroy(struct hypervisor *hv, const char *name)
{
	int r = fake_change(hv, "domain_destroy");

	if (r >= 0)
		fake_of(hv)->active = false;
	return r;
}

static int fake_domain_autostart(struct hypervisor *hv, const char *name, bool on)
{
	int r = fake_change(hv, "domain_autostart");

	if (r >= 0)
		fake_of(hv)->autostart = on;
	return r;
}

static int fake_domain_update(struct hypervisor *hv, const char *name, const char *device_xml)
{
	int r = fake_change(hv, "domain_update");

	if (r >= 0)
		fake_of(hv)->medium_in = strstr(device_xml, "<source");
	return r;
}

static inline char *fake_base64(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text), used = 0;
	char *out = calloc(1, len * 4 / 3 + 8);

	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint8_t)text[i] << 16 | (i + 1 < len ? (uint8_t)text[i + 1] << 8 : 0) |
				(i + 2 < len ? (uint8_t)text[i + 2] : 0);

		for (unsigned int digit = 0; digit < 4; digit++)
			out[used++] = i + digit > len ? '=' : digits[bits >> (18 - digit * 6) & 63];
	}
	return out;
}

/* what a program in the machine prints, and its exit status */
static inline const char *fake_program(struct fake *fake, const char *command, int *status)
{
	*status = 0;
	if (strstr(command, "/data/day0/done"))
		*status = !fake->settings_read;
	else if (strstr(command, "boot_id"))
		return fake->boots ? "two" : "one";
	else if (strstr(command, "\"reboot\""))
		fake->boots++;
	else if (strstr(command, "\"slots\""))
		return fake->slots;
	else if (strstr(command, "\"upgrade\"")) {
		*status = fake->install_status;
		return fake->install_said;
	}
	return "{\"inspection\":\"on\",\"version\":\"9.9\"}";
}

/* ping, and programs that end at once */
static int fake_agent(struct hypervisor *hv, const char *name, const char *command, int timeout, char **reply)
{
	static char last[1024];
	struct fake *fake = fake_of(hv);
	_cleanup_free_ char *out = NULL;
	int status;

	if (fake->no_agent || !fake->active) {
		snprintf(hv->error, sizeof(hv->error), "no agent");
		return -EAGAIN;
	}
	if (strstr(command, "\"guest-exec\"")) {
		snprintf(last, sizeof(last), "%s", command);
		*reply = strdup("{\"return\": {\"pid\": 7}}");
	} else if (strstr(command, "guest-exec-status")) {
		out = fake_base64(fake_program(fake, last, &status));
		if (asprintf(reply, "{\"return\": {\"exited\": true, \"exitcode\": %d, \"out-data\": \"%s\"}}", status,
			    out) < 0)
			return -ENOMEM;
	} else {
		*reply = strdup("{\"return\": {}}");
	}
	return 0;
}

static void fake_close(struct hypervisor *hv) {}

static const struct hypervisor_ops fake_ops = {
	.describe = fake_describe,
	.cpu = fake_cpu,
	.memory_free = fake_memory_free,
	.network = fake_network,
	.pool = fake_pool,
	.volume_make = fake_volume_make,
	.volume_upload = fake_volume_upload,
	.volume_convert = fake_volume_convert,
	.volume_resize = fake_volume_resize,
	.volume_wipe = fake_volume_wipe,
	.volume_delete = fake_volume_delete,
	.domain = fake_domain,
	.domain_xml = fake_domain_xml,
	.domain_names = fake_domain_names,
	.domain_define = fake_domain_define,
	.domain_undefine = fake_domain_undefine,
	.domain_start = fake_domain_start,
	.domain_destroy = fake_domain_destroy,
	.domain_shutdown = fake_domain_destroy,
	.domain_autostart = fake_domain_autostart,
	.domain_update = fake_domain_update,
	.agent = fake_agent,
	.close = fake_close,
};

/* a host on which everything is there */
static inline void fake_begin(struct fake *fake, struct hypervisor *hv)
{
	memset(fake, 0, sizeof(*fake));
	fake->cpu = "<cpu><feature policy='require' name='ssse3'/><feature name='rdrand'/><feature name='aes'/>"
		    "<feature name='avx2'/><feature name='avx512ifma'/></cpu>";
	fake->pool_type = "dir";
	fake->available = 100ull << 30;
	fake->network_mode = "nat";
	fake->settings_read = true;
	*hv = (struct hypervisor){.ops = &fake_ops, .data = fake};
}

static inline unsigned int fake_n_volumes(const struct fake *fake)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FAKE_MAX; i++)
		n += *fake->volumes[i] != '\0';
	return n;
}
