/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of an SSL server: read once, chosen per ClientHello by name and key type (D8). */
#include "tls/engine.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "base/span.h"

#define DNS_NAME_MAX 255

/* --- reading -------------------------------------------------------------------------------------------------- */

/* A name with an embedded NUL or of impossible length can match no SNI and is left out. */
static int certificate_add_name(struct certificate *cert, const uint8_t *text, size_t len)
{
	char **names, *name;

	if (!len || len > DNS_NAME_MAX || memchr(text, 0, len))
		return 0;
	names = reallocarray(cert->dns_names, cert->n_dns_names + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	cert->dns_names = names;
	name = strndup((const char *)text, len);
	if (!name)
		return -ENOMEM;
	for (char *c = name; *c; c++)
		*c = tolower((unsigned char)*c);
	names[cert->n_dns_names++] = name;
	return 0;
}

static int certificate_read_alt_names(struct certificate *cert, const X509 *x509)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
	int err = 0;

	for (size_t i = 0; names && !err && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			err = certificate_add_name(
				cert, ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	return err;
}

/* only where there is no subjectAltName (RFC 6125 section 6.4.4) */
static int certificate_read_common_name(struct certificate *cert, const X509 *x509)
{
	X509_NAME *subject = X509_get_subject_name(x509);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *text;

	if (at < 0)
		return 0;
	text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	return certificate_add_name(cert, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
}

static uint16_t ec_signature_of(const EVP_PKEY *key)
{
	const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);

	switch (ec ? EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) : NID_undef) {
	case NID_X9_62_prime256v1:
		return SSL_SIGN_ECDSA_SECP256R1_SHA256;
	case NID_secp384r1:
		return SSL_SIGN_ECDSA_SECP384R1_SHA384;
	case NID_secp521r1:
		return SSL_SIGN_ECDSA_SECP521R1_SHA512;
	default:
		return 0;
	}
}

static int certificate_read_key(struct certificate *cert, X509 *x509)
{
	EVP_PKEY *key = X509_get_pubkey(x509);
	int err = 0;

	cert->key_type = key ? EVP_PKEY_id(key) : EVP_PKEY_NONE;
	if (cert->key_type == EVP_PKEY_RSA)
		cert->modulus_size = EVP_PKEY_size(key);
	else if (cert->key_type == EVP_PKEY_EC)
		cert->signature = ec_signature_of(key);
	else if (cert->key_type == EVP_PKEY_ED25519)
		cert->signature = SSL_SIGN_ED25519;
	else
		err = -EINVAL;
	EVP_PKEY_free(key);
	return err;
}

static int certificate_read_leaf(struct certificate *cert)
{
	X509 *x509 = X509_parse_from_buffer(cert->chain[0]);
	int err;

	if (!x509)
		return -EINVAL;
	err = certificate_read_key(cert, x509);
	if (!err)
		err = certificate_read_alt_names(cert, x509);
	if (!err && !cert->n_dns_names)
		err = certificate_read_common_name(cert, x509);
	X509_free(x509);
	return err;
}

static int certificate_copy_chain(
	struct certificate *cert, struct tls_runtime *runtime, const struct tls_certificate *source)
{
	cert->chain = calloc(source->n_chain, sizeof(*cert->chain));
	if (!cert->chain)
		return -ENOMEM;
	for (; cert->n_chain < source->n_chain; cert->n_chain++) {
		struct span der = source->chain[cert->n_chain];

		cert->chain[cert->n_chain] = CRYPTO_BUFFER_new(der.data, der.len, runtime->pool);
		if (!cert->chain[cert->n_chain])
			return -ENOMEM;
	}
	return 0;
}

static void certificate_clear(struct certificate *cert)
{
	for (size_t i = 0; i < cert->n_chain; i++)
		CRYPTO_BUFFER_free(cert->chain[i]);
	for (size_t i = 0; i < cert->n_dns_names; i++)
		free(cert->dns_names[i]);
	free(cert->chain);
	free(cert->dns_names);
	free(cert->name);
	*cert = (struct certificate){0};
}

static int certificate_init(struct certificate *cert, struct tls_runtime *runtime, const struct tls_certificate *source)
{
	int err;

	*cert = (struct certificate){.key_id = source->key_id};
	if (!source->n_chain)
		return -EINVAL;
	cert->name = strdup(source->name);
	err = cert->name ? certificate_copy_chain(cert, runtime, source) : -ENOMEM;
	if (!err)
		err = certificate_read_leaf(cert);
	ERR_clear_error();
	if (err) {
		log_err_r(err, "certificate %s cannot be used", source->name);
		certificate_clear(cert);
	}
	return err;
}

int certificates_new(
	struct certificate **out, struct tls_runtime *runtime, size_t n, const struct tls_certificate *sources)
{
	struct certificate *certs = calloc(MAX(n, 1), sizeof(*certs));
	int err = 0;

	if (!certs)
		return -ENOMEM;
	for (size_t i = 0; i < n && !err; i++)
		err = certificate_init(&certs[i], runtime, &sources[i]);
	if (err)
		certificates_free(&certs, n);
	else
		*out = certs;
	return err;
}

void certificates_free(struct certificate **certs, size_t n)
{
	for (size_t i = 0; *certs && i < n; i++)
		certificate_clear(&(*certs)[i]);
	free(*certs);
	*certs = NULL;
}

/* --- choosing ------------------------------------------------------------------------------------------------- */

enum name_match { NAME_OTHER, NAME_WILDCARD, NAME_EXACT };

/* a wildcard stands for the whole left-most label (RFC 6125 section 6.4.3) */
static enum name_match name_match(const char *pattern, const char *name)
{
	const char *rest = strchr(name, '.');

	if (!strcmp(pattern, name))
		return NAME_EXACT;
	if (pattern[0] == '*' && pattern[1] == '.' && rest && rest != name && !strcmp(pattern + 1, rest))
		return NAME_WILDCARD;
	return NAME_OTHER;
}

static enum name_match certificate_match_name(const struct certificate *cert, const char *name)
{
	enum name_match best = NAME_OTHER;

	for (size_t i = 0; i < cert->n_dns_names; i++) {
		enum name_match match = name_match(cert->dns_names[i], name);

		best = MAX(best, match);
	}
	return best;
}

static bool wish_has_algorithm(const struct certificate_wish *wish, uint16_t wanted)
{
	struct span list = wish->signature_algorithms;
	uint32_t algorithm;

	while (span_take_be(&list, 2, &algorithm))
		if (algorithm == wanted)
			return true;
	return false;
}

static bool certificate_suits(const struct certificate *cert, const struct certificate_wish *wish)
{
	if (cert->key_type == EVP_PKEY_EC)
		return wish->tls13 ? wish_has_algorithm(wish, cert->signature) : wish->ecdsa;
	if (cert->key_type == EVP_PKEY_ED25519)
		return (wish->tls13 || wish->ecdsa) && wish_has_algorithm(wish, cert->signature);
	if (!wish->tls13)
		return wish->rsa;
	return wish_has_algorithm(wish, SSL_SIGN_RSA_PSS_RSAE_SHA256) ||
	       wish_has_algorithm(wish, SSL_SIGN_RSA_PSS_RSAE_SHA384) ||
	       wish_has_algorithm(wish, SSL_SIGN_RSA_PSS_RSAE_SHA512);
}

static bool certificate_is_servers(const struct certificate *cert, const struct certificate_wish *wish)
{
	return wish->server_leaf && buffers_equal(cert->chain[0], wish->server_leaf);
}

/* named by the client; usable by it; what the server itself shows; named exactly; cheaper for everyone */
static int certificate_rank(const struct certificate *cert, const struct certificate_wish *wish, const char *name)
{
	enum name_match match = certificate_match_name(cert, name);

	return (match != NAME_OTHER) << 4 | certificate_suits(cert, wish) << 3 |
	       certificate_is_servers(cert, wish) << 2 | (match == NAME_EXACT) << 1 | (cert->key_type != EVP_PKEY_RSA);
}

/* The name to look for: the client's, or where no certificate has it, that of the default certificate, so that its
 * counterpart of the other key type is found. */
static const char *wish_name(const struct certificate *certs, size_t n, const struct certificate_wish *wish)
{
	for (size_t i = 0; i < n && wish->sni[0]; i++)
		if (certificate_match_name(&certs[i], wish->sni) != NAME_OTHER)
			return wish->sni;
	return certs[0].n_dns_names ? certs[0].dns_names[0] : NULL;
}

const struct certificate *certificate_choose(
	const struct certificate *certs, size_t n, const struct certificate_wish *wish)
{
	const char *name = wish_name(certs, n, wish);
	const struct certificate *best = &certs[0];
	int best_rank;

	if (!name)
		return best;
	best_rank = certificate_rank(best, wish, name);
	for (size_t i = 1; i < n; i++) {
		int rank = certificate_rank(&certs[i], wish, name);

		if (rank > best_rank) {
			best = &certs[i];
			best_rank = rank;
		}
	}
	return best;
}
