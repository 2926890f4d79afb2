/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#12 (RFC 7292): certificates and key in one file, under one password or none. */
#include <errno.h>
#include <openssl/pkcs12.h>
#include <string.h>

#include "keys/import.h"

static PKCS12 *pkcs12_read(struct span file)
{
	const uint8_t *at = file.data;
	PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)file.len);

	ERR_clear_error();
	return p12;
}

bool import_is_pkcs12(struct span file)
{
	PKCS12 *p12 = pkcs12_read(file);

	PKCS12_free(p12);
	return p12 != NULL;
}

/* the library wants a C string; NULL: the password is none that can be one */
static char *pkcs12_password(const struct secret *password)
{
	size_t len = password ? password->len : 0;
	char *text = password && memchr(password->data, 0, len) ? NULL : OPENSSL_malloc(len + 1);

	if (text) {
		memcpy(text, len ? (const char *)password->data : "", len);
		text[len] = '\0';
	}
	return text;
}

/* no password is written in two ways: as an empty one and as none at all */
static bool pkcs12_opens(PKCS12 *p12, const char *password)
{
	return !PKCS12_mac_present(p12) || PKCS12_verify_mac(p12, password, -1) == 1 ||
	       (!*password && PKCS12_verify_mac(p12, NULL, 0) == 1);
}

static int pkcs12_take(struct import *import, X509 *own, STACK_OF(X509) * others)
{
	int err = own ? import_add_certificate(import, own) : 0;

	while (!err && sk_X509_num(others) > 0)
		err = import_add_certificate(import, sk_X509_shift(others));
	if (!err && !import->n)
		err = import_refuse(
			import, "the PKCS#12 file holds no certificate: export it again, with the certificate");
	if (!err && !import->key)
		err = import_refuse(import, "the PKCS#12 file holds no private key: export it again, with the key");
	return err;
}

static int pkcs12_unpack(struct import *import, PKCS12 *p12, const char *password)
{
	STACK_OF(X509) *others = NULL;
	X509 *own = NULL;
	int err;

	if (!pkcs12_opens(p12, password))
		return import_refuse(import, *password ? "the PKCS#12 file does not open: the password is wrong"
						       : "the PKCS#12 file is encrypted: give its password");
	/* its password is right, so what fails now is an algorithm, or a file without an integrity check */
	if (PKCS12_parse(p12, password, &import->key, &own, &others) != 1)
		return import_refuse(import,
			"the PKCS#12 file cannot be decrypted: it is damaged or its encryption is too old (then "
			"convert it: "
			"openssl pkcs12 -legacy -nodes -in OLD | openssl pkcs12 -export -out NEW)");
	err = pkcs12_take(import, own, others);
	sk_X509_pop_free(others, X509_free);
	return err;
}

int import_parse_pkcs12(struct import *import, struct span file, const struct secret *password)
{
	PKCS12 *p12 = pkcs12_read(file);
	char *text = p12 ? pkcs12_password(password) : NULL;
	int err;

	if (!p12 || !text) {
		PKCS12_free(p12);
		return import_refuse(import, "the password cannot be one of a PKCS#12 file");
	}
	err = pkcs12_unpack(import, p12, text);
	OPENSSL_clear_free(text, strlen(text));
	PKCS12_free(p12);
	ERR_clear_error();
	return err;
}
