/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What sluice backup (backup.c) and sluice restore (restore.c) both know (J5): a backup is one JSON document, with the
 * configuration in force and its rule files, and what the store has, each with its key as PKCS#12 under the operator's
 * password. What is in it a restore imports and commits as an operator would. */
#include "cli/client.h"
#include "cli/command.h"

#define BACKUP_FORMAT 1

/* in the order in which they come back */
enum backup_kind { BACKUP_CERTIFICATES, BACKUP_LOG_CREDENTIALS, BACKUP_KINDS };
extern const struct backup_kind_info {
	const char *key;                           /* in the document, and in answers about it */
	const char *what;                          /* in messages */
	const char *list, *rows, *export, *remove; /* requests, and what the answer to the first has them under */
} backup_kinds[BACKUP_KINDS];

extern const struct cli_password password_of_backup;

/* "" where there is none */
const char *backup_text(const json_t *object, const char *key);
/* takes the request; CLI_OK only where the supervisor did it */
int backup_ask(struct cli *cli, json_t *request, const int *fds, size_t n_fds, json_t **answer);
int cli_run_restore(struct cli *cli, const struct cli_call *call);
