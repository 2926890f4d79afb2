/* SPDX-License-Identifier: Apache-2.0 */
/* The interface of hypervisor.h on libvirt's API. */
#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/common.h"
#include "deploy/hypervisor.h"
#include "deploy/xml.h"

#define UPLOAD_CHUNK (256u << 10) /* bytes */

static void pool_free(virStoragePoolPtr *pool)
{
	if (*pool)
		virStoragePoolFree(*pool);
}

static void volume_free(virStorageVolPtr *volume)
{
	if (*volume)
		virStorageVolFree(*volume);
}

static void domain_free(virDomainPtr *domain)
{
	if (*domain)
		virDomainFree(*domain);
}

static void network_free(virNetworkPtr *network)
{
	if (*network)
		virNetworkFree(*network);
}

static virConnectPtr connection(struct hypervisor *hv)
{
	return hv->data;
}

/* libvirt's last error, as ours */
static int libvirt_error(struct hypervisor *hv)
{
	static const struct {
		int code, err;
	} codes[] = {
		{VIR_ERR_NO_DOMAIN, ENOENT},
		{VIR_ERR_NO_NETWORK, ENOENT},
		{VIR_ERR_NO_STORAGE_POOL, ENOENT},
		{VIR_ERR_NO_STORAGE_VOL, ENOENT},
		{VIR_ERR_STORAGE_VOL_EXIST, EEXIST},
		{VIR_ERR_DOM_EXIST, EEXIST},
		{VIR_ERR_NO_SUPPORT, ENOTSUP},
		{VIR_ERR_AGENT_UNRESPONSIVE, EAGAIN},
		{VIR_ERR_AGENT_UNSYNCED, EAGAIN},
		{VIR_ERR_OPERATION_TIMEOUT, ETIMEDOUT},
	};
	virErrorPtr last = virGetLastError();

	snprintf(hv->error, sizeof(hv->error), "%s", last && last->message ? last->message : "libvirt gave no reason");
	for (size_t i = 0; last && i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == last->code)
			return -codes[i].err;
	return -EIO;
}

/* 0 or negative, as most of libvirt's functions give it */
static int libvirt_result(struct hypervisor *hv, int result)
{
	return result < 0 ? libvirt_error(hv) : 0;
}

/* --- the host -------------------------------------------------------------------------------------------------------
 */

static int libvirt_describe(struct hypervisor *hv, char **uri, bool *local)
{
	const char *authority;

	*uri = virConnectGetURI(connection(hv));
	if (!*uri)
		return libvirt_error(hv);
	authority = strstr(*uri, "://"); /* qemu:///system; qemu+ssh://host/system */
	*local = authority && authority[3] == '/';
	return 0;
}

/* "host-model" of the domain's capabilities is what libvirt would give a guest; expanded, each feature has its name */
static int libvirt_cpu(struct hypervisor *hv, const char *virt, char **xml)
{
	_cleanup_free_ char *capabilities =
		virConnectGetDomainCapabilities(connection(hv), NULL, "x86_64", "q35", virt, 0);
	_cleanup_free_ char *model = NULL;
	const char *models[1];

	if (!capabilities)
		return libvirt_error(hv) == -ENOTSUP ? -ENOTSUP : -ENOENT;
	model = xml_host_model(capabilities);
	if (!model)
		return -ENOTSUP;
	models[0] = model;
	*xml = virConnectBaselineHypervisorCPU(
		connection(hv), NULL, "x86_64", "q35", virt, models, 1, VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES);
	return *xml ? 0 : libvirt_error(hv);
}

static int libvirt_memory_free(struct hypervisor *hv, uint64_t *bytes, unsigned int *cpus)
{
	virNodeInfo info;

	if (virNodeGetInfo(connection(hv), &info) < 0)
		return libvirt_error(hv);
	*cpus = info.cpus;
	*bytes = virNodeGetFreeMemory(connection(hv));
	return *bytes ? 0 : libvirt_error(hv);
}

static int libvirt_network(struct hypervisor *hv, const char *name, bool *active, char **xml)
{
	_cleanup_(network_free) virNetworkPtr network = virNetworkLookupByName(connection(hv), name);

	if (!network)
		return libvirt_error(hv);
	*active = virNetworkIsActive(network) == 1;
	*xml = virNetworkGetXMLDesc(network, 0);
	return *xml ? 0 : libvirt_error(hv);
}

/* --- volumes --------------------------------------------------------------------------------------------------------
 */

