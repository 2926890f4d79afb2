/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake, and what the engine's errors mean to a session. */
#include "tls/engine.h"

#include <string.h>

#include <openssl/err.h>

/* --- errors ----------------------------------------------------------------------------------------------------- */

static const struct {
	int reason;
	enum tls_error error;
} reasons[] = {
	{SSL_R_UNSUPPORTED_PROTOCOL, TLS_ERROR_NO_SHARED_VERSION},
	{SSL_R_UNKNOWN_PROTOCOL, TLS_ERROR_NO_SHARED_VERSION},
	{SSL_R_UNKNOWN_SSL_VERSION, TLS_ERROR_NO_SHARED_VERSION},
	{SSL_R_WRONG_SSL_VERSION, TLS_ERROR_NO_SHARED_VERSION},
	{SSL_R_NO_SUPPORTED_VERSIONS_ENABLED, TLS_ERROR_NO_SHARED_VERSION},
	{SSL_R_INAPPROPRIATE_FALLBACK, TLS_ERROR_NO_SHARED_VERSION},
	{SSL_R_NO_SHARED_CIPHER, TLS_ERROR_NO_SHARED_CIPHER},
	{SSL_R_NO_CIPHERS_AVAILABLE, TLS_ERROR_NO_SHARED_CIPHER},
	{SSL_R_NO_SHARED_GROUP, TLS_ERROR_NO_SHARED_CIPHER},
	{SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS, TLS_ERROR_NO_SHARED_CIPHER},
	{SSL_R_PRIVATE_KEY_OPERATION_FAILED, TLS_ERROR_KEY},
	{SSL_R_NO_RENEGOTIATION, TLS_ERROR_RENEGOTIATION},
	{SSL_R_RENEGOTIATION_MISMATCH, TLS_ERROR_RENEGOTIATION},
	{SSL_R_RENEGOTIATION_EMS_MISMATCH, TLS_ERROR_RENEGOTIATION},
	{SSL_R_TOO_MANY_EMPTY_FRAGMENTS, TLS_ERROR_FLOOD},
	{SSL_R_TOO_MANY_WARNING_ALERTS, TLS_ERROR_FLOOD},
	{SSL_R_TOO_MANY_KEY_UPDATES, TLS_ERROR_FLOOD},
	{SSL_R_EXCESSIVE_MESSAGE_SIZE, TLS_ERROR_FLOOD},
	{ERR_R_MALLOC_FAILURE, TLS_ERROR_ENGINE},
	{ERR_R_INTERNAL_ERROR, TLS_ERROR_ENGINE},
};

static enum tls_error error_of_reason(int reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].error;
	return TLS_ERROR_PROTOCOL;
}

/* Alerts with which a server turns away a client that shows no certificate. TLS 1.3 servers send them after the
 * client's handshake is complete (RFC 8446 section 4.4.2.4). */
