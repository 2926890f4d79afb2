/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Certificate import: the files go by descriptor to a one-shot `sluice-keys --import`; what comes back is public facts
 * and a sealed key. The supervisor never reads a private key or a password. */
#include "daemon/commit.h"

void certificate_import(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
/* the same files, in the place of a certificate that is there (E3) */
void certificate_replace(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
/* certificate_store.c. Answers: new references; the list of all is report_certificates() */
json_t *certificate_show(struct supervisor *supervisor, const json_t *request);
json_t *certificate_chain(struct supervisor *supervisor, const json_t *request);
json_t *certificate_remove(struct supervisor *supervisor, const json_t *request);
/* that there is none of this name, with what is most like it; the text */
#define CERTIFICATE_MISSING 256
const char *certificate_missing(const struct supervisor *supervisor, const char *name, char text[CERTIFICATE_MISSING]);
/* names of the SSL servers of the configuration in force that show it: a new array */
json_t *certificate_users(const struct supervisor *supervisor, const char *name);
bool certificate_is_used(const struct supervisor *supervisor, const char *name);
/* out of the keeper, unless a certificate in the store still has this key */
void certificate_unload_key(struct supervisor *supervisor, const char *key_id);
/* every second: expiry (E4) */
void certificate_tick(struct supervisor *supervisor);
void certificate_forget_owner(struct supervisor *supervisor, const void *owner);
