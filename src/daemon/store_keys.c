/* SPDX-License-Identifier: Apache-2.0 */
/* The device key and what is sealed with it, changed together: keys/NAME.key.new are the keys under the device key of
 * device.key.new. That is written first and goes last when all is given up, so that while it is there nothing has been
 * changed; its rename to device.key is the moment of change, after which the others only have to follow. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/store.h"
#include "daemon/store_file.h"

#define STAGED ".new"

static int store_open_key_file(const struct store *store, const char *name, int flags, uid_t uid, gid_t gid)
{
	_cleanup_close_ int fd = openat(store->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);

	if (fd < 0 || fchown(fd, uid, gid) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int store_open_device_key(const struct store *store, uid_t uid, gid_t gid)
{
	return store_open_key_file(store, "device.key", 0, uid, gid);
}

int store_stage_key(const struct store *store, const char *file, int sealed_key_fd)
{
	char path[STORE_NAME_MAX];

	snprintf(path, sizeof(path), "keys/%.100s" STAGED, file);
	return store_copy_file(store, path, sealed_key_fd);
}

/* calls fn for every staged key until one fails */
static int store_each_staged(const struct store *store, int (*fn)(const struct store *store, const char *path))
{
	int fd = openat(store->dir_fd, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char path[STORE_NAME_MAX];
	struct dirent *entry;

	if (!dir) {
		cleanup_close(&fd);
		return -errno;
	}
	while (!err && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), end = strlen(STAGED);

		if (len <= end || len > 110 || strcmp(entry->d_name + len - end, STAGED) != 0)
			continue;
		snprintf(path, sizeof(path), "keys/%.110s", entry->d_name);
		err = fn(store, path);
	}
	closedir(dir);
	return err ? err : store_sync_dir(store, "keys");
}

static int staged_remove(const struct store *store, const char *path)
{
	return unlinkat(store->dir_fd, path, 0) < 0 ? -errno : 0;
}

static int staged_publish(const struct store *store, const char *path)
{
	char to[STORE_NAME_MAX];
	int err = fault_at(FAULT_KEY_FOLLOWS);

	snprintf(to, sizeof(to), "%.*s", (int)(strlen(path) - strlen(STAGED)), path);
	return err ? err : renameat(store->dir_fd, path, store->dir_fd, to) < 0 ? -errno : 0;
}

int store_publish_device_key(const struct store *store)
{
	int err = store_sync_dir(store, "keys");

	if (!err)
		err = fault_at(FAULT_KEYS_STAGED);
	if (!err && renameat(store->dir_fd, "device.key.new", store->dir_fd, "device.key") < 0)
		err = -errno;
	if (err)
		return err;
	/* from here on there is only forward */
	store_sync_dir(store, ".");
	fault_at(FAULT_DEVICE_KEY_CHANGED);
	if (store_each_staged(store, staged_publish) < 0)
		log_err_r(-EIO, "sealed keys could not be put in their places: start Sluice again");
	fault_at(FAULT_KEYS_CHANGED);
	return 0;
}

static bool device_key_is_staged(const struct store *store)
{
	return faccessat(store->dir_fd, "device.key.new", F_OK, 0) == 0;
}

int store_discard_device_key(const struct store *store)
{
	int err = device_key_is_staged(store) ? store_each_staged(store, staged_remove) : 0;

	if (!err && unlinkat(store->dir_fd, "device.key.new", 0) < 0 && errno != ENOENT)
		err = -errno;
	return err ? err : store_sync_dir(store, ".");
}

int store_recover_keys(const struct store *store)
{
	int err = device_key_is_staged(store) ? store_discard_device_key(store)
					      : store_each_staged(store, staged_publish);

	return err ? log_err_r(err, "what an earlier change of the device key left cannot be put in order") : 0;
}

int store_open_new_device_key(const struct store *store, uid_t uid, gid_t gid)
{
	int err = store_recover_keys(store);
	_cleanup_close_ int fd = err ? err : store_open_key_file(store, "device.key.new", O_TRUNC, uid, gid);

	err = fd < 0 ? fd : store_sync_dir(store, ".");
	return err ? err : TAKE_FD(fd);
}
