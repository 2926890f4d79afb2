/* SPDX-License-Identifier: Apache-2.0 */
/* A server's certificate that is none of those held (D9): whose signature makes it acceptable. The trust anchors are
 * what came with the held certificates: the issuers in their chains, so that a certificate that its CA has renewed is
 * taken before it is imported here, and nobody else's is. */
#include "tls/engine.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

int drift_store_new(X509_STORE **out, const struct certificate *certs, size_t n)
{
	X509_STORE *store = X509_STORE_new();
	size_t anchors = 0;

	if (!store)
		return -ENOMEM;
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 1; j < certs[i].n_chain; j++) {
			X509 *issuer = X509_parse_from_buffer(certs[i].chain[j]);

			anchors += issuer && X509_STORE_add_cert(store, issuer);
			X509_free(issuer);
		}
	}
	ERR_clear_error();
	if (!anchors) {
		X509_STORE_free(store);
		return -ENOKEY;
	}
	*out = store;
	return 0;
}

static STACK_OF(X509) * drift_intermediates(const STACK_OF(CRYPTO_BUFFER) * chain)
{
	STACK_OF(X509) *stack = sk_X509_new_null();

	for (size_t i = 1; stack && i < sk_CRYPTO_BUFFER_num(chain); i++) {
		X509 *x509 = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, i));

		if (x509 && !sk_X509_push(stack, x509))
			X509_free(x509);
	}
	return stack;
}

/* the name that the client asked for; without SNI that of the first certificate held, which such clients get */
static bool drift_set_name(X509_STORE_CTX *ctx, const struct tls_conn *conn)
{
	const struct certificate *first = &conn->connector->certificates[0];
	const char *name = SSL_get_servername(conn->ssl, TLSEXT_NAMETYPE_host_name);

	if (!name)
		name = first->n_dns_names ? first->dns_names[0] : NULL;
	if (!name || name[0] == '*')
		return true;
	return X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(ctx), name, strlen(name));
}

bool drift_is_acceptable(struct tls_conn *conn, const STACK_OF(CRYPTO_BUFFER) * chain, const char **why)
{
	X509 *leaf = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, 0));
	STACK_OF(X509) *intermediates = drift_intermediates(chain);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool good = false;

	*why = "the server's certificate cannot be read";
	if (leaf && intermediates && ctx && X509_STORE_CTX_init(ctx, conn->connector->anchors, leaf, intermediates) &&
		X509_STORE_CTX_set_default(ctx, "ssl_server") && drift_set_name(ctx, conn)) {
		good = X509_verify_cert(ctx) == 1;
		*why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	}
	X509_STORE_CTX_free(ctx);
	sk_X509_pop_free(intermediates, X509_free);
	X509_free(leaf);
	ERR_clear_error();
	return good;
}
