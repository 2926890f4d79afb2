/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "daemon/keeper.h"
#include "daemon/key_source.h"
#include "daemon/keystore.h"
#include "daemon/replace.h"

#define DAY_S 86400
#define EXPIRY_NS (600 * NSEC_PER_SEC)
#define IMPORT_FDS_MAX 3 /* certificate, key, password */
#define IMPORT_NAME_TAKEN "a certificate of this name is in the store already: choose another name, or replace it"
#define NO_CERTIFICATE "there is no certificate of this name in the store: see \"sluice certificate list\""

/* one import at a time and per operator: the program is short-lived, the answer goes to who asked */
struct import {
	struct child child;
	struct supervisor *supervisor;
	LIST_ENTRY(import) link;
	commit_done_fn *done;
	void *owner;
	char name[64];
	bool answered, replace, without_key;
	struct child fetcher; /* of a replacement's key that a key provider has */
	json_t *facts;        /* meanwhile */
	unsigned int epoch;   /* of the device key that it seals with */
};
static LIST_HEAD(import_list, import) imports = LIST_HEAD_INITIALIZER(imports);

static void import_answer(struct import *import, json_t *answer)
{
	import->answered = true;
	if (import->done)
		import->done(import->owner, answer);
	else
		json_decref(answer);
}

static void import_answer_error(struct import *import, const char *error)
{
	supervisor_record(import->supervisor, EVENT_LOG_AUDIT, "warning", "certificate %s not %s: %s", import->name,
		import->replace ? "replaced" : "imported", error);
	import_answer(import, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

/* facts stay the caller's */
static void import_store(struct import *import, json_t *facts, int sealed_key_fd)
{
	struct supervisor *supervisor = import->supervisor;
	int r;

	if (keystore_busy(supervisor) || import->epoch != supervisor->keystore.epoch) {
		import_answer_error(import, "the device key has been changed meanwhile: try again");
		return;
	}
	if (import->replace) {
		import->answered = true;
		replace_begin(supervisor, import->name, json_incref(facts), sealed_key_fd, import->done, import->owner);
		return;
	}
	if (store_has_certificate(&supervisor->store, import->name)) { /* imported twice at the same moment */
		import_answer_error(import, IMPORT_NAME_TAKEN);
		return;
	}
	r = sealed_key_fd < 0 ? 0 : key_source_keep(supervisor, facts, import->name, &sealed_key_fd);
	if (r >= 0)
		r = store_write_certificate(&supervisor->store, import->name, facts, sealed_key_fd);
	if (r < 0) {
		char error[256];

		snprintf(error, sizeof(error), "certificate %s cannot be stored: %s", import->name, strerror(-r));
		import_answer_error(import, error);
		return;
	}
	keeper_load_key(supervisor, import->name);
	supervisor->expiry_checked_ns = 0;
	supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice", "certificate %s imported%s", import->name,
		import->without_key ? ", without its key" : "");
	json_t *shown = json_deep_copy(facts);

	json_object_del(shown, "chain");
	import_answer(import, json_pack("{s:b, s:o}", "ok", 1, "certificate", shown));
}

/* --- a replacement whose key a key provider has: it is fetched first, so that no session meets a certificate without -
 */

static void import_free(struct import *import)
{
	LIST_REMOVE(import, link);
	json_decref(import->facts);
	free(import);
}

static void import_on_fetched(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct import *import = container_of(child, struct import, fetcher);

	if (import->answered)
		return;
	if (!strcmp(name, "fetched") && n_fds == 1)
		import_store(import, import->facts, fds[0]);
	else if (!strcmp(name, "fetch_error"))
		import_answer_error(
			import, json_string_value(json_object_get(message, "error")) ?: "the key cannot be fetched");
}

static void import_on_fetch_end(struct child *child, const char *how)
{
	struct import *import = container_of(child, struct import, fetcher);

	(void)how;
	if (!import->answered)
		import_answer_error(import, "the key cannot be fetched");
	if (!child_running(&import->child))
		import_free(import);
}

static void import_fetch_key(struct import *import, json_t *facts)
{
	char error[200];

	import->facts = json_incref(facts);
	if (key_source_ask(import->supervisor, &import->fetcher, import->name,
		    json_string_value(json_object_get(facts, "key_id")), import_on_fetched, import_on_fetch_end,
		    error) < 0)
		import_answer_error(import, error);
}

static void import_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct import *import = container_of(child, struct import, child);
	const char *error = json_string_value(json_object_get(message, "error"));
	/* the message is the facts and its own name; the store keeps the facts */
	json_t *facts = json_object_get(message, "certificate") ?: message;

	if (import->answered || import->facts)
		return;
	if (!strcmp(name, "imported") && n_fds == !import->without_key) {
		json_object_del(message, "message");
		json_object_set_new(facts, "name", json_string(import->name));
		if (import->without_key && import->replace)
			import_fetch_key(import, facts);
		else
			import_store(import, facts, n_fds ? fds[0] : -1);
	} else if (!strcmp(name, "import_error")) {
		import_answer_error(import, error ? error : "the importer gave no reason");
	}
}

