/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A sealed key of the keystore, opened by a one-shot (--export, --open). */
#include "keys/import.h"

/* import->name is what it was sealed for, key_id its 16 hex digits. 0 with import->key, or -EINVAL with the error text
 */
int stored_key_open(struct import *import, const char *key_id, int device_key_fd, int sealed_key_fd);
