/* SPDX-License-Identifier: Apache-2.0 */
/* sluice backup and restore (J5): the configuration in force with its rule files, and the certificates, each with its
 * key as PKCS#12 under the operator's password. One JSON document; what is in it a restore imports and commits as an
 * operator would. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base64.h"
#include "base/common.h"
#include "base/shm.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "ipc/message.h"

#define BACKUP_FORMAT 1

static const struct cli_password password_of_backup = {"password", "backup"};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/* takes the request; CLI_OK only where the supervisor did it */
static int backup_ask(struct cli *cli, json_t *request, const int *fds, size_t n_fds, json_t **answer)
{
	int status = client_ask(cli, request, fds, n_fds, CLIENT_PATIENCE_COMMIT_S, answer);

	if (status != CLI_OK || json_is_true(json_object_get(*answer, "ok")))
		return status;
	return client_show(cli, *answer, NULL);
}

/* --- backup ----------------------------------------------------------------------------------------------------------
 */

struct backup {
	json_t *document;
	unsigned int keys, without_key;
};

static int backup_configuration(struct cli *cli, struct backup *backup)
{
	json_auto_t *answer = NULL;
	int status =
		backup_ask(cli, json_pack("{s:s, s:b}", "command", "configuration", "with_data", 1), NULL, 0, &answer);

	if (status != CLI_OK)
		return status;
	json_object_del(answer, "ok");
	json_object_set(backup->document, "configuration", answer);
	return CLI_OK;
}

static int backup_certificate(struct cli *cli, struct backup *backup, const json_t *listed, int password)
{
	json_t *to = json_object_get(backup->document, "certificates");
	json_auto_t *answer = NULL;
	int status = backup_ask(cli,
		json_pack("{s:s, s:s}", "command", "certificate_export", "name", text_of(listed, "name")), &password,
		password >= 0 ? 1 : 0, &answer);

	if (status != CLI_OK)
		return status;
	*(json_object_get(answer, "pkcs12") ? &backup->keys : &backup->without_key) += 1;
	json_object_del(answer, "ok");
	json_object_set(answer, "sha256", json_object_get(listed, "sha256"));
	json_array_append(to, answer);
	return CLI_OK;
}

static int backup_certificates(struct cli *cli, struct backup *backup, int password)
{
	json_auto_t *answer = NULL;
	int status = backup_ask(cli, json_pack("{s:s}", "command", "certificate_list"), NULL, 0, &answer);
	const json_t *listed;
	size_t i;

	json_array_foreach(json_object_get(answer, "certificates"), i, listed)
	{
		if (status == CLI_OK)
			status = backup_certificate(cli, backup, listed, password);
	}
	return status;
}

/* whole or not at all, readable by its owner only */
static int backup_write(struct cli *cli, const json_t *document, const char *path)
{
	_cleanup_free_ char *text = json_dumps(document, JSON_INDENT(1)), *beside = NULL;
	_cleanup_close_ int fd = -1;
	size_t len = text ? strlen(text) : 0, done = 0;
	int error;

	if (!text || asprintf(&beside, "%s.part", path) < 0)
		return client_fail(cli, CLI_FAILED, "out of memory");
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd >= 0 && done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0)
			break;
		done += n;
	}
	if (fd >= 0 && done == len && fchmod(fd, 0600) == 0 && fsync(fd) == 0 && rename(beside, path) == 0)
		return CLI_OK;
	error = errno;
	unlink(beside);
	return client_fail(cli, CLI_FAILED, "%s cannot be written: %s", path, strerror(error));
}

static void backup_render(struct cli *cli, const json_t *answer)
{
	fprintf(cli->out,
		"Version %" JSON_INTEGER_FORMAT " of the configuration and %" JSON_INTEGER_FORMAT
		" certificates are in ",
		json_integer_value(json_object_get(answer, "config_version")),
		json_integer_value(json_object_get(answer, "keys")) +
			json_integer_value(json_object_get(answer, "without_key")));
	output_text(cli->out, text_of(answer, "file"));
	fprintf(cli->out, ", %" JSON_INTEGER_FORMAT " of them with their key.\n",
		json_integer_value(json_object_get(answer, "keys")));
	fputs("Not in it: logs, graphs, credentials of log targets, settings of day 0.\n", cli->out);
}

