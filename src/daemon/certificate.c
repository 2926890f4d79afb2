/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"

#define IMPORT_FDS_MAX 3 /* certificate, key, password */

/* one import at a time and per operator: the program is short-lived, the answer goes to who asked */
struct import {
	struct child child;
	struct supervisor *supervisor;
	LIST_ENTRY(import) link;
	commit_done_fn *done;
	void *owner;
	char name[64];
	bool answered;
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
	import_answer(import, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

static void import_store(struct import *import, json_t *message, int sealed_key_fd)
{
	struct supervisor *supervisor = import->supervisor;
	/* the message is the facts and its own name; the store keeps the facts */
	json_t *facts = json_object_get(message, "certificate");
	int r;

	if (!facts)
		facts = message;
	json_object_del(message, "message");
	json_object_set_new(facts, "name", json_string(import->name));
	r = store_write_certificate(&supervisor->store, import->name, facts, sealed_key_fd);
	if (r < 0) {
		char error[256];

		snprintf(error, sizeof(error), "certificate %s cannot be stored: %s", import->name, strerror(-r));
		import_answer_error(import, error);
		return;
	}
	generation_load_key(supervisor, import->name);
	supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice", "certificate %s imported", import->name);
	json_t *shown = json_deep_copy(facts);

	json_object_del(shown, "chain");
	import_answer(import, json_pack("{s:b, s:o}", "ok", 1, "certificate", shown));
}

static void import_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct import *import = container_of(child, struct import, child);
	const char *error = json_string_value(json_object_get(message, "error"));

	if (import->answered)
		return;
	if (!strcmp(name, "imported") && n_fds == 1)
		import_store(import, message, fds[0]);
	else if (!strcmp(name, "import_error"))
		import_answer_error(import, error ? error : "the importer gave no reason");
}

static void import_on_exit(struct child *child, const char *how)
{
	struct import *import = container_of(child, struct import, child);
	char error[128];

	if (!import->answered) {
		snprintf(error, sizeof(error), "the importer %s", how);
		import_answer_error(import, error);
	}
	LIST_REMOVE(import, link);
	free(import);
}

/* what the descriptors of a request are; a key of its own unless the request says there is none */
static bool import_with_key(const json_t *request)
{
	return !json_is_false(json_object_get(request, "key_fd"));
}

static bool import_with_password(const json_t *request)
{
	return json_is_true(json_object_get(request, "password_fd"));
}

static const char *import_check(struct supervisor *supervisor, const char *name, const json_t *request, size_t n_fds)
{
	if (!name || n_fds != 1u + import_with_key(request) + import_with_password(request))
		return "malformed request: a name and one descriptor per file";
	if (!store_certificate_name_ok(name))
		return "a certificate's name is 1 to 63 letters, digits, '-', '_' and '.', and does not begin with '.'";
	if (store_has_certificate(&supervisor->store, name))
		return "a certificate of this name is in the store already: choose another name, or replace it";
	return NULL;
}

static int import_start(struct import *import, const json_t *request, const int *fds, size_t n_fds)
{
	struct supervisor *supervisor = import->supervisor;
	_cleanup_close_ int device_key = -1;
	int all[1 + IMPORT_FDS_MAX], r;
	uid_t uid;
	gid_t gid;

	role_ids(ROLE_IMPORTER, &uid, &gid);
	device_key = store_open_device_key(&supervisor->store, uid, gid);
	if (device_key < 0)
		return device_key;
	r = child_spawn(&import->child, supervisor->loop, ROLE_IMPORTER, supervisor->bin_dir, -1, import_on_message,
		import_on_exit);
	if (r < 0)
		return r;
	all[0] = device_key;
	memcpy(all + 1, fds, n_fds * sizeof(*fds));
	return child_send(&import->child, "import",
		json_pack("{s:s, s:b, s:b}", "name", import->name, "key_fd", import_with_key(request), "password_fd",
			import_with_password(request)),
		all, 1 + n_fds);
}

void certificate_import(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	const char *error = import_check(supervisor, name, request, n_fds);
	struct import *import = error ? NULL : calloc(1, sizeof(*import));

	if (!import) {
		done(owner, json_pack("{s:b, s:s}", "ok", 0, "error", error ? error : "out of memory"));
		return;
	}
	import->supervisor = supervisor;
	import->done = done;
	import->owner = owner;
	snprintf(import->name, sizeof(import->name), "%s", name);
	LIST_INSERT_HEAD(&imports, import, link);
	if (import_start(import, request, fds, n_fds) >= 0 || child_running(&import->child))
		return; /* answered by its message or its end */
	import_answer_error(import, "the importer cannot be started");
	LIST_REMOVE(import, link);
	free(import);
}

void certificate_forget_owner(struct supervisor *supervisor, const void *owner)
{
	struct import *import;

	LIST_FOREACH (import, &imports, link)
		if (import->owner == owner)
			import->done = NULL;
}