static void import_on_exit(struct child *child, const char *how)
{
	struct import *import = container_of(child, struct import, child);
	char error[128];

	if (!import->answered && !import->facts) {
		snprintf(error, sizeof(error), "the importer %s", how);
		import_answer_error(import, error);
	}
	if (!child_running(&import->fetcher))
		import_free(import);
}

static bool import_without_key(const json_t *request)
{
	return json_is_true(json_object_get(request, "without_key"));
}

/* what the descriptors of a request are; a key of its own unless the request says there is none */
static bool import_with_key(const json_t *request)
{
	return !import_without_key(request) && !json_is_false(json_object_get(request, "key_fd"));
}

static bool import_with_password(const json_t *request)
{
	return json_is_true(json_object_get(request, "password_fd"));
}

static const char *import_check(
	struct supervisor *supervisor, const char *name, const json_t *request, size_t n_fds, bool replace)
{
	if (!name || n_fds != 1u + import_with_key(request) + import_with_password(request))
		return "malformed request: a name and one descriptor per file";
	if (keystore_busy(supervisor))
		return keystore_busy(supervisor);
	if (!store_certificate_name_ok(name))
		return "a certificate's name is 1 to 63 letters, digits, '-', '_' and '.', and does not begin with '.'";
	if (replace)
		return store_has_certificate(&supervisor->store, name) ? NULL : NO_CERTIFICATE;
	if (store_has_certificate(&supervisor->store, name))
		return IMPORT_NAME_TAKEN;
	return NULL;
}

static int import_start(struct import *import, const json_t *request, const int *fds, size_t n_fds)
{
	struct supervisor *supervisor = import->supervisor;
	_cleanup_close_ int device_key = keystore_device_key(supervisor);
	int all[1 + IMPORT_FDS_MAX], r;

	if (device_key < 0)
		return device_key;
	r = child_spawn(&import->child, supervisor->loop, ROLE_IMPORTER, supervisor->bin_dir, -1, import_on_message,
		import_on_exit);
	if (r < 0)
		return r;
	all[0] = device_key;
	memcpy(all + 1, fds, n_fds * sizeof(*fds));
	return child_send(&import->child, "import",
		json_pack("{s:s, s:b, s:b, s:b}", "name", import->name, "key_fd", import_with_key(request),
			"password_fd", import_with_password(request), "without_key", import->without_key),
		all, 1 + n_fds);
}

static void import_begin(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	bool replace, commit_done_fn *done, void *owner)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	const char *error = import_check(supervisor, name, request, n_fds, replace);
	struct import *import = error ? NULL : calloc(1, sizeof(*import));

	if (error)
		supervisor_record(supervisor, EVENT_LOG_AUDIT, "warning", "certificate %s not %s: %s",
			name && store_certificate_name_ok(name) ? name : "with a malformed name",
			replace ? "replaced" : "imported", error);
	if (!import) {
		done(owner, json_pack("{s:b, s:s}", "ok", 0, "error", error ? error : "out of memory"));
		return;
	}
	import->supervisor = supervisor;
	import->replace = replace;
	import->without_key = import_without_key(request);
	import->epoch = supervisor->keystore.epoch;
	import->done = done;
	import->owner = owner;
	snprintf(import->name, sizeof(import->name), "%s", name);
	LIST_INSERT_HEAD(&imports, import, link);
	if (import_start(import, request, fds, n_fds) >= 0 || child_running(&import->child))
		return; /* answered by its message or its end */
	import_answer_error(import, "the importer cannot be started");
	import_free(import);
}

