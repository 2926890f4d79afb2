/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/bits.h"

#include <errno.h>
#include <string.h>

struct packed_bits {
	uint32_t n;
	bool dense;      /* n words as they are: less than a list would take */
	uint64_t data[]; /* words, or two indices in each */
};

int bits_pool_grow(struct bits_pool *pool, size_t words)
{
	if (words <= pool->words)
		return 0;
	for (size_t i = 0; i < BITS_SETS; i++) {
		uint64_t *grown = calloc(words, sizeof(*grown));

		if (!grown)
			return -ENOMEM; /* words stays: those that are larger now do no harm */
		free(pool->sets[i]);
		pool->sets[i] = grown;
	}
	pool->words = words;
	return 0;
}

void bits_pool_clear(struct bits_pool *pool)
{
	for (size_t i = 0; i < BITS_SETS; i++)
		free(pool->sets[i]);
	*pool = (struct bits_pool){0};
}

uint64_t *bits_take(struct bits_pool *pool)
{
	for (size_t i = 0; i < BITS_SETS; i++)
		if (!pool->used[i] && pool->sets[i]) {
			pool->used[i] = true;
			return pool->sets[i];
		}
	return NULL;
}

void bits_give(struct bits_pool *pool, uint64_t **bits)
{
	for (size_t i = 0; *bits && i < BITS_SETS; i++)
		if (pool->sets[i] == *bits) {
			memset(*bits, 0, pool->words * sizeof(**bits));
			pool->used[i] = false;
		}
	*bits = NULL;
}

static struct packed_bits *packed_new(size_t n, bool dense)
{
	size_t words = dense ? n : (n + 1) / 2;
	struct packed_bits *packed = calloc(1, sizeof(*packed) + words * sizeof(packed->data[0]));

	if (packed)
		*packed = (struct packed_bits){.n = (uint32_t)n, .dense = dense};
	return packed;
}

static void list_bits(const uint64_t *bits, size_t words, uint32_t *out)
{
	for (size_t word = 0; word < words; word++)
		for (uint64_t left = bits[word]; left; left &= left - 1)
			*out++ = (uint32_t)(word * 64 + (size_t)__builtin_ctzll(left));
}

int bits_pack(struct bits_pool *pool, uint64_t **bits, size_t words, struct packed_bits **out)
{
	struct packed_bits *packed = NULL;
	size_t n = 0;
	bool dense;

	for (size_t word = 0; *bits && word < words; word++)
		if ((*bits)[word])
			n += (size_t)__builtin_popcountll((*bits)[word]);
	dense = n > 2 * words;
	if (n)
		packed = packed_new(dense ? words : n, dense);
	if (packed && dense)
		memcpy(packed->data, *bits, words * sizeof(**bits));
	else if (packed)
		list_bits(*bits, words, (uint32_t *)packed->data);
	bits_give(pool, bits);
	*out = packed;
	return n && !packed ? -ENOMEM : 0;
}

void bits_unpack(struct bits_pool *pool, struct packed_bits **packed, uint64_t **out)
{
	const struct packed_bits *from = *packed;
	const uint32_t *indices;
	uint64_t *bits = from ? bits_take(pool) : NULL;

	if (!bits)
		return;
	indices = (const uint32_t *)from->data;
	if (from->dense)
		memcpy(bits, from->data, from->n * sizeof(*bits));
	for (uint32_t i = 0; !from->dense && i < from->n; i++)
		bits[indices[i] / 64] |= 1ull << indices[i] % 64;
	free(TAKE_PTR(*packed));
	*out = bits;
}

size_t packed_bits_memory(const struct packed_bits *packed)
{
	if (!packed)
		return 0;
	return sizeof(*packed) + (packed->dense ? packed->n : (packed->n + 1) / 2) * sizeof(packed->data[0]);
}
