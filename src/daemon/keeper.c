/* SPDX-License-Identifier: Apache-2.0 */
/* The key keeper seen from the supervisor: started, given sealed keys and one ring per worker, started again. */
#include "daemon/keeper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "daemon/certificate.h"
#include "daemon/key_source.h"
#include "daemon/keystore.h"
#include "daemon/orphans.h"
#include "daemon/replace.h"
#include "dataplane/abi.h"
#include "ipc/keyring.h"

#define KEEPER_SILENT_NS (10 * NSEC_PER_SEC) /* asked every second */

/* --- states (E6) ---------------------------------------------------------------------------------------------------
 */

static const char *keeper_state(const struct supervisor *supervisor, const char *name)
{
	return json_string_value(json_object_get(supervisor->key_states, name)) ?: "not loaded";
}

static bool is_available(const char *state)
{
	return !strcmp(state, "available");
}

const char *keeper_server_state(const struct supervisor *supervisor, const struct config_ssl_server *server)
{
	for (size_t i = 0; i < server->certificates.n; i++) {
		const char *state = keeper_state(supervisor, server->certificates.items[i]);

		if (!is_available(state))
			return state;
	}
	return "available";
}

const char *keeper_server_choice(const struct config_ssl_server *server)
{
	return config_blocks_without_key(server) ? "block" : "bypass";
}

int keeper_tell_wire(struct supervisor *supervisor, const struct config *config, bool next)
{
	uint8_t states[WIRE_SERVERS_MAX] = {0};

	for (size_t i = 0; i < config->n_ssl_servers; i++) {
		const struct config_ssl_server *server = &config->ssl_servers[i];

		if (server->id < WIRE_SERVERS_MAX && !is_available(keeper_server_state(supervisor, server)))
			states[server->id] = config_blocks_without_key(server) ? WIRE_KEY_BLOCK : WIRE_KEY_BYPASS;
	}
	return dataplane_set_keys(supervisor->dataplane, next, states, WIRE_SERVERS_MAX);
}

void keeper_set_state(struct supervisor *supervisor, const char *name, const char *state)
{
	bool changed = is_available(state) != is_available(keeper_state(supervisor, name));

	json_object_set_new(supervisor->key_states, name, json_string(state));
	if (changed && supervisor->policy && certificate_is_used(supervisor, name))
		keeper_tell_wire(supervisor, supervisor->policy->config, false);
}

static void keeper_report_server(struct supervisor *supervisor, const struct config_ssl_server *server)
{
	const char *state = keeper_server_state(supervisor, server);
	const char *told = json_string_value(json_object_get(supervisor->keyless, server->name)) ?: "available";

	if (!strcmp(state, told))
		return;
	json_object_set_new(supervisor->keyless, server->name, json_string(state));
	if (is_available(state))
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice",
			"SSL server %s: its private keys are available again, new sessions are inspected",
			server->name);
	else
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"SSL server %s: a private key is not available (%s), new sessions are %s", server->name, state,
			config_blocks_without_key(server) ? "blocked" : "bypassed uninspected");
}

void keeper_tick(struct supervisor *supervisor)
{
	struct child *child = &supervisor->keeper.child;

	for (size_t i = 0; supervisor->policy && i < supervisor->policy->config->n_ssl_servers; i++)
		keeper_report_server(supervisor, &supervisor->policy->config->ssl_servers[i]);
	if (!child_running(child))
		return;
	if (clock_now_ns() - supervisor->keeper_heard_ns > KEEPER_SILENT_NS) {
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"the key keeper process %d has not answered for %llu s and is killed", (int)child->pid,
			(unsigned long long)(KEEPER_SILENT_NS / NSEC_PER_SEC));
		child_kill(child, SIGKILL);
	} else {
		child_send(child, "ping", json_object(), NULL, 0);
	}
}

/* --- keys ----------------------------------------------------------------------------------------------------------
 */

void keeper_load_key(struct supervisor *supervisor, const char *name)
{
	json_t *facts = store_load_certificate(&supervisor->store, name);
	const char *key_id = json_string_value(json_object_get(facts, "key_id"));
	const char *sealed_as = json_string_value(json_object_get(facts, "sealed_as"));
	_cleanup_close_ int file = store_open_key(&supervisor->store, name, facts);
	int fd = key_id ? key_source_find(supervisor, key_id, &sealed_as) : -1;

	if (fd < 0)
		fd = file;
	if (keystore_is_locked(supervisor)) {
		char text[256];

		keystore_lock_text(supervisor, text, sizeof(text));
		keeper_set_state(supervisor, name, text);
		goto done;
	}
	if (fd < 0 || !key_id) {
		if (!key_id || !key_source_fetch(supervisor, name, key_id, sealed_as ? sealed_as : name))
			keeper_set_state(supervisor, name, "missing");
		goto done;
	}
	/* a key that the keeper has can be used while it is given once more */
	if (!is_available(keeper_state(supervisor, name)))
		keeper_set_state(supervisor, name, "loading");
	child_send(&supervisor->keeper.child, "load",
		json_pack("{s:s, s:s, s:s*}", "name", name, "key_id", key_id, "sealed_as", sealed_as), &fd, 1);
done:
	json_decref(facts);
}

