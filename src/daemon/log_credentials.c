/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/log_credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "base/shm.h"
#include "daemon/keystore.h"
#include "daemon/targets.h"

/* as the importer wants them, after the device key */
enum credential_file { FILE_CERTIFICATE, FILE_KEY, FILE_PASSWORD, FILE_CA, FILES };
static const char *const words[FILES] = {"certificate", "key", "password", "ca"};

struct credentials_import {
	LIST_ENTRY(credentials_import) link;
	commit_done_fn *done;
	void *owner;
	char name[STORE_CERTIFICATE_NAME];
	bool sealing; /* nobody asked: an earlier version left its key in clear */
};
static LIST_HEAD(credentials_import_list, credentials_import) imports = LIST_HEAD_INITIALIZER(imports);

static json_t *credentials_error(const char *name, const char *why)
{
	return json_pack("{s:b, s:o}", "ok", 0, "error", json_sprintf("log credentials %s: %s", name, why));
}

/* --- import ----------------------------------------------------------------------------------------------------------
 */

static void import_fail(struct supervisor *supervisor, struct credentials_import *import, const char *error)
{
	if (import->sealing)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"log credentials %s, whose key an earlier version stored in clear, cannot be sealed: %s; "
			"import them again, or remove them",
			import->name, error);
	else
		supervisor_record(supervisor, EVENT_LOG_AUDIT, "warning", "log credentials %s not imported: %s",
			import->name, error);
	if (import->done)
		import->done(import->owner, credentials_error(import->name, error));
}

static void import_store(
	struct supervisor *supervisor, struct credentials_import *import, json_t *facts, int sealed_key_fd)
{
	char sealed_as[STORE_CERTIFICATE_NAME + sizeof(STORE_LOG_SEALED_AS)];
	int r;

	snprintf(sealed_as, sizeof(sealed_as), STORE_LOG_SEALED_AS "%s", import->name);
	json_object_del(facts, "message");
	json_object_set_new(facts, "name", json_string(import->name));
	if (sealed_key_fd >= 0)
		json_object_set_new(facts, "sealed_as", json_string(sealed_as));
	r = store_write_log_credentials(&supervisor->store, import->name, facts, sealed_key_fd);
	if (r < 0) {
		import_fail(supervisor, import, strerror(-r));
		return;
	}
	supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice", "log credentials %s %s", import->name,
		import->sealing ? "of an earlier version: their key is sealed now" : "imported");
	supervisor->expiry_checked_ns = 0;
	if (supervisor->policy) /* targets that use them begin anew */
		targets_apply(supervisor);
	if (import->done)
		import->done(import->owner, json_pack("{s:b, s:s, s:O*}", "ok", 1, "imported", import->name, "warnings",
						    json_object_get(facts, "warnings")));
}

static void import_on_answer(
	struct supervisor *supervisor, void *data, json_t *answer, const int *fds, size_t n_fds, const char *error)
{
	struct credentials_import *import = data;

	if (error)
		import_fail(supervisor, import, error);
	else
		import_store(supervisor, import, answer, n_fds ? fds[0] : -1);
	LIST_REMOVE(import, link);
	free(import);
}

/* files[]: -1 where there is none */
static void import_start(struct supervisor *supervisor, struct credentials_import *import, const int files[FILES])
{
	char sealed_as[STORE_CERTIFICATE_NAME + sizeof(STORE_LOG_SEALED_AS)];
	int fds[FILES];
	size_t n = 0;

	for (unsigned int i = 0; i < FILES; i++)
		if (files[i] >= 0)
			fds[n++] = files[i];
	snprintf(sealed_as, sizeof(sealed_as), STORE_LOG_SEALED_AS "%s", import->name);
	LIST_INSERT_HEAD(&imports, import, link);
	key_call(supervisor,
		&(struct key_call_request){.role = ROLE_IMPORTER,
			.message = "import",
			.answer = "imported",
			.arguments = json_pack("{s:s, s:b, s:b, s:b, s:b}", "name", sealed_as, "certificate_fd",
				files[FILE_CERTIFICATE] >= 0, "key_fd", files[FILE_KEY] >= 0, "password_fd",
				files[FILE_PASSWORD] >= 0, "ca_fd", files[FILE_CA] >= 0),
			.fds = fds,
			.n_fds = n},
		import_on_answer, import);
}

static int find_word(const json_t *word)
{
	const char *text = json_string_value(word);

	for (int i = 0; text && i < FILES; i++)
		if (!strcmp(words[i], text))
			return i;
	return -1;
}

/* NULL, or what is wrong */
static const char *import_take_files(const json_t *request, const int *fds, size_t n_fds, int files[FILES])
{
	const json_t *list = json_object_get(request, "files"), *word;
	size_t i;

	for (i = 0; i < FILES; i++)
		files[i] = -1;
	if (json_array_size(list) != n_fds)
		return "the request is malformed";
	json_array_foreach(list, i, word)
	{
		int which = find_word(word);

		if (which < 0 || files[which] >= 0)
			return "the request is malformed";
		files[which] = fds[i];
	}
	if (files[FILE_CA] < 0)
		return "the CA of the log server's certificate is missing: --ca FILE";
	if (files[FILE_CERTIFICATE] < 0 && (files[FILE_KEY] >= 0 || files[FILE_PASSWORD] >= 0))
		return "a key needs its certificate: --cert FILE";
	return NULL;
}

