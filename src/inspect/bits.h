/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sets of filters, a bit for each by index, while a call works on a stream: from a pool of the worker's scratch, so
 * that no call allocates them. Few of many bits are set: what is done with a set costs as much as is in it. Between
 * calls a stream keeps only which bits are set. */
#include "base/common.h"

#define BITS_SETS 8 /* what both directions of one stream can use at once */

struct bits {
	size_t n; /* words */
	uint64_t *words;
	uint64_t *summary; /* a bit for each word that may not be zero */
	bool used;
};

struct bits_pool {
	struct bits sets[BITS_SETS];
};
/* sets for that many filters at least. 0 or -ENOMEM; between calls only */
int bits_pool_grow(struct bits_pool *pool, size_t filters);
void bits_pool_clear(struct bits_pool *pool);

/* an empty set, NULL when there was no memory for it */
struct bits *bits_take(struct bits_pool *pool);
void bits_give(struct bits **bits);

static inline void bits_add(struct bits *bits, size_t i)
{
	bits->words[i / 64] |= 1ull << i % 64;
	bits->summary[i / 4096] |= 1ull << i / 64 % 64;
}

static inline void bits_remove(struct bits *bits, size_t i)
{
	bits->words[i / 64] &= ~(1ull << i % 64);
}

static inline bool bits_has(const struct bits *bits, size_t i)
{
	return bits && bits->words[i / 64] & 1ull << i % 64;
}

#define BITS_END SIZE_MAX
/* the first word from there on in which something may be in either set (NULL: empty), or BITS_END */
size_t bits_next_word(const struct bits *a, const struct bits *b, size_t from);

static inline uint64_t bits_word(const struct bits *bits, size_t word)
{
	return bits ? bits->words[word] : 0;
}

struct packed_bits;
/* Gives the set back and keeps what is in it; *out NULL when it is empty. 0 or -ENOMEM, then the set is lost. */
int bits_pack(struct bits **bits, struct packed_bits **out);
void bits_unpack(struct bits_pool *pool, struct packed_bits **packed, struct bits **out);
size_t packed_bits_memory(const struct packed_bits *packed);
