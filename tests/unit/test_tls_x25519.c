/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in for the engine's X25519 gives the engine's answers; and that it is what handshakes use. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/base.h>
#ifndef OPENSSL_IS_BORINGSSL
#error "these tests need BoringSSL's headers"
#endif
#include <openssl/curve25519.h>
#include <openssl/rand.h>

#include "tls/x25519.h"

#define ROUNDS 200

typedef int x25519_fn(uint8_t *shared, const uint8_t *private_key, const uint8_t *peer);

/* the library's, whatever this program defines */
static x25519_fn *engines(void)
{
	void *library = dlopen("libcrypto.so.0", RTLD_LAZY | RTLD_NOLOAD);
	x25519_fn *function = library ? (x25519_fn *)dlsym(library, "X25519") : NULL;

	if (!function)
		skip(); /* another build of BoringSSL */
	return function;
}

static int begin(void **state)
{
	tls_x25519_begin();
	return 0;
}

static void same_answer(x25519_fn *own, const uint8_t *private_key, const uint8_t *peer)
{
	uint8_t ours[32], theirs[32];

	assert_int_equal(X25519(ours, private_key, peer), own(theirs, private_key, peer));
	assert_memory_equal(ours, theirs, sizeof(ours));
}

/* any bytes are a private key and a point: the highest bit set, and numbers beyond the prime too (RFC 7748 section 5)
 */
static void test_any_bytes_give_the_engines_answer(void **state)
{
	x25519_fn *own = engines();
	uint8_t private_key[32], peer[32];

	for (int i = 0; i < ROUNDS; i++) {
		RAND_bytes(private_key, sizeof(private_key));
		RAND_bytes(peer, sizeof(peer));
		if (i % 4 == 1)
			peer[31] |= 0x80;
		if (i % 4 == 2)
			memset(peer + 1, 0xff, sizeof(peer) - 1);
		if (i % 4 == 3)
			memset(private_key, i & 4 ? 0xff : 0, sizeof(private_key));
		same_answer(own, private_key, peer);
	}
}

/* RFC 7748 section 6.1: a secret of zeros is refused; the points of small order, as libraries list them */
static void test_points_of_small_order_are_refused(void **state)
{
	static const uint8_t points[][32] = {
		{0},
		{1},
		{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
			0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
			0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	};
	uint8_t private_key[32], public[32], shared[32];

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		X25519_keypair(public, private_key);
		assert_int_equal(X25519(shared, private_key, points[i]), 0);
	}
}

static void test_key_pairs_agree_and_differ(void **state)
{
	uint8_t public_a[32], private_a[32], public_b[32], private_b[32], by_a[32], by_b[32], again[32];

	for (int i = 0; i < ROUNDS; i++) {
		X25519_keypair(public_a, private_a);
		X25519_keypair(public_b, private_b);
		assert_memory_not_equal(private_a, private_b, sizeof(private_a));
		assert_int_equal(X25519(by_a, private_a, public_b), 1);
		assert_int_equal(X25519(by_b, private_b, public_a), 1);
		assert_memory_equal(by_a, by_b, sizeof(by_a));
		X25519_public_from_private(again, private_a);
		assert_memory_equal(again, public_a, sizeof(again));
	}
}

/* the engine's TLS library finds this program's, not its own: what it would be bound to is what the program has */
static void test_the_engine_is_bound_to_what_stands_in(void **state)
{
	Dl_info found;

	if (!tls_x25519_is_replaced())
		skip();
	assert_true(dladdr(dlsym(RTLD_DEFAULT, "X25519"), &found));
	assert_null(strstr(found.dli_fname, "libcrypto"));
	assert_true(dladdr(dlsym(RTLD_DEFAULT, "X25519_keypair"), &found));
	assert_null(strstr(found.dli_fname, "libcrypto"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_bytes_give_the_engines_answer),
		cmocka_unit_test(test_points_of_small_order_are_refused),
		cmocka_unit_test(test_key_pairs_agree_and_differ),
		cmocka_unit_test(test_the_engine_is_bound_to_what_stands_in),
	};
	return cmocka_run_group_tests(tests, begin, NULL);
}
