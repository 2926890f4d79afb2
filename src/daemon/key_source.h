/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sealed keys that are not in the state directory (E5, persist_private_keys: off): in memory only, and fetched from the
 * key provider when they are not there. */
#include "daemon/supervisor.h"

/* takes a copy of the descriptor; sealed_as: the name that the key was sealed for */
int key_source_put(struct supervisor *supervisor, const char *key_id, const char *sealed_as, int sealed_key_fd);
/* a key that has just been imported: in memory, and *sealed_key_fd becomes -1, where keys are not persisted */
int key_source_keep(struct supervisor *supervisor, const json_t *facts, const char *sealed_as, int *sealed_key_fd);
/* borrowed; -1: not there */
int key_source_find(const struct supervisor *supervisor, const char *key_id, const char **sealed_as);
/* all of them; fd is borrowed */
void key_source_each(const struct supervisor *supervisor,
	void (*fn)(const char *key_id, const char *sealed_as, int fd, void *data), void *data);
void key_source_drop(struct supervisor *supervisor, const char *key_id);
/* what the configuration now in force says: stored keys leave the state directory, or those in memory go there */
void key_source_apply(struct supervisor *supervisor);
/* Asks the provider once, for who cannot wait longer: the child's message is `fetched` with the sealed key, or
 * `fetch_error`. -errno with *error, which says why not. */
int key_source_ask(struct supervisor *supervisor, struct child *child, const char *name, const char *key_id,
	child_message_fn *on_message, child_exit_fn *on_exit, char error[200]);
/* asks the provider for a certificate's key, again and again until it comes: false when none is configured */
bool key_source_fetch(struct supervisor *supervisor, const char *name, const char *key_id, const char *sealed_as);
void key_source_free(struct supervisor *supervisor);