void log_credentials_import(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	const char *name = json_string_value(json_object_get(request, "name")) ?: "";
	int files[FILES];
	const char *error =
		store_certificate_name_ok(name)
			? import_take_files(request, fds, n_fds, files)
			: "allowed are names of 1 to 63 letters, digits, '-', '_' and '.', not '.' at first";
	struct credentials_import *import;

	if (!error)
		error = keystore_busy(supervisor);
	import = error ? NULL : calloc(1, sizeof(*import));
	if (!import) {
		supervisor_record(supervisor, EVENT_LOG_AUDIT, "warning", "log credentials %s not imported: %s",
			store_certificate_name_ok(name) ? name : "with a malformed name",
			error ? error : "out of memory");
		done(owner, credentials_error(name, error ? error : "out of memory"));
		return;
	}
	import->done = done;
	import->owner = owner;
	snprintf(import->name, sizeof(import->name), "%s", name);
	import_start(supervisor, import, files);
}

void log_credentials_forget_owner(const void *owner)
{
	struct credentials_import *import;

	LIST_FOREACH (import, &imports, link)
		if (import->owner == owner)
			import->done = NULL;
}

/* --- what an earlier version stored ----------------------------------------------------------------------------------
 */

static void seal_open_key(struct supervisor *supervisor, const char *name, const json_t *facts)
{
	struct credentials_import *import = calloc(1, sizeof(*import));
	int files[FILES];

	if (!import)
		return;
	import->sealing = true;
	snprintf(import->name, sizeof(import->name), "%s", name);
	for (unsigned int i = 0; i < FILES; i++) {
		const json_t *text = json_object_get(facts, words[i]);

		files[i] = -1;
		if (json_is_string(text))
			shm_create_sealed(
				"sluice-log-old", json_string_value(text), json_string_length(text), &files[i]);
	}
	import_start(supervisor, import, files);
	for (unsigned int i = 0; i < FILES; i++)
		cleanup_close(&files[i]);
}

void log_credentials_tick(struct supervisor *supervisor)
{
	json_auto_t *names = NULL;
	json_t *name;
	size_t i;

	if (supervisor->log_keys_sealed || keystore_is_locked(supervisor) || keystore_busy(supervisor))
		return;
	supervisor->log_keys_sealed = true; /* what cannot be is told once */
	names = store_list_log_credentials(&supervisor->store);
	json_array_foreach(names, i, name)
	{
		json_auto_t *facts = store_load_log_credentials(&supervisor->store, json_string_value(name));

		if (store_log_credentials_are_open(facts))
			seal_open_key(supervisor, json_string_value(name), facts);
	}
}

/* --- for a target's process ------------------------------------------------------------------------------------------
 */

void log_credentials_open_key(
	struct supervisor *supervisor, const char *name, const json_t *facts, key_call_fn *done, void *data)
{
	_cleanup_close_ int sealed_key = store_open_key(&supervisor->store, name, facts);

	if (sealed_key < 0) {
		done(supervisor, data, NULL, NULL, 0, "its sealed key is not in the state directory");
		return;
	}
	key_call(supervisor,
		&(struct key_call_request){.role = ROLE_OPENER,
			.message = "open",
			.answer = "opened",
			.arguments = json_pack("{s:O, s:O}", "name", json_object_get(facts, "sealed_as"), "key_id",
				json_object_get(facts, "key_id")),
			.fds = &sealed_key,
			.n_fds = 1},
		done, data);
}

/* --- list, remove ----------------------------------------------------------------------------------------------------
 */

static const char *credentials_user(const struct supervisor *supervisor, const char *name)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;

	for (size_t i = 0; config && i < config->n_log_targets; i++)
		if (config->log_targets[i].credentials && !strcmp(config->log_targets[i].credentials, name))
			return config->log_targets[i].name;
	return NULL;
}

json_t *log_credentials_remove(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	const char *user = name ? credentials_user(supervisor, name) : NULL;
	int r;

	if (user)
		return credentials_error(name, "a log target of the configuration in force uses them");
	if (keystore_busy(supervisor))
		return credentials_error(name ? name : "", keystore_busy(supervisor));
	r = name ? store_remove_log_credentials(&supervisor->store, name) : -EINVAL;
	if (r == -ENOENT)
		return credentials_error(name, "there are none of this name: see \"sluice log credentials list\"");
	if (r < 0)
		return credentials_error(name ? name : "", strerror(-r));
	return json_pack("{s:b, s:s}", "ok", 1, "removed", name);
}

json_t *log_credentials_list(struct supervisor *supervisor)
{
	static const char *const shown[] = {
		"subject", "not_after", "key_type", "key_bits", "sha256", "ca_sha256", "warnings"};
	json_auto_t *names = store_list_log_credentials(&supervisor->store);
	json_t *rows = json_array(), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		json_auto_t *facts = store_load_log_credentials(&supervisor->store, json_string_value(name));
		json_t *row = json_pack("{s:O, s:b, s:s}", "name", name, "mutual",
			json_object_get(facts, "key_id") || store_log_credentials_are_open(facts), "used_by",
			credentials_user(supervisor, json_string_value(name)) ?: "");

		for (size_t j = 0; j < ARRAY_SIZE(shown); j++)
			if (json_object_get(facts, shown[j]))
				json_object_set(row, shown[j], json_object_get(facts, shown[j]));
		json_array_append_new(rows, row);
	}
	return json_pack("{s:b, s:o}", "ok", 1, "credentials", rows);
}
