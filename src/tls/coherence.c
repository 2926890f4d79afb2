/* SPDX-License-Identifier: Apache-2.0 */
/* The two legs of one session as one negotiation (D5): the server is offered what the client can do, and the client
 * gets what the server chose. So a scanner finds no version, suite, group or signature algorithm that the server itself
 * has not. Of TLS 1.3 the suites cannot be chosen one by one: the engine picks one by the hardware of both ends. */
#include "tls/engine.h"

#include <errno.h>

#include <openssl/nid.h>

#include "base/span.h"
#include "tls/client_hello.h"

#define SUITE_FALLBACK_SCSV 0x5600 /* RFC 7507 */

/* in order of what they cost us */
static const struct group {
	uint16_t id;
	int nid;
	uint16_t signature; /* of a certificate's key on that curve */
} groups[] = {
	{SSL_CURVE_X25519, NID_X25519, 0},
	{SSL_CURVE_SECP256R1, NID_X9_62_prime256v1, SSL_SIGN_ECDSA_SECP256R1_SHA256},
	{SSL_CURVE_SECP384R1, NID_secp384r1, SSL_SIGN_ECDSA_SECP384R1_SHA384},
	{SSL_CURVE_SECP521R1, NID_secp521r1, SSL_SIGN_ECDSA_SECP521R1_SHA512},
};

/* Signatures taken from a real server: all that the engine can verify, as the leaf is compared with the one held. */
static const uint16_t verify_algorithms[] = {
	SSL_SIGN_ECDSA_SECP256R1_SHA256,
	SSL_SIGN_RSA_PSS_RSAE_SHA256,
	SSL_SIGN_RSA_PKCS1_SHA256,
	SSL_SIGN_ECDSA_SECP384R1_SHA384,
	SSL_SIGN_RSA_PSS_RSAE_SHA384,
	SSL_SIGN_RSA_PKCS1_SHA384,
	SSL_SIGN_ED25519,
	SSL_SIGN_ECDSA_SECP521R1_SHA512,
	SSL_SIGN_RSA_PSS_RSAE_SHA512,
	SSL_SIGN_RSA_PKCS1_SHA512,
	SSL_SIGN_RSA_PKCS1_SHA1,
};

static bool list_has(struct span list, uint16_t wanted)
{
	uint32_t value;

	while (span_take_be(&list, 2, &value))
		if (value == wanted)
			return true;
	return false;
}

static bool suites_have_cipher(struct span list, const SSL_CIPHER *cipher)
{
	return list_has(list, SSL_CIPHER_get_protocol_id(cipher));
}

/* Towards a client that names no groups the engine does no ECDHE, though RFC 8422 section 4 would let it. */
static bool suite_wants_groups(const SSL_CIPHER *cipher)
{
	return SSL_CIPHER_get_kx_nid(cipher) == NID_kx_ecdhe;
}

/* those of the connector's suites that the client has too; *left_out: it lacks some */
static char *suites_in_common(const SSL_CTX *ctx, const struct tls_connect_options *options, bool *left_out)
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

		if (!suites_have_cipher(options->cipher_suites, cipher) ||
			(!options->groups.len && suite_wants_groups(cipher))) {
			*left_out = true;
			continue;
		}
		if (end != list)
			*end++ = ':';
		end = stpcpy(end, SSL_CIPHER_get_name(cipher));
	}
	return list;
}

/* FNV-1a */
static void conn_note_offer(struct tls_conn *conn, uint16_t id)
{
	conn->offer = (conn->offer ^ id) * 0x100000001b3ull;
}

static int offer_suites(struct tls_conn *conn, const struct tls_connect_options *options)
{
	_cleanup_free_ char *list = NULL;
	bool left_out;

	if (!options->cipher_suites.len)
		return 0;
	if (list_has(options->cipher_suites, SUITE_FALLBACK_SCSV))
		SSL_set_mode(conn->ssl, SSL_MODE_SEND_FALLBACK_SCSV); /* what it is for is the server's to judge */
	list = suites_in_common(conn->connector->ctx, options, &left_out);
	if (!list)
		return -ENOMEM;
	/* none in common: the client's own handshake will say so */
	if (!left_out || !*list)
		return 0;
	return SSL_set_strict_cipher_list(conn->ssl, list) ? 0 : -EINVAL;
}

static bool client_has_share(struct span shares, uint16_t wanted)
{
	struct span share;
	uint32_t group;

	while (span_take_be(&shares, 2, &group) && span_take_vector(&shares, 2, &share))
		if (group == wanted)
			return true;
	return false;
}

/* The engine takes a certificate's key in TLS 1.2 only if its curve was offered; of clients that is too much to ask */
static bool connector_needs_group(const struct tls_connector *connector, const struct group *group)
{
	for (size_t i = 0; i < connector->n_certificates; i++)
		if (group->signature && connector->certificates[i].signature == group->signature)
			return true;
	return false;
}

/* Those first for which the client has sent a share: the engine sends one for its first, and a server that is content
 * with that makes neither of us send another ClientHello. */
static int offer_groups(struct tls_conn *conn, const struct tls_connect_options *options)
{
	int nids[ARRAY_SIZE(groups)];
	size_t n = 0, in_common = 0;
	bool ordered = true;

	if (!options->groups.len)
		return 0;
	for (int shared = 1; shared >= 0; shared--) {
		for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
			bool wanted = list_has(options->groups, groups[i].id);

			if (client_has_share(options->key_shares, groups[i].id) != shared ||
				!(wanted || connector_needs_group(conn->connector, &groups[i])))
				continue;
			ordered &= i == n;
			in_common += wanted;
			nids[n++] = groups[i].nid;
			conn_note_offer(conn, groups[i].id);
		}
	}
	if (!in_common || (ordered && n == ARRAY_SIZE(groups)))
		return 0;
	return SSL_set1_curves(conn->ssl, nids, n) ? 0 : -ENOMEM;
}

