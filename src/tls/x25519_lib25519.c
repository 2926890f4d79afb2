/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's two functions by lib25519, which has them in assembler for what the CPU can do. What they promise stays:
 * private keys from the kernel's random numbers, no key pair used twice, no secret of a point of small order. A library
 * that is wrong on this CPU is not used: then, and until tls_x25519_begin(), the engine's own answer. */
#include "tls/x25519.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include <lib25519.h>
#include <openssl/curve25519.h>
#include <openssl/mem.h>

#include "base/log.h"

#define KEY_SIZE 32

static bool replaced;

static void *engines_own(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	assert(function);
	return function;
}

/* exported, or the dynamic linker would not find it */
__attribute__((visibility("default"))) int X25519(
	uint8_t shared[KEY_SIZE], const uint8_t private_key[KEY_SIZE], const uint8_t peer_public[KEY_SIZE])
{
	static const uint8_t zeros[KEY_SIZE];

	if (!replaced) {
		int (*own)(uint8_t *, const uint8_t *, const uint8_t *) = engines_own("X25519");

		return own(shared, private_key, peer_public);
	}
	lib25519_dh(shared, peer_public, private_key);
	/* RFC 7748 section 6.1: the peer's point has a small order, and everybody knows the secret */
	return CRYPTO_memcmp(shared, zeros, sizeof(zeros)) != 0;
}

__attribute__((visibility("default"))) void X25519_keypair(uint8_t public[KEY_SIZE], uint8_t private_key[KEY_SIZE])
{
	if (!replaced) {
		void (*own)(uint8_t *, uint8_t *) = engines_own("X25519_keypair");

		own(public, private_key);
		return;
	}
	lib25519_dh_keypair(public, private_key);
}

/* RFC 7748 section 5.2, the first vector, and a key pair of the library's against the engine's own public key of it */
static bool x25519_answers_are_known(void)
{
	static const uint8_t scalar[KEY_SIZE] = {0xa5, 0x46, 0xe3, 0x6b, 0xf0, 0x52, 0x7c, 0x9d, 0x3b, 0x16, 0x15, 0x4b,
		0x82, 0x46, 0x5e, 0xdd, 0x62, 0x14, 0x4c, 0x0a, 0xc1, 0xfc, 0x5a, 0x18, 0x50, 0x6a, 0x22, 0x44, 0xba,
		0x44, 0x9a, 0xc4};
	static const uint8_t point[KEY_SIZE] = {0xe6, 0xdb, 0x68, 0x67, 0x58, 0x30, 0x30, 0xdb, 0x35, 0x94, 0xc1, 0xa4,
		0x24, 0xb1, 0x5f, 0x7c, 0x72, 0x66, 0x24, 0xec, 0x26, 0xb3, 0x35, 0x3b, 0x10, 0xa9, 0x03, 0xa6, 0xd0,
		0xab, 0x1c, 0x4c};
	static const uint8_t answer[KEY_SIZE] = {0xc3, 0xda, 0x55, 0x37, 0x9d, 0xe9, 0xc6, 0x90, 0x8e, 0x94, 0xea, 0x4d,
		0xf2, 0x8d, 0x08, 0x4f, 0x32, 0xec, 0xcf, 0x03, 0x49, 0x1c, 0x71, 0xf7, 0x54, 0xb4, 0x07, 0x55, 0x77,
		0xa2, 0x85, 0x52};
	uint8_t shared[KEY_SIZE], private_key[KEY_SIZE], public[KEY_SIZE], engines[KEY_SIZE];

	lib25519_dh(shared, point, scalar);
	lib25519_dh_keypair(public, private_key);
	X25519_public_from_private(engines, private_key);
	OPENSSL_cleanse(private_key, sizeof(private_key));
	return !memcmp(shared, answer, sizeof(answer)) && !memcmp(public, engines, sizeof(engines));
}

void tls_x25519_begin(void)
{
	replaced = x25519_answers_are_known();
	if (!replaced)
		log_warn("lib25519 computes X25519 wrongly on this CPU: BoringSSL's own is used");
}

bool tls_x25519_is_replaced(void)
{
	return replaced;
}