void keeper_load_keys(struct supervisor *supervisor)
{
	json_t *names = store_list_certificates(&supervisor->store), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		keeper_load_key(supervisor, json_string_value(name));
	}
	json_decref(names);
}

void keeper_give_device_key(struct supervisor *supervisor)
{
	_cleanup_close_ int fd = keystore_device_key(supervisor);

	if (fd < 0)
		log_err_r(fd, "cannot give the key keeper the device key");
	else
		child_send(&supervisor->keeper.child, "device_key", json_object(), &fd, 1);
	keeper_load_keys(supervisor);
}

void keyring_close(struct worker_slot *worker)
{
	for (size_t i = 0; i < ARRAY_SIZE(worker->keyring_fds); i++) {
		if (worker->keyring_fds[i] >= 0)
			close(worker->keyring_fds[i]);
		worker->keyring_fds[i] = -1;
	}
}

/* a fresh ring for each pairing of worker and keeper: neither inherits what the other's predecessor left in it */
int keyring_connect(struct worker_slot *worker)
{
	struct supervisor *supervisor = worker->supervisor;
	int *fds = worker->keyring_fds, r;

	keyring_close(worker);
	r = shm_create("sluice-keyring", sizeof(struct keyring), &fds[0]);
	if (r < 0)
		return r;
	fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fds[1] < 0 || fds[2] < 0)
		return -errno;
	child_send(&supervisor->keeper.child, "ring", json_pack("{s:i}", "worker", (int)worker->slot), fds, 3);
	return child_send(&worker->child, "keyring", json_object(), fds, 3);
}

static void keeper_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct supervisor *supervisor = container_of(child, struct helper_process, child)->supervisor;
	const char *key = json_string_value(json_object_get(message, "name"));
	const char *error = json_string_value(json_object_get(message, "error"));

	supervisor->keeper_heard_ns = clock_now_ns();
	if (!strcmp(name, "engine"))
		json_object_update(supervisor->key_engine, message);
	if (!key)
		return;
	if (!strcmp(name, "loaded")) {
		keeper_set_state(supervisor, key, "available");
		replace_on_key(supervisor, key, json_string_value(json_object_get(message, "key_id")), NULL);
	}
	if (!strcmp(name, "load_error")) {
		keeper_set_state(supervisor, key, error ? error : "not available");
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"the private key of certificate %s is not available: %s", key,
			error ? error : "no reason given");
		replace_on_key(supervisor, key, NULL, error ? error : "its key is not available");
	}
}

static void keeper_respawn(struct loop_timer *timer)
{
	keeper_spawn(container_of(timer, struct helper_process, respawn)->supervisor);
}

static void keeper_on_exit(struct child *child, const char *how)
{
	struct helper_process *keeper = container_of(child, struct helper_process, child);
	struct supervisor *supervisor = keeper->supervisor;
	const char *name;
	json_t *state;

	generation_child_ended(supervisor, child, how);
	replace_cancel(supervisor, "the key keeper has ended");
	json_object_foreach(supervisor->key_states, name, state)
	{
		keeper_set_state(supervisor, name, "keeper down");
	}
	/* what was asked of it will not be answered: an empty message says so */
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++) {
		child_send(&supervisor->workers[i].child, "keyring", json_object(), NULL, 0);
		keyring_close(&supervisor->workers[i]);
	}
	generation_respawn(keeper, keeper_respawn);
}

void keeper_spawn(struct supervisor *supervisor)
{
	struct child *child = &supervisor->keeper.child;
	_cleanup_close_ int device_key = keystore_device_key(supervisor);

	if (device_key < 0 || child_spawn(child, supervisor->loop, ROLE_KEEPER, supervisor->bin_dir, -1,
				      keeper_on_message, keeper_on_exit) < 0)
		return;
	orphans_note(&supervisor->instance, child->pid, ROLE_KEEPER);
	supervisor->keeper_heard_ns = clock_now_ns();
	child_send(child, "start",
		json_pack("{s:s, s:i}", "instance", supervisor->instance.name, "half", generation_half(supervisor)),
		(int[]){device_key, stats_page_fd(supervisor->stats)}, 2);
	json_object_clear(supervisor->key_states);
	keeper_load_keys(supervisor);
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (child_running(&supervisor->workers[i].child))
			keyring_connect(&supervisor->workers[i]);
}
