/* SPDX-License-Identifier: Apache-2.0 */
/* The one-shot that puts a stored key and its certificates into a PKCS#12 file under the operator's password, for
 * `sluice backup` (E5): the only way that a private key leaves the keystore. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include <openssl/pkcs12.h>

#include "base/common.h"
#include "keys/import.h"
#include "keys/main.h"
#include "keys/one_shot.h"
#include "keys/stored_key.h"

#define EXPORT_FDS 3 /* device key, sealed key, password */
#define EXPORT_PASSWORD_MIN 12
/* PBKDF2-HMAC-SHA256, for key, certificates and MAC each: what a copied backup costs per guess */
#define EXPORT_ROUNDS 600000

struct export
{
	json_t *json;
	int fds[EXPORT_FDS];
	size_t n_fds;
	struct import import; /* name, chain, key, error text */
};

static void export_clear(struct export *export)
{
	import_clear(&export->import);
	json_decref(export->json);
	for (size_t i = 0; i < export->n_fds; i++)
		cleanup_close(&export->fds[i]);
}

/* {chain: [base64 of DER]}: as the facts in the store have it */
static int export_chain(struct export *export)
{
	const json_t *certificate;
	size_t i;

	json_array_foreach(json_object_get(export->json, "chain"), i, certificate)
	{
		const char *text = json_string_value(certificate);
		BIO *memory = text ? BIO_new_mem_buf(text, -1) : NULL, *decoder = BIO_new(BIO_f_base64());
		X509 *x509 = NULL;

		if (memory && decoder) {
			BIO_set_flags(decoder, BIO_FLAGS_BASE64_NO_NL);
			x509 = d2i_X509_bio(BIO_push(decoder, memory), NULL);
		}
		BIO_free(decoder);
		BIO_free(memory);
		if (!x509 || export->import.n == IMPORT_CERTIFICATES_MAX) {
			X509_free(x509);
			return import_refuse(&export->import, "the stored chain is damaged");
		}
		export->import.chain[export->import.n++] = x509;
	}
	return export->import.n ? 0 : import_refuse(&export->import, "the stored chain is empty");
}

/* *text: base64 of the file, to be freed with OPENSSL_free() */
static int export_pack(struct export *export, const struct secret *password, char **text)
{
	STACK_OF(X509) *issuers = sk_X509_new_null();
	_cleanup_secret_ struct secret phrase = {0};
	PKCS12 *file = NULL;
	uint8_t *der = NULL;
	int len = -1;

	for (unsigned int i = 1; issuers && i < export->import.n; i++)
		sk_X509_push(issuers, export->import.chain[i]);
	if (issuers && !secret_new(&phrase, password->len + 1)) {
		memcpy(phrase.data, password->data, password->len);
		phrase.data[password->len] = '\0';
		file = PKCS12_create((char *)phrase.data, export->import.name, export->import.key,
			export->import.chain[0], issuers, NID_aes_256_cbc, NID_aes_256_cbc, EXPORT_ROUNDS,
			EXPORT_ROUNDS, 0);
	}
	sk_X509_free(issuers);
	if (file)
		len = i2d_PKCS12(file, &der);
	PKCS12_free(file);
	*text = len > 0 ? OPENSSL_malloc((size_t)(len + 2) / 3 * 4 + 1) : NULL;
	if (*text)
		EVP_EncodeBlock((unsigned char *)*text, der, len);
	OPENSSL_free(der);
	return *text ? 0 : import_refuse(&export->import, "the PKCS#12 file cannot be made");
}

static int export_handle(struct export *export, char **text)
{
	_cleanup_secret_ struct secret password = {0};
	const char *message = json_string_value(json_object_get(export->json, "message"));
	int err;

	export->import.name = json_string_value(json_object_get(export->json, "name"));
	export->import.warnings = json_array();
	if (!message || strcmp(message, "export") || !export->import.name || export->n_fds != EXPORT_FDS)
		return import_refuse(&export->import, "malformed export message");
	if (secret_read(&password, export->fds[2], IMPORT_PASSWORD_MAX) || password.len < EXPORT_PASSWORD_MIN ||
		memchr(password.data, '\0', password.len))
		return import_refuse(&export->import, "the password of a backup has %d to %d bytes, none of them zero",
			EXPORT_PASSWORD_MIN, IMPORT_PASSWORD_MAX);
	err = stored_key_open(&export->import, json_string_value(json_object_get(export->json, "key_id")),
		export->fds[0], export->fds[1]);
	if (!err)
		err = export_chain(export);
	return err ? err : export_pack(export, &password, text);
}

int export_run(int control_fd)
{
	_cleanup_(export_clear) struct export export = {.n_fds = EXPORT_FDS};
	char *text = NULL;
	int err = one_shot_begin(control_fd, "export", NULL, &export.json, export.fds, &export.n_fds);
	json_t *answer = NULL;

	if (err)
		return 1;
	err = export_handle(&export, &text);
	if (!err)
		answer = json_pack("{s:s, s:s}", "message", "exported", "pkcs12", text);
	OPENSSL_free(text);
	return one_shot_end(control_fd, "export", &export.import, err, answer, -1);
}
