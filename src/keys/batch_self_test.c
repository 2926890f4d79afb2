/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bn.h>
#include <stdio.h>
#include <string.h>

#include "keys/batch.h"

/* SHA-256 over the eight answers. The arithmetic needs odd numbers, not primes, so the keys are made up from a hash and
 * no real key stands here; tests/unit/test_engine.c computes the same answers with OpenSSL. */
static const struct {
	unsigned int bits;
	uint8_t answer[32];
} known[] = {
	{2048, {0x15, 0x76, 0x42, 0x77, 0x10, 0x08, 0x0d, 0x03, 0x86, 0xbc, 0xb2, 0x61, 0x8d, 0x27, 0x5b, 0x80, 0x49,
		       0xea, 0xf0, 0x5d, 0x83, 0xcd, 0x4f, 0x76, 0x36, 0x0c, 0x87, 0x0d, 0x4c, 0xe2, 0xef, 0x32}},
	{3072, {0xed, 0x04, 0xa8, 0xd7, 0x1f, 0xae, 0xbd, 0x84, 0x56, 0xc0, 0x0f, 0xb9, 0x72, 0x37, 0x3c, 0x94, 0xb7,
		       0x18, 0xa1, 0xa6, 0xdf, 0x4e, 0xa5, 0xa2, 0xf9, 0x0f, 0xbb, 0xa5, 0x48, 0xb6, 0x39, 0x3c}},
	{4096, {0x03, 0xa7, 0x18, 0x85, 0x1e, 0xdc, 0x6d, 0x09, 0xc5, 0x2c, 0x4b, 0x07, 0x3b, 0x8e, 0x44, 0x37, 0x04,
		       0x7b, 0x1d, 0x86, 0xd9, 0x52, 0xf7, 0x5f, 0xca, 0xf3, 0x91, 0x81, 0xa6, 0x4f, 0x7d, 0xed}},
};

/* as many bytes as wanted, always the same for a label and a lane */
static void made_up(const char *label, unsigned int bits, unsigned int lane, uint8_t *out, size_t len)
{
	uint8_t hash[32];
	char text[64];

	for (size_t at = 0; at < len; at += sizeof(hash)) {
		int n = snprintf(text, sizeof(text), "%s %u %u %zu", label, bits, lane, at);

		EVP_Digest(text, (size_t)n, hash, NULL, EVP_sha256(), NULL);
		memcpy(out + at, hash, MIN(len - at, sizeof(hash)));
	}
}

static BIGNUM *made_up_number(const char *label, unsigned int bits, unsigned int lane, bool modulus)
{
	uint8_t bytes[BATCH_BLOCK_MAX / 2];
	size_t len = bits / 16;

	made_up(label, bits, lane, bytes, len);
	if (modulus) {
		bytes[0] |= 0xc0;
		bytes[len - 1] |= 1;
	} else {
		bytes[0] &= 0x3f;
	}
	return BN_bin2bn(bytes, (int)len, NULL);
}

static bool made_up_key(struct rsa_crt *crt, unsigned int bits, unsigned int lane, BN_CTX *ctx)
{
	*crt = (struct rsa_crt){.p = made_up_number("p", bits, lane, true),
		.q = made_up_number("q", bits, lane, true),
		.dp = made_up_number("dp", bits, lane, false),
		.dq = made_up_number("dq", bits, lane, false),
		.iq = made_up_number("iq", bits, lane, false),
		.bits = bits};
	if (!crt->p || !crt->q || !crt->dp || !crt->dq || !crt->iq)
		return false;
	if (BN_cmp(crt->p, crt->q) < 0)
		BN_swap(crt->p, crt->q);
	crt->n = BN_new();
	crt->e = BN_new();
	return crt->n && crt->e && BN_mul(crt->n, crt->p, crt->q, ctx) && BN_set_word(crt->e, RSA_F4);
}

static bool public_lane_is_right(const struct batch_lane *lane, BN_CTX *ctx)
{
	uint8_t right[BATCH_BLOCK_MAX];
	BIGNUM *number = BN_bin2bn(lane->in, (int)lane->crt->bits / 8, NULL);
	bool ok = number && BN_mod_exp(number, number, lane->crt->e, lane->crt->n, ctx) &&
		  BN_bn2binpad(number, right, (int)lane->crt->bits / 8) > 0 &&
		  !memcmp(right, lane->out, lane->crt->bits / 8);

	BN_free(number);
	return ok;
}

/* against the library's own arithmetic: the made-up answers cannot be turned back, since the keys are none */
static bool self_test_public(
	const struct batch_backend *backend, const struct batch_lane lanes[BATCH_WIDTH], unsigned int bits, BN_CTX *ctx)
{
	bool ok = !backend->raw_public || backend->raw_public(lanes, bits);

	for (unsigned int i = 0; backend->raw_public && ok && i < BATCH_WIDTH; i++)
		ok = public_lane_is_right(&lanes[i], ctx);
	return ok;
}

static bool self_test_size(const struct batch_backend *backend, unsigned int bits, const uint8_t *answer)
{
	static uint8_t in[BATCH_WIDTH][BATCH_BLOCK_MAX], out[BATCH_WIDTH * BATCH_BLOCK_MAX];
	struct rsa_crt keys[BATCH_WIDTH] = {0};
	struct batch_lane lanes[BATCH_WIDTH];
	BN_CTX *ctx = BN_CTX_new();
	size_t len = bits / 8;
	uint8_t hash[32];
	bool ok = ctx != NULL;

	for (unsigned int i = 0; i < BATCH_WIDTH; i++) {
		ok = ok && made_up_key(&keys[i], bits, i, ctx);
		made_up("in", bits, i, in[i], len);
		in[i][0] = 0;
		lanes[i] = (struct batch_lane){&keys[i], in[i], out + i * len};
	}
	ok = ok && backend->raw(lanes, bits) &&
	     EVP_Digest(out, BATCH_WIDTH * len, hash, NULL, EVP_sha256(), NULL) == 1 &&
	     !memcmp(hash, answer, sizeof(hash)) && self_test_public(backend, lanes, bits, ctx);
	for (unsigned int i = 0; i < BATCH_WIDTH; i++) {
		BN_free(keys[i].p);
		BN_free(keys[i].q);
		BN_free(keys[i].dp);
		BN_free(keys[i].dq);
		BN_free(keys[i].iq);
		BN_free(keys[i].n);
		BN_free(keys[i].e);
	}
	BN_CTX_free(ctx);
	return ok;
}

bool batch_self_test(const struct batch_backend *backend)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!self_test_size(backend, known[i].bits, known[i].answer))
			return false;
	return true;
}
