/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/private_key.h"

#include <errno.h>

#include "keys/premaster.h"

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

enum keyring_status private_key_decrypt(const struct private_key *key, uint16_t version, struct span ciphertext,
	uint8_t out[KEYRING_OUTPUT_MAX], size_t *len)
{
	uint8_t block[KEYRING_INPUT_MAX], random[PREMASTER_SIZE];

	if (EVP_PKEY_get_base_id(key->pkey) != EVP_PKEY_RSA || ciphertext.len > KEYRING_INPUT_MAX ||
		ciphertext.len != (size_t)EVP_PKEY_get_size(key->pkey) || ciphertext.len < PREMASTER_BLOCK_MIN)
		return KEYRING_BAD_REQUEST;
	/* RFC 5246 section 7.4.7.1: made before the decryption, whether it will be needed or not */
	if (RAND_priv_bytes(random, sizeof(random)) != 1)
		return KEYRING_FAULT;
	rsa_raw_decrypt(key->pkey, ciphertext, block);
	premaster_unpad(block, ciphertext.len, version, random, out);
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(random, sizeof(random));
	*len = PREMASTER_SIZE;
	return KEYRING_DONE;
}
