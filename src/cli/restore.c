/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/common.h"
#include "base/shm.h"
#include "cli/backup.h"
#include "cli/files.h"

struct restore {
	const char *path;
	json_t *document;
	json_t *imported[BACKUP_KINDS]; /* names: what this restore brought, to be taken out again when it fails */
	int password;
};

static int restore_read(struct cli *cli, struct restore *restore)
{
	json_error_t error;

	restore->document = json_load_file(restore->path, JSON_REJECT_DUPLICATES, &error);
	if (!restore->document)
		return client_fail(cli, CLI_FAILED, "%s:%d:%d: this is no backup: %s", restore->path, error.line,
			error.column, error.text);
	if (json_integer_value(json_object_get(restore->document, "sluice_backup")) != BACKUP_FORMAT)
		return client_fail(cli, CLI_FAILED,
			"%s is no backup that this version can read: it wants \"sluice_backup\": %d, and the file has "
			"%lld",
			restore->path, BACKUP_FORMAT,
			(long long)json_integer_value(json_object_get(restore->document, "sluice_backup")));
	return CLI_OK;
}

static const json_t *restore_find(const json_t *list, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row) if (!strcmp(backup_text(row, "name"), name)) return row;
	return NULL;
}

/* certificates in base64 as a PEM file */
static char *restore_pem(const json_t *chain, size_t *len)
{
	const json_t *certificate;
	char *pem = NULL;
	FILE *out = open_memstream(&pem, len);
	size_t i;

	json_array_foreach(chain, i, certificate)
	{
		base64_write_pem(out, json_string_value(certificate) ?: "");
	}
	fclose(out);
	return pem;
}

static int restore_memfd(const void *bytes, size_t len)
{
	int fd;

	if (!bytes || shm_create_sealed("sluice-restore", bytes, len, &fd) < 0)
		return -1;
	lseek(fd, 0, SEEK_SET); /* the position travels with the descriptor */
	return fd;
}

/* PKCS#12 with its key; -1: it is damaged, or there is none */
static int restore_open_pkcs12(const json_t *item)
{
	const char *pkcs12 = backup_text(item, "pkcs12");
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t len;

	return *pkcs12 && base64_decode(pkcs12, strlen(pkcs12), &bytes, &len) >= 0 ? restore_memfd(bytes, len) : -1;
}

static int restore_open_chain(const json_t *item)
{
	size_t len = 0;
	_cleanup_free_ char *pem = restore_pem(json_object_get(item, "chain"), &len);

	return restore_memfd(pem, len);
}

static bool has_key(const json_t *item)
{
	return json_object_get(item, "pkcs12") != NULL;
}

static json_t *certificate_request(const json_t *item)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:b}", "command", "certificate_import", "name",
		backup_text(item, "name"), "key_fd", 0, "password_fd", has_key(item), "without_key", !has_key(item));
}

/* without a key the certificate would be of no use: the CA alone */
static json_t *log_credentials_request(const json_t *item)
{
	json_t *files =
		has_key(item) ? json_pack("[s, s, s]", "certificate", "password", "ca") : json_pack("[s]", "ca");

	return json_pack("{s:s, s:s, s:o}", "command", "log_credentials_import", "name", backup_text(item, "name"),
		"files", files);
}

