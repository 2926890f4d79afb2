/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/premaster.h"

/* keeps the compiler from turning a mask back into a branch */
static inline uint32_t opaque(uint32_t x)
{
	__asm__("" : "+r"(x));
	return x;
}

/* all ones when x is 0, else 0 */
static inline uint32_t mask_if_zero(uint32_t x)
{
	return opaque(0u - ((~x & (x - 1)) >> 31));
}

static inline uint32_t mask_if_equal(uint32_t a, uint32_t b)
{
	return mask_if_zero(a ^ b);
}

void premaster_unpad(const uint8_t *block, size_t k, uint16_t version, const uint8_t random[PREMASTER_SIZE],
	uint8_t out[PREMASTER_SIZE])
{
	const uint8_t *secret = block + k - PREMASTER_SIZE;
	uint8_t high = (uint8_t)(version >> 8), low = (uint8_t)version;
	uint32_t good = mask_if_equal(block[0], 0) & mask_if_equal(block[1], 2);

	for (size_t i = 2; i < k - PREMASTER_SIZE - 1; i++)
		good &= ~mask_if_zero(block[i]);
	good &= mask_if_zero(secret[-1]);
	good &= mask_if_equal(secret[0], high) & mask_if_equal(secret[1], low);
	good = opaque(good);
	for (size_t i = 0; i < PREMASTER_SIZE; i++) {
		uint8_t other = i == 0 ? high : i == 1 ? low : random[i];

		out[i] = (uint8_t)((secret[i] & good) | (other & ~good));
	}
}
