/* SPDX-License-Identifier: Apache-2.0 */
/* The appliance towards the real server: the leaf compared with those held (D9), sessions resumed (D5), a request for a
 * client certificate noticed (D6). */
#include "tls/engine.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>

#include "base/span.h"

#define TICKET_SIZE_MAX 4096u
#define TICKETS_PER_CONNECTION 16

/* --- callbacks of the engine ------------------------------------------------------------------------------------ */

static bool connector_holds(const struct tls_connector *connector, const CRYPTO_BUFFER *leaf)
{
	for (size_t i = 0; i < connector->n_certificates; i++)
		if (buffers_equal(connector->certificates[i].chain[0], leaf))
			return true;
	return false;
}

/* the operator holds the very certificate that the server shows, or it is a drift */
static enum ssl_verify_result_t connector_verify(SSL *ssl, uint8_t *alert)
{
	const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
	struct tls_conn *conn = tls_conn_of(ssl);

	const char *why = "the server's certificate is not the one held";

	if (chain && sk_CRYPTO_BUFFER_num(chain) && connector_holds(conn->connector, sk_CRYPTO_BUFFER_value(chain, 0)))
		return ssl_verify_ok;
	conn->drifted = true;
	if (!conn->connector->pin && !conn->connector->verify)
		return ssl_verify_ok;
	if (conn->connector->verify && chain && drift_is_acceptable(conn, chain, &why))
		return ssl_verify_ok;
	tls_conn_fail(conn, TLS_ERROR_CERTIFICATE_DRIFT, why);
	*alert = SSL_AD_CERTIFICATE_UNKNOWN;
	return ssl_verify_invalid;
}

/* RFC 8446 section 4.6.3: the engine honours them by itself; D7 wants them counted */
static void connector_on_message(
	int is_write, int version, int content_type, const void *data, size_t len, SSL *ssl, void *arg)
{
	struct tls_conn *conn = tls_conn_of(ssl);

	if (!is_write && content_type == SSL3_RT_HANDSHAKE && len && *(const uint8_t *)data == SSL3_MT_KEY_UPDATE &&
		conn->key_updates < UINT16_MAX)
		conn->key_updates++;
}

/* called only when the server asks for a client certificate: go on with none */
static int connector_client_certificate(SSL *ssl, void *arg)
{
	tls_conn_of(ssl)->asked_client_certificate = true;
	return 1;
}

/* What a server may leave in our memory: tickets of real servers have 160 to 1500 bytes, and come in twos or fours. */
static bool connector_keeps_ticket(struct tls_conn *conn, const SSL_SESSION *session)
{
	const uint8_t *ticket;
	size_t len;

	SSL_SESSION_get0_ticket(session, &ticket, &len);
	if (len <= TICKET_SIZE_MAX && conn->n_tickets < TICKETS_PER_CONNECTION)
		return ++conn->n_tickets;
	conn->runtime->counts.tickets_ignored++;
	return false;
}

/* 1: the session is ours now */
static int connector_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_conn *conn = tls_conn_of(ssl);

	conn->got_ticket = true;
	if (!conn->session_key || !SSL_SESSION_is_resumable(session) || !connector_keeps_ticket(conn, session))
		return 0;
	session_cache_put(conn->connector->sessions, conn->session_key, session);
	return 1;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static int connector_init(
	struct tls_connector *connector, struct tls_runtime *runtime, const struct tls_connector_options *options)
{
	int err = certificates_new(&connector->certificates, runtime, options->n_certificates, options->certificates);

	if (err)
		return err;
	connector->n_certificates = options->n_certificates;
	err = session_cache_new(&connector->sessions);
	if (!err && options->verify)
		err = drift_store_new(&connector->anchors, connector->certificates, connector->n_certificates);
	if (!err)
		err = tls_ctx_new(
			&connector->ctx, runtime, options->protocol_min, options->protocol_max, options->cipher_list);
	if (err)
		return err;
	if (!tls_connector_set_offer(connector->ctx))
		return -ENOMEM;
	SSL_CTX_set_custom_verify(connector->ctx, SSL_VERIFY_PEER, connector_verify);
	SSL_CTX_set_cert_cb(connector->ctx, connector_client_certificate, NULL);
	SSL_CTX_set_session_cache_mode(connector->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(connector->ctx, connector_new_session);
	if (options->renegotiate)
		SSL_CTX_set_msg_callback(connector->ctx, connector_on_message);
	return 0;
}

int tls_connector_new(
	struct tls_connector **out, struct tls_runtime *runtime, const struct tls_connector_options *options)
{
	struct tls_connector *connector = calloc(1, sizeof(*connector));
	int err;

