/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A monitoring child asks the supervisor, over its control socket, for one of the read-only reports (daemon/monitor.c):
 * `query` {report} is answered by `report` {...}. */
#include <jansson.h>

/* Blocks until the answer is there, at most two seconds. 0 with a new reference, or -errno; after any error the
 * supervisor is gone or does not answer, and the asker should end. -EAGAIN: refused (too many queries), ask later. */
int ipc_query_report(int fd, const char *report, json_t **answer);