static int libvirt_pool(struct hypervisor *hv, const char *name, struct hypervisor_pool *out)
{
	_cleanup_(pool_free) virStoragePoolPtr pool = virStoragePoolLookupByName(connection(hv), name);
	_cleanup_free_ char *xml = NULL, *type = NULL;
	virStoragePoolInfo info;

	if (!pool)
		return libvirt_error(hv);
	if (virStoragePoolIsActive(pool) != 1) {
		snprintf(hv->error, sizeof(hv->error), "pool %s is not started", name);
		return -ENODEV;
	}
	virStoragePoolRefresh(pool, 0); /* another program may have used its folder */
	xml = virStoragePoolGetXMLDesc(pool, 0);
	if (!xml || virStoragePoolGetInfo(pool, &info) < 0)
		return libvirt_error(hv);
	type = xml_text(xml, "string(/pool/@type)");
	snprintf(out->type, sizeof(out->type), "%s", type ? type : "");
	out->available = info.available;
	return 0;
}

/* the error is taken before the pool is let go: that forgets it */
static int libvirt_find_volume(struct hypervisor *hv, const char *pool_name, const char *name, virStorageVolPtr *out)
{
	_cleanup_(pool_free) virStoragePoolPtr pool = virStoragePoolLookupByName(connection(hv), pool_name);

	*out = pool ? virStorageVolLookupByName(pool, name) : NULL;
	return *out ? 0 : libvirt_error(hv);
}

static int libvirt_volume_create(struct hypervisor *hv, const char *pool_name, const char *name, const char *format,
	uint64_t capacity, virStorageVolPtr from, char **path)
{
	_cleanup_(pool_free) virStoragePoolPtr pool = virStoragePoolLookupByName(connection(hv), pool_name);
	_cleanup_(volume_free) virStorageVolPtr volume = NULL;
	char xml[512];

	if (!pool)
		return libvirt_error(hv);
	snprintf(xml, sizeof(xml),
		"<volume><name>%s</name><capacity unit='bytes'>%llu</capacity><allocation>0</allocation><target>"
		"<format type='%s'/><permissions><mode>0600</mode></permissions></target></volume>",
		name, (unsigned long long)capacity, format);
	volume = from ? virStorageVolCreateXMLFrom(pool, xml, from, 0) : virStorageVolCreateXML(pool, xml, 0);
	if (!volume)
		return libvirt_error(hv);
	*path = virStorageVolGetPath(volume);
	return *path ? 0 : libvirt_error(hv);
}

static int libvirt_volume_make(
	struct hypervisor *hv, const char *pool, const char *name, const char *format, uint64_t capacity, char **path)
{
	return libvirt_volume_create(hv, pool, name, format, capacity, NULL, path);
}

static int libvirt_volume_convert(
	struct hypervisor *hv, const char *pool, const char *from, const char *to, const char *format, char **path)
{
	_cleanup_(volume_free) virStorageVolPtr volume = NULL;
	virStorageVolInfo info;
	int r = libvirt_find_volume(hv, pool, from, &volume);

	if (r >= 0)
		r = libvirt_result(hv, virStorageVolGetInfo(volume, &info));
	if (r < 0)
		return r;
	return libvirt_volume_create(hv, pool, to, format, info.capacity, volume, path);
}

static int libvirt_send(struct hypervisor *hv, virStreamPtr stream, struct source *source)
{
	_cleanup_free_ char *buffer = malloc(UPLOAD_CHUNK);
	uint64_t done = 0;
	ssize_t n;
	int r = 0;

	if (!buffer)
		return -ENOMEM;
	while (r >= 0 && (n = source->read(source, buffer, UPLOAD_CHUNK)) > 0) {
		for (ssize_t at = 0; at < n;) {
			int sent = virStreamSend(stream, buffer + at, n - at);

			if (sent < 0)
				return libvirt_error(hv);
			at += sent;
		}
		done += n;
		r = source->progress ? source->progress(source, done) : 0;
	}
	explicit_bzero(buffer, UPLOAD_CHUNK); /* it may have been a medium with secrets */
	if (r >= 0 && n < 0) {
		snprintf(hv->error, sizeof(hv->error), "reading what is sent: %s", strerror(-n));
		r = n;
	}
	return r;
}