void certificate_import(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	import_begin(supervisor, request, fds, n_fds, false, done, owner);
}

void certificate_replace(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	import_begin(supervisor, request, fds, n_fds, true, done, owner);
}

/* --- the store, for the operator -----------------------------------------------------------------------------------
 */

static bool server_shows(const struct config_ssl_server *server, const char *name)
{
	for (size_t i = 0; i < server->certificates.n; i++)
		if (!strcmp(server->certificates.items[i], name))
			return true;
	return false;
}

json_t *certificate_users(const struct supervisor *supervisor, const char *name)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	json_t *users = json_array();

	for (size_t i = 0; config && i < config->n_ssl_servers; i++)
		if (server_shows(&config->ssl_servers[i], name))
			json_array_append_new(users, json_string(config->ssl_servers[i].name));
	return users;
}

bool certificate_is_used(const struct supervisor *supervisor, const char *name)
{
	json_t *users = certificate_users(supervisor, name);
	bool used = json_array_size(users) > 0;

	json_decref(users);
	return used;
}

static json_t *answer_error(const char *error)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

static json_t *certificate_load(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));

	return name ? store_load_certificate(&supervisor->store, name) : NULL;
}

json_t *certificate_show(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	json_t *facts = certificate_load(supervisor, request);
	const char *state = json_string_value(json_object_get(supervisor->key_states, name ? name : ""));

	if (!facts)
		return answer_error(NO_CERTIFICATE);
	json_object_del(facts, "chain");
	json_object_set_new(facts, "key_state", json_string(state ? state : "not loaded"));
	json_object_set_new(facts, "servers", certificate_users(supervisor, name));
	return json_pack("{s:b, s:o}", "ok", 1, "certificate", facts);
}

json_t *certificate_chain(struct supervisor *supervisor, const json_t *request)
{
	json_t *facts = certificate_load(supervisor, request), *answer;

	if (!facts)
		return answer_error(NO_CERTIFICATE);
	answer = json_pack("{s:b, s:O}", "ok", 1, "chain", json_object_get(facts, "chain"));
	json_decref(facts);
	return answer;
}

static json_t *refuse_removal(const char *name, json_t *users)
{
	char error[1024], *at = error, *end = error + sizeof(error);
	const json_t *user;
	size_t i;

	at += snprintf(at, end - at, "certificate %s is used by SSL server", name);
	json_array_foreach(users, i, user)
	{
		if (end - at > 100)
			at += snprintf(at, end - at, "%s %.60s", i ? "," : "", json_string_value(user));
	}
	snprintf(at, end - at, ": commit a configuration without it first");
	return json_pack("{s:b, s:s, s:o}", "ok", 0, "error", error, "servers", users);
}

void certificate_unload_key(struct supervisor *supervisor, const char *key_id)
{
	json_t *names = store_list_certificates(&supervisor->store), *name;
	bool used = false;
	size_t i;

	json_array_foreach(names, i, name)
	{
		json_t *facts = store_load_certificate(&supervisor->store, json_string_value(name));
		const char *id = json_string_value(json_object_get(facts, "key_id"));

		used |= id && key_id && !strcmp(id, key_id);
		json_decref(facts);
	}
	json_decref(names);
	if (key_id && !used)
		key_source_drop(supervisor, key_id);
	if (key_id && !used)
		child_send(&supervisor->keeper.child, "unload", json_pack("{s:s}", "key_id", key_id), NULL, 0);
}

