/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sets of filters, a bit for each by index, while a call works on a stream: from a pool of the worker's scratch, so
 * that no call allocates them. Between calls a stream keeps only which bits are set. */
#include "base/common.h"

#define BITS_SETS 8 /* what both directions of one stream can use at once */

struct bits_pool {
	size_t words; /* of each set: enough for the largest engine */
	uint64_t *sets[BITS_SETS];
	bool used[BITS_SETS];
};
/* 0 or -ENOMEM; between calls only */
int bits_pool_grow(struct bits_pool *pool, size_t words);
void bits_pool_clear(struct bits_pool *pool);

/* an empty set */
uint64_t *bits_take(struct bits_pool *pool);
void bits_give(struct bits_pool *pool, uint64_t **bits);

struct packed_bits;
/* Gives the set back and keeps what is in it; *out NULL when it is empty. 0 or -ENOMEM, then the set is lost. */
int bits_pack(struct bits_pool *pool, uint64_t **bits, size_t words, struct packed_bits **out);
void bits_unpack(struct bits_pool *pool, struct packed_bits **packed, uint64_t **out);
size_t packed_bits_memory(const struct packed_bits *packed);
