/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of private-key operations: what goes into batches and what not, with a backend of this file that computes
 * as the real one should, wrongly on demand; and with the real one where this machine has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/bn.h>

#include "keys/engine.h"
#include "keys_fixture.h"

#define OPERATIONS 40

static struct {
	/* wrong_lane: its answer is off by a bit; BATCH_WIDTH: none */
	unsigned int calls, public_calls, wrong_lane, wrong_public_lane;
	bool refuse, refuse_public;
} fake = {.wrong_lane = BATCH_WIDTH, .wrong_public_lane = BATCH_WIDTH};

/* m = m2 + q * (iq * (m1 - m2) mod p), as RFC 8017 section 5.1.2 has it */
static void crt_by_openssl(const struct batch_lane *lane, size_t len)
{
	const struct rsa_crt *crt = lane->crt;
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *c = BN_bin2bn(lane->in, (int)len, NULL), *m1 = BN_new(), *m2 = BN_new();

	assert_true(BN_mod_exp(m1, c, crt->dp, crt->p, ctx) && BN_mod_exp(m2, c, crt->dq, crt->q, ctx));
	assert_true(BN_mod_sub(m1, m1, m2, crt->p, ctx) && BN_mod_mul(m1, m1, crt->iq, crt->p, ctx));
	assert_true(BN_mul(m1, m1, crt->q, ctx) && BN_add(m1, m1, m2));
	assert_int_equal(BN_bn2binpad(m1, lane->out, (int)len), len);
	BN_free(c);
	BN_free(m1);
	BN_free(m2);
	BN_CTX_free(ctx);
}

static bool fake_raw(const struct batch_lane lanes[BATCH_WIDTH], unsigned int bits)
{
	fake.calls++;
	for (unsigned int i = 0; i < BATCH_WIDTH; i++) {
		assert_int_equal(lanes[i].crt->bits, bits);
		crt_by_openssl(&lanes[i], bits / 8);
		if (i == fake.wrong_lane)
			lanes[i].out[40] ^= 4;
	}
	return !fake.refuse;
}

static bool fake_raw_public(const struct batch_lane lanes[BATCH_WIDTH], unsigned int bits)
{
	BN_CTX *ctx = BN_CTX_new();

	fake.public_calls++;
	for (unsigned int i = 0; i < BATCH_WIDTH; i++) {
		BIGNUM *number = BN_bin2bn(lanes[i].in, (int)bits / 8, NULL);

		assert_int_equal(lanes[i].crt->bits, bits);
		assert_true(BN_mod_exp(number, number, lanes[i].crt->e, lanes[i].crt->n, ctx));
		assert_int_equal(BN_bn2binpad(number, lanes[i].out, (int)bits / 8), bits / 8);
		BN_free(number);
		if (i == fake.wrong_public_lane)
			lanes[i].out[40] ^= 4;
	}
	BN_CTX_free(ctx);
	return !fake.refuse_public;
}

static const struct batch_backend fake_backend = {"the test's", fake_raw, fake_raw_public};
static const struct batch_backend fake_without_public = {"the test's, private operations only", fake_raw, NULL};

/* every backend that can be tested here */
static size_t backends(const struct batch_backend *out[2])
{
	const char *why;

	out[0] = &fake_backend;
	out[1] = batch_backend(&why);
	if (!out[1])
		print_message("the real batch engine is not tested: %s\n", why);
	return out[1] ? 2 : 1;
}

static struct {
	struct private_key *rsa[3], *rsa_small, *ec; /* 2048, 3072, 4096; 1024 */
	struct key_operation operations[OPERATIONS];
	unsigned int n, done;
} t;

static struct private_key *key_of(EVP_PKEY *pkey)
{
	struct private_key *key = fixture_key(pkey);

	key->crt = rsa_crt_new(pkey);
	return key;
}

static int make_keys(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		t.rsa[i] = key_of(EVP_RSA_gen(2048 + 1024 * i));
		assert_non_null(t.rsa[i]->crt);
	}
	t.rsa_small = key_of(EVP_RSA_gen(1024));
	t.ec = key_of(EVP_EC_gen("P-256"));
	assert_true(!t.rsa_small->crt && !t.ec->crt);
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		private_key_free(&t.rsa[i]);
	private_key_free(&t.rsa_small);
	private_key_free(&t.ec);
	return 0;
}

static void ask(const struct private_key *key, uint16_t op, uint16_t algorithm, const void *input, size_t len)
{
	struct key_operation *operation = &t.operations[t.n++];

	*operation = (struct key_operation){.key = key, .op = op, .algorithm = algorithm, .input_len = len};
	memcpy(operation->input, input, len);
}

