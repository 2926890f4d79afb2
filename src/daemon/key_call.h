/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One call of a one-shot of sluice-keys: the device key and some files in, one answer out, and it ends. */
#include "daemon/supervisor.h"

#define KEY_CALL_FDS_MAX 4

struct key_call_request {
	enum role role;
	const char *message, *answer; /* names of what is sent and what comes back when all is well */
	json_t *arguments;            /* taken */
	const int *fds;               /* borrowed; they come after the device key */
	size_t n_fds;
};
/* Once per call, perhaps before key_call() returns: the answer with its descriptors, all borrowed; or an error text. */
typedef void key_call_fn(
	struct supervisor *supervisor, void *data, json_t *answer, const int *fds, size_t n_fds, const char *error);
void key_call(struct supervisor *supervisor, const struct key_call_request *request, key_call_fn *done, void *data);
