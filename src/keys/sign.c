/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/emsa.h"
#include "keys/private_key.h"

enum sign_padding { PADDING_NONE, PADDING_PKCS1, PADDING_PSS };

/* the schemes of RFC 8446 section 4.2.3; in TLS 1.2 an ECDSA scheme does not name the curve, so any goes */
static const struct sign_scheme {
	uint16_t id;
	int key_type;
	enum sign_padding padding;
	const EVP_MD *(*md)(void);
} schemes[] = {
	{0x0201, EVP_PKEY_RSA, PADDING_PKCS1, EVP_sha1},
	{0x0401, EVP_PKEY_RSA, PADDING_PKCS1, EVP_sha256},
	{0x0501, EVP_PKEY_RSA, PADDING_PKCS1, EVP_sha384},
	{0x0601, EVP_PKEY_RSA, PADDING_PKCS1, EVP_sha512},
	{0xff01, EVP_PKEY_RSA, PADDING_PKCS1,
		EVP_md5_sha1}, /* TLS 1.0 and 1.1 (RFC 4346 section 7.4.3), BoringSSL's number */
	{0x0804, EVP_PKEY_RSA, PADDING_PSS, EVP_sha256},
	{0x0805, EVP_PKEY_RSA, PADDING_PSS, EVP_sha384},
	{0x0806, EVP_PKEY_RSA, PADDING_PSS, EVP_sha512},
	{0x0203, EVP_PKEY_EC, PADDING_NONE, EVP_sha1},
	{0x0403, EVP_PKEY_EC, PADDING_NONE, EVP_sha256},
	{0x0503, EVP_PKEY_EC, PADDING_NONE, EVP_sha384},
	{0x0603, EVP_PKEY_EC, PADDING_NONE, EVP_sha512},
	{0x0807, EVP_PKEY_ED25519, PADDING_NONE, NULL},
};

static const struct sign_scheme *sign_scheme_find(uint16_t id, int key_type)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (schemes[i].id == id && schemes[i].key_type == key_type)
			return &schemes[i];
	return NULL;
}

static bool sign_set_up(EVP_PKEY_CTX *ctx, const struct sign_scheme *scheme)
{
	if (scheme->padding == PADDING_PKCS1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1)
		return false;
	/* RFC 8446: the salt is as long as the digest, MGF1 uses the same hash (the library's default) */
	if (scheme->padding == PADDING_PSS &&
		(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
			EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) != 1))
		return false;
	return EVP_PKEY_CTX_set_signature_md(ctx, scheme->md()) == 1;
}

/* The library takes each answer of the Chinese remainder theorem through the public operation, and computes it in
 * another way where it is wrong (test_a_key_with_a_fault_gives_no_wrong_signature): not done here once more. */
static enum keyring_status sign_digest(
	EVP_PKEY *pkey, const struct sign_scheme *scheme, struct span digest, uint8_t *out, size_t *len)
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);

	if (digest.len != (size_t)EVP_MD_get_size(scheme->md()))
		return KEYRING_BAD_REQUEST;
	if (!ctx || EVP_PKEY_sign_init(ctx) != 1 || !sign_set_up(ctx, scheme) ||
		EVP_PKEY_sign(ctx, out, len, digest.data, digest.len) != 1)
		return KEYRING_FAULT;
	return KEYRING_DONE;
}

static enum keyring_status sign_message(EVP_PKEY *pkey, struct span message, uint8_t *out, size_t *len)
{
	_cleanup_crypto_(EVP_MD_CTX) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) != 1 ||
		EVP_DigestSign(ctx, out, len, message.data, message.len) != 1)
		return KEYRING_FAULT;
	return KEYRING_DONE;
}

enum keyring_status private_key_sign(const struct private_key *key, uint16_t scheme_id, struct span digest,
	uint8_t out[KEYRING_OUTPUT_MAX], size_t *len)
{
	const struct sign_scheme *scheme = sign_scheme_find(scheme_id, EVP_PKEY_get_base_id(key->pkey));
	enum keyring_status status;

	if (!scheme || EVP_PKEY_get_size(key->pkey) > KEYRING_OUTPUT_MAX)
		return KEYRING_BAD_REQUEST;
	*len = KEYRING_OUTPUT_MAX;
	if (scheme->md)
		status = sign_digest(key->pkey, scheme, digest, out, len);
	else
		status = sign_message(key->pkey, digest, out, len);
	ERR_clear_error();
	if (status != KEYRING_DONE) {
		OPENSSL_cleanse(out, KEYRING_OUTPUT_MAX);
		*len = 0;
	}
	return status;
}

bool private_key_sign_block(
	const struct private_key *key, uint16_t scheme_id, struct span digest, uint8_t block[KEYRING_INPUT_MAX])
{
	const struct sign_scheme *scheme = sign_scheme_find(scheme_id, EVP_PKEY_RSA);
	size_t size = key->crt->bits / 8;

	if (!scheme)
		return false;
	return scheme->padding == PADDING_PSS ? !emsa_pss(block, size, scheme->md(), digest)
					      : !emsa_pkcs1(block, size, scheme->md(), digest);
}
