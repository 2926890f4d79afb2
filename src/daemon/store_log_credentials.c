/* SPDX-License-Identifier: Apache-2.0 */
/* What log targets need for TLS (G5): the CA and the chain stand in the facts, the key is sealed as those of
 * certificates are. The facts are what counts: their appearance or replacement is the one moment of change. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "daemon/store.h"
#include "daemon/store_file.h"

json_t *store_load_log_credentials(const struct store *store, const char *name)
{
	return store_load_facts(store, STORE_LOG_CREDENTIALS, name);
}

json_t *store_list_log_credentials(const struct store *store)
{
	return store_list_facts(store, STORE_LOG_CREDENTIALS);
}

bool store_log_credentials_are_open(const json_t *facts)
{
	/* versions before: {ca, certificate, key}, all of it PEM; one with a CA alone has nothing to seal */
	return json_is_string(json_object_get(facts, "key"));
}

/* Zeroes over a file that held a key in clear. A disk that writes elsewhere keeps the old; nothing can be done there.
 */
static void store_overwrite(int fd)
{
	static const char zeroes[4096];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	for (off_t at = 0; at < st.st_size; at += sizeof(zeroes))
		if (pwrite(fd, zeroes, MIN(sizeof(zeroes), (size_t)(st.st_size - at)), at) < 0)
			return;
	fsync(fd);
}

int store_write_log_credentials(const struct store *store, const char *name, json_t *facts, int sealed_key_fd)
{
	json_auto_t *before = store_load_log_credentials(store, name);
	_cleanup_close_ int open_key = -1;
	char path[STORE_NAME_MAX], file[STORE_KEY_FILE];
	int r = store_facts_path(path, STORE_LOG_CREDENTIALS, name);

	if (r >= 0 && store_log_credentials_are_open(before))
		open_key = openat(store->dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	/* another key has another file */
	snprintf(file, sizeof(file), STORE_LOG_SEALED_AS "%.63s@%.16s.key", name,
		json_string_value(json_object_get(facts, "key_id")) ?: "");
	if (sealed_key_fd >= 0)
		json_object_set_new(facts, "key_file", json_string(file));
	if (r >= 0 && sealed_key_fd >= 0)
		r = store_write_key(store, name, facts, sealed_key_fd);
	if (r >= 0)
		r = store_write_facts(store, STORE_LOG_CREDENTIALS, name, facts);
	if (r >= 0 && open_key >= 0)
		store_overwrite(open_key);
	if (json_object_get(r < 0 ? facts : before, "key_file"))
		store_remove_key_unless_used(store, name, r < 0 ? facts : before);
	return r;
}

int64_t store_log_credentials_stamp(const struct store *store, const char *name)
{
	char path[STORE_NAME_MAX];
	struct stat st;

	if (!name || store_facts_path(path, STORE_LOG_CREDENTIALS, name) < 0 ||
		fstatat(store->dir_fd, path, &st, 0) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
}

int store_remove_log_credentials(const struct store *store, const char *name)
{
	json_auto_t *facts = store_load_log_credentials(store, name);
	int r = store_remove_facts(store, STORE_LOG_CREDENTIALS, name);

	if (r >= 0 && json_object_get(facts, "key_file"))
		store_remove_key_unless_used(store, name, facts);
	return r;
}
