/* SPDX-License-Identifier: Apache-2.0 */
/* What was negotiated, for the records of a session (G2, D11). */
#include "tls/engine.h"

static struct span conn_alpn(const struct tls_conn *conn)
{
	const uint8_t *data;
	unsigned int len;

	SSL_get0_alpn_selected(conn->ssl, &data, &len);
	return SPAN(data, len);
}

static const char *group_name(const SSL *ssl)
{
	uint16_t id = SSL_get_curve_id(ssl);
	const char *name = id ? SSL_get_curve_name(id) : NULL;

	return name ? name : "";
}

/* the engine tells of a resumed session what its first handshake had */
static uint16_t conn_signature(const struct tls_conn *conn)
{
	if (conn->acceptor)
		return conn->signature_algorithm;
	return SSL_session_reused(conn->ssl) ? 0 : SSL_get_peer_signature_algorithm(conn->ssl);
}

void tls_conn_facts(const struct tls_conn *conn, struct tls_facts *out)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(conn->ssl);
	uint16_t signature = conn_signature(conn);

	*out = (struct tls_facts){
		.version = SSL_version(conn->ssl),
		.version_name = SSL_get_version(conn->ssl),
		.cipher_id = cipher ? SSL_CIPHER_get_protocol_id(cipher) : 0,
		.cipher = cipher ? SSL_CIPHER_standard_name(cipher) : "",
		.group_id = SSL_get_curve_id(conn->ssl),
		.group = group_name(conn->ssl),
		.signature_algorithm = signature,
		.signature = signature ? SSL_get_signature_algorithm_name(signature, 1) : NULL,
		.alpn = conn_alpn(conn),
		.ticket_offered = conn->ticket_offered,
		.drifted = conn->drifted,
		.resumed = SSL_session_reused(conn->ssl),
		.certificate = conn->certificate ? conn->certificate->name : NULL,
	};
}
