/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* PKCS#1 v1.5 unpadding of a TLS premaster secret without an oracle: RFC 5246 section 7.4.7.1, RFC 3447 section 7.2. */
#include <stddef.h>
#include <stdint.h>

#define PREMASTER_SIZE 48
#define PREMASTER_BLOCK_MIN (3 + 8 + PREMASTER_SIZE) /* 00 02, eight bytes of padding, 00 */

/* block: the k >= PREMASTER_BLOCK_MIN bytes of the raw RSA operation. Gives the premaster secret when the padding, its
 * length of 48 and its version are right, else random with the version in its first two bytes. Neither the time it
 * takes nor the memory it touches depends on the block. */
void premaster_unpad(const uint8_t *block, size_t k, uint16_t version, const uint8_t random[PREMASTER_SIZE],
	uint8_t out[PREMASTER_SIZE]);
