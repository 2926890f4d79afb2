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
#include "daemon/replace_warn.h"

#define IMPORT_FDS_MAX 3 /* certificate, key, password */
#define IMPORT_NAME_TAKEN "a certificate of this name is in the store already: choose another name, or replace it"

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
		json_auto_t *before = store_load_certificate(&supervisor->store, import->name);

		replace_warn(before, facts);
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

/* NULL, or what is wrong; text is room for it */
static const char *import_check(struct supervisor *supervisor, const char *name, const json_t *request, size_t n_fds,
	bool replace, char text[CERTIFICATE_MISSING])
{
	if (!name || n_fds != 1u + import_with_key(request) + import_with_password(request))
		return "malformed request: a name and one descriptor per file";
	if (keystore_busy(supervisor))
		return keystore_busy(supervisor);
	if (!store_certificate_name_ok(name))
		return "a certificate's name is 1 to 63 letters, digits, '-', '_' and '.', and does not begin with '.'";
	if (replace)
		return store_has_certificate(&supervisor->store, name) ? NULL
								       : certificate_missing(supervisor, name, text);
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
	char missing[CERTIFICATE_MISSING];
	const char *error = import_check(supervisor, name, request, n_fds, replace, missing);
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

void certificate_forget_owner(struct supervisor *supervisor, const void *owner)
{
	replace_forget_owner(supervisor, owner);
	struct import *import;

	LIST_FOREACH (import, &imports, link)
		if (import->owner == owner)
			import->done = NULL;
}
