/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and sealed keys in the state directory. NAME.json is what counts: it says which key file belongs to it,
 * and its appearance, replacement or removal is the one moment at which anything changes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "daemon/store.h"
#include "daemon/store_file.h"

static void store_certificate_path(char path[STORE_NAME_MAX], const char *name)
{
	store_facts_path(path, STORE_CERTIFICATES, name);
}

json_t *store_load_certificate(const struct store *store, const char *name)
{
	json_t *facts = store_load_facts(store, STORE_CERTIFICATES, name);

	if (json_is_string(json_object_get(facts, "key_id")))
		return facts;
	json_decref(facts);
	return NULL;
}

/* one that is damaged may be imported again */
bool store_has_certificate(const struct store *store, const char *name)
{
	json_t *facts = store_load_certificate(store, name);
	bool has = facts != NULL;

	json_decref(facts);
	return has;
}

json_t *store_load_certificate_in_use(const struct store *store, const char *name)
{
	json_t *facts = store_load_certificate(store, name);
	const char *previous = json_string_value(json_object_get(facts, "previous"));
	json_t *before = previous ? store_load_certificate(store, previous) : NULL;
	json_t *leaf = json_array_get(json_object_get(before, "chain"), 0);

	if (leaf)
		json_object_set(facts, "previous_leaf", leaf);
	json_decref(before);
	return facts;
}

/* the key first */
int store_write_certificate(const struct store *store, const char *name, const json_t *facts, int sealed_key_fd)
{
	int r = sealed_key_fd < 0 ? 0 : store_write_key(store, name, facts, sealed_key_fd);

	return r < 0 ? r : store_write_facts(store, STORE_CERTIFICATES, name, facts);
}

json_t *store_list_certificates(const struct store *store)
{
	return store_list_facts(store, STORE_CERTIFICATES);
}

int store_remove_certificate(const struct store *store, const char *name)
{
	json_auto_t *facts = store_load_certificate(store, name);
	int r = store_remove_facts(store, STORE_CERTIFICATES, name);

	if (r >= 0)
		store_remove_key_unless_used(store, name, facts);
	return r;
}

/* --- after a crash --------------------------------------------------------------------------------------------------
 */

/* The copy that a replacement stages of the old certificate (X_REPLACED) while X itself is still the old one: the same
 * in all but its name. Had the replacement come to its end, X would have it as its previous one. */
static bool store_is_staged_copy(const struct store *store, const char *name, const json_t *facts)
{
	const char *suffix = strstr(name, "_REPLACED"), *at;
	char of[STORE_CERTIFICATE_NAME];
	json_t *other;
	bool staged;

	for (at = suffix; at; at = strstr(at + 1, "_REPLACED"))
		suffix = at;
	if (!suffix)
		return false;
	snprintf(of, sizeof(of), "%.*s", (int)(suffix - name), name);
	other = store_load_certificate(store, of);
	at = json_string_value(json_object_get(other, "previous"));
	staged = other && json_equal(json_object_get(other, "chain"), json_object_get(facts, "chain")) &&
		 !strcmp(at ?: "", json_string_value(json_object_get(facts, "previous")) ?: "");
	json_decref(other);
	return staged;
}