static bool alert_wants_certificate(int alert)
{
	switch (alert) {
	case SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_NO_CERTIFICATE:
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

/* a server that likes nothing in our ClientHello has nothing else to say (RFC 8446 section 4.1.1) */
static bool alert_answers_hello(const struct tls_conn *conn, int alert)
{
	static const uint8_t none[SSL3_RANDOM_SIZE];
	uint8_t server_random[SSL3_RANDOM_SIZE];

	SSL_get_server_random(conn->ssl, server_random, sizeof(server_random));
	return !memcmp(server_random, none, sizeof(none)) &&
	       (alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_INSUFFICIENT_SECURITY);
}

static enum tls_error error_of_alert(const struct tls_conn *conn, int alert)
{
	if (conn->asked_client_certificate && !conn->got_plaintext && alert_wants_certificate(alert))
		return TLS_ERROR_CLIENT_CERTIFICATE;
	if (alert == SSL_AD_PROTOCOL_VERSION)
		return TLS_ERROR_NO_SHARED_VERSION;
	if (conn->connector && alert_answers_hello(conn, alert))
		return TLS_ERROR_NO_SHARED_CIPHER;
	return TLS_ERROR_ALERT;
}

/* what a callback of ours said already stands: it knows better than the engine that it made fail */
enum tls_status tls_conn_fail(struct tls_conn *conn, enum tls_error error, const char *text)
{
	if (!conn->error) {
		conn->error = error;
		conn->error_text = text ? text : "";
	}
	return TLS_FAILED;
}

static void conn_note(struct tls_conn *conn, uint32_t packed)
{
	int reason = ERR_GET_REASON(packed);
	const char *text = ERR_reason_error_string(packed);

	if (reason >= SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + UINT8_MAX) {
		conn->alert = reason - SSL_AD_REASON_OFFSET;
		tls_conn_fail(conn, error_of_alert(conn, conn->alert), text);
	} else {
		tls_conn_fail(conn, error_of_reason(reason), text);
	}
}

/* Clients that dislike our certificate before they have keys to write with say so in the clear (OpenSSL's do), when
 * this side reads encrypted records only. The engine calls that a broken record; the operator wants to read the alert.
 */
static bool conn_note_clear_alert(struct tls_conn *conn)
{
	static const uint8_t fatal_alert[] = {0x15, 0x03, 0x03, 0x00, 0x02, SSL3_AL_FATAL};

	if (!conn->acceptor || conn->established || SSL_version(conn->ssl) != TLS1_3_VERSION)
		return false;
	if (memcmp(conn->last_read, fatal_alert, sizeof(fatal_alert)))
		return false;
	conn_note(conn, ERR_PACK(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + conn->last_read[sizeof(fatal_alert)]));
	return true;
}

/* The queue holds the cause first. Errors of the crypto library beneath it are told by the TLS error that follows. */
static enum tls_status conn_classify(struct tls_conn *conn)
{
	uint32_t packed, first = 0;

	if (conn_note_clear_alert(conn)) {
		ERR_clear_error();
		return TLS_FAILED;
	}

	while ((packed = ERR_get_error())) {
		if (!first)
			first = packed;
		if (ERR_GET_LIB(packed) == ERR_LIB_SSL)
			conn_note(conn, packed);
	}
	if (first && ERR_GET_REASON(first) == ERR_R_MALLOC_FAILURE)
		return tls_conn_fail(conn, TLS_ERROR_ENGINE, "out of memory");
	/* it refuses some of what peers send with an alert and without a word; a fault of its own has a reason */
	if (!first)
		return tls_conn_fail(conn, TLS_ERROR_PROTOCOL, "the engine gave no reason");
	return tls_conn_fail(conn, TLS_ERROR_ENGINE, ERR_reason_error_string(first));
}

enum tls_status tls_conn_status(struct tls_conn *conn, int rc)
{
	switch (SSL_get_error(conn->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		conn->starved = true;
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_WANT_PRIVATE_KEY_OPERATION:
		return TLS_WANT_KEY;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		return conn_classify(conn);
	}
}

enum tls_error tls_conn_error(const struct tls_conn *conn)
{
	return conn->error;
}

int tls_conn_alert_received(const struct tls_conn *conn)
{
	return conn->alert;
}

const char *tls_conn_error_text(const struct tls_conn *conn)
{
	return conn->error_text;
}

const char *tls_error_name(enum tls_error error)
{
	static const char *const names[] = {
		[TLS_ERROR_NONE] = "none",
		[TLS_ERROR_PROTOCOL] = "protocol",
		[TLS_ERROR_NO_SHARED_VERSION] = "no_shared_version",
		[TLS_ERROR_NO_SHARED_CIPHER] = "no_shared_cipher",
		[TLS_ERROR_ALERT] = "alert",
		[TLS_ERROR_CERTIFICATE_DRIFT] = "certificate_drift",
		[TLS_ERROR_CLIENT_CERTIFICATE] = "client_certificate",
		[TLS_ERROR_KEY] = "key",
		[TLS_ERROR_RENEGOTIATION] = "renegotiation",
		[TLS_ERROR_FLOOD] = "flood",
		[TLS_ERROR_ENGINE] = "engine",
	};

	return error < ARRAY_SIZE(names) ? names[error] : "unknown";
}

/* --- handshake -------------------------------------------------------------------------------------------------- */

void tls_conn_select_alpn(struct tls_conn *conn, struct span protocol)
{
	free(conn->alpn);
	conn->alpn = NULL;
	conn->alpn_len = 0;
	if (!protocol.len || protocol.len > UINT8_MAX)
		return;
	conn->alpn = malloc(protocol.len);
	if (!conn->alpn)
		return;
	memcpy(conn->alpn, protocol.data, protocol.len);
	conn->alpn_len = protocol.len;
}

/* A TLS 1.3 server's tickets lie in the engine until the next write: an empty one sends them. */
enum tls_status tls_send_tickets(struct tls_conn *conn)
{
	int rc;

	if (!conn->tickets_wait || conn->error)
		return TLS_OK;
	ERR_clear_error();
	rc = SSL_write(conn->ssl, "", 0);
	if (rc < 0)
		return tls_conn_status(conn, rc);
	conn->tickets_wait = false;
	return TLS_OK;
}

static enum tls_status conn_handshake_step(struct tls_conn *conn)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(conn->ssl);
	return rc <= 0 ? tls_conn_status(conn, rc) : TLS_OK;
}

enum tls_status tls_handshake(struct tls_conn *conn)
{
	enum tls_status status;

	if (conn->error)
		return TLS_FAILED;
	if (conn->established)
		return TLS_OK;
	if (conn->starved)
		return TLS_WANT_READ;
	status = conn_handshake_step(conn);
	if (status == TLS_OK) {
		conn->established = true;
		conn->tickets_wait = conn->acceptor && SSL_version(conn->ssl) >= TLS1_3_VERSION;
		tls_conn_select_alpn(conn, SPAN(NULL, 0));
	}
	/* the session offered may be what the server dislikes */
	if (status == TLS_FAILED && conn->session_key)
		session_cache_drop(conn->connector->sessions, conn->session_key);
	return status;
}
