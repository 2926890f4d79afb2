/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/rtnl.h"
#include "dataplane.skel.h"

#define BPFFS "/sys/fs/bpf"
#define BPFFS_MAGIC 0xcafe4a11
#define BPFFS_PARENT BPFFS "/sluice"
#define LINK_NAME "lookup_link"
#define FILTER_PRIORITY 1
#define FILTER_HANDLE 1

static int programs_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[512], *end;

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), fmt, args);
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	log_write(level == LIBBPF_WARN ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "%s", text);
	return 0;
}

static bool is_bpffs(void)
{
	struct statfs fs;

	return statfs(BPFFS, &fs) == 0 && (unsigned long)fs.f_type == BPFFS_MAGIC;
}

/* The lock is on the directory below the mount point: instances that start together mount once. */
static int bpffs_mount(void)
{
	_cleanup_close_ int below = open(BPFFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (below < 0 || flock(below, LOCK_EX) < 0)
		return log_err_r(-errno, "cannot open %s", BPFFS);
	if (!is_bpffs() && mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return log_err_r(-errno, "cannot mount %s", BPFFS);
	return 0;
}

static int bpffs_prepare(const char *pin_dir)
{
	int err = is_bpffs() ? 0 : bpffs_mount();

	if (err)
		return err;
	if ((mkdir(BPFFS_PARENT, 0700) < 0 && errno != EEXIST) || (mkdir(pin_dir, 0700) < 0 && errno != EEXIST))
		return log_err_r(-errno, "cannot create %s", pin_dir);
	return 0;
}

static void pin_path(char path[static 160], const struct instance *instance, const char *name)
{
	snprintf(path, 160, "%s/%s", instance->pin_dir, name);
}

static int programs_set_pins(struct dataplane *dp)
{
	struct bpf_map *map;
	char path[160];
	int err = 0;

	bpf_object__for_each_map(map, dp->bpf->obj)
	{
		if (bpf_map__is_internal(map))
			continue;
		pin_path(path, &dp->instance, bpf_map__name(map));
		err = bpf_map__set_pin_path(map, path);
		if (err)
			break;
	}
	return err;
}

static void programs_fill_map_fds(struct dataplane *dp)
{
	const struct dataplane_bpf *bpf = dp->bpf;

	dp->map.counters = bpf_map__fd(bpf->maps.counters);
	dp->map.port_drops = bpf_map__fd(bpf->maps.port_drops);
	dp->map.quic_seen = bpf_map__fd(bpf->maps.quic_seen);
	dp->map.asymmetric = bpf_map__fd(bpf->maps.asymmetric);
	dp->map.heartbeats = bpf_map__fd(bpf->maps.heartbeats);
	dp->map.listeners = bpf_map__fd(bpf->maps.listeners);
	dp->map.ports = bpf_map__fd(bpf->maps.ports);
	dp->map.segment_ports = bpf_map__fd(bpf->maps.segment_ports);
	dp->map.epochs = bpf_map__fd(bpf->maps.epochs);
	dp->map.virtual_segments = bpf_map__fd(bpf->maps.virtual_segments);
	dp->map.destinations = bpf_map__fd(bpf->maps.destinations);
	dp->map.servers = bpf_map__fd(bpf->maps.servers);
	dp->map.server_keys = bpf_map__fd(bpf->maps.server_keys);
	dp->map.exceptions = bpf_map__fd(bpf->maps.exceptions);
	dp->map.bypass_masks = bpf_map__fd(bpf->maps.bypass_masks);
	dp->map.bypass_rules = bpf_map__fd(bpf->maps.bypass_rules);
	dp->map.server_limits = bpf_map__fd(bpf->maps.server_limits);
	dp->map.server_quotas = bpf_map__fd(bpf->maps.server_quotas);
	dp->map.source_quotas = bpf_map__fd(bpf->maps.source_quotas);
	dp->map.flows = bpf_map__fd(bpf->maps.flows);
	dp->map.aliases = bpf_map__fd(bpf->maps.aliases);
	dp->map.events = bpf_map__fd(bpf->maps.events);
}

static int programs_map_cell(void **out, const struct bpf_map *map, size_t size)
{
	void *cell = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (cell == MAP_FAILED)
		return log_err_r(-errno, "cannot map the cell %s", bpf_map__name(map));
	*out = cell;
	return 0;
}

static int programs_map_cells(struct dataplane *dp)
{
	int err = programs_map_cell((void **)&dp->control, dp->bpf->maps.control, sizeof(*dp->control));

	return err ? err
		   : programs_map_cell(
			     (void **)&dp->session_limits, dp->bpf->maps.session_limits, sizeof(*dp->session_limits));
}

/* a worker gets this descriptor: it can look flows up and nothing else */
static int programs_open_flow_map(struct dataplane *dp)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = BPF_F_RDONLY);
	char path[160];

	pin_path(path, &dp->instance, "flows");
	dp->flow_map_fd = bpf_obj_get_opts(path, &options);
	return dp->flow_map_fd >= 0 ? 0 : log_err_r(-errno, "cannot open %s", path);
}

