/* SPDX-License-Identifier: Apache-2.0 */
/* What the certificates of SSL servers and the credentials of log targets have in common: one file of facts for each
 * name in a folder of their own, and a sealed key in keys/, whose file the facts name. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "daemon/store_file.h"

bool store_certificate_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 63 || *name == '.')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	return true;
}

int store_facts_path(char path[STORE_NAME_MAX], const char *folder, const char *name)
{
	snprintf(path, STORE_NAME_MAX, "%.32s/%.63s.json", folder, name);
	return store_certificate_name_ok(name) ? 0 : -EINVAL;
}

json_t *store_load_facts(const struct store *store, const char *folder, const char *name)
{
	char path[STORE_NAME_MAX];
	_cleanup_close_ int fd = -1;
	json_t *facts;

	if (store_facts_path(path, folder, name) < 0)
		return NULL;
	fd = store_open_file(store, path);
	facts = fd < 0 ? NULL : json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(facts))
		return facts;
	json_decref(facts);
	return NULL;
}

int store_write_facts(const struct store *store, const char *folder, const char *name, const json_t *facts)
{
	_cleanup_free_ char *text = json_dumps(facts, JSON_INDENT(2));
	char path[STORE_NAME_MAX];
	int r = text ? store_facts_path(path, folder, name) : -ENOMEM;

	if (r >= 0)
		r = store_replace_file(store, path, text, strlen(text));
	return r < 0 ? r : store_sync_dir(store, folder);
}

int store_remove_facts(const struct store *store, const char *folder, const char *name)
{
	char path[STORE_NAME_MAX];
	int r = store_facts_path(path, folder, name);

	if (r >= 0 && unlinkat(store->dir_fd, path, 0) < 0)
		r = -errno;
	return r < 0 ? r : store_sync_dir(store, folder);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* takes the array */
static json_t *names_sorted(json_t *names)
{
	size_t n = json_array_size(names);
	_cleanup_free_ json_t **order = calloc(n + 1, sizeof(json_t *));
	json_t *sorted = json_array();

	for (size_t i = 0; order && i < n; i++)
		order[i] = json_array_get(names, i);
	if (order)
		qsort(order, n, sizeof(json_t *), compare_names);
	for (size_t i = 0; order && i < n; i++)
		json_array_append(sorted, order[i]);
	json_decref(names);
	return sorted;
}

json_t *store_list_facts(const struct store *store, const char *folder)
{
	int fd = openat(store->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	json_t *names = json_array();
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len > 5 && !strcmp(entry->d_name + len - 5, ".json"))
			json_array_append_new(names, json_stringn(entry->d_name, len - 5));
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return names_sorted(names);
}

/* --- keys ------------------------------------------------------------------------------------------------------------
 */

/* NAME.key, unless the facts name another: '@' and ':' stand in no certificate's name, '/' in no file's */
int store_key_file(const char *name, const json_t *facts, char file[STORE_KEY_FILE])
{
	const char *other = json_string_value(json_object_get(facts, "key_file"));

	if (other && (strchr(other, '/') || *other == '.' || strlen(other) > 100))
		return -EINVAL;
	if (other)
		snprintf(file, STORE_KEY_FILE, "%s", other);
	else
		snprintf(file, STORE_KEY_FILE, "%.63s.key", name);
	return 0;
}

int store_key_path(char path[STORE_NAME_MAX], const char *name, const json_t *facts)
{
	char file[STORE_KEY_FILE];
	int r = store_certificate_name_ok(name) ? store_key_file(name, facts, file) : -EINVAL;

	if (r >= 0)
		snprintf(path, STORE_NAME_MAX, "keys/%s", file);
	return r;
}

int store_open_key(const struct store *store, const char *name, const json_t *facts)
{
	char path[STORE_NAME_MAX];
	int r = store_key_path(path, name, facts);

	return r < 0 ? r : store_open_file(store, path);
}

/* beside first: the file may be that of a key in use */
int store_write_key(const struct store *store, const char *name, const json_t *facts, int sealed_key_fd)
{
	char path[STORE_NAME_MAX], beside[STORE_NAME_MAX + 8];
	int r = store_key_path(path, name, facts);

	if (r < 0)
		return r;
	snprintf(beside, sizeof(beside), "%s.part", path);
	r = store_copy_file(store, beside, sealed_key_fd);
	if (r >= 0 && renameat(store->dir_fd, beside, store->dir_fd, path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(store->dir_fd, beside, 0);
	return r < 0 ? r : store_sync_dir(store, "keys");
}

int store_remove_key(const struct store *store, const char *name, const json_t *facts)
{
	char path[STORE_NAME_MAX];
	int r = store_key_path(path, name, facts);

	if (r >= 0 && unlinkat(store->dir_fd, path, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? r : store_sync_dir(store, "keys");
}

static int store_each_in(const struct store *store, const char *folder, const char *what, bool of_log_target,
	store_key_fn *fn, void *data)
{
	json_t *names = store_list_facts(store, folder), *name;
	int damaged = 0;
	size_t i;

	json_array_foreach(names, i, name)
	{
		json_t *facts = store_load_facts(store, folder, json_string_value(name));
		struct store_key key = {what, json_string_value(name), NULL, facts, of_log_target};

		key.sealed_as = json_string_value(json_object_get(facts, "sealed_as")) ?: key.name;
		damaged |= !facts;
		if (fn && json_is_string(json_object_get(facts, "key_id")))
			fn(&key, data);
		json_decref(facts);
	}
	json_decref(names);
	return damaged;
}

int store_each_key(const struct store *store, store_key_fn *fn, void *data)
{
	int damaged = store_each_in(store, STORE_CERTIFICATES, "certificate", false, fn, data);

	damaged |= store_each_in(store, STORE_LOG_CREDENTIALS, "log credentials", true, fn, data);
	return damaged ? -EBADMSG : 0;
}

struct key_search {
	const char *path;
	bool found;
};

static void key_search_look(const struct store_key *key, void *data)
{
	struct key_search *search = data;
	char path[STORE_NAME_MAX];

	search->found |= !store_key_path(path, key->name, key->facts) && !strcmp(path, search->path);
}

bool store_uses_key_file(const struct store *store, const char *path)
{
	struct key_search search = {.path = path};

	store_each_key(store, key_search_look, &search);
	return search.found;
}

void store_remove_key_unless_used(const struct store *store, const char *name, const json_t *facts)
{
	char path[STORE_NAME_MAX];

	if (store_key_path(path, name, facts) < 0 || store_uses_key_file(store, path))
		return;
	unlinkat(store->dir_fd, path, 0);
	store_sync_dir(store, "keys");
}
