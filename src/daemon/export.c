/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "daemon/key_call.h"

/* one per certificate and request */
struct export
{
	LIST_ENTRY(export) link;
	commit_done_fn *done;
	void *owner;
	const char *what;
	char name[STORE_CERTIFICATE_NAME];
	json_t *answer;
};
static LIST_HEAD(export_list, export) exports = LIST_HEAD_INITIALIZER(exports);

static json_t *export_error(const char *what, const char *name, const char *error)
{
	return json_pack("{s:b, s:o}", "ok", 0, "error", json_sprintf("%s %s: %s", what, name, error));
}

static void export_on_answer(
	struct supervisor *supervisor, void *data, json_t *answer, const int *fds, size_t n_fds, const char *error)
{
	struct export *export = data;
	json_t *pkcs12 = json_object_get(answer, "pkcs12");
	char text[400];

	(void)fds;
	(void)n_fds;
	if (json_is_string(pkcs12)) {
		supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice",
			"%s %s and its key went into a backup, under the operator's password", export->what,
			export->name);
		json_object_set(export->answer, "pkcs12", pkcs12);
	} else {
		json_decref(export->answer);
		snprintf(text, sizeof(text), "not in the backup: %.300s", error ? error : "no reason given");
		export->answer = export_error(export->what, export->name, text);
	}
	if (export->done)
		export->done(export->owner, export->answer);
	else
		json_decref(export->answer);
	LIST_REMOVE(export, link);
	free(export);
}

/* facts may be NULL */
static void export_begin(struct supervisor *supervisor, const char *what, const char *name, const json_t *facts,
	const int *fds, size_t n_fds, commit_done_fn *done, void *owner)
{
	_cleanup_close_ int sealed_key = facts ? store_open_key(&supervisor->store, name, facts) : -1;
	json_t *answer = json_pack("{s:b, s:s, s:O*}", "ok", 1, "name", name, "ca", json_object_get(facts, "ca"));
	const char *sealed_as = json_string_value(json_object_get(facts, "sealed_as"));
	struct export *export = facts && sealed_key >= 0 && n_fds == 1 ? calloc(1, sizeof(*export)) : NULL;

	if (!facts) {
		json_decref(answer);
		answer = export_error(what, name, "there is none of this name in the store");
	}
	if (!export) { /* its key is a provider's, or is not asked for */
		if (json_object_get(facts, "chain"))
			json_object_set(answer, "chain", json_object_get(facts, "chain"));
		done(owner, answer);
		return;
	}
	*export = (struct export){.done = done, .owner = owner, .what = what, .answer = answer};
	snprintf(export->name, sizeof(export->name), "%s", name);
	LIST_INSERT_HEAD(&exports, export, link);
	key_call(supervisor,
		&(struct key_call_request){.role = ROLE_EXPORTER,
			.message = "export",
			.answer = "exported",
			.arguments = json_pack("{s:s, s:O, s:O}", "name", sealed_as ? sealed_as : name, "key_id",
				json_object_get(facts, "key_id"), "chain", json_object_get(facts, "chain")),
			.fds = (int[]){sealed_key, fds[0]},
			.n_fds = 2},
		export_on_answer, export);
}

void certificate_export(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	const char *name = json_string_value(json_object_get(request, "name")) ?: "";
	json_auto_t *facts = store_load_certificate(&supervisor->store, name);

	export_begin(supervisor, "certificate", name, facts, fds, n_fds, done, owner);
}

void log_credentials_export(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	const char *name = json_string_value(json_object_get(request, "name")) ?: "";
	json_auto_t *facts = store_load_log_credentials(&supervisor->store, name);

	export_begin(supervisor, "log credentials", name, facts, fds, n_fds, done, owner);
}

void export_forget_owner(const void *owner)
{
	struct export *export;

	LIST_FOREACH (export, &exports, link)
		if (export->owner == owner)
			export->done = NULL;
}
