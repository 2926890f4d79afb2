/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "daemon/store_file.h"

#define STORE_FILE_MAX (256u << 20)

static int store_make_dir(const char *path, mode_t mode)
{
	return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

/* every missing directory of an absolute path, the last one with mode */
static int store_make_path(const char *path, mode_t mode)
{
	char partial[256];

	snprintf(partial, sizeof(partial), "%s", path);
	for (char *slash = strchr(partial + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int r = store_make_dir(partial, 0755);

		*slash = '/';
		if (r < 0)
			return r;
	}
	return store_make_dir(path, mode);
}

int store_open(struct store *store, const struct instance *instance, uid_t log_uid, gid_t log_gid)
{
	static const char *const private_dirs[] = {"config", "certificates", "keys", "log_credentials", "cache"};
	int r = store_make_path(instance->state_dir, 0755);

	if (r < 0)
		return log_err_r(r, "cannot make %s", instance->state_dir);
	store->dir_fd = open(instance->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir_fd < 0)
		return log_err_r(-errno, "cannot open %s", instance->state_dir);
	for (size_t i = 0; i < ARRAY_SIZE(private_dirs); i++)
		if (mkdirat(store->dir_fd, private_dirs[i], 0700) < 0 && errno != EEXIST)
			return log_err_r(-errno, "cannot make %s/%s", instance->state_dir, private_dirs[i]);
	if (mkdirat(store->dir_fd, "log", 0750) < 0 && errno != EEXIST)
		return log_err_r(-errno, "cannot make %s", instance->log_dir);
	return fchownat(store->dir_fd, "log", log_uid, log_gid, 0) < 0 ? -errno : 0;
}

void store_close(struct store *store)
{
	if (store->dir_fd >= 0)
		close(store->dir_fd);
	store->dir_fd = -1;
}

int store_open_log_dir(const struct store *store)
{
	int fd = openat(store->dir_fd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int store_open_spool(const struct store *store)
{
	int fd = openat(store->dir_fd, "log/spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* --- whole files ------------------------------------------------------------------------------------------------- */

static int store_write_all(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0)
			return -errno;
		done += n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int store_write_file(const struct store *store, const char *name, const void *data, size_t len)
{
	_cleanup_close_ int fd =
		openat(store->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : store_write_all(fd, data, len);
}

int store_copy_file(const struct store *store, const char *name, int from)
{
	_cleanup_free_ char *data = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(from, &st) < 0)
		return -errno;
	if (st.st_size > STORE_FILE_MAX)
		return -EFBIG;
	data = malloc(st.st_size + 1);
	if (!data)
		return -ENOMEM;
	n = pread(from, data, st.st_size, 0);
	return n < 0 ? -errno : store_write_file(store, name, data, n);
}

/* written beside, then renamed into place */
int store_replace_file(const struct store *store, const char *name, const void *data, size_t len)
{
	char beside[STORE_NAME_MAX + 8];
	int r;

	snprintf(beside, sizeof(beside), "%s.new", name);
	r = store_write_file(store, beside, data, len);
	if (r >= 0 && renameat(store->dir_fd, beside, store->dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(store->dir_fd, beside, 0);
	return r;
}

int store_open_file(const struct store *store, const char *name)
{
	int fd = openat(store->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* --- configuration versions --------------------------------------------------------------------------------------- */

/* calls fn for every name in the folder of versions */
static void store_each_config(const struct store *store, void (*fn)(const char *name, void *data), void *data)
{
	int fd = openat(store->dir_fd, "config", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		fn(entry->d_name, data);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

/* the number in NNNNNNNN.yaml<suffix>, 0 for another name */
static uint32_t store_version_of(const char *name, const char *suffix)
{
	unsigned int version;
	int end = 0;

	return sscanf(name, "%8u.yaml%n", &version, &end) == 1 && end && !strcmp(name + end, suffix) ? version : 0;
}

static void store_note_newest(const char *name, void *data)
{
	uint32_t *newest = data;

	*newest = MAX(*newest, store_version_of(name, ""));
}

uint32_t store_newest_version(const struct store *store)
{
	uint32_t newest = 0;

	store_each_config(store, store_note_newest, &newest);
	return newest;
}

static void store_version_name(char *name, uint32_t version, const char *suffix)
{
	snprintf(name, STORE_NAME_MAX, "config/%08u.yaml%s", version, suffix);
}

static void store_version_file_name(char *name, uint32_t version, size_t index)
{
	snprintf(name, STORE_NAME_MAX, "config/files-%08u/%03zu", version, index);
}

/* a new or renamed file survives a power cut only when its folder is on disk too */
int store_sync_dir(const struct store *store, const char *name)
{
	_cleanup_close_ int fd = openat(store->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int store_compare_versions(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? 1 : *x > *y ? -1 : 0;
}

uint32_t *store_list_versions(const struct store *store, size_t *n)
{
	int fd = openat(store->dir_fd, "config", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint32_t *versions = NULL, *more, version;
	struct dirent *entry;

	*n = 0;
	while (dir && (entry = readdir(dir))) {
		version = store_version_of(entry->d_name, "");
		if (!version)
			continue;
		more = reallocarray(versions, *n + 1, sizeof(*versions));
		if (!more)
			break;
		versions = more;
		versions[(*n)++] = version;
	}
	if (dir)
		closedir(dir);
	if (versions)
		qsort(versions, *n, sizeof(*versions), store_compare_versions);
	return versions;
}

int store_write_version(
	const struct store *store, uint32_t version, const char *text, size_t len, const int *file_fds, size_t n_files)
{
	char name[STORE_NAME_MAX];
	int r = 0;

	snprintf(name, sizeof(name), "config/files-%08u", version);
	if (mkdirat(store->dir_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < n_files && r >= 0; i++) {
		store_version_file_name(name, version, i);
		r = store_copy_file(store, name, file_fds[i]);
	}
	store_version_name(name, version, ".new");
	if (r >= 0)
		r = store_write_file(store, name, text, len);
	snprintf(name, sizeof(name), "config/files-%08u", version);
	return r < 0 ? r : store_sync_dir(store, name);
}

int store_publish_version(const struct store *store, uint32_t version)
{
	char from[STORE_NAME_MAX], to[STORE_NAME_MAX];
	int r;

	store_version_name(from, version, ".new");
	store_version_name(to, version, "");
	if (renameat(store->dir_fd, from, store->dir_fd, to) < 0)
		return -errno;
	r = store_sync_dir(store, "config");
	if (r < 0) /* not known to be on disk: then it is not the newest */
		renameat(store->dir_fd, to, store->dir_fd, from);
	return r;
}

static void store_facts_name(char *name, uint32_t version)
{
	snprintf(name, STORE_NAME_MAX, "config/%08u.json", version);
}

static void store_remove_files(const struct store *store, uint32_t version)
{
	char name[STORE_NAME_MAX];

	store_facts_name(name, version);
	unlinkat(store->dir_fd, name, 0);
	for (size_t i = 0;; i++) {
		store_version_file_name(name, version, i);
		if (unlinkat(store->dir_fd, name, 0) < 0)
			break;
	}
	snprintf(name, sizeof(name), "config/files-%08u", version);
	unlinkat(store->dir_fd, name, AT_REMOVEDIR);
}

int store_write_version_facts(const struct store *store, uint32_t version, const json_t *facts)
{
	_cleanup_free_ char *text = json_dumps(facts, JSON_INDENT(2));
	char name[STORE_NAME_MAX];

	store_facts_name(name, version);
	return text ? store_replace_file(store, name, text, strlen(text)) : -ENOMEM;
}

json_t *store_load_version_facts(const struct store *store, uint32_t version)
{
	char name[STORE_NAME_MAX];
	_cleanup_close_ int fd = -1;

	store_facts_name(name, version);
	fd = store_open_file(store, name);
	return fd < 0 ? NULL : json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
}

void store_discard_version(const struct store *store, uint32_t version)
{
	char name[STORE_NAME_MAX];

	store_version_name(name, version, ".new");
	unlinkat(store->dir_fd, name, 0);
	store_remove_files(store, version);
}

static void store_clean_one(const char *name, void *data)
{
	const struct store *store = data;
	uint32_t candidate = store_version_of(name, ".new");
	unsigned int version = 0;
	char path[STORE_NAME_MAX];

	if (candidate)
		store_discard_version(store, candidate);
	if (sscanf(name, "files-%8u", &version) != 1)
		return;
	store_version_name(path, version, "");
	if (faccessat(store->dir_fd, path, F_OK, 0) < 0 && errno == ENOENT)
		store_remove_files(store, version);
}

void store_clean(const struct store *store)
{
	store_each_config(store, store_clean_one, (void *)store);
}

struct store_oldest {
	unsigned int n;
	uint32_t version;
};

static void store_note_oldest(const char *name, void *data)
{
	struct store_oldest *oldest = data;
	uint32_t version = store_version_of(name, "");

	if (!version)
		return;
	oldest->n++;
	if (!oldest->version || version < oldest->version)
		oldest->version = version;
}

void store_prune_versions(const struct store *store, unsigned int keep)
{
	for (;;) {
		struct store_oldest oldest = {0};
		char name[STORE_NAME_MAX];

		store_each_config(store, store_note_oldest, &oldest);
		if (oldest.n <= keep)
			return;
		store_version_name(name, oldest.version, "");
		if (unlinkat(store->dir_fd, name, 0) < 0)
			return;
		store_remove_files(store, oldest.version);
	}
}

int store_open_version(const struct store *store, uint32_t version)
{
	char name[STORE_NAME_MAX];

	store_version_name(name, version, "");
	return store_open_file(store, name);
}

int store_open_candidate(const struct store *store, uint32_t version)
{
	char name[STORE_NAME_MAX];

	store_version_name(name, version, ".new");
	return store_open_file(store, name);
}

int store_open_version_file(const struct store *store, uint32_t version, size_t index)
{
	char name[STORE_NAME_MAX];

	store_version_file_name(name, version, index);
	return store_open_file(store, name);
}

/* --- graphs ------------------------------------------------------------------------------------------------------ */

int store_write_history(const struct store *store, const void *data, size_t len)
{
	return store_replace_file(store, "graphs", data, len);
}

ssize_t store_read_history(const struct store *store, void *data, size_t len)
{
	_cleanup_close_ int fd = store_open_file(store, "graphs");
	ssize_t n = fd < 0 ? fd : pread(fd, data, len, 0);

	return fd >= 0 && n < 0 ? -errno : n;
}

/* --- expiry ------------------------------------------------------------------------------------------------------ */

int store_write_told(const struct store *store, const json_t *told)
{
	_cleanup_free_ char *text = json_dumps(told, JSON_INDENT(1));
	int r = text ? store_replace_file(store, "expiry_told.json", text, strlen(text)) : -ENOMEM;

	return r < 0 ? r : store_sync_dir(store, ".");
}

json_t *store_load_told(const struct store *store)
{
	_cleanup_close_ int fd = store_open_file(store, "expiry_told.json");

	return fd < 0 ? NULL : json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
}
