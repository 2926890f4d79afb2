/* SPDX-License-Identifier: Apache-2.0 */
/* The appliance towards the client: certificates by ClientHello (D8), keys by the key ring, tickets shared (D5). */
#include "tls/engine.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <openssl/nid.h>
#include <openssl/sha.h>

#include "base/span.h"
#include "tls/client_hello.h"

/* --- certificate choice (D8) ---------------------------------------------------------------------------------- */

static void wish_set_sni(struct certificate_wish *wish, struct span sni)
{
	if (!client_hello_sni_is_valid(sni))
		return;
	for (size_t i = 0; i < sni.len; i++)
		wish->sni[i] = tolower(sni.data[i]);
}

static bool code_points_have(struct span list, uint16_t wanted)
{
	uint32_t value;

	while (span_take_be(&list, 2, &value))
		if (value == wanted)
			return true;
	return false;
}

/* RFC 5246 section 7.4.1.4.1: without the extension any hash goes; else some ECDSA pair must be in it, or Ed25519,
 * which uses the same suites (RFC 8422 section 5.1.3) */
static bool hello_takes_ecdsa_signatures(const struct client_hello *hello)
{
	struct span list = hello->signature_algorithms;
	uint32_t algorithm;

	if (!list.len)
		return true;
	while (span_take_be(&list, 2, &algorithm))
		if ((algorithm & 0xff) == 3 || algorithm == SSL_SIGN_ED25519)
			return true;
	return false;
}

/* which keys the suites in common allow, up to TLS 1.2, where the suite names the key's type */
static void wish_set_suites(
	struct certificate_wish *wish, const struct client_hello *hello, const SSL_CTX *ctx, uint16_t version)
{
	const STACK_OF(SSL_CIPHER) *ours = SSL_CTX_get_ciphers(ctx);
	bool ecdsa = hello_takes_ecdsa_signatures(hello);

	for (size_t i = 0; i < sk_SSL_CIPHER_num(ours) && !(wish->rsa && (wish->ecdsa || !ecdsa)); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ours, i);
		int auth = SSL_CIPHER_get_auth_nid(cipher);

		if (SSL_CIPHER_get_min_version(cipher) > version || SSL_CIPHER_get_max_version(cipher) < version)
			continue;
		if (!code_points_have(hello->cipher_suites, SSL_CIPHER_get_protocol_id(cipher)))
			continue;
		wish->rsa |= auth == NID_auth_rsa;
		wish->ecdsa |= auth == NID_auth_ecdsa && ecdsa;
	}
}

static bool conn_use_certificate(struct tls_conn *conn, const struct certificate *cert)
{
	conn->certificate = cert;
	/* another certificate than the server's own: its status is not this one's */
	if (conn->staple_leaf && !buffers_equal(conn->staple_leaf, cert->chain[0]))
		SSL_set_ocsp_response(conn->ssl, NULL, 0);
	return SSL_set_chain_and_key(conn->ssl, cert->chain, cert->n_chain, NULL, &tls_key_method) &&
	       SSL_set_session_id_context(conn->ssl, cert->session_context, sizeof(cert->session_context));
}

/* runs before the engine looks at tickets, so that a ticket counts only for the certificate it was issued under */
static enum ssl_select_cert_result_t acceptor_select_certificate(const SSL_CLIENT_HELLO *raw)
{
	struct tls_conn *conn = tls_conn_of(raw->ssl);
	const struct tls_acceptor *acceptor = conn->acceptor;
	struct certificate_wish wish = {0};
	struct client_hello hello;
	uint16_t version;

	if (!client_hello_parse(SPAN(raw->client_hello, raw->client_hello_len), &hello))
		return ssl_select_cert_error;
	version = MIN(hello.version_max, conn->version_max ? conn->version_max : acceptor->protocol_max);
	wish.server_leaf = conn->server_leaf;
	conn->client_version = hello.legacy_version;
	conn->ticket_offered = hello.has_ticket;
	wish.tls13 = version >= TLS1_3_VERSION;
	wish.signature_algorithms = hello.signature_algorithms;
	wish_set_sni(&wish, hello.sni);
	if (acceptor->n_certificates > 1 && !wish.tls13)
		wish_set_suites(&wish, &hello, acceptor->ctx, version);
	if (!conn_use_certificate(conn, certificate_choose(acceptor->certificates, acceptor->n_certificates, &wish)))
		return ssl_select_cert_error;
	if (!tls_conn_take_servers_choice(conn, &hello))
		return ssl_select_cert_error;
	return ssl_select_cert_success;
}

/* --- ALPN (C4): what the caller chose, if the client offers it ------------------------------------------------- */

