/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_store.h"

#include <errno.h>

/* A few keys usually, a thousand at most: looking through them costs nothing beside a private-key operation. */
static unsigned int key_store_index(const struct key_store *store, uint64_t id)
{
	unsigned int i = 0;

	while (i < store->n && store->keys[i]->id != id)
		i++;
	return i;
}

int key_store_add(struct key_store *store, struct private_key *key)
{
	unsigned int i = key_store_index(store, key->id);

	if (i == KEY_STORE_MAX)
		return -ENOSPC;
	if (i < store->n)
		private_key_free(&store->keys[i]);
	else
		store->n++;
	store->keys[i] = key;
	return 0;
}

bool key_store_remove(struct key_store *store, uint64_t id)
{
	unsigned int i = key_store_index(store, id);

	if (i == store->n)
		return false;
	private_key_free(&store->keys[i]);
	store->keys[i] = store->keys[--store->n];
	return true;
}

const struct private_key *key_store_find(const struct key_store *store, uint64_t id)
{
	unsigned int i = key_store_index(store, id);

	return i < store->n ? store->keys[i] : NULL;
}

void key_store_clear(struct key_store *store)
{
	while (store->n)
		private_key_free(&store->keys[--store->n]);
}