static json_t *backup_begin(struct cli *cli, int *status)
{
	json_auto_t *answer = NULL;
	char made[32];
	time_t now = time(NULL);

	*status = backup_ask(cli, json_pack("{s:s}", "command", "status"), NULL, 0, &answer);
	if (*status != CLI_OK)
		return NULL;
	strftime(made, sizeof(made), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	return json_pack("{s:i, s:s, s:s, s:s, s:[]}", "sluice_backup", BACKUP_FORMAT, "version", SLUICE_VERSION,
		"device", text_of(answer, "device"), "made", made, "certificates");
}

static int backup_make(struct cli *cli, const struct cli_call *call)
{
	bool without = cli_call_value(call, "WITHOUT");
	_cleanup_close_ int password = -1;
	json_auto_t *answer = NULL;
	struct backup backup = {0};
	int status = without ? CLI_OK : cli_open_password(cli, call, &password_of_backup, true, &password);

	if (status == CLI_OK)
		backup.document = backup_begin(cli, &status);
	if (status == CLI_OK)
		status = backup_configuration(cli, &backup);
	if (status == CLI_OK)
		status = backup_certificates(cli, &backup, password);
	if (status == CLI_OK)
		status = backup_write(cli, backup.document, cli_call_value(call, "FILE"));
	if (status == CLI_OK)
		answer = json_pack("{s:b, s:s, s:O, s:i, s:i}", "ok", 1, "file", cli_call_value(call, "FILE"),
			"config_version", json_object_get(json_object_get(backup.document, "configuration"), "version"),
			"keys", (int)backup.keys, "without_key", (int)backup.without_key);
	json_decref(backup.document);
	return status == CLI_OK ? client_show(cli, answer, backup_render) : status;
}

/* --- restore ---------------------------------------------------------------------------------------------------------
 */

struct restore {
	const char *path;
	json_t *document;
	json_t *imported; /* names: what this restore brought, to be taken out again when it fails */
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

	json_array_foreach(list, i, row) if (!strcmp(text_of(row, "name"), name)) return row;
	return NULL;
}

/* certificates in base64 as a PEM file (RFC 7468: lines of 64) */
static char *restore_pem(const json_t *chain, size_t *len)
{
	const json_t *certificate;
	char *pem = NULL;
	FILE *out = open_memstream(&pem, len);
	size_t i;

	json_array_foreach(chain, i, certificate)
	{
		const char *text = json_string_value(certificate) ?: "";

		fputs("-----BEGIN CERTIFICATE-----\n", out);
		for (size_t n = strlen(text); n; text += MIN(n, (size_t)64), n -= MIN(n, (size_t)64))
			fprintf(out, "%.64s\n", text);
		fputs("-----END CERTIFICATE-----\n", out);
	}
	fclose(out);
	return pem;
}

/* the file that the certificate is imported from: PKCS#12 with its key, or PEM without one. -1: it is damaged */
static int restore_open(const json_t *certificate, bool with_key)
{
	const char *pkcs12 = text_of(certificate, "pkcs12");
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t len;
	int fd, r = 0;

	if (with_key)
		r = base64_decode(pkcs12, strlen(pkcs12), &bytes, &len);
	else
		bytes = (uint8_t *)restore_pem(json_object_get(certificate, "chain"), &len);
	if (r < 0 || shm_create_sealed("sluice-certificate", bytes, len, &fd) < 0)
		return -1;
	lseek(fd, 0, SEEK_SET); /* the position travels with the descriptor */
	return fd;
}

static int restore_certificate(struct cli *cli, struct restore *restore, const json_t *certificate)
{
	bool with_key = json_object_get(certificate, "pkcs12");
	const char *name = text_of(certificate, "name");
	_cleanup_close_ int fd = restore_open(certificate, with_key);
	json_auto_t *answer = NULL;
	int status;

	if (fd < 0)
		return client_fail(cli, CLI_FAILED, "%s: certificate %s is damaged", restore->path, name);
	if (with_key)
		lseek(restore->password, 0, SEEK_SET);
	status = backup_ask(cli,
		json_pack("{s:s, s:s, s:b, s:b, s:b}", "command", "certificate_import", "name", name, "key_fd", 0,
			"password_fd", with_key, "without_key", !with_key),
		(int[]){fd, restore->password}, with_key ? 2 : 1, &answer);
	if (status == CLI_OK)
		json_array_append_new(restore->imported, json_string(name));
	return status;
}

/* each is there already, can be brought, or stands in the way: known before anything changes */
static int restore_plan(
	struct cli *cli, const struct restore *restore, const json_t *stored, json_t *wanted, bool *with_keys)
{
	json_t *certificate;
	size_t i;

	json_array_foreach(json_object_get(restore->document, "certificates"), i, certificate)
	{
		const char *name = text_of(certificate, "name");
		const json_t *there = restore_find(stored, name);

		if (there && !strcmp(text_of(there, "sha256"), text_of(certificate, "sha256")))
			continue;
		if (there)
			return client_fail(cli, CLI_FAILED,
				"the store has another certificate under the name %s: remove it, or replace it with "
				"the one "
				"that you want, then restore again",
				name);
		json_array_append(wanted, certificate);
		*with_keys |= json_object_get(certificate, "pkcs12") != NULL;
		if (!json_object_get(certificate, "pkcs12") && !cli->json)
			fprintf(cli->err,
				"certificate %s: its key is not in the backup; a key provider has it, or sluice "
				"certificate "
				"replace brings it\n",
				name);
	}
	return CLI_OK;
}

static int restore_certificates(struct cli *cli, const struct cli_call *call, struct restore *restore)
{
	json_auto_t *answer = NULL, *wanted = json_array();
	int status = backup_ask(cli, json_pack("{s:s}", "command", "certificate_list"), NULL, 0, &answer);
	bool with_keys = false;
	json_t *certificate;
	size_t i;

	if (status == CLI_OK)
		status = restore_plan(cli, restore, json_object_get(answer, "certificates"), wanted, &with_keys);
	if (status == CLI_OK && with_keys)
		status = cli_open_password(cli, call, &password_of_backup, false, &restore->password);
	json_array_foreach(wanted, i, certificate)
	{
		if (status == CLI_OK)
			status = restore_certificate(cli, restore, certificate);
	}
	return status;
}

struct restore_files {
	json_t *names;
	int fds[IPC_FDS_MAX];
	size_t n;
};

static void restore_files_clear(struct restore_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		close(files->fds[i]);
	json_decref(files->names);
}

static int restore_files_add(struct restore_files *files, const char *name, const void *data, size_t len)
{
	int fd, r = files->n < IPC_FDS_MAX ? shm_create_sealed("sluice-restore", data, len, &fd) : -E2BIG;

	if (r < 0)
		return r;
	lseek(fd, 0, SEEK_SET);
	files->fds[files->n++] = fd;
	return json_array_append_new(files->names, json_string(name));
}

static int restore_files_fill(struct restore_files *files, const struct restore *restore)
{
	const json_t *configuration = json_object_get(restore->document, "configuration"), *file;
	const char *text = text_of(configuration, "text");
	int r = restore_files_add(files, restore->path, text, strlen(text));
	size_t i;

	json_array_foreach(json_object_get(configuration, "files"), i, file)
	{
		_cleanup_free_ uint8_t *bytes = NULL;
		const char *data = text_of(file, "data");
		size_t len;

		if (r >= 0)
			r = base64_decode(data, strlen(data), &bytes, &len);
		if (r >= 0)
			r = restore_files_add(files, text_of(file, "name"), bytes, len);
	}
	return r;
}

static int restore_commit(struct cli *cli, const struct cli_call *call, const struct restore *restore, json_t **answer)
{
	_cleanup_(restore_files_clear) struct restore_files files = {.names = json_array()};
	json_t *request = cli_build_request(call);
	int r = restore_files_fill(&files, restore);

	if (r < 0) {
		json_decref(request);
		return client_fail(cli, CLI_FAILED, "%s: its rule files are damaged: %s", restore->path, strerror(-r));
	}
	json_object_set(request, "files", files.names);
	json_object_set_new(request, "comment",
		json_sprintf("restored from the backup of %s of %s", text_of(restore->document, "device"),
			text_of(restore->document, "made")));
	return backup_ask(cli, request, files.fds, files.n, answer);
}

static void restore_undo(struct cli *cli, const struct restore *restore)
{
	json_t *name;
	size_t i;

	json_array_foreach(restore->imported, i, name)
	{
		json_auto_t *answer = NULL;

		client_ask(cli, json_pack("{s:s, s:O}", "command", "certificate_remove", "name", name), NULL, 0,
			CLIENT_PATIENCE_S, &answer);
	}
}

static int restore_run(struct cli *cli, const struct cli_call *call)
{
	struct restore restore = {.path = cli_call_value(call, "FILE"), .imported = json_array(), .password = -1};
	json_auto_t *answer = NULL;
	int status = restore_read(cli, &restore);

	if (status == CLI_OK) {
		status = restore_certificates(cli, call, &restore);
		if (status == CLI_OK)
			status = restore_commit(cli, call, &restore, &answer);
		if (status != CLI_OK)
			restore_undo(cli, &restore);
	}
	if (status == CLI_OK) {
		json_object_set(answer, "certificates", restore.imported);
		status = client_show(cli, answer, cli_render_committed);
	}
	json_decref(restore.document);
	json_decref(restore.imported);
	cleanup_close(&restore.password);
	return status;
}

int cli_run_backup(struct cli *cli, const struct cli_call *call)
{
	return strcmp(call->command->words, "backup") == 0 ? backup_make(cli, call) : restore_run(cli, call);
}
