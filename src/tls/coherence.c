/* SPDX-License-Identifier: Apache-2.0 */
/* The two legs of one session as one negotiation (D5): the server is offered what the client can do, and the client
 * gets what the server chose. So a scanner finds no version or suite that the server itself has not. Of TLS 1.3 the
 * suites cannot be chosen one by one. */
#include "tls/engine.h"

#include <errno.h>

#include <openssl/nid.h>

#include "base/span.h"
#include "tls/client_hello.h"

#define SUITE_FALLBACK_SCSV 0x5600 /* RFC 7507 */

static bool suites_have(struct span list, uint16_t wanted)
{
	uint32_t value;

	while (span_take_be(&list, 2, &value))
		if (value == wanted)
			return true;
	return false;
}

static bool suites_have_cipher(struct span list, const SSL_CIPHER *cipher)
{
	return suites_have(list, SSL_CIPHER_get_protocol_id(cipher));
}

/* those of the connector's suites that the client has too; *left_out: it lacks some */
static char *suites_in_common(const SSL_CTX *ctx, struct span offered, bool *left_out)
{
	const STACK_OF(SSL_CIPHER) *ours = SSL_CTX_get_ciphers(ctx);
	size_t size = 1;
	char *list, *end;

	for (size_t i = 0; i < sk_SSL_CIPHER_num(ours); i++)
		size += strlen(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ours, i))) + 1;
	list = end = malloc(size);
	if (!list)
		return NULL;
	*end = 0;
	*left_out = false;
	for (size_t i = 0; i < sk_SSL_CIPHER_num(ours); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ours, i);

		if (!suites_have_cipher(offered, cipher)) {
			*left_out = true;
			continue;
		}
		if (end != list)
			*end++ = ':';
		end = stpcpy(end, SSL_CIPHER_get_name(cipher));
	}
	return list;
}

int tls_conn_offer_suites(struct tls_conn *conn, struct span offered)
{
	_cleanup_free_ char *list = NULL;
	bool left_out;

	if (!offered.len)
		return 0;
	if (suites_have(offered, SUITE_FALLBACK_SCSV))
		SSL_set_mode(conn->ssl, SSL_MODE_SEND_FALLBACK_SCSV); /* what it is for is the server's to judge */
	list = suites_in_common(conn->connector->ctx, offered, &left_out);
	if (!list)
		return -ENOMEM;
	/* none in common: the client's own handshake will say so */
	if (!left_out || !*list)
		return 0;
	return SSL_set_strict_cipher_list(conn->ssl, list) ? 0 : -EINVAL;
}

bool tls_session_may_be_offered(const SSL_SESSION *session, struct span offered)
{
	return !offered.len || SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION ||
	       suites_have_cipher(offered, SSL_SESSION_get0_cipher(session));
}

void tls_conn_follow(struct tls_conn *client, const struct tls_conn *server)
{
	const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(server->ssl);
	const SSL_CIPHER *cipher = SSL_get_current_cipher(server->ssl);

	client->version_max = SSL_version(server->ssl);
	SSL_set_max_proto_version(client->ssl, client->version_max);
	if (cipher && client->version_max < TLS1_3_VERSION)
		client->wanted_suite = SSL_CIPHER_get_protocol_id(cipher);
	if (chain && sk_CRYPTO_BUFFER_num(chain) && !client->server_leaf) {
		client->server_leaf = sk_CRYPTO_BUFFER_value(chain, 0);
		CRYPTO_BUFFER_up_ref(client->server_leaf);
	}
}

static bool suite_suits_key(const SSL_CIPHER *cipher, int key_type)
{
	int auth = SSL_CIPHER_get_auth_nid(cipher);

	return auth == NID_auth_any || (auth == NID_auth_rsa) == (key_type == EVP_PKEY_RSA);
}

/* where it can: the server may hold a certificate of another kind than we do (D9 verify, ignore) */
bool tls_conn_take_servers_suite(struct tls_conn *client, const struct client_hello *hello)
{
	const SSL_CIPHER *cipher = client->wanted_suite ? SSL_get_cipher_by_value(client->wanted_suite) : NULL;

	if (!cipher || !suites_have_cipher(hello->cipher_suites, cipher) ||
		!suite_suits_key(cipher, client->certificate->key_type))
		return true;
	return SSL_set_strict_cipher_list(client->ssl, SSL_CIPHER_get_name(cipher));
}
