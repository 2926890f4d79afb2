/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keys/import.h"

json_t *import_name(const X509_NAME *name)
{
	static const unsigned long plain = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
	_cleanup_crypto_(BIO) BIO *bio = BIO_new(BIO_s_mem());
	json_t *text = NULL;
	char *data;
	long len;

	if (bio && X509_NAME_print_ex(bio, name, 0, plain) >= 0) {
		len = BIO_get_mem_data(bio, &data);
		text = json_stringn(data, (size_t)len); /* NULL unless it is UTF-8 */
	}
	return text ? text : json_string("(a name that cannot be shown)");
}

static int time_of(const ASN1_TIME *at, struct tm *tm, time_t *seconds)
{
	if (!at || ASN1_TIME_to_tm(at, tm) != 1)
		return -EINVAL;
	*seconds = timegm(tm);
	return 0;
}

static json_t *time_text(const struct tm *tm)
{
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", tm);
	return json_string(text);
}

static int facts_validity(struct import *import, const X509 *leaf, json_t *facts)
{
	struct tm before_tm, after_tm;
	time_t now = time(NULL), before, after;
	json_t *before_text, *after_text;

	if (time_of(X509_get0_notBefore(leaf), &before_tm, &before) ||
		time_of(X509_get0_notAfter(leaf), &after_tm, &after))
		return import_refuse(import, "the certificate's validity cannot be read: have it issued again");
	before_text = time_text(&before_tm);
	after_text = time_text(&after_tm);
	if (now > after)
		import_warn(import, "the certificate expired at %s", json_string_value(after_text));
	if (now < before)
		import_warn(import, "the certificate is not valid before %s", json_string_value(before_text));
	json_object_set_new(facts, "not_before", before_text);
	json_object_set_new(facts, "not_after", after_text);
	return 0;
}

/* a DNS name as clients ask for it; anything else in that place is not shown to anyone */
static json_t *san_dns(const ASN1_IA5STRING *name)
{
	const unsigned char *text = ASN1_STRING_get0_data(name);
	int len = ASN1_STRING_length(name);

	if (len < 1 || len > 253)
		return NULL;
	for (int i = 0; i < len; i++)
		if (!isalnum(text[i]) && !strchr("-._*", text[i] ? text[i] : ' '))
			return NULL;
	return json_stringn((const char *)text, (size_t)len);
}

static json_t *san_ip(const ASN1_OCTET_STRING *address)
{
	int len = ASN1_STRING_length(address);
	char text[INET6_ADDRSTRLEN];

	if (len != 4 && len != 16)
		return NULL;
	inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text, sizeof(text));
	return json_string(text);
}

static json_t *san_text(const GENERAL_NAME *name)
{
	if (name->type == GEN_DNS)
		return san_dns(name->d.dNSName);
	return name->type == GEN_IPADD ? san_ip(name->d.iPAddress) : NULL;
}

static json_t *facts_sans(struct import *import, const X509 *leaf)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	json_t *sans = json_array();

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		json_t *text = san_text(name);

		if (text)
			json_array_append_new(sans, text);
		else if (name->type == GEN_DNS || name->type == GEN_IPADD)
			import_warn(import, "subject alternative name %d is malformed and left out", i + 1);
	}
	GENERAL_NAMES_free(names);
	if (!json_array_size(sans) && !import->client)
		import_warn(import,
			"the certificate names no host (no subject alternative name): clients of today refuse it");
	return sans;
}

static const char *key_type(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return "rsa";
	case EVP_PKEY_EC:
		return "ec";
	default:
		return "ed25519";
	}
}

static json_t *certificate_base64(const X509 *certificate)
{
	uint8_t *der = NULL;
	int len = i2d_X509(certificate, &der);
	_cleanup_free_ unsigned char *text = len > 0 ? malloc((size_t)(len + 2) / 3 * 4 + 1) : NULL;
	json_t *json = NULL;

	if (text) {
		EVP_EncodeBlock(text, der, len);
		json = json_string((const char *)text);
	}
	OPENSSL_free(der);
	return json;
}

/* the subjects of the leaf's issuers, as the chain goes */
static json_t *facts_chain_subjects(const struct import *import)
{
	json_t *subjects = json_array();

	for (unsigned int i = 1; i < import->n; i++)
		json_array_append_new(subjects, import_name(X509_get_subject_name(import->chain[i])));
	return subjects;
}

