/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled filters of earlier commits, in cache/: a second commit or a boot with the same rule files need not compile
 * them. What a file holds is the compiler's business (proxy/compile_cache.c), which also finds out whether it is
 * damaged or of another build. Losing the folder loses time, nothing else. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "daemon/store_file.h"

#define CACHE_NEW "cache/new"
#define CACHE_FILES_MAX 8
#define CACHE_BYTES_MAX (256ll << 20)

static void cache_name(char name[STORE_NAME_MAX], const char *key)
{
	snprintf(name, STORE_NAME_MAX, "cache/%s", key);
}

int store_open_cached(const struct store *store, const char *key)
{
	char name[STORE_NAME_MAX];

	cache_name(name, key);
	return store_open_file(store, name);
}

int store_begin_cached(const struct store *store)
{
	int fd;

	unlinkat(store->dir_fd, CACHE_NEW, 0);
	fd = openat(store->dir_fd, CACHE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

void store_discard_cached(const struct store *store)
{
	unlinkat(store->dir_fd, CACHE_NEW, 0);
}

struct cached {
	char name[NAME_MAX + 1];
	struct timespec used;
	off_t size;
};

static int cached_compare(const void *left, const void *right)
{
	const struct cached *a = left, *b = right;

	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec > b->used.tv_sec ? -1 : 1;
	return a->used.tv_nsec > b->used.tv_nsec ? -1 : a->used.tv_nsec < b->used.tv_nsec;
}

static bool cached_add(struct cached **all, size_t n, int dir, const char *name)
{
	struct cached *grown;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	grown = reallocarray(*all, n + 1, sizeof(**all));
	if (!grown)
		return false;
	*all = grown;
	snprintf(grown[n].name, sizeof(grown[n].name), "%s", name);
	grown[n].used = st.st_mtim;
	grown[n].size = st.st_size;
	return true;
}

/* all but those used last, as many and as large as may be kept */
static void cache_prune(const struct store *store)
{
	int dir = openat(store->dir_fd, "cache", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ struct cached *all = NULL;
	struct dirent *entry;
	off_t bytes = 0;
	size_t n = 0;
	DIR *folder = dir < 0 ? NULL : fdopendir(dir);

	if (!folder) {
		if (dir >= 0)
			close(dir);
		return;
	}
	while ((entry = readdir(folder)))
		n += cached_add(&all, n, dir, entry->d_name);
	if (n)
		qsort(all, n, sizeof(*all), cached_compare);
	for (size_t i = 0; i < n; i++) {
		bytes += all[i].size;
		if (i && (i >= CACHE_FILES_MAX || bytes > CACHE_BYTES_MAX))
			unlinkat(dir, all[i].name, 0);
	}
	closedir(folder);
}

int store_keep_cached(const struct store *store, const char *key)
{
	char name[STORE_NAME_MAX];

	cache_name(name, key);
	if (renameat(store->dir_fd, CACHE_NEW, store->dir_fd, name) < 0)
		return -errno;
	cache_prune(store);
	return 0;
}

void store_touch_cached(const struct store *store, const char *key)
{
	char name[STORE_NAME_MAX];

	cache_name(name, key);
	utimensat(store->dir_fd, name, NULL, AT_SYMLINK_NOFOLLOW);
}