static void ask_sign(const struct private_key *key, uint16_t scheme, uint8_t first)
{
	uint8_t digest[32] = {first};

	ask(key, KEYRING_SIGN, scheme, digest, sizeof(digest));
}

static void on_done(struct key_operation *operation)
{
	(void)operation;
	t.done++;
}

static void run(struct key_engine *engine)
{
	t.done = 0;
	key_engine_run(engine, t.operations, t.n, on_done);
	assert_int_equal(t.done, t.n);
}

static bool verifies(const struct key_operation *operation)
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(operation->key->pkey, NULL);
	bool pss = operation->algorithm >> 8 == 8;

	EVP_PKEY_verify_init(ctx);
	if (EVP_PKEY_get_base_id(operation->key->pkey) == EVP_PKEY_RSA) {
		EVP_PKEY_CTX_set_rsa_padding(ctx, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
		if (pss)
			EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
	}
	EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
	return operation->status == KEYRING_DONE && EVP_PKEY_verify(ctx, operation->output, operation->output_len,
							    operation->input, operation->input_len) == 1;
}

static void start(struct key_engine *engine, const struct batch_backend *backend)
{
	t.n = 0;
	fake.wrong_lane = fake.wrong_public_lane = BATCH_WIDTH;
	fake.refuse = fake.refuse_public = false;
	key_engine_init(engine, backend, "none");
	assert_ptr_equal(engine->batch, backend);
	fake.calls = fake.public_calls = 0;
}

static void test_self_test_has_the_answers_of_openssl(void **state)
{
	const struct batch_backend *all[2];

	(void)state;
	for (size_t i = 0, n = backends(all); i < n; i++)
		assert_true(batch_self_test(all[i]));
	for (fake.wrong_lane = 0; fake.wrong_lane < BATCH_WIDTH; fake.wrong_lane++)
		assert_false(batch_self_test(&fake_backend));
	for (fake.wrong_public_lane = 0; fake.wrong_public_lane < BATCH_WIDTH; fake.wrong_public_lane++)
		assert_false(batch_self_test(&fake_backend));
}

static void test_a_backend_that_fails_the_self_test_is_not_used(void **state)
{
	struct key_engine engine;

	(void)state;
	fake.wrong_lane = 3;
	key_engine_init(&engine, &fake_backend, NULL);
	assert_null(engine.batch);
	assert_non_null(strstr(engine.why, "wrong answers"));
	fake.wrong_lane = BATCH_WIDTH;
	fake.calls = t.n = 0;
	for (uint8_t i = 0; i < 8; i++)
		ask_sign(t.rsa[0], 0x0804, i);
	run(&engine);
	assert_int_equal(engine.single, 8);
	assert_int_equal(fake.calls, 0);
}

/* how many of n operations of one size go in batches */
static void test_four_singly_five_together(void **state)
{
	static const struct {
		unsigned int n, batches, batched;
	} cases[] = {{1, 0, 0}, {4, 0, 0}, {5, 1, 5}, {8, 1, 8}, {12, 1, 8}, {13, 2, 13}, {16, 2, 16}, {20, 2, 16}};
	struct key_engine engine;

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		start(&engine, &fake_backend);
		for (unsigned int i = 0; i < cases[c].n; i++)
			ask_sign(t.rsa[0], i & 1 ? 0x0804 : 0x0401, (uint8_t)i);
		run(&engine);
		assert_int_equal(engine.batches, cases[c].batches);
		assert_int_equal(engine.batched, cases[c].batched);
		assert_int_equal(engine.single, cases[c].n - cases[c].batched);
		for (unsigned int i = 0; i < t.n; i++)
			assert_true(verifies(&t.operations[i]));
	}
}

static void test_every_size_and_scheme_in_batches(void **state)
{
	static const uint16_t schemes[] = {0x0401, 0x0804};
	const struct batch_backend *all[2];
	struct key_engine engine;

	(void)state;
	for (size_t b = 0, n = backends(all); b < n; b++) {
		for (size_t size = 0; size < 3; size++) {
			start(&engine, all[b]);
			for (uint8_t i = 0; i < 7; i++)
				ask_sign(t.rsa[size], schemes[i & 1], i);
			run(&engine);
			assert_int_equal(engine.batched, 7);
			assert_int_equal(engine.faults, 0);
			for (unsigned int i = 0; i < t.n; i++)
				assert_true(verifies(&t.operations[i]));
		}
	}
}