static void store_clean_folder(
	const struct store *store, const char *folder, bool (*waste)(const struct store *store, const char *path))
{
	int fd = openat(store->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char path[STORE_NAME_MAX];
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.' || strlen(entry->d_name) > 100)
			continue;
		snprintf(path, sizeof(path), "%s/%.100s", folder, entry->d_name);
		if (waste(store, path))
			unlinkat(store->dir_fd, path, 0);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

static bool facts_are_waste(const struct store *store, const char *path)
{
	size_t len = strlen(path);

	(void)store;
	return len > 4 && !strcmp(path + len - 4, ".new");
}

static bool key_is_waste(const struct store *store, const char *path)
{
	return !store_uses_key_file(store, path);
}

void store_clean_certificates(const struct store *store)
{
	json_t *names = store_list_certificates(store), *name;
	size_t i;

	store_clean_folder(store, STORE_CERTIFICATES, facts_are_waste);
	store_clean_folder(store, STORE_LOG_CREDENTIALS, facts_are_waste);
	json_array_foreach(names, i, name)
	{
		json_t *facts = store_load_certificate(store, json_string_value(name));
		char path[STORE_NAME_MAX];

		store_certificate_path(path, json_string_value(name));
		if (facts && store_is_staged_copy(store, json_string_value(name), facts))
			unlinkat(store->dir_fd, path, 0);
		json_decref(facts);
	}
	json_decref(names);
	/* whose facts cannot be read may be mended by hand: its key stays */
	if (store_each_key(store, NULL, NULL) >= 0)
		store_clean_folder(store, "keys", key_is_waste);
	store_sync_dir(store, STORE_CERTIFICATES);
}

/* --- replacement (E3) ----------------------------------------------------------------------------------------------
 */

int store_replaced_name(const struct store *store, const char *name, char out[STORE_CERTIFICATE_NAME])
{
	char suffix[24] = "_REPLACED", path[STORE_NAME_MAX];

	for (unsigned int n = 2; n < 10000; n++) {
		/* a long name loses its end, never the suffix */
		snprintf(out, STORE_CERTIFICATE_NAME, "%.*s%s", (int)(STORE_CERTIFICATE_NAME - 1 - strlen(suffix)),
			name, suffix);
		store_certificate_path(path, out);
		if (faccessat(store->dir_fd, path, F_OK, 0) < 0)
			return 0;
		snprintf(suffix, sizeof(suffix), "_REPLACED_%u", n);
	}
	return -EEXIST;
}

/* the old one under its new name: same key file, which opens only under the name that it was sealed with */
static int store_stage_old(const struct store *store, const char *name, const char *replaced)
{
	json_auto_t *facts = store_load_certificate(store, name);
	char file[STORE_KEY_FILE];
	int r = facts ? store_key_file(name, facts, file) : -ENOENT;

	if (r < 0)
		return r;
	json_object_set_new(facts, "key_file", json_string(file));
	if (!json_object_get(facts, "sealed_as"))
		json_object_set_new(facts, "sealed_as", json_string(name));
	json_object_set_new(facts, "name", json_string(replaced));
	return store_write_facts(store, STORE_CERTIFICATES, replaced, facts);
}

int store_stage_replacement(
	const struct store *store, const char *name, const char *replaced, json_t *facts, int sealed_key_fd)
{
	char path[STORE_NAME_MAX], beside[STORE_NAME_MAX + 8], file[STORE_NAME_MAX];
	_cleanup_free_ char *text = NULL;
	int r;

	snprintf(
		file, sizeof(file), "%.63s@%.16s.key", name, json_string_value(json_object_get(facts, "key_id")) ?: "");
	json_object_set_new(facts, "key_file", json_string(file));
	json_object_set_new(facts, "previous", json_string(replaced));
	r = store_key_path(path, name, facts);
	if (r >= 0 && sealed_key_fd >= 0)
		r = store_write_key(store, name, facts, sealed_key_fd);
	if (r >= 0)
		r = store_stage_old(store, name, replaced);
	text = r >= 0 ? json_dumps(facts, JSON_INDENT(2)) : NULL;
	if (r >= 0 && !text)
		r = -ENOMEM;
	store_certificate_path(path, name);
	snprintf(beside, sizeof(beside), "%s.new", path);
	if (r >= 0)
		r = store_write_file(store, beside, text, strlen(text));
	if (r < 0)
		store_discard_replacement(store, name, replaced, facts);
	return r;
}

int store_publish_replacement(const struct store *store, const char *name)
{
	char path[STORE_NAME_MAX], beside[STORE_NAME_MAX + 8];

	store_certificate_path(path, name);
	snprintf(beside, sizeof(beside), "%s.new", path);
	if (renameat(store->dir_fd, beside, store->dir_fd, path) < 0)
		return -errno;
	return store_sync_dir(store, STORE_CERTIFICATES);
}

void store_discard_replacement(const struct store *store, const char *name, const char *replaced, const json_t *facts)
{
	char path[STORE_NAME_MAX], beside[STORE_NAME_MAX + 8];

	store_certificate_path(path, name);
	snprintf(beside, sizeof(beside), "%s.new", path);
	unlinkat(store->dir_fd, beside, 0);
	store_certificate_path(path, replaced);
	unlinkat(store->dir_fd, path, 0);
	store_remove_key_unless_used(store, name, facts);
}