static int libvirt_volume_upload(struct hypervisor *hv, const char *pool, const char *name, struct source *source)
{
	_cleanup_(volume_free) virStorageVolPtr volume = NULL;
	int r = libvirt_find_volume(hv, pool, name, &volume);
	virStreamPtr stream = volume ? virStreamNew(connection(hv), 0) : NULL;

	if (!stream)
		return r < 0 ? r : libvirt_error(hv);
	r = libvirt_result(hv, virStorageVolUpload(volume, stream, 0, source->size, 0));
	if (r >= 0) {
		r = libvirt_send(hv, stream, source);
		if (r < 0)
			virStreamAbort(stream);
		else
			r = libvirt_result(hv, virStreamFinish(stream));
	}
	virStreamFree(stream);
	return r;
}

static int libvirt_volume_resize(struct hypervisor *hv, const char *pool, const char *name, uint64_t capacity)
{
	_cleanup_(volume_free) virStorageVolPtr volume = NULL;
	int r = libvirt_find_volume(hv, pool, name, &volume);

	return r < 0 ? r : libvirt_result(hv, virStorageVolResize(volume, capacity, 0));
}

static int libvirt_volume_wipe(struct hypervisor *hv, const char *pool, const char *name)
{
	_cleanup_(volume_free) virStorageVolPtr volume = NULL;
	int r = libvirt_find_volume(hv, pool, name, &volume);

	return r < 0 ? r : libvirt_result(hv, virStorageVolWipe(volume, 0));
}

static int libvirt_volume_delete(struct hypervisor *hv, const char *pool, const char *name)
{
	_cleanup_(volume_free) virStorageVolPtr volume = NULL;
	int r = libvirt_find_volume(hv, pool, name, &volume);

	return r < 0 ? r : libvirt_result(hv, virStorageVolDelete(volume, 0));
}

/* --- domains --------------------------------------------------------------------------------------------------------
 */

static int libvirt_domain(struct hypervisor *hv, const char *name, struct hypervisor_domain *out)
{
	static const char *const states[] = {[VIR_DOMAIN_NOSTATE] = "unknown",
		[VIR_DOMAIN_RUNNING] = "running",
		[VIR_DOMAIN_BLOCKED] = "running",
		[VIR_DOMAIN_PAUSED] = "paused",
		[VIR_DOMAIN_SHUTDOWN] = "shutting down",
		[VIR_DOMAIN_SHUTOFF] = "shut off",
		[VIR_DOMAIN_CRASHED] = "crashed",
		[VIR_DOMAIN_PMSUSPENDED] = "suspended"};
	_cleanup_(domain_free) virDomainPtr domain = virDomainLookupByName(connection(hv), name);
	virDomainInfo info;
	int autostart = 0;

	if (!domain || virDomainGetInfo(domain, &info) < 0)
		return libvirt_error(hv);
	virDomainGetAutostart(domain, &autostart);
	memset(out, 0, sizeof(*out));
	snprintf(out->state, sizeof(out->state), "%s", info.state < ARRAY_SIZE(states) ? states[info.state] : "?");
	out->active = virDomainIsActive(domain) == 1;
	out->autostart = autostart;
	out->vcpus = info.nrVirtCpu;
	out->memory_mib = info.maxMem >> 10;
	return 0;
}

static int libvirt_domain_xml(struct hypervisor *hv, const char *name, char **xml)
{
	_cleanup_(domain_free) virDomainPtr domain = virDomainLookupByName(connection(hv), name);

	*xml = domain ? virDomainGetXMLDesc(domain, 0) : NULL;
	return *xml ? 0 : libvirt_error(hv);
}

static int libvirt_domain_names(struct hypervisor *hv, char ***names)
{
	virDomainPtr *domains = NULL;
	int n = virConnectListAllDomains(connection(hv), &domains, 0);
	char **out;

	if (n < 0)
		return libvirt_error(hv);
	out = calloc(n + 1, sizeof(*out));
	for (int i = 0; i < n; i++) {
		if (out)
			out[i] = strdup(virDomainGetName(domains[i]));
		virDomainFree(domains[i]);
	}
	free(domains);
	*names = out;
	return out ? 0 : -ENOMEM;
}

static int libvirt_domain_define(struct hypervisor *hv, const char *xml)
{
	_cleanup_(domain_free) virDomainPtr domain =
		virDomainDefineXMLFlags(connection(hv), xml, VIR_DOMAIN_DEFINE_VALIDATE);

	return domain ? 0 : libvirt_error(hv);
}

