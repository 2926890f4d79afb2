/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Versions of the configuration: who made each, when, from where and why; back to an older one; what one says (F4). */
#include <jansson.h>
#include <sys/socket.h>

#include "daemon/supervisor.h"

/* of one commit: new reference {uid, user, from, comment}. The user is the kernel's word (SO_PEERCRED), the place and
 * the comment are the asking program's. */
json_t *history_asker(const struct ucred *peer, const json_t *request);
/* "root", "root from 10.0.0.1: why": for the Audit log */
const char *history_user(const json_t *facts);
/* completes the facts with the version, the time and the names of the rule files, and stores them beside the version */
int history_write(const struct store *store, uint32_t version, json_t *facts, char **names, size_t n_names);
/* 0: the stored document and rule files are what was committed (or it is not known what that was); -EBADMSG */
int history_verify(const struct store *store, uint32_t version);

/* the version that rollback means: the one asked for, or the newest before the one in force; 0: there is none */
uint32_t history_target(const struct supervisor *supervisor, const json_t *request);

/* answers to operators; new references */
json_t *report_history(struct supervisor *supervisor, const json_t *request);
json_t *report_configuration(struct supervisor *supervisor, const json_t *request);