static int restore_item(struct cli *cli, struct restore *restore, enum backup_kind kind, const json_t *item)
{
	bool with_ca = kind == BACKUP_LOG_CREDENTIALS, with_file = has_key(item) || !with_ca;
	const char *name = backup_text(item, "name"), *ca = backup_text(item, "ca");
	_cleanup_close_ int file = has_key(item) ? restore_open_pkcs12(item)
				   : with_file   ? restore_open_chain(item)
						 : -1;
	_cleanup_close_ int ca_file = with_ca ? restore_memfd(ca, strlen(ca)) : -1;
	json_auto_t *answer = NULL;
	int fds[3], status;
	size_t n = 0;

	if ((with_file && file < 0) || (with_ca && ca_file < 0))
		return client_fail(
			cli, CLI_FAILED, "%s: %s %s is damaged", restore->path, backup_kinds[kind].what, name);
	if (with_file)
		fds[n++] = file;
	if (has_key(item)) {
		lseek(restore->password, 0, SEEK_SET);
		fds[n++] = restore->password;
	}
	if (with_ca)
		fds[n++] = ca_file;
	status = backup_ask(cli, with_ca ? log_credentials_request(item) : certificate_request(item), fds, n, &answer);
	if (status == CLI_OK)
		json_array_append_new(restore->imported[kind], json_string(name));
	return status;
}

/* what has no key in the backup was restored, if it was, without one */
static bool restore_is_there(enum backup_kind kind, const json_t *there, const json_t *item)
{
	bool certificate = kind == BACKUP_CERTIFICATES || has_key(item);

	return !strcmp(backup_text(there, "ca_sha256"), backup_text(item, "ca_sha256")) &&
	       (!certificate || !strcmp(backup_text(there, "sha256"), backup_text(item, "sha256")));
}

static void restore_tell_keyless(struct cli *cli, enum backup_kind kind, const char *name)
{
	if (cli->json)
		return;
	if (kind == BACKUP_CERTIFICATES)
		fprintf(cli->err,
			"certificate %s: its key is not in the backup; a key provider has it, or sluice certificate "
			"replace brings it\n",
			name);
	else
		fprintf(cli->err,
			"log credentials %s: the key is not in the backup; sluice log credentials import brings it "
			"with its certificate\n",
			name);
}

/* each is there already, can be brought, or stands in the way: known before anything changes */
static int restore_plan(struct cli *cli, const struct restore *restore, enum backup_kind kind, json_t *wanted)
{
	json_auto_t *answer = NULL;
	int status = backup_ask(cli, json_pack("{s:s}", "command", backup_kinds[kind].list), NULL, 0, &answer);
	const char *what = backup_kinds[kind].what;
	json_t *item;
	size_t i;

	if (status != CLI_OK)
		return status;
	json_array_foreach(json_object_get(restore->document, backup_kinds[kind].key), i, item)
	{
		const char *name = backup_text(item, "name");
		const json_t *there = restore_find(json_object_get(answer, backup_kinds[kind].rows), name);

		if (there && restore_is_there(kind, there, item))
			continue;
		if (there)
			return client_fail(cli, CLI_FAILED,
				"the store has %s%s under the name %s: remove it, or replace it with the one that you "
				"want, then restore again",
				kind == BACKUP_CERTIFICATES ? "another " : "other ", what, name);
		json_array_append(wanted, item);
		if (!has_key(item) && (kind == BACKUP_CERTIFICATES || json_object_get(item, "chain")))
			restore_tell_keyless(cli, kind, name);
	}
	return CLI_OK;
}

static bool restore_needs_password(json_t *const wanted[BACKUP_KINDS])
{
	const json_t *item;
	size_t i;

	for (unsigned int kind = 0; kind < BACKUP_KINDS; kind++)
		json_array_foreach(wanted[kind], i, item) if (has_key(item)) return true;
	return false;
}

static int restore_store(struct cli *cli, const struct cli_call *call, struct restore *restore)
{
	json_t *wanted[BACKUP_KINDS] = {json_array(), json_array()}, *item;
	int status = CLI_OK;
	size_t i;

	for (unsigned int kind = 0; kind < BACKUP_KINDS && status == CLI_OK; kind++)
		status = restore_plan(cli, restore, (enum backup_kind)kind, wanted[kind]);
	if (status == CLI_OK && restore_needs_password(wanted))
		status = cli_open_password(cli, call, &password_of_backup, false, &restore->password);
	for (unsigned int kind = 0; kind < BACKUP_KINDS; kind++) {
		json_array_foreach(wanted[kind], i, item)
		{
			if (status == CLI_OK)
				status = restore_item(cli, restore, (enum backup_kind)kind, item);
		}
		json_decref(wanted[kind]);
	}
	return status;
}

