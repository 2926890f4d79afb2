/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/key_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "base/system.h"
#include "daemon/keeper.h"
#include "daemon/keystore.h"

#define SEALED_MAX (64 << 10)
#define FETCH_NS (15 * NSEC_PER_SEC) /* longer than the one-shot's own patience */
#define RETRY_MAX_S 60u

struct volatile_key {
	LIST_ENTRY(volatile_key) link;
	char key_id[17], sealed_as[STORE_CERTIFICATE_NAME];
	int fd; /* memfd with the sealed key */
};

/* one certificate whose key is being fetched */
struct key_fetch {
	LIST_ENTRY(key_fetch) link;
	struct supervisor *supervisor;
	struct child child;
	struct loop_timer timer; /* its patience, or the next try */
	char name[STORE_CERTIFICATE_NAME], sealed_as[STORE_CERTIFICATE_NAME], key_id[17];
	unsigned int failures, epoch; /* of the device key that it seals with */
	bool answered;
};

struct key_source {
	LIST_HEAD(, volatile_key) keys;
	LIST_HEAD(, key_fetch) fetches;
};

static struct key_source *source_of(struct supervisor *supervisor)
{
	if (!supervisor->key_source)
		supervisor->key_source = calloc(1, sizeof(*supervisor->key_source));
	return supervisor->key_source;
}

/* --- in memory -----------------------------------------------------------------------------------------------------
 */

static struct volatile_key *volatile_find(const struct supervisor *supervisor, const char *key_id)
{
	struct volatile_key *key;

	if (supervisor->key_source)
		LIST_FOREACH (key, &supervisor->key_source->keys, link)
			if (!strcmp(key->key_id, key_id))
				return key;
	return NULL;
}

int key_source_find(const struct supervisor *supervisor, const char *key_id, const char **sealed_as)
{
	const struct volatile_key *key = volatile_find(supervisor, key_id);

	if (key)
		*sealed_as = key->sealed_as;
	return key ? key->fd : -1;
}

void key_source_each(const struct supervisor *supervisor,
	void (*fn)(const char *key_id, const char *sealed_as, int fd, void *data), void *data)
{
	const struct volatile_key *key;

	if (supervisor->key_source)
		LIST_FOREACH (key, &supervisor->key_source->keys, link)
			fn(key->key_id, key->sealed_as, key->fd, data);
}

void key_source_drop(struct supervisor *supervisor, const char *key_id)
{
	struct volatile_key *key = volatile_find(supervisor, key_id);

	if (!key)
		return;
	LIST_REMOVE(key, link);
	close(key->fd);
	free(key);
}

/* a copy: what came may be a file of the state directory */
static int sealed_copy(int from)
{
	char data[SEALED_MAX];
	ssize_t n = pread(from, data, sizeof(data), 0);
	int fd = -1, err = n < 0 ? -errno : shm_create_sealed("sealed-key", data, (size_t)n, &fd);

	return err ? err : fd;
}

int key_source_put(struct supervisor *supervisor, const char *key_id, const char *sealed_as, int sealed_key_fd)
{
	struct key_source *source = source_of(supervisor);
	struct volatile_key *key = source ? calloc(1, sizeof(*key)) : NULL;
	int err;

	if (!key)
		return -ENOMEM;
	err = key->fd = sealed_copy(sealed_key_fd);
	if (err < 0) {
		free(key);
		return err;
	}
	key_source_drop(supervisor, key_id);
	snprintf(key->key_id, sizeof(key->key_id), "%s", key_id);
	snprintf(key->sealed_as, sizeof(key->sealed_as), "%s", sealed_as);
	LIST_INSERT_HEAD(&source->keys, key, link);
	return 0;
}

int key_source_keep(struct supervisor *supervisor, const json_t *facts, const char *sealed_as, int *sealed_key_fd)
{
	const char *key_id = json_string_value(json_object_get(facts, "key_id"));
	int err;

	if (!supervisor->policy || supervisor->policy->config->persist_private_keys || !key_id)
		return 0;
	err = key_source_put(supervisor, key_id, sealed_as, *sealed_key_fd);
	*sealed_key_fd = -1;
	return err;
}

/* --- on and off ----------------------------------------------------------------------------------------------------
 */

