/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What `sluice backup` takes out of the store (J5, E5), keys only as PKCS#12 under the operator's password. */
#include "daemon/commit.h"

/* request: {name}, with the operator's password as its one descriptor. Answers {ok, name, pkcs12: base64} for a key
 * that is stored here, {ok, name, chain: [base64]} for one that is not; done may be called before this returns. */
void certificate_export(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
/* the same, with {ca: PEM}; neither pkcs12 nor chain where there is only a CA */
void log_credentials_export(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
/* the asker has gone */
void export_forget_owner(const void *owner);