/* a function of libvirt that takes a domain and nothing else */
static int libvirt_on_domain(struct hypervisor *hv, const char *name, int (*function)(virDomainPtr))
{
	_cleanup_(domain_free) virDomainPtr domain = virDomainLookupByName(connection(hv), name);

	return domain ? libvirt_result(hv, function(domain)) : libvirt_error(hv);
}

static int undefine_whole(virDomainPtr domain)
{
	int r = virDomainUndefineFlags(domain, VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_MANAGED_SAVE);

	return r < 0 ? virDomainUndefine(domain) : r;
}

static int libvirt_domain_undefine(struct hypervisor *hv, const char *name)
{
	return libvirt_on_domain(hv, name, undefine_whole);
}

static int libvirt_domain_start(struct hypervisor *hv, const char *name)
{
	return libvirt_on_domain(hv, name, virDomainCreate);
}

static int libvirt_domain_destroy(struct hypervisor *hv, const char *name)
{
	return libvirt_on_domain(hv, name, virDomainDestroy);
}

static int libvirt_domain_shutdown(struct hypervisor *hv, const char *name)
{
	return libvirt_on_domain(hv, name, virDomainShutdown);
}

static int libvirt_domain_autostart(struct hypervisor *hv, const char *name, bool on)
{
	_cleanup_(domain_free) virDomainPtr domain = virDomainLookupByName(connection(hv), name);

	return domain ? libvirt_result(hv, virDomainSetAutostart(domain, on)) : libvirt_error(hv);
}

static int libvirt_domain_update(struct hypervisor *hv, const char *name, const char *device_xml)
{
	_cleanup_(domain_free) virDomainPtr domain = virDomainLookupByName(connection(hv), name);
	unsigned int flags = VIR_DOMAIN_AFFECT_CONFIG | VIR_DOMAIN_DEVICE_MODIFY_FORCE;

	if (!domain)
		return libvirt_error(hv);
	if (virDomainIsActive(domain) == 1)
		flags |= VIR_DOMAIN_AFFECT_LIVE;
	return libvirt_result(hv, virDomainUpdateDeviceFlags(domain, device_xml, flags));
}

static int libvirt_agent(
	struct hypervisor *hv, const char *name, const char *command, int timeout_seconds, char **reply)
{
	_cleanup_(domain_free) virDomainPtr domain = virDomainLookupByName(connection(hv), name);

	*reply = domain ? virDomainQemuAgentCommand(domain, command, timeout_seconds, 0) : NULL;
	return *reply ? 0 : libvirt_error(hv);
}

static void libvirt_close(struct hypervisor *hv)
{
	virConnectClose(connection(hv));
}

static const struct hypervisor_ops libvirt_ops = {
	.describe = libvirt_describe,
	.cpu = libvirt_cpu,
	.memory_free = libvirt_memory_free,
	.network = libvirt_network,
	.pool = libvirt_pool,
	.volume_make = libvirt_volume_make,
	.volume_upload = libvirt_volume_upload,
	.volume_convert = libvirt_volume_convert,
	.volume_resize = libvirt_volume_resize,
	.volume_wipe = libvirt_volume_wipe,
	.volume_delete = libvirt_volume_delete,
	.domain = libvirt_domain,
	.domain_xml = libvirt_domain_xml,
	.domain_names = libvirt_domain_names,
	.domain_define = libvirt_domain_define,
	.domain_undefine = libvirt_domain_undefine,
	.domain_start = libvirt_domain_start,
	.domain_destroy = libvirt_domain_destroy,
	.domain_shutdown = libvirt_domain_shutdown,
	.domain_autostart = libvirt_domain_autostart,
	.domain_update = libvirt_domain_update,
	.agent = libvirt_agent,
	.close = libvirt_close,
};

/* libvirt would print every error by itself; ours say it with its mend */
static void keep_quiet(void *data, virErrorPtr error) {}

int hypervisor_open(const char *uri, struct hypervisor *out)
{
	virSetErrorFunc(NULL, keep_quiet);
	memset(out, 0, sizeof(*out));
	if (!uri && !getenv("LIBVIRT_DEFAULT_URI"))
		uri = "qemu:///system";
	out->data = virConnectOpen(uri);
	if (!out->data)
		return libvirt_error(out);
	out->ops = &libvirt_ops;
	return 0;
}

void hypervisor_close(struct hypervisor *hv)
{
	if (hv->ops)
		hv->ops->close(hv);
	hv->ops = NULL;
}

void hypervisor_free_names(char ***names)
{
	for (char **name = *names; name && *name; name++)
		free(*name);
	free(*names);
	*names = NULL;
}