static int acceptor_select_alpn(
	SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in, unsigned int in_len, void *arg)
{
	const struct tls_conn *conn = tls_conn_of(ssl);
	struct span offered = SPAN(in, in_len), name;

	while (conn->alpn && span_take_vector(&offered, 1, &name)) {
		if (!span_equal(name, SPAN(conn->alpn, conn->alpn_len)))
			continue;
		*out = name.data;
		*out_len = name.len;
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* --- certificate status (D11) ------------------------------------------------------------------------------------ */

void tls_conn_pass_staple(struct tls_conn *client, const struct tls_conn *server)
{
	const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(server->ssl);
	const uint8_t *staple;
	size_t len;

	SSL_get0_ocsp_response(server->ssl, &staple, &len);
	if (!len || !chain || !sk_CRYPTO_BUFFER_num(chain) || client->staple_leaf)
		return;
	if (!SSL_set_ocsp_response(client->ssl, staple, len))
		return;
	client->staple_leaf = sk_CRYPTO_BUFFER_value(chain, 0);
	CRYPTO_BUFFER_up_ref(client->staple_leaf);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* A ticket must not outlive its certificate (E3) nor the options that it was negotiated under. Every worker computes
 * the same context. */
static void acceptor_set_session_contexts(struct tls_acceptor *acceptor, const struct tls_acceptor_options *options)
{
	const char *list = options->cipher_list ? options->cipher_list : "";
	uint16_t versions[2] = {options->protocol_min, options->protocol_max};

	for (size_t i = 0; i < acceptor->n_certificates; i++) {
		struct certificate *cert = &acceptor->certificates[i];
		SHA256_CTX hash;

		SHA256_Init(&hash);
		SHA256_Update(&hash, versions, sizeof(versions));
		SHA256_Update(&hash, list, strlen(list) + 1);
		SHA256_Update(&hash, CRYPTO_BUFFER_data(cert->chain[0]), CRYPTO_BUFFER_len(cert->chain[0]));
		SHA256_Final(cert->session_context, &hash);
	}
}

static int acceptor_init(
	struct tls_acceptor *acceptor, struct tls_runtime *runtime, const struct tls_acceptor_options *options)
{
	int err = certificates_new(&acceptor->certificates, runtime, options->n_certificates, options->certificates);

	if (err)
		return err;
	acceptor->n_certificates = options->n_certificates;
	acceptor_set_session_contexts(acceptor, options);
	err = tls_ctx_new(&acceptor->ctx, runtime, options->protocol_min, options->protocol_max, options->cipher_list);
	if (err)
		return err;
	SSL_CTX_set_options(acceptor->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(acceptor->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_tlsext_ticket_key_cb(acceptor->ctx, tls_ticket_key_cb);
	SSL_CTX_set_select_certificate_cb(acceptor->ctx, acceptor_select_certificate);
	SSL_CTX_set_alpn_select_cb(acceptor->ctx, acceptor_select_alpn, NULL);
	return 0;
}

int tls_acceptor_new(struct tls_acceptor **out, struct tls_runtime *runtime, const struct tls_acceptor_options *options)
{
	struct tls_acceptor *acceptor;
	int err;

	if (!options->n_certificates)
		return -EINVAL;
	acceptor = calloc(1, sizeof(*acceptor));
	if (!acceptor)
		return -ENOMEM;
	acceptor->refs = 1;
	acceptor->runtime = runtime;
	acceptor->protocol_max = options->protocol_max;
	err = acceptor_init(acceptor, runtime, options);
	if (err)
		tls_acceptor_unref(&acceptor);
	else
		*out = acceptor;
	return err;
}

struct tls_acceptor *tls_acceptor_ref(struct tls_acceptor *acceptor)
{
	acceptor->refs++;
	return acceptor;
}

void tls_acceptor_unref(struct tls_acceptor **acceptor)
{
	struct tls_acceptor *a = TAKE_PTR(*acceptor);

	if (!a || --a->refs)
		return;
	if (a->ctx)
		SSL_CTX_free(a->ctx);
	certificates_free(&a->certificates, a->n_certificates);
	free(a);
}

int tls_accept(struct tls_conn **out, struct tls_acceptor *acceptor, const struct tls_callbacks *callbacks, void *owner)
{
	struct tls_conn *conn;
	int err = tls_conn_new(&conn, acceptor->runtime, acceptor->ctx, callbacks, owner);

	if (err)
		return err;
	conn->acceptor = tls_acceptor_ref(acceptor);
	SSL_set_accept_state(conn->ssl);
	*out = conn;
	return 0;
}