int programs_load(struct dataplane *dp)
{
	int err = bpffs_prepare(dp->instance.pin_dir);

	if (err)
		return err;
	libbpf_set_print(programs_print);
	dp->bpf = dataplane_bpf__open();
	if (!dp->bpf)
		return log_err_r(-errno, "cannot open the eBPF object");
	err = programs_set_pins(dp);
	if (!err)
		err = dataplane_bpf__load(dp->bpf);
	if (err)
		return log_err_r(err, "cannot load the eBPF programs over the maps in %s", dp->instance.pin_dir);
	programs_fill_map_fds(dp);
	err = programs_map_cells(dp);
	return err ? err : programs_open_flow_map(dp);
}

void programs_unload(struct dataplane *dp)
{
	if (dp->flow_map_fd >= 0)
		close(dp->flow_map_fd);
	if (dp->control)
		munmap(dp->control, sizeof(*dp->control));
	if (dp->session_limits)
		munmap(dp->session_limits, sizeof(*dp->session_limits));
	dataplane_bpf__destroy(dp->bpf);
	dp->flow_map_fd = -1;
	dp->control = NULL;
	dp->session_limits = NULL;
	dp->bpf = NULL;
}

static int programs_attach_classifier(int ifindex, const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program), .handle = FILTER_HANDLE,
		.priority = FILTER_PRIORITY, .flags = BPF_TC_F_REPLACE);
	int err = rtnl_clsact_add(ifindex);

	return err ? err : bpf_tc_attach(&hook, &options);
}

int programs_attach_port(struct dataplane *dp, int ifindex)
{
	return programs_attach_classifier(ifindex, dp->bpf->progs.port_ingress);
}

bool programs_on_port(struct dataplane *dp, int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);

	return bpf_tc_query(&hook, &options) == 0;
}

int programs_attach_ti0(struct dataplane *dp, int ifindex)
{
	return programs_attach_classifier(ifindex, dp->bpf->progs.ti0_ingress);
}

/* 0 when a pinned link took the program over, -ENOENT when there is none that lives */
static int programs_adopt_link(const char *path, int program_fd)
{
	_cleanup_close_ int link = bpf_obj_get(path);

	if (link < 0)
		return -ENOENT;
	if (bpf_link_update(link, program_fd, NULL) == 0)
		return 0;
	unlink(path); /* its namespace is gone */
	return -ENOENT;
}

int programs_attach_lookup(struct dataplane *dp)
{
	int program_fd = bpf_program__fd(dp->bpf->progs.listener_lookup);
	_cleanup_close_ int link = -1;
	char path[160];

	pin_path(path, &dp->instance, LINK_NAME);
	if (programs_adopt_link(path, program_fd) == 0)
		return 0;
	link = bpf_link_create(program_fd, dp->inspect_netns, BPF_SK_LOOKUP, NULL);
	if (link < 0)
		return log_err_r(link, "cannot attach the listener lookup");
	if (bpf_obj_pin(link, path) < 0)
		return log_err_r(-errno, "cannot pin %s", path);
	return 0;
}

static void close_directory(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int programs_remove_pins(const struct instance *instance)
{
	_cleanup_(close_directory) DIR *dir = opendir(instance->pin_dir);
	const struct dirent *entry;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : log_err_r(-errno, "cannot open %s", instance->pin_dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			err = log_err_r(-errno, "cannot remove %s/%s", instance->pin_dir, entry->d_name);
	if (!err && rmdir(instance->pin_dir) < 0)
		err = log_err_r(-errno, "cannot remove %s", instance->pin_dir);
	rmdir(BPFFS_PARENT); /* other instances keep it */
	return err;
}
