/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/common.h"
#include "base/log.h"

#define NETNS_DIR "/run/netns"
#define NETNS_SELF "/proc/thread-self/ns/net"
#define NETNS_MAGIC 0x6e736673 /* NSFS_MAGIC of linux/magic.h */

static void netns_path(char path[static 128], const char *name)
{
	snprintf(path, 128, "%s/%s", NETNS_DIR, name);
}

int netns_open(const char *name)
{
	char path[128];
	struct statfs fs;
	int fd;

	netns_path(path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) == 0 && fs.f_type == NETNS_MAGIC)
		return fd;
	close(fd); /* a mount point without its mount: creation was interrupted */
	return -ENOENT;
}

/* As `ip netns add` prepares it: mounts in the directory show in every mount namespace made from this one. */
static int netns_prepare_dir(void)
{
	if (mkdir(NETNS_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0 ||
		mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		return -errno;
	return 0;
}

static int netns_create(const char *name)
{
	_cleanup_netns_ int home = -1;
	_cleanup_close_ int file = -1;
	char path[128];
	int err = netns_prepare_dir();

	if (err)
		return err;
	netns_path(path, name);
	file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
	if (file < 0)
		return -errno;
	home = open(NETNS_SELF, O_RDONLY | O_CLOEXEC);
	if (home < 0 || unshare(CLONE_NEWNET) < 0 || mount(NETNS_SELF, path, "none", MS_BIND, NULL) < 0) {
		err = -errno;
		unlink(path);
		return err;
	}
	return 0;
}

int netns_ensure(const char *name, int *created)
{
	int fd = netns_open(name), err;

	*created = 0;
	if (fd >= 0)
		return fd;
	if (fd != -ENOENT)
		return log_err_r(fd, "cannot open network namespace %s", name);
	err = netns_create(name);
	if (err)
		return log_err_r(err, "cannot create network namespace %s", name);
	*created = 1;
	fd = netns_open(name);
	return fd >= 0 ? fd : log_err_r(fd, "cannot open network namespace %s", name);
}

int netns_delete(const char *name)
{
	char path[128];

	netns_path(path, name);
	if (umount2(path, MNT_DETACH) < 0 && errno != ENOENT && errno != EINVAL)
		return log_err_r(-errno, "cannot unmount %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return log_err_r(-errno, "cannot remove %s", path);
	return 0;
}

int netns_enter(int netns_fd, int *home)
{
	_cleanup_close_ int fd = open(NETNS_SELF, O_RDONLY | O_CLOEXEC);

	*home = -1;
	if (fd < 0 || setns(netns_fd, CLONE_NEWNET) < 0)
		return log_err_r(-errno, "cannot enter a network namespace");
	*home = TAKE_FD(fd);
	return 0;
}

void netns_return(int *home)
{
	if (*home < 0)
		return;
	if (setns(*home, CLONE_NEWNET) < 0) {
		log_err("cannot return to the network namespace of this process: %s", strerror(errno));
		abort();
	}
	close(*home);
	*home = -1;
}

int netns_write_sysctl(const char *path, const char *value)
{
	_cleanup_close_ int fd = -1;
	char full[160];

	snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : log_err_r(-errno, "cannot open %s", full);
	if (write(fd, value, strlen(value)) < 0)
		return log_err_r(-errno, "cannot write %s to %s", value, full);
	return 0;
}

int netns_write_sysctls(const struct netns_sysctl *sysctls)
{
	int err = 0;

	for (; sysctls->path && !err; sysctls++)
		err = netns_write_sysctl(sysctls->path, sysctls->value);
	return err;
}
