/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Operators' requests about what log targets need for TLS (G5), and its keys, which lie sealed with the device key. */
#include "daemon/commit.h"
#include "daemon/key_call.h"

/* fds: files, in the order of the request's "files": "ca", "certificate", "key", "password" */
void log_credentials_import(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
/* each: the answer, a new reference */
json_t *log_credentials_remove(struct supervisor *supervisor, const json_t *request);
json_t *log_credentials_list(struct supervisor *supervisor);
/* the asker has gone */
void log_credentials_forget_owner(const void *owner);
/* every second: those that an earlier version stored with the key in clear are checked and sealed, as soon as the
 * keystore is open */
void log_credentials_tick(struct supervisor *supervisor);
/* the key of these facts for a target's process, by a one-shot; done gets a memfd with PEM */
void log_credentials_open_key(
	struct supervisor *supervisor, const char *name, const json_t *facts, key_call_fn *done, void *data);