static void key_leave_store(struct supervisor *supervisor, const char *name, const json_t *facts)
{
	const char *key_id = json_string_value(json_object_get(facts, "key_id"));
	const char *sealed_as = json_string_value(json_object_get(facts, "sealed_as"));
	_cleanup_close_ int fd = store_open_key(&supervisor->store, name, facts);
	int err;

	if (fd < 0)
		return;
	err = key_source_put(supervisor, key_id, sealed_as ? sealed_as : name, fd);
	if (!err)
		err = store_remove_key(&supervisor->store, name, facts);
	if (err)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"the private key of certificate %s cannot be taken out of the state directory: %s", name,
			strerror(-err));
}

static void key_enter_store(struct supervisor *supervisor, const char *name, const json_t *facts)
{
	const char *sealed_as = NULL, *key_id = json_string_value(json_object_get(facts, "key_id"));
	int fd = key_source_find(supervisor, key_id, &sealed_as);
	int err = fd < 0 ? 0 : store_write_key(&supervisor->store, name, facts, fd);

	if (err < 0)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"the private key of certificate %s cannot be written into the state directory: %s", name,
			strerror(-err));
}

void key_source_apply(struct supervisor *supervisor)
{
	bool persist = supervisor->policy->config->persist_private_keys;
	json_t *names = store_list_certificates(&supervisor->store), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);
		json_t *facts = store_load_certificate(&supervisor->store, text);

		if (facts && persist)
			key_enter_store(supervisor, text, facts);
		else if (facts)
			key_leave_store(supervisor, text, facts);
		json_decref(facts);
	}
	while (persist && supervisor->key_source && !LIST_EMPTY(&supervisor->key_source->keys))
		key_source_drop(supervisor, LIST_FIRST(&supervisor->key_source->keys)->key_id);
	/* the TPM may have been named, and a provider */
	keystore_tick(supervisor);
	json_array_foreach(names, i, name)
	{
		const char *state = json_string_value(json_object_get(supervisor->key_states, json_string_value(name)));

		if (state && strcmp(state, "available") != 0)
			keeper_load_key(supervisor, json_string_value(name));
	}
	json_decref(names);
}

/* --- fetching ------------------------------------------------------------------------------------------------------
 */

static void fetch_begin(struct key_fetch *fetch);

static void fetch_free(struct key_fetch *fetch)
{
	child_end(&fetch->child);
	loop_timer_disarm(fetch->supervisor->loop, &fetch->timer);
	LIST_REMOVE(fetch, link);
	free(fetch);
}

static void fetch_again(struct loop_timer *timer)
{
	fetch_begin(container_of(timer, struct key_fetch, timer));
}

static void fetch_fail(struct key_fetch *fetch, const char *error)
{
	struct supervisor *supervisor = fetch->supervisor;
	unsigned int delay = MIN(1u << MIN(fetch->failures, 6u), RETRY_MAX_S);
	char state[400];

	fetch->answered = true;
	snprintf(state, sizeof(state), "not yet fetched: %s", error);
	if (!fetch->failures++)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"the private key of certificate %s is %s; tried again", fetch->name, state);
	if (store_has_certificate(&supervisor->store, fetch->name))
		keeper_set_state(supervisor, fetch->name, state);
	loop_timer_disarm(supervisor->loop, &fetch->timer);
	loop_timer_arm(supervisor->loop, &fetch->timer, delay * NSEC_PER_SEC, fetch_again);
}

/* into the keystore or into memory, as configured */
static int fetch_keep(struct key_fetch *fetch, int sealed_fd)
{
	struct supervisor *supervisor = fetch->supervisor;
	json_t *facts = store_load_certificate(&supervisor->store, fetch->name);
	int r = facts ? key_source_keep(supervisor, facts, fetch->sealed_as, &sealed_fd) : -ENOENT;

	if (r >= 0 && sealed_fd >= 0)
		r = store_write_key(&supervisor->store, fetch->name, facts, sealed_fd);
	json_decref(facts);
	return r;
}

static void fetch_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct key_fetch *fetch = container_of(child, struct key_fetch, child);
	struct supervisor *supervisor = fetch->supervisor;

	if (fetch->answered)
		return;
	if (!strcmp(name, "fetched") && n_fds == 1) {
		if (keystore_busy(supervisor) || fetch->epoch != supervisor->keystore.epoch) {
			fetch_fail(fetch, "the device key has been changed meanwhile");
			return;
		}
		fetch->answered = true;
		loop_timer_disarm(supervisor->loop, &fetch->timer);
		supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice",
			"the private key of certificate %s came from the key provider", fetch->name);
		if (fetch_keep(fetch, fds[0]) < 0)
			fetch_fail(fetch, "it cannot be kept");
		else
			keeper_load_key(supervisor, fetch->name);
	} else if (!strcmp(name, "fetch_error")) {
		fetch_fail(fetch, json_string_value(json_object_get(message, "error")) ?: "no reason given");
	}
}

