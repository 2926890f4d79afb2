/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Operators' requests about what log targets need for TLS. Each: the answer, a new reference. */
#include <jansson.h>

struct supervisor;

/* fds: PEM files, in the order of the request's "files", words of store_log_credential_word() */
json_t *log_credentials_import(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds);
json_t *log_credentials_remove(struct supervisor *supervisor, const json_t *request);
json_t *log_credentials_list(struct supervisor *supervisor);
