/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside the store: whole files, by name relative to the state directory. All: 0 (or a descriptor) or -errno. */
#include "daemon/store.h"

#define STORE_NAME_MAX 128

int store_write_file(const struct store *store, const char *name, const void *data, size_t len);
int store_copy_file(const struct store *store, const char *name, int from);
/* written beside, then renamed into place */
int store_replace_file(const struct store *store, const char *name, const void *data, size_t len);
int store_open_file(const struct store *store, const char *name);
int store_sync_dir(const struct store *store, const char *name);

/* store_facts.c: a file of facts for each name, in folders that are names here */
#define STORE_CERTIFICATES "certificates"
#define STORE_LOG_CREDENTIALS "log_credentials"
/* -EINVAL for a name that is none; the path is safe then, too */
int store_facts_path(char path[STORE_NAME_MAX], const char *folder, const char *name);
/* an object, a new reference; NULL when there is none or it is damaged */
json_t *store_load_facts(const struct store *store, const char *folder, const char *name);
int store_write_facts(const struct store *store, const char *folder, const char *name, const json_t *facts);
int store_remove_facts(const struct store *store, const char *folder, const char *name);
/* names, in their order: a new array */
json_t *store_list_facts(const struct store *store, const char *folder);
int store_key_path(char path[STORE_NAME_MAX], const char *name, const json_t *facts);
bool store_uses_key_file(const struct store *store, const char *path);
void store_remove_key_unless_used(const struct store *store, const char *name, const json_t *facts);
