/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The files that go to the supervisor with a document: a configuration and its rule files. */
#include <jansson.h>
#include <stddef.h>

#include "ipc/message.h"

struct files {
	json_t *names; /* the configuration's name, then the rule files' */
	int fds[IPC_FDS_MAX];
	size_t n;
};

void files_release(struct files *files);
/* takes the descriptor, in any case; 0, -E2BIG, or -EILSEQ: the name is not UTF-8 */
int files_add(struct files *files, const char *name, int fd);
