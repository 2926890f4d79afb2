/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside cli/: questions to the supervisor, and how a failure is told. */
#include <jansson.h>

#include "cli/cli.h"

#define CLIENT_PATIENCE_S 30
#define CLIENT_PATIENCE_COMMIT_S 900 /* tens of thousands of filters are compiled meanwhile */

/* Asks and waits for the answer; takes the request's reference. CLI_OK with *answer (which may say "ok": false), or
 * the exit status with the reason told. what: for the line that shows progress. */
int client_ask(
	struct cli *cli, json_t *request, const int *fds, size_t n_fds, unsigned int patience_s, json_t **answer);

/* prints the answer, with its problems on err: as JSON, or by render; the exit status */
int client_show(struct cli *cli, const json_t *answer, void (*render)(struct cli *cli, const json_t *answer));

/* tells an error of this program, in the form that was asked for; returns status */
int client_fail(struct cli *cli, enum cli_exit status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
