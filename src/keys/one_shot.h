/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the one-shots of this folder have in common (--import, --export, --fetch): one message in, in the sandbox, one
 * message out. */
#include <jansson.h>
#include <stddef.h>

struct import;

/* Locks memory, calls prepare() (NULL: nothing) while files can still be opened, enters the sandbox, and waits for the
 * message; *n_fds holds room before, count after. 0 or -errno, logged; json and descriptors are the caller's. */
int one_shot_begin(int control_fd, const char *what, void (*prepare)(void), json_t **json, int *fds, size_t *n_fds);
/* Sends `good` (its reference is taken) with fd, unless it is -1; or for err "WHAT_error" with the import's text. The
 * exit status. */
int one_shot_end(int control_fd, const char *what, const struct import *import, int err, json_t *good, int fd);
