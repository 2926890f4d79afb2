/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/rsa_crt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

static bool rsa_crt_read(const EVP_PKEY *pkey, struct rsa_crt *crt)
{
	const struct {
		const char *name;
		BIGNUM **number;
	} numbers[] = {
		{OSSL_PKEY_PARAM_RSA_N, &crt->n},
		{OSSL_PKEY_PARAM_RSA_E, &crt->e},
		{OSSL_PKEY_PARAM_RSA_FACTOR1, &crt->p},
		{OSSL_PKEY_PARAM_RSA_FACTOR2, &crt->q},
		{OSSL_PKEY_PARAM_RSA_EXPONENT1, &crt->dp},
		{OSSL_PKEY_PARAM_RSA_EXPONENT2, &crt->dq},
		{OSSL_PKEY_PARAM_RSA_COEFFICIENT1, &crt->iq},
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (EVP_PKEY_get_bn_param(pkey, numbers[i].name, numbers[i].number) != 1)
			return false;
		BN_set_flags(*numbers[i].number, BN_FLG_CONSTTIME);
	}
	return true;
}

static bool has_third_prime(const EVP_PKEY *pkey)
{
	BIGNUM *third = NULL;
	bool has = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR3, &third) == 1;

	BN_clear_free(third);
	return has;
}

static bool rsa_crt_fits(const struct rsa_crt *crt)
{
	int half = (int)crt->bits / 2;

	return BN_num_bits(crt->p) == half && BN_num_bits(crt->q) == half && BN_cmp(crt->p, crt->q) > 0 &&
	       BN_cmp(crt->dp, crt->p) < 0 && BN_cmp(crt->dq, crt->q) < 0 && BN_cmp(crt->iq, crt->p) < 0;
}

struct rsa_crt *rsa_crt_new(const EVP_PKEY *pkey)
{
	int bits = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA ? EVP_PKEY_get_bits(pkey) : 0;
	struct rsa_crt *crt;

	if (bits != 2048 && bits != 3072 && bits != 4096)
		return NULL;
	crt = calloc(1, sizeof(*crt));
	if (!crt)
		return NULL;
	crt->bits = (unsigned int)bits;
	if (!rsa_crt_read(pkey, crt) || has_third_prime(pkey) || !rsa_crt_fits(crt))
		rsa_crt_free(&crt);
	ERR_clear_error();
	return crt;
}

void rsa_crt_free(struct rsa_crt **crt)
{
	if (!*crt)
		return;
	BN_free((*crt)->n);
	BN_free((*crt)->e);
	BN_clear_free((*crt)->p);
	BN_clear_free((*crt)->q);
	BN_clear_free((*crt)->dp);
	BN_clear_free((*crt)->dq);
	BN_clear_free((*crt)->iq);
	free(*crt);
	*crt = NULL;
}