static int restore_files_add(struct files *files, const char *name, const void *data, size_t len)
{
	int fd, r = shm_create_sealed("sluice-restore", data, len, &fd);

	if (r < 0)
		return r;
	lseek(fd, 0, SEEK_SET);
	return files_add(files, name, fd);
}

static int restore_files_fill(struct files *files, const struct restore *restore)
{
	const json_t *configuration = json_object_get(restore->document, "configuration"), *file;
	const char *text = backup_text(configuration, "text");
	int r = restore_files_add(files, restore->path, text, strlen(text));
	size_t i;

	json_array_foreach(json_object_get(configuration, "files"), i, file)
	{
		_cleanup_free_ uint8_t *bytes = NULL;
		const char *data = backup_text(file, "data");
		size_t len;

		if (r >= 0)
			r = base64_decode(data, strlen(data), &bytes, &len);
		if (r >= 0)
			r = restore_files_add(files, backup_text(file, "name"), bytes, len);
	}
	return r;
}

static int restore_commit(struct cli *cli, const struct cli_call *call, const struct restore *restore, json_t **answer)
{
	_cleanup_(files_release) struct files files = {.names = json_array()};
	json_t *request = cli_build_request(call);
	int r = restore_files_fill(&files, restore);

	if (r < 0) {
		json_decref(request);
		return client_fail(cli, CLI_FAILED, "%s: its rule files are damaged: %s", restore->path, strerror(-r));
	}
	json_object_set(request, "files", files.names);
	json_object_set_new(request, "comment",
		json_sprintf("restored from the backup of %s of %s", backup_text(restore->document, "device"),
			backup_text(restore->document, "made")));
	return backup_ask(cli, request, files.fds, files.n, answer);
}

static void restore_undo(struct cli *cli, const struct restore *restore)
{
	json_t *name;
	size_t i;

	for (unsigned int kind = 0; kind < BACKUP_KINDS; kind++)
		json_array_foreach(restore->imported[kind], i, name)
		{
			json_auto_t *answer = NULL;

			client_ask(cli, json_pack("{s:s, s:O}", "command", backup_kinds[kind].remove, "name", name),
				NULL, 0, CLIENT_PATIENCE_S, &answer);
		}
}

static void restore_render(struct cli *cli, const json_t *answer)
{
	for (unsigned int kind = 0; kind < BACKUP_KINDS; kind++) {
		const json_t *names = json_object_get(answer, backup_kinds[kind].key), *name;
		size_t i;

		json_array_foreach(names, i, name)
		{
			fprintf(cli->out, "%s %s %s brought back\n", backup_kinds[kind].what, json_string_value(name),
				kind == BACKUP_CERTIFICATES ? "is" : "are");
		}
	}
	cli_render_committed(cli, answer);
}

int cli_run_restore(struct cli *cli, const struct cli_call *call)
{
	struct restore restore = {
		.path = cli_call_value(call, "FILE"), .imported = {json_array(), json_array()}, .password = -1};
	json_auto_t *answer = NULL;
	int status = restore_read(cli, &restore);

	if (status == CLI_OK) {
		status = restore_store(cli, call, &restore);
		if (status == CLI_OK)
			status = restore_commit(cli, call, &restore, &answer);
		if (status != CLI_OK)
			restore_undo(cli, &restore);
	}
	for (unsigned int kind = 0; kind < BACKUP_KINDS; kind++) {
		if (status == CLI_OK)
			json_object_set(answer, backup_kinds[kind].key, restore.imported[kind]);
		json_decref(restore.imported[kind]);
	}
	if (status == CLI_OK)
		status = client_show(cli, answer, restore_render);
	json_decref(restore.document);
	cleanup_close(&restore.password);
	return status;
}
