/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "keys/import.h"

int import_refuse(struct import *import, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(import->error, sizeof(import->error), fmt, args);
	va_end(args);
	ERR_clear_error();
	return -EINVAL;
}

void import_warn(struct import *import, const char *fmt, ...)
{
	char text[320];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_array_append_new(import->warnings, json_string(text));
}

static bool file_is_pem(struct span file)
{
	return memmem(file.data, file.len, "-----BEGIN ", 11) != NULL;
}

static bool chain_has(const struct import *import, const X509 *certificate)
{
	for (unsigned int i = 0; i < import->n; i++)
		if (!X509_cmp(import->chain[i], certificate))
			return true;
	return false;
}

int import_add_certificate(struct import *import, X509 *certificate)
{
	if (chain_has(import, certificate)) {
		X509_free(certificate);
		return 0;
	}
	if (import->n == IMPORT_CERTIFICATES_MAX) {
		X509_free(certificate);
		return import_refuse(import,
			"the certificate file holds more than %d certificates: leave only the server's own and its "
			"intermediates",
			IMPORT_CERTIFICATES_MAX);
	}
	import->chain[import->n++] = certificate;
	return 0;
}

/* what operators give by mistake for a certificate, and what to do then */
static const char *pem_without_certificate(const struct import *import, struct span file)
{
	static const struct {
		const char *label, *advice;
	} others[] = {
		{"CERTIFICATE REQUEST-----",
			"it holds a certificate request: give what the certification authority answered to it"},
		{"BEGIN PKCS7-----", "it holds PKCS#7: convert it with openssl pkcs7 -print_certs"},
		{"BEGIN TRUSTED CERTIFICATE-----", "it holds a trusted certificate: convert it with openssl x509"},
		{"PUBLIC KEY-----", "it holds a public key only"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (memmem(file.data, file.len, others[i].label, strlen(others[i].label)))
			return others[i].advice;
	if (memmem(file.data, file.len, "PRIVATE KEY-----", 16))
		return import->one_file ? "it holds a private key only"
					: "it holds a private key; were the two files swapped?";
	return "give the server's certificate in PEM";
}

static int parse_pem_certificates(struct import *import, struct span file, const char *what,
	int (*take)(void *data, X509 *certificate), void *data)
{
	_cleanup_crypto_(BIO) BIO *bio = BIO_new_mem_buf(file.data, (int)file.len);
	X509 *certificate;
	unsigned int n = 0;
	int err = 0;

	if (!bio)
		return -ENOMEM;
	while (!err && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		n++;
		err = take(data, certificate);
	}
	if (err)
		return err;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return import_refuse(import, "certificate %u of the %s is damaged: export it again", n + 1, what);
	if (!n)
		return import_refuse(import, "the %s holds no certificate (no BEGIN CERTIFICATE line): %s", what,
			pem_without_certificate(import, file));
	ERR_clear_error();
	return 0;
}

int import_each_certificate(struct import *import, struct span file, const char *what,
	int (*take)(void *data, X509 *certificate), void *data)
{
	const uint8_t *at = file.data;
	X509 *certificate;

	if (file_is_pem(file))
		return parse_pem_certificates(import, file, what, take, data);
	certificate = d2i_X509(NULL, &at, (long)file.len);
	if (!certificate || at != file.data + file.len) {
		X509_free(certificate);
		return import_refuse(import, "the %s is neither PEM nor a DER certificate%s", what,
			import_is_pkcs12(file) ? ", it is PKCS#12" : "");
	}
	return take(data, certificate);
}

static int take_into_chain(void *data, X509 *certificate)
{
	return import_add_certificate(data, certificate);
}

int import_parse_certificates(struct import *import, struct span file)
{
	return import_each_certificate(import, file, "certificate file", take_into_chain, import);
}

/* what the library asked for while it read the key */
struct password_request {
	const struct secret *password;
	bool asked;
};

static int give_password(char *buffer, int size, int for_writing, void *data)
{
	struct password_request *request = data;

	(void)for_writing;
	request->asked = true;
	if (!request->password || request->password->len > (size_t)size)
		return -1;
	memcpy(buffer, request->password->data, request->password->len);
	return (int)request->password->len;
}

static EVP_PKEY *read_key(struct span file, struct password_request *request)
{
	_cleanup_crypto_(BIO) BIO *bio = BIO_new_mem_buf(file.data, (int)file.len);
	const uint8_t *at = file.data;
	EVP_PKEY *key;

	if (!bio)
		return NULL;
	if (file_is_pem(file))
		return PEM_read_bio_PrivateKey(bio, NULL, give_password, request);
	key = d2i_AutoPrivateKey(NULL, &at, (long)file.len);
	return key ? key : d2i_PKCS8PrivateKey_bio(bio, NULL, give_password, request);
}

static int refuse_key(struct import *import, struct span file, const struct password_request *request)
{
	if (request->asked && !request->password)
		return import_refuse(import, "the private key is encrypted: give its password");
	if (request->asked)
		return import_refuse(import, "the private key does not decrypt: the password is wrong, or its "
					     "encryption is too old (then convert it "
					     "with: openssl pkcs8 -topk8 -v2 aes256)");
	if (import->one_file && !(file_is_pem(file) && memmem(file.data, file.len, "PRIVATE KEY-----", 16)))
		return import_refuse(
			import, "the certificate file holds no private key: give the key's own file with --key");
	if (file_is_pem(file) && !memmem(file.data, file.len, "PRIVATE KEY-----", 16))
		return import_refuse(import, "the key file holds no private key (no BEGIN PRIVATE KEY line): %s",
			memmem(file.data, file.len, "BEGIN CERTIFICATE-----", 22)
				? "it holds a certificate; were the two files swapped?"
				: "give the key in PEM");
	if (file_is_pem(file))
		return import_refuse(
			import, "the private key is damaged or of an unknown kind: export it again as PKCS#8 PEM");
	return import_refuse(import, "the key file is neither PEM nor a DER private key");
}

int import_parse_key(struct import *import, struct span file, const struct secret *password)
{
	struct password_request request = {.password = password};

	import->key = read_key(file, &request);
	if (!import->key)
		return refuse_key(import, file, &request);
	ERR_clear_error();
	return 0;
}