/* the hashes of all other schemes: checked against OpenSSL's verification */
static void test_other_hashes_in_batches(void **state)
{
	static const struct {
		uint16_t scheme;
		const EVP_MD *(*md)(void);
	} cases[] = {{0x0201, EVP_sha1}, {0x0501, EVP_sha384}, {0x0601, EVP_sha512}, {0xff01, EVP_md5_sha1},
		{0x0805, EVP_sha384}, {0x0806, EVP_sha512}};
	uint8_t digest[64] = {9};
	struct key_engine engine;

	(void)state;
	start(&engine, &fake_backend);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ask(t.rsa[0], KEYRING_SIGN, cases[i].scheme, digest, (size_t)EVP_MD_get_size(cases[i].md()));
	run(&engine);
	assert_int_equal(engine.batched, ARRAY_SIZE(cases));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(t.rsa[0]->pkey, NULL);
		struct key_operation *operation = &t.operations[i];
		bool pss = cases[i].scheme >> 8 == 8;

		EVP_PKEY_verify_init(ctx);
		EVP_PKEY_CTX_set_rsa_padding(ctx, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
		if (pss)
			EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
		EVP_PKEY_CTX_set_signature_md(ctx, cases[i].md());
		assert_int_equal(EVP_PKEY_verify(ctx, operation->output, operation->output_len, operation->input,
					 operation->input_len),
			1);
	}
}

static void test_mixed_operations_get_their_own_answers(void **state)
{
	const struct batch_backend *all[2];
	struct key_engine engine;

	(void)state;
	for (size_t b = 0, n = backends(all); b < n; b++) {
		start(&engine, all[b]);
		for (uint8_t i = 0; i < 7; i++) {
			ask_sign(t.rsa[0], 0x0804, i);
			ask_sign(t.ec, 0x0403, i);
			ask_sign(t.rsa[1], 0x0401, i);
			ask_sign(t.rsa_small, 0x0401, i);
		}
		ask_sign(t.rsa[2], 0x0401, 1);
		ask_sign(NULL, 0x0401, 1);
		ask_sign(t.rsa[0], 0x0403, 1);                     /* a scheme of another key type */
		ask(t.rsa[0], KEYRING_SIGN, 0x0401, "short", 5);   /* no digest */
		ask(t.rsa[0], 77, 0x0401, "", 0);                  /* no operation */
		ask(t.rsa[0], KEYRING_RSA_DECRYPT, 0x0303, "", 0); /* no ciphertext */
		run(&engine);
		assert_int_equal(engine.batched, 14);
		for (unsigned int i = 0; i < 29; i++)
			assert_true(verifies(&t.operations[i]));
		assert_int_equal(t.operations[29].status, KEYRING_NO_KEY);
		for (unsigned int i = 30; i < t.n; i++)
			assert_int_equal(t.operations[i].status, KEYRING_BAD_REQUEST);
	}
}

static void ask_decrypt(const struct private_key *key, const uint8_t *secret, bool padded)
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	size_t size = (size_t)EVP_PKEY_get_size(key->pkey), len = size;
	uint8_t block[BATCH_BLOCK_MAX], ciphertext[BATCH_BLOCK_MAX];

	memset(block, 7, size);
	block[0] = block[size - 49] = 0;
	block[1] = padded ? 2 : 1;
	memcpy(block + size - 48, secret, 48);
	EVP_PKEY_encrypt_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING);
	assert_int_equal(EVP_PKEY_encrypt(ctx, ciphertext, &len, block, size), 1);
	ask(key, KEYRING_RSA_DECRYPT, 0x0303, ciphertext, size);
}

static void test_rsa_key_exchange_in_batches(void **state)
{
	uint8_t secret[48] = {3, 3, 42}, above[512];
	const struct batch_backend *all[2];
	struct key_engine engine;

	(void)state;
	memset(above, 0xff, sizeof(above));
	for (size_t b = 0, n = backends(all); b < n; b++) {
		for (size_t size = 0; size < 3; size++) {
			start(&engine, all[b]);
			for (uint8_t i = 0; i < 8; i++) {
				secret[3] = i;
				ask_decrypt(t.rsa[size], secret, i != 5);
			}
			ask(t.rsa[size], KEYRING_RSA_DECRYPT, 0x0303, above, t.rsa[size]->crt->bits / 8);
			run(&engine);
			assert_int_equal(engine.batched, 8);
			for (uint8_t i = 0; i < t.n; i++) {
				secret[3] = i;
				assert_int_equal(t.operations[i].status, KEYRING_DONE);
				assert_int_equal(t.operations[i].output_len, 48);
				assert_int_equal(memcmp(t.operations[i].output, secret, 48) == 0, i != 5 && i != 8);
				assert_memory_equal(t.operations[i].output, secret, 2);
			}
		}
	}
}

