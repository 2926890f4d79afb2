/* SPDX-License-Identifier: Apache-2.0 */
/* The certification authorities that a log target trusts (G5): one, or a bundle. They come as PEM or DER and go on as
 * PEM, without what else stood in the file. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "keys/import.h"

#define AUTHORITIES_MAX 512

struct authorities {
	struct import *import;
	BIO *pem;
	unsigned int n, n_expired;
	char expired[160]; /* the first of them */
};

static bool authority_is_one(X509 *certificate)
{
	/* a server's own certificate may be trusted as such, when nobody issued it */
	return X509_check_ca(certificate) != 0 || X509_self_signed(certificate, 0) == 1;
}

/* takes the certificate */
static int authority_take(void *data, X509 *certificate)
{
	struct authorities *authorities = data;
	json_t *name = import_name(X509_get_subject_name(certificate));
	int err = 0;

	if (authorities->n++ == AUTHORITIES_MAX || PEM_write_bio_X509(authorities->pem, certificate) != 1)
		err = import_refuse(authorities->import,
			"the CA file holds more than %d certificates: leave those that the log servers need",
			AUTHORITIES_MAX);
	else if (!authority_is_one(certificate))
		err = import_refuse(authorities->import,
			"the CA file: \"%.150s\" is not a certification authority: give the CA that issued the log "
			"server's certificate",
			json_string_value(name));
	else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0 && !authorities->n_expired++)
		snprintf(authorities->expired, sizeof(authorities->expired), "%.150s", json_string_value(name));
	json_decref(name);
	X509_free(certificate);
	return err;
}

static json_t *authorities_digest(struct span pem)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	return EVP_Digest(pem.data, pem.len, digest, &len, EVP_sha256(), NULL) == 1 ? import_hex(digest, len) : NULL;
}

int import_authorities(struct import *import, struct span file, json_t *facts)
{
	_cleanup_crypto_(BIO) BIO *pem = BIO_new(BIO_s_mem());
	struct authorities authorities = {.import = import, .pem = pem};
	char *text;
	long len;
	int err = pem ? import_each_certificate(import, file, "CA file", authority_take, &authorities) : -ENOMEM;

	if (err)
		return err;
	if (authorities.n_expired)
		import_warn(import, "the CA file: \"%.150s\"%s expired", authorities.expired,
			authorities.n_expired > 1 ? " and others have" : " has");
	len = BIO_get_mem_data(pem, &text);
	json_object_set_new(facts, "ca", json_stringn(text, (size_t)len));
	json_object_set_new(facts, "ca_sha256", authorities_digest(SPAN(text, len)));
	ERR_clear_error();
	return 0;
}
