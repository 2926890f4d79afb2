/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The device key (E5) as the supervisor has it: never in its memory. Either its file is given to who may read it, or,
 * where the file holds it under a passphrase or sealed by a TPM, a pipe in which an unlocking one-shot has left it:
 * kernel memory, which is never swapped and is gone at reboot. Nobody reads that pipe; copies of it are made for the
 * key keeper and importers. */
#include "daemon/commit.h"

/* what keeps it from who can read the state directory */
enum keystore_protection { KEYSTORE_FILE, KEYSTORE_PASSPHRASE, KEYSTORE_TPM, KEYSTORE_PROTECTIONS };

void keystore_init(struct supervisor *supervisor);
void keystore_free(struct supervisor *supervisor);
/* a descriptor for device_key_read(), the caller's; -errno. Locked: the file, which does not open */
int keystore_device_key(struct supervisor *supervisor);
bool keystore_is_locked(const struct supervisor *supervisor);
/* what the state of a key is while it is locked, with why a TPM did not open it */
void keystore_lock_text(const struct supervisor *supervisor, char *text, size_t size);
/* while every key is being sealed anew: why no key may come, change or go; NULL when any may */
const char *keystore_busy(const struct supervisor *supervisor);
/* every second, and when a configuration has come into force: asks the TPM for a device key that it sealed */
void keystore_tick(struct supervisor *supervisor);
/* the answer to `keystore_show`, a new reference */
json_t *keystore_report(struct supervisor *supervisor);
/* fds: the passphrase, where that opens it */
void keystore_unlock(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
/* A new device key, under which every key is sealed anew: protected by a passphrase (fds), by the TPM (`tpm`, `pcrs`),
 * as the one before (`same`), or by nothing. */
void keystore_protect(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
void keystore_forget_owner(struct supervisor *supervisor, const void *owner);