/* in the client's order, by which many servers choose; once each, however often a client names it */
static int offer_signatures(struct tls_conn *conn, struct span offered)
{
	uint16_t in_common[ARRAY_SIZE(verify_algorithms)];
	unsigned int seen = 0;
	size_t n = 0;
	uint32_t algorithm;

	while (span_take_be(&offered, 2, &algorithm)) {
		for (size_t i = 0; i < ARRAY_SIZE(verify_algorithms); i++) {
			if (verify_algorithms[i] != algorithm || seen & 1u << i)
				continue;
			seen |= 1u << i;
			in_common[n++] = algorithm;
			conn_note_offer(conn, algorithm);
		}
	}
	return !n || SSL_set_verify_algorithm_prefs(conn->ssl, in_common, n) ? 0 : -ENOMEM;
}

static void note_suites(struct tls_conn *conn)
{
	const STACK_OF(SSL_CIPHER) *suites = SSL_get_ciphers(conn->ssl);

	for (size_t i = 0; i < sk_SSL_CIPHER_num(suites); i++)
		conn_note_offer(conn, SSL_CIPHER_get_protocol_id(sk_SSL_CIPHER_value(suites, i)));
}

int tls_conn_offer(struct tls_conn *conn, const struct tls_connect_options *options)
{
	int err = offer_suites(conn, options);

	note_suites(conn);
	if (!err)
		err = offer_groups(conn, options);
	return err ? err : offer_signatures(conn, options->signature_algorithms);
}

bool tls_connector_set_offer(SSL_CTX *ctx)
{
	int nids[ARRAY_SIZE(groups)];

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		nids[i] = groups[i].nid;
	return SSL_CTX_set1_curves(ctx, nids, ARRAY_SIZE(nids)) &&
	       SSL_CTX_set_verify_algorithm_prefs(ctx, verify_algorithms, ARRAY_SIZE(verify_algorithms));
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
	client->wanted_group = SSL_get_curve_id(server->ssl);
	client->wanted_signature = SSL_get_peer_signature_algorithm(server->ssl);
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
static bool take_suite(struct tls_conn *client, const struct client_hello *hello)
{
	const SSL_CIPHER *cipher = client->wanted_suite ? SSL_get_cipher_by_value(client->wanted_suite) : NULL;

	if (!cipher || !suites_have_cipher(hello->cipher_suites, cipher) ||
		!suite_suits_key(cipher, client->certificate->key_type))
		return true;
	return SSL_set_strict_cipher_list(client->ssl, SSL_CIPHER_get_name(cipher));
}

/* A client of TLS 1.3 that has sent no share for it is asked for one, as the server would ask (HelloRetryRequest). The
 * first group of ours needs no word: whoever has it gets it. */
static bool take_group(struct tls_conn *client, const struct client_hello *hello)
{
	for (size_t i = 1; i < ARRAY_SIZE(groups); i++)
		if (groups[i].id == client->wanted_group && list_has(hello->groups, groups[i].id))
			return SSL_set1_curves(client->ssl, &groups[i].nid, 1);
	return true;
}

static bool key_gives_signature(const struct certificate *cert, uint16_t algorithm, bool tls13)
{
	if (SSL_get_signature_algorithm_key_type(algorithm) != cert->key_type)
		return false;
	/* RFC 8446 section 4.2.3 */
	return !tls13 || (cert->key_type == EVP_PKEY_RSA ? SSL_is_signature_algorithm_rsa_pss(algorithm)
							 : algorithm == cert->signature);
}

/* The engine finds out when its ServerHello is on its way: to a scanner that is a server that signs with anything, and
 * the client can no longer be handed on undecrypted. */
static bool client_takes_signatures(const struct tls_conn *client, const struct client_hello *hello)
{
	const SSL_CIPHER *cipher = client->wanted_suite ? SSL_get_cipher_by_value(client->wanted_suite) : NULL;
	bool tls13 = client->version_max >= TLS1_3_VERSION;

	if (!hello->signature_algorithms.len || client->version_max < TLS1_2_VERSION ||
		(cipher && SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(verify_algorithms); i++)
		if (list_has(hello->signature_algorithms, verify_algorithms[i]) &&
			key_gives_signature(client->certificate, verify_algorithms[i], tls13))
			return true;
	return false;
}

/* where the key is the server's own, what it can sign with, ours can */
static bool take_signature(struct tls_conn *client, const struct client_hello *hello)
{
	if (!client_takes_signatures(client, hello)) {
		tls_conn_fail(client, TLS_ERROR_NO_SHARED_CIPHER, "NO_COMMON_SIGNATURE_ALGORITHMS");
		return false;
	}
	if (!list_has(hello->signature_algorithms, client->wanted_signature) || !client->server_leaf ||
		!buffers_equal(client->server_leaf, client->certificate->chain[0]))
		return true;
	return SSL_set_signing_algorithm_prefs(client->ssl, &client->wanted_signature, 1);
}

bool tls_conn_take_servers_choice(struct tls_conn *client, const struct client_hello *hello)
{
	return take_suite(client, hello) && take_group(client, hello) && take_signature(client, hello);
}
