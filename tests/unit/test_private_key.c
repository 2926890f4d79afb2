/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "keys/premaster.h"
#include "keys_fixture.h"

static const uint8_t message[] = "what was said so far";

static struct span digest_of(const EVP_MD *md, uint8_t out[EVP_MAX_MD_SIZE])
{
	unsigned int len;

	assert_int_equal(EVP_Digest(message, sizeof(message), out, &len, md, NULL), 1);
	return SPAN(out, len);
}

/* as a TLS peer checks it: over the message, by the library's own verification */
static bool verifies(EVP_PKEY *pkey, const EVP_MD *md, bool pss, struct span signature)
{
	_cleanup_crypto_(EVP_MD_CTX) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;

	assert_int_equal(EVP_DigestVerifyInit(ctx, &pctx, md, NULL, pkey), 1);
	if (pss) {
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, EVP_MD_get_size(md));
	}
	return EVP_DigestVerify(ctx, signature.data, signature.len, message, sizeof(message)) == 1;
}

static void sign_with_all(struct private_key *key, bool rsa)
{
	static const struct {
		uint16_t scheme;
		bool rsa, pss;
		const EVP_MD *(*md)(void);
	} cases[] = {
		{0x0201, true, false, EVP_sha1},
		{0x0401, true, false, EVP_sha256},
		{0x0501, true, false, EVP_sha384},
		{0x0601, true, false, EVP_sha512},
		{0xff01, true, false, EVP_md5_sha1},
		{0x0804, true, true, EVP_sha256},
		{0x0805, true, true, EVP_sha384},
		{0x0806, true, true, EVP_sha512},
		{0x0203, false, false, EVP_sha1},
		{0x0403, false, false, EVP_sha256},
		{0x0503, false, false, EVP_sha384},
		{0x0603, false, false, EVP_sha512},
	};
	uint8_t digest[EVP_MAX_MD_SIZE], out[KEYRING_OUTPUT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span in = digest_of(cases[i].md(), digest);
		size_t len = 0;
		enum keyring_status status = private_key_sign(key, cases[i].scheme, in, out, &len);

		if (cases[i].rsa != rsa) {
			assert_int_equal(status, KEYRING_BAD_REQUEST);
			continue;
		}
		assert_int_equal(status, KEYRING_DONE);
		assert_true(verifies(key->pkey, cases[i].md(), cases[i].pss, SPAN(out, len)));
		in.len--;
		assert_int_equal(private_key_sign(key, cases[i].scheme, in, out, &len), KEYRING_BAD_REQUEST);
		assert_int_equal(len, 0);
	}
}

static void test_d3_rsa_signatures(void **state)
{
	static const unsigned int bits[] = {2048, 3072, 4096};

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		struct private_key *key = fixture_key(EVP_RSA_gen(bits[i]));

		sign_with_all(key, true);
		private_key_free(&key);
	}
	(void)state;
}

static void test_d3_ecdsa_signatures(void **state)
{
	static const char *const curves[] = {"P-256", "P-384", "P-521"};

	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		struct private_key *key = fixture_key(EVP_EC_gen(curves[i]));

		sign_with_all(key, false);
		private_key_free(&key);
	}
	(void)state;
}

static void test_ed25519_signs_the_message(void **state)
{
	struct private_key *key = fixture_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	uint8_t out[KEYRING_OUTPUT_MAX];
	size_t len;

	assert_int_equal(private_key_sign(key, 0x0807, SPAN(message, sizeof(message)), out, &len), KEYRING_DONE);
	assert_true(verifies(key->pkey, NULL, false, SPAN(out, len)));
	assert_int_equal(private_key_sign(key, 0x0403, SPAN(message, 32), out, &len), KEYRING_BAD_REQUEST);
	private_key_free(&key);
	(void)state;
}

/* the same key with a fault in one of the numbers of the Chinese remainder theorem, as a bit that falls over makes it
 */
static EVP_PKEY *spoilt(const EVP_PKEY *pkey, const char *which)
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL, *fault;
	EVP_PKEY *out = NULL;

	assert_int_equal(EVP_PKEY_todata(pkey, EVP_PKEY_KEYPAIR, &params), 1);
	fault = OSSL_PARAM_locate(params, which);
	assert_non_null(fault);
	((uint8_t *)fault->data)[9] ^= 8;
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &out, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	return out;
}

static void test_a_key_with_a_fault_gives_no_wrong_signature(void **state)
{
	static const char *const numbers[] = {OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT1, OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2};
	_cleanup_crypto_(EVP_PKEY) EVP_PKEY *right = EVP_RSA_gen(2048);
	uint8_t digest[EVP_MAX_MD_SIZE], out[KEYRING_OUTPUT_MAX];
	struct span in = digest_of(EVP_sha256(), digest);

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct private_key *key = fixture_key(spoilt(right, numbers[i]));
		size_t len = 0;

		for (uint16_t scheme = 0x0401; scheme <= 0x0804; scheme += 0x0403) {
			enum keyring_status status = private_key_sign(key, scheme, in, out, &len);

			assert_true(status == KEYRING_FAULT ||
				    (status == KEYRING_DONE &&
					    verifies(right, EVP_sha256(), scheme == 0x0804, SPAN(out, len))));
		}
		private_key_free(&key);
	}
	(void)state;
}

