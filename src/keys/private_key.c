/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/private_key.h"

#include <errno.h>
#include <openssl/bn.h>
#include <string.h>

int public_key_id(const EVP_PKEY *key, uint64_t *id)
{
	uint8_t *der = NULL, hash[32];
	int len = i2d_PUBKEY(key, &der);
	bool ok = len > 0 && EVP_Digest(der, len, hash, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	ERR_clear_error();
	if (!ok)
		return -EINVAL;
	*id = 0;
	for (int i = 0; i < 8; i++)
		*id = *id << 8 | hash[i];
	return 0;
}

int private_key_from_pkcs8(struct private_key **out, struct span der)
{
	const uint8_t *at = der.data;
	struct private_key *key = calloc(1, sizeof(*key));
	int err = -EINVAL;

	if (!key)
		return -ENOMEM;
	key->pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
	if (key->pkey)
		err = public_key_id(key->pkey, &key->id);
	if (!err)
		key->crt = rsa_crt_new(key->pkey);
	ERR_clear_error();
	if (err)
		private_key_free(&key);
	else
		*out = key;
	return err;
}

void private_key_free(struct private_key **key)
{
	if (!*key)
		return;
	EVP_PKEY_free((*key)->pkey);
	rsa_crt_free(&(*key)->crt);
	free(*key);
	*key = NULL;
}

/* the raw private operation, blinded by the library: the padded block of k bytes, zeros if it cannot be done */
static void rsa_raw_decrypt(EVP_PKEY *pkey, struct span ciphertext, uint8_t block[KEYRING_INPUT_MAX])
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	size_t len = KEYRING_INPUT_MAX;

	/* what can fail depends on the ciphertext alone (not below the modulus), which everyone knows */
	if (!ctx || EVP_PKEY_decrypt_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) != 1 ||
		EVP_PKEY_decrypt(ctx, block, &len, ciphertext.data, ciphertext.len) != 1 || len != ciphertext.len)
		OPENSSL_cleanse(block, KEYRING_INPUT_MAX);
	ERR_clear_error();
}

enum keyring_status private_key_unpad(uint16_t version, uint8_t *block, size_t size, uint8_t out[KEYRING_OUTPUT_MAX])
{
	uint8_t random[PREMASTER_SIZE];
	/* RFC 5246 section 7.4.7.1: made whether it will be needed or not */
	bool ok = RAND_priv_bytes(random, sizeof(random)) == 1;

	if (ok)
		premaster_unpad(block, size, version, random, out);
	OPENSSL_cleanse(block, size);
	OPENSSL_cleanse(random, sizeof(random));
	return ok ? KEYRING_DONE : KEYRING_FAULT;
}

static bool ciphertext_fits(const struct private_key *key, struct span ciphertext)
{
	return EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_RSA && ciphertext.len <= KEYRING_INPUT_MAX &&
	       ciphertext.len == (size_t)EVP_PKEY_get_size(key->pkey) && ciphertext.len >= PREMASTER_BLOCK_MIN;
}

enum keyring_status private_key_decrypt(const struct private_key *key, uint16_t version, struct span ciphertext,
	uint8_t out[KEYRING_OUTPUT_MAX], size_t *len)
{
	uint8_t block[KEYRING_INPUT_MAX];
	enum keyring_status status;

	if (!ciphertext_fits(key, ciphertext))
		return KEYRING_BAD_REQUEST;
	rsa_raw_decrypt(key->pkey, ciphertext, block);
	status = private_key_unpad(version, block, ciphertext.len, out);
	if (status == KEYRING_DONE)
		*len = PREMASTER_SIZE;
	return status;
}

bool private_key_decrypt_block(const struct private_key *key, struct span ciphertext, uint8_t block[KEYRING_INPUT_MAX])
{
	BIGNUM *number =
		ciphertext_fits(key, ciphertext) ? BN_bin2bn(ciphertext.data, (int)ciphertext.len, NULL) : NULL;
	/* the ciphertext is known to everyone: how long this takes tells nothing */
	bool ok = number && BN_cmp(number, key->crt->n) < 0;

	BN_free(number);
	if (ok)
		memcpy(block, ciphertext.data, ciphertext.len);
	return ok;
}

bool private_key_raw_is_right(const struct private_key *key, struct span block, struct span raw)
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	uint8_t back[KEYRING_INPUT_MAX];
	size_t len = sizeof(back);
	bool right = ctx && EVP_PKEY_encrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1 &&
		     EVP_PKEY_encrypt(ctx, back, &len, raw.data, raw.len) == 1 && len == block.len &&
		     !memcmp(back, block.data, len);

	ERR_clear_error();
	return right;
}
