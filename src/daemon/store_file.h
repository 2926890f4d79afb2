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