/* however it is found: by the backend's public operation, by OpenSSL's because it has none or computed nothing */
static void wrong_signature(const struct batch_backend *backend, bool refuse_public)
{
	struct key_engine engine;

	start(&engine, backend);
	fake.refuse_public = refuse_public;
	fake.wrong_lane = 2;
	for (uint8_t i = 0; i < 8; i++)
		ask_sign(t.rsa[0], 0x0804, i);
	run(&engine);
	for (unsigned int i = 0; i < t.n; i++)
		assert_true(verifies(&t.operations[i]));
	assert_int_equal(engine.faults, 1);
	assert_int_equal(engine.single, 1);
	assert_int_equal(engine.batched, 7);
	assert_true(t.rsa[0]->crt->faulty);
	run(&engine); /* that key goes singly from now on */
	assert_int_equal(engine.batches, 1);
	t.rsa[0]->crt->faulty = false;
	run(&engine);
	t.rsa[0]->crt->faulty = false;
	run(&engine);
	t.rsa[0]->crt->faulty = false;
	assert_int_equal(engine.faults, BATCH_FAULTS_MAX);
	assert_null(engine.batch);
	run(&engine);
	assert_int_equal(engine.batches, BATCH_FAULTS_MAX);
	for (unsigned int i = 0; i < t.n; i++)
		assert_true(verifies(&t.operations[i]));
	assert_int_equal(fake.public_calls, backend->raw_public ? BATCH_FAULTS_MAX : 0);
}

static void test_a_wrong_signature_is_never_given_out(void **state)
{
	(void)state;
	wrong_signature(&fake_backend, false);
	t.rsa[0]->crt->faulty = false;
	wrong_signature(&fake_backend, true);
	t.rsa[0]->crt->faulty = false;
	wrong_signature(&fake_without_public, false);
	t.rsa[0]->crt->faulty = false;
}

/* a right signature that seems wrong is made once more, and a decrypted secret goes through no public operation */
static void test_what_the_check_is_of(void **state)
{
	uint8_t secret[48] = {3, 3};
	struct key_engine engine;

	(void)state;
	start(&engine, &fake_backend);
	fake.wrong_public_lane = 1;
	for (uint8_t i = 0; i < 8; i++)
		ask_sign(t.rsa[0], 0x0804, i);
	run(&engine);
	assert_int_equal(engine.single, 1);
	for (unsigned int i = 0; i < t.n; i++)
		assert_true(verifies(&t.operations[i]));
	t.rsa[0]->crt->faulty = false;
	for (unsigned int signatures = 0; signatures < 8; signatures++) {
		start(&engine, &fake_backend);
		for (uint8_t i = 0; i < 8; i++) {
			if (i < signatures)
				ask_sign(t.rsa[0], 0x0804, i);
			else
				ask_decrypt(t.rsa[0], secret, true);
		}
		run(&engine);
		assert_int_equal(fake.public_calls, signatures >= 3);
		assert_int_equal(engine.batched, 8);
		for (unsigned int i = 0; i < signatures; i++)
			assert_true(verifies(&t.operations[i]));
	}
}

static void test_a_backend_that_computes_nothing_costs_nothing_but_time(void **state)
{
	struct key_engine engine;

	(void)state;
	start(&engine, &fake_backend);
	fake.refuse = true;
	for (uint8_t i = 0; i < 8; i++)
		ask_sign(t.rsa[0], 0x0804, i);
	run(&engine);
	assert_int_equal(engine.single, 8);
	for (unsigned int i = 0; i < t.n; i++)
		assert_true(verifies(&t.operations[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self_test_has_the_answers_of_openssl),
		cmocka_unit_test(test_a_backend_that_fails_the_self_test_is_not_used),
		cmocka_unit_test(test_four_singly_five_together),
		cmocka_unit_test(test_every_size_and_scheme_in_batches),
		cmocka_unit_test(test_other_hashes_in_batches),
		cmocka_unit_test(test_mixed_operations_get_their_own_answers),
		cmocka_unit_test(test_rsa_key_exchange_in_batches),
		cmocka_unit_test(test_a_wrong_signature_is_never_given_out),
		cmocka_unit_test(test_what_the_check_is_of),
		cmocka_unit_test(test_a_backend_that_computes_nothing_costs_nothing_but_time),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