static void fetch_on_exit(struct child *child, const char *how)
{
	struct key_fetch *fetch = container_of(child, struct key_fetch, child);

	if (!fetch->answered)
		fetch_fail(fetch, how);
	else if (!fetch->timer.deadline_ns)
		fetch_free(fetch); /* fetched */
}

static void fetch_on_patience(struct loop_timer *timer)
{
	struct key_fetch *fetch = container_of(timer, struct key_fetch, timer);

	child_end(&fetch->child);
	fetch_fail(fetch, "its program does not answer");
}

int key_source_ask(struct supervisor *supervisor, struct child *child, const char *name, const char *key_id,
	child_message_fn *on_message, child_exit_fn *on_exit, char error[200])
{
	const char *path = supervisor->policy ? supervisor->policy->config->key_provider_socket : NULL;
	_cleanup_close_ int device_key = keystore_device_key(supervisor);
	_cleanup_close_ int provider = path ? system_connect(path) : -ENOENT;
	int r;

	if (!path)
		snprintf(error, 200, "no key provider is configured (device: key_provider_socket)");
	else if (provider < 0)
		snprintf(error, 200, "cannot connect to the key provider at %.100s: %s", path, strerror(-provider));
	else
		snprintf(error, 200, "its program cannot be started");
	if (provider < 0 || device_key < 0)
		return MIN(provider, device_key);
	r = child_spawn(child, supervisor->loop, ROLE_FETCHER, supervisor->bin_dir, -1, on_message, on_exit);
	if (r < 0)
		return r;
	r = child_send(child, "fetch", json_pack("{s:s, s:s}", "name", name, "key_id", key_id),
		(int[]){device_key, provider}, 2);
	return child_running(child) ? 0 : r;
}

static void fetch_begin(struct key_fetch *fetch)
{
	struct supervisor *supervisor = fetch->supervisor;
	char error[200];

	if (!supervisor->policy || !supervisor->policy->config->key_provider_socket ||
		!store_has_certificate(&supervisor->store, fetch->name)) {
		fetch_free(fetch);
		return;
	}
	child_end(&fetch->child); /* an earlier one may just be ending */
	fetch->answered = false;
	fetch->epoch = supervisor->keystore.epoch;
	if (key_source_ask(supervisor, &fetch->child, fetch->sealed_as, fetch->key_id, fetch_on_message, fetch_on_exit,
		    error) < 0)
		fetch_fail(fetch, error);
	else
		loop_timer_arm(supervisor->loop, &fetch->timer, FETCH_NS, fetch_on_patience);
}

bool key_source_fetch(struct supervisor *supervisor, const char *name, const char *key_id, const char *sealed_as)
{
	struct key_source *source = source_of(supervisor);
	struct key_fetch *fetch;

	if (!source || !supervisor->policy || !supervisor->policy->config->key_provider_socket)
		return false;
	LIST_FOREACH (fetch, &source->fetches, link)
		if (!strcmp(fetch->name, name) && !strcmp(fetch->key_id, key_id))
			return true;
	fetch = calloc(1, sizeof(*fetch));
	if (!fetch)
		return false;
	fetch->supervisor = supervisor;
	snprintf(fetch->name, sizeof(fetch->name), "%s", name);
	snprintf(fetch->key_id, sizeof(fetch->key_id), "%s", key_id);
	snprintf(fetch->sealed_as, sizeof(fetch->sealed_as), "%s", sealed_as);
	LIST_INSERT_HEAD(&source->fetches, fetch, link);
	keeper_set_state(supervisor, name, "not yet fetched");
	fetch_begin(fetch);
	return true;
}

void key_source_free(struct supervisor *supervisor)
{
	struct key_source *source = supervisor->key_source;

	if (!source)
		return;
	while (!LIST_EMPTY(&source->fetches))
		fetch_free(LIST_FIRST(&source->fetches));
	while (!LIST_EMPTY(&source->keys))
		key_source_drop(supervisor, LIST_FIRST(&source->keys)->key_id);
	free(source);
	supervisor->key_source = NULL;
}
