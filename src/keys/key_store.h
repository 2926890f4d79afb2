/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The keys that the keeper holds, by id. Owns them. */
#include "keys/private_key.h"

#define KEY_STORE_MAX 1024

struct key_store {
	struct private_key *keys[KEY_STORE_MAX];
	unsigned int n;
};

/* takes the key; one of the same id is replaced. -ENOSPC when full (the key stays the caller's) */
int key_store_add(struct key_store *store, struct private_key *key);
bool key_store_remove(struct key_store *store, uint64_t id);
/* borrowed; NULL when there is none */
const struct private_key *key_store_find(const struct key_store *store, uint64_t id);
void key_store_clear(struct key_store *store);
