/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Certificate import: the files go by descriptor to a one-shot `sluice-keys --import`; what comes back is public facts
 * and a sealed key. The supervisor never reads a private key or a password. */
#include "daemon/commit.h"

void certificate_import(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner);
void certificate_forget_owner(struct supervisor *supervisor, const void *owner);