static json_t *facts_serial(const X509 *leaf)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;
	json_t *text = json_string(hex ? hex : "");

	OPENSSL_free(hex);
	BN_free(number);
	return text;
}

json_t *import_hex(const uint8_t *bytes, size_t len)
{
	char text[2 * EVP_MAX_MD_SIZE + 1] = "";

	for (size_t i = 0; i < MIN(len, (size_t)EVP_MAX_MD_SIZE); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *facts_fingerprint(const X509 *leaf)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	X509_digest(leaf, EVP_sha256(), digest, &len);
	return import_hex(digest, len);
}

static json_t *facts_chain(const struct import *import)
{
	json_t *chain = json_array();

	for (unsigned int i = 0; i < import->n; i++)
		json_array_append_new(chain, certificate_base64(import->chain[i]));
	return chain;
}

/* hashes for which forged signatures have been made; a root is trusted for what it is, not for its signature */
static bool signed_weakly(X509 *certificate)
{
	int digest;

	if (X509_self_signed(certificate, 0) == 1 ||
		X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) != 1)
		return false;
	return digest == NID_sha1 || digest == NID_md5 || digest == NID_md5_sha1;
}

static void facts_warn_of_issuers(struct import *import)
{
	for (unsigned int i = 1; i < import->n; i++) {
		json_t *name;

		if (X509_cmp_current_time(X509_get0_notAfter(import->chain[i])) >= 0)
			continue;
		name = import_name(X509_get_subject_name(import->chain[i]));
		import_warn(import, "the chain's certificate \"%.150s\" has expired", json_string_value(name));
		json_decref(name);
	}
	for (unsigned int i = 0; i < import->n; i++) {
		if (!signed_weakly(import->chain[i]))
			continue;
		import_warn(import, "%s is signed with MD5 or SHA-1: clients of today refuse it",
			i ? "a certificate of the chain" : "the certificate");
		break;
	}
}

/* Few clients fetch what is missing; only those that know the issuer itself, as a root, need nothing more. */
static void facts_warn_of_missing_issuer(struct import *import)
{
	X509 *last = import->chain[import->n - 1];
	json_t *issuer;

	if (import->n > 1 || import->client || X509_self_signed(last, 0) == 1)
		return;
	issuer = import_name(X509_get_issuer_name(last));
	import_warn(import,
		"the file holds no certificate of the issuer \"%.120s\": clients that do not know that one as a root "
		"refuse ours; add the intermediates",
		json_string_value(issuer));
	json_decref(issuer);
}

static void facts_warn_of_use(struct import *import, X509 *leaf)
{
	if (X509_check_purpose(leaf, import->client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER, 0) != 1)
		import_warn(import, "the certificate is not made for TLS %s (its extended key usage says so)",
			import->client ? "clients" : "servers");
}

int import_facts(struct import *import, json_t **out)
{
	json_t *facts = json_object();
	X509 *leaf = import->chain[0];
	char id[17];
	int err = facts_validity(import, leaf, facts);

	if (err) {
		json_decref(facts);
		return err;
	}
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)import->key_id);
	json_object_set_new(facts, "name", json_string(import->name));
	json_object_set_new(facts, "subject", import_name(X509_get_subject_name(leaf)));
	json_object_set_new(facts, "issuer", import_name(X509_get_issuer_name(leaf)));
	json_object_set_new(facts, "sans", facts_sans(import, leaf));
	json_object_set_new(facts, "key_type", json_string(key_type(import->key)));
	json_object_set_new(facts, "key_bits", json_integer(EVP_PKEY_get_bits(import->key)));
	if (import->without_key)
		json_object_set_new(facts, "key_from", json_string("provider"));
	json_object_set_new(facts, "key_id", json_string(id));
	json_object_set_new(facts, "serial", facts_serial(leaf));
	json_object_set_new(facts, "sha256", facts_fingerprint(leaf));
	json_object_set_new(facts, "chain_subjects", facts_chain_subjects(import));
	json_object_set_new(facts, "chain", facts_chain(import));
	facts_warn_of_use(import, leaf);
	facts_warn_of_issuers(import);
	facts_warn_of_missing_issuer(import);
	json_object_set(facts, "warnings", import->warnings);
	ERR_clear_error();
	*out = facts;
	return 0;
}
