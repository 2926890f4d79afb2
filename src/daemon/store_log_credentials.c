/* SPDX-License-Identifier: Apache-2.0 */
/* What log targets need for TLS: one file per name, so that an import takes effect as a whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "base/shm.h"
#include "daemon/store.h"
#include "daemon/store_file.h"

#define CREDENTIALS_DIR "log_credentials"

static const char *const words[STORE_LOG_CREDENTIALS] = {
	[STORE_LOG_CA] = "ca", [STORE_LOG_CERTIFICATE] = "certificate", [STORE_LOG_KEY] = "key"};

const char *store_log_credential_word(enum store_log_credential which)
{
	return words[which];
}

static bool credentials_path(char path[STORE_NAME_MAX], const char *name)
{
	snprintf(path, STORE_NAME_MAX, CREDENTIALS_DIR "/%.63s.json", name);
	return store_certificate_name_ok(name);
}

/* the text holds a private key */
static void credentials_forget(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
}

int store_write_log_credentials(
	const struct store *store, const char *name, const char *const texts[], const size_t lens[])
{
	json_t *credentials = json_object();
	_cleanup_(credentials_forget) char *text = NULL;
	char path[STORE_NAME_MAX];
	int r = -ENOMEM;

	if (!credentials_path(path, name)) {
		json_decref(credentials);
		return -EINVAL;
	}
	for (unsigned int which = 0; which < STORE_LOG_CREDENTIALS; which++)
		if (texts[which])
			json_object_set_new(credentials, words[which], json_stringn(texts[which], lens[which]));
	text = json_dumps(credentials, JSON_INDENT(2));
	json_decref(credentials);
	if (text)
		r = store_replace_file(store, path, text, strlen(text));
	return r < 0 ? r : store_sync_dir(store, CREDENTIALS_DIR);
}

int store_open_log_credential(const struct store *store, const char *name, enum store_log_credential which)
{
	char path[STORE_NAME_MAX];
	_cleanup_close_ int fd = credentials_path(path, name) ? store_open_file(store, path) : -EINVAL;
	json_t *credentials = fd < 0 ? NULL : json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	const json_t *text = json_object_get(credentials, words[which]);
	int memfd = -1, r = -ENOENT;

	if (json_is_string(text))
		r = shm_create_sealed(
			"sluice-log-credential", json_string_value(text), json_string_length(text), &memfd);
	json_decref(credentials);
	return r < 0 ? r : memfd;
}

int64_t store_log_credentials_stamp(const struct store *store, const char *name)
{
	char path[STORE_NAME_MAX];
	struct stat st;

	if (!name || !credentials_path(path, name) || fstatat(store->dir_fd, path, &st, 0) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
}

int store_remove_log_credentials(const struct store *store, const char *name)
{
	char path[STORE_NAME_MAX];

	if (!credentials_path(path, name))
		return -EINVAL;
	if (unlinkat(store->dir_fd, path, 0) < 0)
		return -errno;
	return store_sync_dir(store, CREDENTIALS_DIR);
}

json_t *store_list_log_credentials(const struct store *store)
{
	int fd = openat(store->dir_fd, CREDENTIALS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
	return names;
}
