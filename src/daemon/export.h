/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A stored certificate for `sluice backup` (J5, E5). */
#include "daemon/commit.h"

/* request: {name}, with the operator's password as its one descriptor. Answers {ok, name, pkcs12: base64} for a key
 * that is stored here, {ok, name, chain: [base64]} for one that is not; done may be called before this returns. */
void certificate_export(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
/* the asker has gone */
void export_forget_owner(const void *owner);
