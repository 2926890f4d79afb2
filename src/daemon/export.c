/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "daemon/keystore.h"

/* one per certificate and request; the program is short-lived */
struct export
{
	struct child child;
	struct supervisor *supervisor;
	LIST_ENTRY(export) link;
	commit_done_fn *done;
	void *owner;
	char name[STORE_CERTIFICATE_NAME];
	bool answered;
};
static LIST_HEAD(export_list, export) exports = LIST_HEAD_INITIALIZER(exports);

static void export_answer(struct export *export, json_t *answer)
{
	export->answered = true;
	if (export->done)
		export->done(export->owner, answer);
	else
		json_decref(answer);
}

static void export_fail(struct export *export, const char *error)
{
	json_t *text = json_sprintf("certificate %s is not in the backup: %s", export->name, error);

	export_answer(export, json_pack("{s:b, s:o}", "ok", 0, "error", text));
}

static void export_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct export *export = container_of(child, struct export, child);
	const char *error = json_string_value(json_object_get(message, "error"));
	json_t *pkcs12 = json_object_get(message, "pkcs12");

	(void)fds;
	(void)n_fds;
	if (export->answered)
		return;
	if (!strcmp(name, "exported") && json_is_string(pkcs12)) {
		supervisor_record(export->supervisor, EVENT_LOG_AUDIT, "notice",
			"certificate %s and its key went into a backup, under the operator's password", export->name);
		export_answer(export, json_pack("{s:b, s:s, s:O}", "ok", 1, "name", export->name, "pkcs12", pkcs12));
	} else {
		export_fail(export, error ? error : "its program gave no reason");
	}
}

static void export_on_exit(struct child *child, const char *how)
{
	struct export *export = container_of(child, struct export, child);

	if (!export->answered)
		export_fail(export, how);
	LIST_REMOVE(export, link);
	free(export);
}

static int export_start(struct export *export, const json_t *facts, int sealed_key, int password)
{
	struct supervisor *supervisor = export->supervisor;
	const char *sealed_as = json_string_value(json_object_get(facts, "sealed_as"));
	_cleanup_close_ int device_key = keystore_device_key(supervisor);
	int r = device_key < 0 ? device_key
			       : child_spawn(&export->child, supervisor->loop, ROLE_EXPORTER, supervisor->bin_dir, -1,
					 export_on_message, export_on_exit);

	if (r < 0)
		return r;
	return child_send(&export->child, "export",
		json_pack("{s:s, s:O, s:O}", "name", sealed_as ? sealed_as : export->name, "key_id",
			json_object_get(facts, "key_id"), "chain", json_object_get(facts, "chain")),
		(int[]){device_key, sealed_key, password}, 3);
}

void certificate_export(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	json_auto_t *facts = name ? store_load_certificate(&supervisor->store, name) : NULL;
	_cleanup_close_ int sealed_key = facts ? store_open_key(&supervisor->store, name, facts) : -1;
	struct export *export;

	if (!facts) {
		done(owner,
			json_pack("{s:b, s:s}", "ok", 0, "error", "there is no certificate of this name in the store"));
		return;
	}
	if (sealed_key < 0 || n_fds != 1) { /* its key is a provider's, or is not asked for */
		done(owner,
			json_pack("{s:b, s:s, s:O}", "ok", 1, "name", name, "chain", json_object_get(facts, "chain")));
		return;
	}
	export = calloc(1, sizeof(*export));
	if (!export) {
		done(owner, json_pack("{s:b, s:s}", "ok", 0, "error", "out of memory"));
		return;
	}
	export->supervisor = supervisor;
	export->done = done;
	export->owner = owner;
	snprintf(export->name, sizeof(export->name), "%s", name);
	LIST_INSERT_HEAD(&exports, export, link);
	if (export_start(export, facts, sealed_key, fds[0]) < 0 && !child_running(&export->child)) {
		export_fail(export, "its program cannot be started");
		LIST_REMOVE(export, link);
		free(export);
	}
}

void export_forget_owner(const void *owner)
{
	struct export *export;

	LIST_FOREACH (export, &exports, link)
		if (export->owner == owner)
			export->done = NULL;
}
