/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/one_shot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ipc/message.h"
#include "keys/harden.h"
#include "keys/import.h"

#define ONE_SHOT_START_TIMEOUT_MS 30000

int one_shot_begin(int control_fd, const char *what, void (*prepare)(void), json_t **json, int *fds, size_t *n_fds)
{
	int err;

	keys_lock_memory();
	if (prepare)
		prepare();
	err = keys_sandbox_importer();
	if (err) {
		*n_fds = 0;
		return log_err_r(err, "cannot enter the sandbox");
	}
	err = ipc_recv(control_fd, ONE_SHOT_START_TIMEOUT_MS, json, fds, n_fds);
	if (!err)
		return 0;
	*n_fds = 0;
	return log_err_r(err, "no %s message from the supervisor", what);
}

int one_shot_end(int control_fd, const char *what, const struct import *import, int err, json_t *good, int fd)
{
	char name[32];
	json_t *answer = good;
	int sent;

	if (err) {
		snprintf(name, sizeof(name), "%s_error", what);
		json_decref(good);
		answer = json_pack(
			"{s:s, s:s}", "message", name, "error", *import->error ? import->error : strerror(-err));
	}
	sent = answer ? ipc_send(control_fd, answer, &fd, fd < 0 ? 0 : 1) : -ENOMEM;
	json_decref(answer);
	if (sent)
		log_err_r(sent, "cannot answer the supervisor");
	return err || sent;
}
