/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rekey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/key_source.h"

struct rekey_key {
	char told[96]; /* "certificate web" */
	char sealed_as[STORE_CERTIFICATE_NAME + sizeof(STORE_LOG_SEALED_AS)], key_id[17];
	char file[STORE_KEY_FILE]; /* in the state directory; empty: in memory */
	int fd;                    /* the old; then, of one in memory, the new */
};

struct rekey {
	struct supervisor *supervisor;
	struct rekey_key *keys;
	unsigned int n, done;
	bool published;
};

/* takes the descriptor; one file is one key, however many certificates share it */
static void rekey_add(struct rekey *rekey, const struct store_key *stored, const char *key_id, const char *file, int fd)
{
	struct rekey_key *more, *key;
	bool known = fd < 0;

	for (unsigned int i = 0; i < rekey->n && *file; i++)
		known |= !strcmp(rekey->keys[i].file, file);
	more = known ? NULL : reallocarray(rekey->keys, rekey->n + 1, sizeof(*rekey->keys));
	if (!more) {
		if (fd >= 0)
			close(fd);
		return;
	}
	rekey->keys = more;
	key = &rekey->keys[rekey->n++];
	*key = (struct rekey_key){.fd = fd};
	snprintf(key->told, sizeof(key->told), "%s %s", stored->what, stored->name);
	snprintf(key->sealed_as, sizeof(key->sealed_as), "%s", stored->sealed_as);
	snprintf(key->key_id, sizeof(key->key_id), "%s", key_id);
	snprintf(key->file, sizeof(key->file), "%s", file);
}

static void rekey_add_stored(const struct store_key *key, void *data)
{
	struct rekey *rekey = data;
	char file[STORE_KEY_FILE];

	if (store_key_file(key->name, key->facts, file) >= 0)
		rekey_add(rekey, key, json_string_value(json_object_get(key->facts, "key_id")), file,
			store_open_key(&rekey->supervisor->store, key->name, key->facts));
}

static void rekey_add_volatile(const char *key_id, const char *sealed_as, int fd, void *data)
{
	const struct store_key key = {"certificate", sealed_as, sealed_as, NULL, false};

	rekey_add(data, &key, key_id, "", fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

struct rekey *rekey_new(struct supervisor *supervisor)
{
	struct rekey *rekey = calloc(1, sizeof(*rekey));

	if (!rekey)
		return NULL;
	rekey->supervisor = supervisor;
	store_each_key(&supervisor->store, rekey_add_stored, rekey);
	key_source_each(supervisor, rekey_add_volatile, rekey);
	return rekey;
}

void rekey_free(struct rekey **rekey)
{
	if (!*rekey)
		return;
	if (!(*rekey)->published)
		store_discard_device_key(&(*rekey)->supervisor->store);
	for (unsigned int i = 0; i < (*rekey)->n; i++)
		if ((*rekey)->keys[i].fd >= 0)
			close((*rekey)->keys[i].fd);
	free((*rekey)->keys);
	free(*rekey);
	*rekey = NULL;
}

json_t *rekey_next(struct rekey *rekey, int *fd)
{
	struct rekey_key *key = &rekey->keys[rekey->done];

	if (rekey->done == rekey->n)
		return NULL;
	*fd = key->fd;
	key->fd = -1;
	return json_pack("{s:s, s:s}", "name", key->sealed_as, "key_id", key->key_id);
}

const char *rekey_current(const struct rekey *rekey)
{
	return rekey->done < rekey->n ? rekey->keys[rekey->done].told : "";
}

unsigned int rekey_count(const struct rekey *rekey)
{
	return rekey->n;
}

int rekey_take(struct rekey *rekey, int fd)
{
	struct rekey_key *key = &rekey->keys[rekey->done];
	int err = fault_at(FAULT_KEY_RESEALED);

	if (err || rekey->done == rekey->n)
		return err ? err : -EPROTO;
	if (*key->file)
		err = store_stage_key(&rekey->supervisor->store, key->file, fd);
	else
		err = key->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	rekey->done += err >= 0;
	return MIN(err, 0);
}

int rekey_publish(struct rekey *rekey)
{
	int err = store_publish_device_key(&rekey->supervisor->store);

	if (err)
		return err;
	rekey->published = true;
	for (unsigned int i = 0; i < rekey->n; i++) {
		const struct rekey_key *key = &rekey->keys[i];

		if (!*key->file && key_source_put(rekey->supervisor, key->key_id, key->sealed_as, key->fd) < 0)
			log_err_r(
				-ENOMEM, "the private key of %s is lost from memory: import it again", key->sealed_as);
	}
	return 0;
}