json_t *certificate_remove(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	json_t *facts = certificate_load(supervisor, request),
	       *users = name ? certificate_users(supervisor, name) : NULL;
	json_t *answer;

	if (!facts)
		answer = answer_error(NO_CERTIFICATE);
	else if (supervisor->commit || supervisor->replace)
		answer = answer_error("a commit or a replacement is in progress: try again when it has ended");
	else if (keystore_busy(supervisor))
		answer = answer_error(keystore_busy(supervisor));
	else if (json_array_size(users))
		answer = refuse_removal(name, json_incref(users));
	else if (store_remove_certificate(&supervisor->store, name) < 0)
		answer = answer_error("the state directory cannot be written");
	else
		answer = json_pack("{s:b, s:s}", "ok", 1, "removed", name);
	if (json_is_true(json_object_get(answer, "ok"))) {
		certificate_unload_key(supervisor, json_string_value(json_object_get(facts, "key_id")));
		json_object_del(supervisor->key_states, name);
	}
	json_decref(users);
	json_decref(facts);
	return answer;
}

/* --- expiry (E4) ---------------------------------------------------------------------------------------------------
 */

/* who is told of, and how they are called: certificates of SSL servers, and those shown to log servers */
struct expiry_subject {
	struct supervisor *supervisor;
	const char *what, *note;
};

static void certificate_on_expiry(void *owner, const json_t *facts, int64_t left)
{
	const struct expiry_subject *subject = owner;
	const char *name = json_string_value(json_object_get(facts, "name"));
	const char *end = json_string_value(json_object_get(facts, "not_after"));
	bool hours = left < 2 * DAY_S;

	if (left <= 0)
		supervisor_record(subject->supervisor, EVENT_LOG_SYSTEM, "error", "%s %s has expired at %s%s",
			subject->what, name, end, subject->note);
	else
		supervisor_record(subject->supervisor, EVENT_LOG_SYSTEM, "warning", "%s %s expires in %lld %s, at %s%s",
			subject->what, name, (long long)(left / (hours ? 3600 : DAY_S)), hours ? "hours" : "days", end,
			subject->note);
}

static void expiry_look(struct expiry_subject *subject, const char *key, const json_t *facts)
{
	struct supervisor *supervisor = subject->supervisor;
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;

	expiry_check(&supervisor->expiry, key, facts, (int64_t)(clock_wall_us() / 1000000),
		config ? &config->certificate_warning_days : NULL, certificate_on_expiry, subject);
}

/* keys: learns those that there are */
static void expiry_look_at_certificates(struct supervisor *supervisor, json_t *keys)
{
	json_auto_t *names = store_list_certificates(&supervisor->store);
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		json_auto_t *facts = store_load_certificate(&supervisor->store, json_string_value(name));
		bool used = certificate_is_used(supervisor, json_string_value(name));
		struct expiry_subject subject = {supervisor, "certificate", used ? "" : " (no SSL server uses it)"};

		json_array_append(keys, name);
		if (json_is_string(json_object_get(facts, "name")))
			expiry_look(&subject, json_string_value(name), facts);
	}
}

static void expiry_look_at_log_credentials(struct supervisor *supervisor, json_t *keys)
{
	json_auto_t *names = store_list_log_credentials(&supervisor->store);
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		json_auto_t *facts = store_load_log_credentials(&supervisor->store, json_string_value(name));
		struct expiry_subject subject = {supervisor, "the certificate of log credentials", ""};
		const char *key = json_string_value(json_object_get(facts, "sealed_as"));

		if (!key || !json_is_string(json_object_get(facts, "name")))
			continue; /* a CA alone */
		json_array_append_new(keys, json_string(key));
		expiry_look(&subject, key, facts);
	}
}

void certificate_tick(struct supervisor *supervisor)
{
	json_auto_t *keys = NULL;
	uint64_t now = clock_now_ns();

	if (supervisor->expiry_checked_ns && now - supervisor->expiry_checked_ns < EXPIRY_NS)
		return;
	supervisor->expiry_checked_ns = now;
	keys = json_array();
	expiry_look_at_certificates(supervisor, keys);
	expiry_look_at_log_credentials(supervisor, keys);
	expiry_keep_only(&supervisor->expiry, keys);
	if (!supervisor->expiry.changed)
		return;
	/* after it was told: at worst it is told twice */
	if (store_write_told(&supervisor->store, supervisor->expiry.told) >= 0)
		supervisor->expiry.changed = false;
}

void certificate_forget_owner(struct supervisor *supervisor, const void *owner)
{
	replace_forget_owner(supervisor, owner);
	struct import *import;

	LIST_FOREACH (import, &imports, link)
		if (import->owner == owner)
			import->done = NULL;
}