static void test_unknown_schemes_and_a_raw_request_are_refused(void **state)
{
	struct private_key *key = fixture_key(EVP_RSA_gen(2048));
	uint8_t out[KEYRING_OUTPUT_MAX], block[256] = {0};
	size_t len;

	for (unsigned int scheme = 0; scheme < 0x0200; scheme++)
		assert_int_equal(private_key_sign(key, scheme, SPAN(block, 32), out, &len), KEYRING_BAD_REQUEST);
	assert_int_equal(private_key_sign(key, 0x0401, SPAN(block, 256), out, &len), KEYRING_BAD_REQUEST);
	assert_int_equal(private_key_sign(key, 0x0401, SPAN(block, 0), out, &len), KEYRING_BAD_REQUEST);
	private_key_free(&key);
	(void)state;
}

/* --- RSA key exchange -------------------------------------------------------------------------------------------- */

#define K 256
#define VERSION 0x0303

/* a correct block: 00 02, padding, 00, version, 46 bytes */
static void block_make(uint8_t block[K])
{
	memset(block, 0x5a, K);
	block[0] = 0;
	block[1] = 2;
	block[K - 49] = 0;
	block[K - 48] = VERSION >> 8;
	block[K - 47] = VERSION & 0xff;
}

static void block_encrypt(EVP_PKEY *pkey, const uint8_t block[K], uint8_t out[K])
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	size_t len = K;

	assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_encrypt(ctx, out, &len, block, K), 1);
}

static void decrypt(struct private_key *key, const uint8_t ciphertext[K], uint8_t out[PREMASTER_SIZE])
{
	uint8_t output[KEYRING_OUTPUT_MAX];
	size_t len = 0;

	assert_int_equal(private_key_decrypt(key, VERSION, SPAN(ciphertext, K), output, &len), KEYRING_DONE);
	assert_int_equal(len, PREMASTER_SIZE);
	assert_int_equal(output[0] << 8 | output[1], VERSION);
	memcpy(out, output, PREMASTER_SIZE);
}

static void test_a_good_premaster_comes_out(void **state)
{
	struct private_key *key = fixture_key(EVP_RSA_gen(2048));
	uint8_t block[K], ciphertext[K], out[PREMASTER_SIZE];

	block_make(block);
	block_encrypt(key->pkey, block, ciphertext);
	decrypt(key, ciphertext, out);
	assert_memory_equal(out, block + K - 48, 48);
	private_key_free(&key);
	(void)state;
}

/* Bleichenbacher's question gets no answer: whatever is wrong, 48 bytes, different each time */
static void test_a_bad_block_gives_a_random_premaster_of_the_same_shape(void **state)
{
	static const struct {
		int at;
		uint8_t value;
	} spoil[] = {
		{0, 1}, {1, 1}, {1, 0}, {2, 0}, {9, 0}, {100, 0}, {K - 50, 0}, {K - 49, 1}, {K - 48, 2}, {K - 47, 4}};
	struct private_key *key = fixture_key(EVP_RSA_gen(2048));
	uint8_t block[K], ciphertext[K], out[PREMASTER_SIZE], again[PREMASTER_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(spoil); i++) {
		block_make(block);
		block[spoil[i].at] = spoil[i].value;
		block_encrypt(key->pkey, block, ciphertext);
		decrypt(key, ciphertext, out);
		decrypt(key, ciphertext, again);
		assert_memory_not_equal(out + 2, block + K - 46, 46);
		assert_memory_not_equal(out, again, PREMASTER_SIZE);
	}
	memset(ciphertext, 0xff, K); /* not below the modulus */
	decrypt(key, ciphertext, out);
	private_key_free(&key);
	(void)state;
}

static void test_only_the_modulus_length_is_decrypted(void **state)
{
	struct private_key *rsa = fixture_key(EVP_RSA_gen(2048)), *ec = fixture_key(EVP_EC_gen("P-256"));
	uint8_t in[KEYRING_INPUT_MAX] = {1}, out[KEYRING_OUTPUT_MAX];
	size_t len;

	for (size_t n = 0; n <= sizeof(in); n++)
		if (n != K)
			assert_int_equal(
				private_key_decrypt(rsa, VERSION, SPAN(in, n), out, &len), KEYRING_BAD_REQUEST);
	assert_int_equal(private_key_decrypt(ec, VERSION, SPAN(in, 72), out, &len), KEYRING_BAD_REQUEST);
	private_key_free(&rsa);
	private_key_free(&ec);
	(void)state;
}

static void test_unpadding_by_every_single_bit(void **state)
{
	uint8_t block[128], random[PREMASTER_SIZE], out[PREMASTER_SIZE], good[128];

	memset(random, 0x11, sizeof(random));
	memset(good, 0x80, sizeof(good)); /* one bit set: flipping it makes a zero in the padding */
	good[0] = 0;
	good[1] = 2;
	good[128 - 49] = 0;
	good[128 - 48] = 3;
	good[128 - 47] = 1;
	for (unsigned int bit = 0; bit < (128 - 46) * 8; bit++) {
		bool padding = bit / 8 >= 2 && bit / 8 < 128 - 49;

		memcpy(block, good, sizeof(block));
		block[bit / 8] ^= 1u << (bit % 8);
		premaster_unpad(block, sizeof(block), 0x0301, random, out);
		assert_int_equal(out[47], padding && bit % 8 != 7 ? 0x80 : 0x11);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_d3_rsa_signatures),
		cmocka_unit_test(test_d3_ecdsa_signatures),
		cmocka_unit_test(test_ed25519_signs_the_message),
		cmocka_unit_test(test_a_key_with_a_fault_gives_no_wrong_signature),
		cmocka_unit_test(test_unknown_schemes_and_a_raw_request_are_refused),
		cmocka_unit_test(test_a_good_premaster_comes_out),
		cmocka_unit_test(test_a_bad_block_gives_a_random_premaster_of_the_same_shape),
		cmocka_unit_test(test_only_the_modulus_length_is_decrypted),
		cmocka_unit_test(test_unpadding_by_every_single_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
