/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The device key (E5) as the supervisor has it: never in its memory. Either its file is given to who may read it, or,
 * where the file holds it under a passphrase, a pipe in which an unlocking one-shot has left it: kernel memory, which
 * is never swapped and is gone at reboot. Nobody reads that pipe; copies of it are made for the key keeper and
 * importers. */
#include "daemon/commit.h"

void keystore_init(struct supervisor *supervisor);
void keystore_free(struct supervisor *supervisor);
/* a descriptor for device_key_read(), the caller's; -errno. Locked: the file, which does not open */
int keystore_device_key(struct supervisor *supervisor);
bool keystore_is_locked(const struct supervisor *supervisor);
/* the answer to `keystore_show`, a new reference */
json_t *keystore_report(struct supervisor *supervisor);
/* fds: the passphrase */
void keystore_unlock(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
/* fds: the passphrase; none: back into a file that needs none */
void keystore_protect(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
void keystore_forget_owner(struct supervisor *supervisor, const void *owner);
