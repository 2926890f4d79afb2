/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keys/import.h"
#include "ipc/keyring.h"
#include "keys/private_key.h"

#define RSA_BITS_MIN 1024
#define RSA_BITS_GOOD 2048
#define RSA_BITS_MAX (KEYRING_INPUT_MAX * 8)

static int check_rsa(struct import *import)
{
	int bits = EVP_PKEY_get_bits(import->key);

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return import_refuse(import, "an RSA key of %d bits is not supported: use %d to %d bits", bits,
			RSA_BITS_GOOD, RSA_BITS_MAX);
	if (bits < RSA_BITS_GOOD)
		import_warn(
			import, "the RSA key has only %d bits: replace it with one of %d or more", bits, RSA_BITS_GOOD);
	return 0;
}

static int check_ec(struct import *import)
{
	static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
	char curve[64];
	size_t len;

	if (EVP_PKEY_get_group_name(import->key, curve, sizeof(curve), &len) != 1)
		return import_refuse(import, "the curve of the ECDSA key has no name: use P-256, P-384 or P-521");
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
		if (!strcmp(curve, curves[i]))
			return 0;
	return import_refuse(import, "the curve %s is not supported: use P-256, P-384 or P-521", curve);
}

static int check_key_kind(struct import *import)
{
	switch (EVP_PKEY_get_base_id(import->key)) {
	case EVP_PKEY_RSA:
		return check_rsa(import);
	case EVP_PKEY_EC:
		return check_ec(import);
	case EVP_PKEY_ED25519:
		return 0;
	default:
		return import_refuse(import, "this kind of private key is not supported: use RSA, ECDSA or Ed25519");
	}
}

int import_check_key(struct import *import)
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(import->key, NULL);
	int err = check_key_kind(import);

	if (err)
		return err;
	/* the public part must be that of the private part: signatures would fail later, on the wire */
	if (!ctx || EVP_PKEY_pairwise_check(ctx) != 1)
		return import_refuse(
			import, "the private key is inconsistent in itself: it is damaged, export it again");
	return public_key_id(import->key, &import->key_id);
}

static bool certificate_issued(const X509 *issuer, X509 *certificate)
{
	EVP_PKEY *public = X509_get0_pubkey(issuer);

	return public && !X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) &&
	       X509_verify(certificate, public) == 1;
}

/* index of the certificate that issued none of the others */
static unsigned int find_end(const struct import *import)
{
	for (unsigned int i = 0; i < import->n; i++) {
		unsigned int j = 0;

		while (j < import->n && (j == i || !certificate_issued(import->chain[i], import->chain[j])))
			j++;
		if (j == import->n)
			return i;
	}
	return 0;
}

int import_take_public_key(struct import *import)
{
	int err;

	import->key = X509_get_pubkey(import->chain[find_end(import)]);
	if (!import->key)
		return import_refuse(import, "the certificate's public key cannot be read");
	err = check_key_kind(import);
	return err ? err : public_key_id(import->key, &import->key_id);
}

static bool certificate_has_key(const X509 *certificate, const EVP_PKEY *key)
{
	EVP_PKEY *public = X509_get0_pubkey(certificate);

	return public && EVP_PKEY_eq(public, key) == 1;
}

static void chain_swap(struct import *import, unsigned int a, unsigned int b)
{
	X509 *c = import->chain[a];

	import->chain[a] = import->chain[b];
	import->chain[b] = c;
}

/* index of the certificate of the private key; n when there is none */
static unsigned int find_leaf(const struct import *import)
{
	unsigned int i = 0;

	while (i < import->n && !certificate_has_key(import->chain[i], import->key))
		i++;
	return i;
}

/* index of the issuer, among those after it; n when there is none */
static unsigned int find_issuer(const struct import *import, unsigned int of)
{
	unsigned int i = of + 1;

	while (i < import->n && !certificate_issued(import->chain[i], import->chain[of]))
		i++;
	return i;
}

static int refuse_stranger(struct import *import, unsigned int at)
{
	json_t *stranger = import_name(X509_get_subject_name(import->chain[at]));
	json_t *last = import_name(X509_get_issuer_name(import->chain[at - 1]));

	import_refuse(import,
		"the certificates do not form a chain: \"%.150s\" did not issue any of the others; remove it, or add "
		"the "
		"missing intermediate \"%.150s\"",
		json_string_value(stranger), json_string_value(last));
	json_decref(stranger);
	json_decref(last);
	return -EINVAL;
}

int import_order_chain(struct import *import)
{
	unsigned int leaf = find_leaf(import);

	if (leaf == import->n)
		return import_refuse(import, "the private key does not belong to the certificate: give the key that "
					     "the certificate was requested with");
	chain_swap(import, 0, leaf);
	for (unsigned int i = 0; i + 1 < import->n; i++) {
		unsigned int issuer = find_issuer(import, i);

		if (issuer == import->n)
			return refuse_stranger(import, i + 1);
		chain_swap(import, i + 1, issuer);
	}
	ERR_clear_error();
	return 0;
}
