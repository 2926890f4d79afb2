/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Keys and certificates made at test time. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "keys/libcrypto.h"
#include "keys/private_key.h"

static inline struct private_key *fixture_key(EVP_PKEY *pkey)
{
	struct private_key *key = calloc(1, sizeof(*key));

	key->pkey = pkey;
	public_key_id(pkey, &key->id);
	return key;
}

static inline BIO *fixture_bio(void)
{
	return BIO_new(BIO_s_mem());
}

/* what was written to the BIO; valid while it lives */
static inline struct span fixture_bytes(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	return SPAN(data, len);
}

struct fixture_certificate {
	const char *name;      /* CN */
	EVP_PKEY *key;         /* subject's */
	X509 *issuer;          /* NULL: self-signed */
	EVP_PKEY *issuer_key;  /* NULL: own */
	const char *sans;      /* as in openssl.cnf, NULL: none */
	const char *key_usage; /* extended */
	int from_days, to_days;
};

static inline void fixture_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = value ? X509V3_EXT_conf_nid(NULL, NULL, nid, value) : NULL;

	if (extension)
		X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static inline bool signer_hashes_itself(const EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 || EVP_PKEY_get_base_id(key) == EVP_PKEY_ED448;
}

static inline X509 *fixture_certificate(const struct fixture_certificate *want)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	EVP_PKEY *signer = want->issuer_key ? want->issuer_key : want->key;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)want->name, -1, -1, 0);
	X509_set_issuer_name(x, want->issuer ? X509_get_subject_name(want->issuer) : name);
	X509_gmtime_adj(X509_getm_notBefore(x), want->from_days * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(x), want->to_days * 86400L);
	X509_set_pubkey(x, want->key);
	fixture_extension(x, NID_subject_alt_name, want->sans);
	fixture_extension(x, NID_ext_key_usage, want->key_usage);
	X509_sign(x, signer, signer_hashes_itself(signer) ? NULL : EVP_sha256());
	return x;
}
