/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/bits.h"

#include <errno.h>
#include <string.h>

struct packed_bits {
	uint32_t n;
	bool dense;      /* n words as they are: less than a list would take */
	uint64_t data[]; /* words, or two indices in each */
};

static size_t summary_words(size_t n)
{
	return (n + 63) / 64;
}

static int grow(struct bits *bits, size_t n)
{
	uint64_t *memory = n > bits->n ? calloc(n + summary_words(n), sizeof(*memory)) : NULL;

	if (n <= bits->n)
		return 0;
	if (!memory)
		return -ENOMEM;
	free(bits->words);
	*bits = (struct bits){.n = n, .words = memory, .summary = memory + n};
	return 0;
}

int bits_pool_grow(struct bits_pool *pool, size_t filters)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < BITS_SETS; i++)
		r = grow(&pool->sets[i], filters / 64 + 1);
	return r;
}

void bits_pool_clear(struct bits_pool *pool)
{
	for (size_t i = 0; i < BITS_SETS; i++)
		free(pool->sets[i].words);
	*pool = (struct bits_pool){0};
}

struct bits *bits_take(struct bits_pool *pool)
{
	for (size_t i = 0; i < BITS_SETS; i++)
		if (!pool->sets[i].used && pool->sets[i].n) {
			pool->sets[i].used = true;
			return &pool->sets[i];
		}
	return NULL;
}

size_t bits_next_word(const struct bits *a, const struct bits *b, size_t from)
{
	size_t n = summary_words(a ? a->n : b ? b->n : 0);

	for (size_t i = from / 64; i < n; i++) {
		uint64_t left = (a ? a->summary[i] : 0) | (b ? b->summary[i] : 0);

		if (i == from / 64)
			left &= ~0ull << from % 64;
		if (left)
			return i * 64 + (size_t)__builtin_ctzll(left);
	}
	return BITS_END;
}

void bits_give(struct bits **bits)
{
	struct bits *set = TAKE_PTR(*bits);

	if (!set)
		return;
	for (size_t word = 0; (word = bits_next_word(set, NULL, word)) != BITS_END; word++)
		set->words[word] = 0;
	memset(set->summary, 0, summary_words(set->n) * sizeof(*set->summary));
	set->used = false;
}

static struct packed_bits *packed_new(size_t n, bool dense)
{
	size_t words = dense ? n : (n + 1) / 2;
	struct packed_bits *packed = calloc(1, sizeof(*packed) + words * sizeof(packed->data[0]));

	if (packed)
		*packed = (struct packed_bits){.n = (uint32_t)n, .dense = dense};
	return packed;
}

static void list_bits(const struct bits *bits, uint32_t *out)
{
	for (size_t word = 0; (word = bits_next_word(bits, NULL, word)) != BITS_END; word++)
		for (uint64_t left = bits->words[word]; left; left &= left - 1)
			*out++ = (uint32_t)(word * 64 + (size_t)__builtin_ctzll(left));
}

int bits_pack(struct bits **bits, struct packed_bits **out)
{
	struct packed_bits *packed = NULL;
	size_t n = 0, words = *bits ? (*bits)->n : 0;
	bool dense;

	for (size_t word = 0; *bits && (word = bits_next_word(*bits, NULL, word)) != BITS_END; word++)
		n += (size_t)__builtin_popcountll((*bits)->words[word]);
	dense = n > 2 * words;
	if (n)
		packed = packed_new(dense ? words : n, dense);
	if (packed && dense)
		memcpy(packed->data, (*bits)->words, words * sizeof(packed->data[0]));
	else if (packed)
		list_bits(*bits, (uint32_t *)packed->data);
	bits_give(bits);
	*out = packed;
	return n && !packed ? -ENOMEM : 0;
}

void bits_unpack(struct bits_pool *pool, struct packed_bits **packed, struct bits **out)
{
	const struct packed_bits *from = *packed;
	const uint32_t *indices;
	struct bits *bits = from ? bits_take(pool) : NULL;

	if (!bits)
		return;
	indices = (const uint32_t *)from->data;
	for (uint32_t word = 0; from->dense && word < from->n; word++) {
		bits->words[word] = from->data[word];
		bits->summary[word / 64] |= (uint64_t)(from->data[word] != 0) << word % 64;
	}
	for (uint32_t i = 0; !from->dense && i < from->n; i++)
		bits_add(bits, indices[i]);
	free(TAKE_PTR(*packed));
	*out = bits;
}

size_t packed_bits_memory(const struct packed_bits *packed)
{
	if (!packed)
		return 0;
	return sizeof(*packed) + (packed->dense ? packed->n : (packed->n + 1) / 2) * sizeof(packed->data[0]);
}