	if (!connector)
		return -ENOMEM;
	connector->refs = 1;
	connector->runtime = runtime;
	connector->pin = options->pin;
	connector->verify = options->verify;
	connector->renegotiate = options->renegotiate;
	connector->protocol_min = MAX(options->protocol_min, TLS_VERSION_LOWEST);
	connector->protocol_max = options->protocol_max;
	err = connector_init(connector, runtime, options);
	if (err)
		tls_connector_unref(&connector);
	else
		*out = connector;
	return err;
}

void tls_connector_unref(struct tls_connector **connector)
{
	struct tls_connector *c = TAKE_PTR(*connector);

	if (!c || --c->refs)
		return;
	session_cache_free(&c->sessions);
	X509_STORE_free(c->anchors);
	if (c->ctx)
		SSL_CTX_free(c->ctx);
	certificates_free(&c->certificates, c->n_certificates);
	free(c);
}

/* --- connecting ------------------------------------------------------------------------------------------------- */

/* Sessions of two names on one address must not meet, whatever the caller put into its key (FNV-1a). Nor may those of
 * clients that can do different things: a server resumes with the session's version and suite, so that a client with
 * weak ones only would leave its session to those who can do better, who would get what it got; and a client that the
 * server would refuse would be served. */
static uint64_t session_key_for(const struct tls_conn *conn, const struct tls_connect_options *options)
{
	uint64_t key = options->session_cache_key ^ 0xcbf29ce484222325ull;

	if (!options->session_cache_key)
		return 0;
	key = (key ^ options->protocol_max) * 0x100000001b3ull;
	key = (key ^ conn->offer) * 0x100000001b3ull;
	for (size_t i = 0; i < options->sni.len; i++)
		key = (key ^ options->sni.data[i]) * 0x100000001b3ull;
	return key ? key : 1;
}

static void conn_offer_session(struct tls_conn *conn, struct span suites)
{
	SSL_SESSION *session;

	if (!conn->session_key)
		return;
	session = session_cache_get(conn->connector->sessions, conn->session_key);
	if (!session)
		return;
	/* a server that finds a session's suite missing in the ClientHello breaks off (RFC 5246 section 7.4.1.2) */
	if (tls_session_may_be_offered(session, suites))
		conn->ticket_offered = SSL_set_session(conn->ssl, session);
	SSL_SESSION_free(session);
}

/* the connector's versions and, where the caller gives them, the client's (D5: the legs are coherent) */
static int conn_set_versions(struct tls_conn *conn, const struct tls_connect_options *options)
{
	const struct tls_connector *connector = conn->connector;
	uint16_t min = MAX(connector->protocol_min, options->protocol_min);
	uint16_t max = connector->protocol_max;

	if (options->protocol_max)
		max = MIN(max, options->protocol_max);
	if (min > max)
		return -EPROTONOSUPPORT;
	return SSL_set_min_proto_version(conn->ssl, min) && SSL_set_max_proto_version(conn->ssl, max) ? 0 : -EINVAL;
}

static int conn_set_sni(struct tls_conn *conn, struct span sni)
{
	char name[256];

	if (!sni.len)
		return 0;
	if (sni.len >= sizeof(name) || memchr(sni.data, 0, sni.len))
		return -EINVAL;
	memcpy(name, sni.data, sni.len);
	name[sni.len] = 0;
	return SSL_set_tlsext_host_name(conn->ssl, name) ? 0 : -ENOMEM;
}

static int conn_set_alpn(struct tls_conn *conn, struct span alpn)
{
	if (!alpn.len)
		return 0;
	return SSL_set_alpn_protos(conn->ssl, alpn.data, alpn.len) ? -EINVAL : 0;
}

static int conn_configure(struct tls_conn *conn, const struct tls_connect_options *options)
{
	int err = conn_set_versions(conn, options);

	if (!err)
		err = conn_set_sni(conn, options->sni);
	if (!err)
		err = conn_set_alpn(conn, options->alpn);
	if (!err)
		err = tls_conn_offer(conn, options);
	if (err)
		return err;
	if (options->staple)
		SSL_enable_ocsp_stapling(conn->ssl);
	conn->session_key = session_key_for(conn, options);
	conn_offer_session(conn, options->cipher_suites);
	return 0;
}

int tls_connect(struct tls_conn **out, struct tls_connector *connector, const struct tls_connect_options *options,
	const struct tls_callbacks *callbacks, void *owner)
{
	struct tls_conn *conn;
	int err = tls_conn_new(&conn, connector->runtime, connector->ctx, callbacks, owner);

	if (err)
		return err;
	conn->connector = connector;
	connector->refs++;
	SSL_set_connect_state(conn->ssl);
	/* only where it is wanted: it keeps the handshake's configuration in memory */
	if (connector->renegotiate)
		SSL_set_renegotiate_mode(conn->ssl, ssl_renegotiate_explicit);
	err = conn_configure(conn, options);
	ERR_clear_error();
	if (err)
		tls_conn_free(&conn);
	else
		*out = conn;
	return err;
}
