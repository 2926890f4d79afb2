/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/common.h"
#include "cli/backup.h"
#include "cli/output.h"

const struct backup_kind_info backup_kinds[BACKUP_KINDS] = {
	[BACKUP_CERTIFICATES] = {"certificates", "certificate", "certificate_list", "certificates",
		"certificate_export", "certificate_remove"},
	[BACKUP_LOG_CREDENTIALS] = {"log_credentials", "log credentials", "log_credentials_list", "credentials",
		"log_credentials_export", "log_credentials_remove"},
};

const struct cli_password password_of_backup = {"password", "backup"};

const char *backup_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

int backup_ask(struct cli *cli, json_t *request, const int *fds, size_t n_fds, json_t **answer)
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
	unsigned int n[BACKUP_KINDS], keys[BACKUP_KINDS];
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

static int backup_item(
	struct cli *cli, struct backup *backup, enum backup_kind kind, const json_t *listed, int password)
{
	json_auto_t *answer = NULL;
	int status = backup_ask(cli,
		json_pack("{s:s, s:s}", "command", backup_kinds[kind].export, "name", backup_text(listed, "name")),
		&password, password >= 0 ? 1 : 0, &answer);

	if (status != CLI_OK)
		return status;
	backup->n[kind]++;
	backup->keys[kind] += json_object_get(answer, "pkcs12") != NULL;
	json_object_del(answer, "ok");
	json_object_set(answer, "sha256", json_object_get(listed, "sha256"));
	json_object_set(answer, "ca_sha256", json_object_get(listed, "ca_sha256"));
	json_array_append(json_object_get(backup->document, backup_kinds[kind].key), answer);
	return CLI_OK;
}

static int backup_store(struct cli *cli, struct backup *backup, enum backup_kind kind, int password)
{
	json_auto_t *answer = NULL;
	int status = backup_ask(cli, json_pack("{s:s}", "command", backup_kinds[kind].list), NULL, 0, &answer);
	const json_t *listed;
	size_t i;

	json_object_set_new(backup->document, backup_kinds[kind].key, json_array());
	json_array_foreach(json_object_get(answer, backup_kinds[kind].rows), i, listed)
	{
		if (status == CLI_OK)
			status = backup_item(cli, backup, kind, listed, password);
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

static void backup_render_count(
	struct cli *cli, const char *label, const json_t *answer, const char *n, const char *keys)
{
	fprintf(cli->out, "%-16s %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT " with their key\n", label,
		json_integer_value(json_object_get(answer, n)), json_integer_value(json_object_get(answer, keys)));
}

static void backup_render(struct cli *cli, const json_t *answer)
{
	fputs("Backup           ", cli->out);
	output_text(cli->out, backup_text(answer, "file"));
	fprintf(cli->out, "\n%-16s version %" JSON_INTEGER_FORMAT "\n", "Configuration",
		json_integer_value(json_object_get(answer, "config_version")));
	backup_render_count(cli, "Certificates", answer, "certificates", "keys");
	backup_render_count(cli, "Log credentials", answer, "log_credentials", "log_credentials_keys");
	fputs("Not in it: logs, graphs, settings of day 0.\n", cli->out);
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
	return json_pack("{s:i, s:s, s:s, s:s}", "sluice_backup", BACKUP_FORMAT, "version", SLUICE_VERSION, "device",
		backup_text(answer, "device"), "made", made);
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
	for (unsigned int kind = 0; kind < BACKUP_KINDS && status == CLI_OK; kind++)
		status = backup_store(cli, &backup, (enum backup_kind)kind, password);
	if (status == CLI_OK)
		status = backup_write(cli, backup.document, cli_call_value(call, "FILE"));
	if (status == CLI_OK)
		answer = json_pack("{s:b, s:s, s:O, s:i, s:i, s:i, s:i, s:i}", "ok", 1, "file",
			cli_call_value(call, "FILE"), "config_version",
			json_object_get(json_object_get(backup.document, "configuration"), "version"), "certificates",
			(int)backup.n[BACKUP_CERTIFICATES], "keys", (int)backup.keys[BACKUP_CERTIFICATES],
			"without_key", (int)(backup.n[BACKUP_CERTIFICATES] - backup.keys[BACKUP_CERTIFICATES]),
			"log_credentials", (int)backup.n[BACKUP_LOG_CREDENTIALS], "log_credentials_keys",
			(int)backup.keys[BACKUP_LOG_CREDENTIALS]);
	json_decref(backup.document);
	return status == CLI_OK ? client_show(cli, answer, backup_render) : status;
}

int cli_run_backup(struct cli *cli, const struct cli_call *call)
{
	return strcmp(call->command->words, "backup") == 0 ? backup_make(cli, call) : cli_run_restore(cli, call);
}
