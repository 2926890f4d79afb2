/* SPDX-License-Identifier: Apache-2.0 */
/* Private-key operations of the client leg, asked of the key keeper through the ring: the worker holds no key (E5). */
#include "tls/engine.h"

#include <string.h>

#include <openssl/digest.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rand.h>

#define PREMASTER_SIZE 48 /* RFC 5246 section 7.4.7.1 */

static enum ssl_private_key_result_t key_fail(struct tls_conn *conn, enum tls_error error, const char *text)
{
	conn->runtime->counts.key_failures += error == TLS_ERROR_KEY;
	tls_conn_fail(conn, error, text);
	return ssl_private_key_failure;
}

static enum ssl_private_key_result_t key_submit(
	struct tls_conn *conn, enum keyring_op op, uint16_t algorithm, struct span input)
{
	int err =
		keyring_client_submit(conn->runtime->keys, &conn->key, op, conn->certificate->key_id, algorithm, input);

	conn->runtime->counts.key_operations++;
	if (err)
		return key_fail(conn, TLS_ERROR_KEY, "the key keeper is not available");
	conn->key_decrypt = op == KEYRING_RSA_DECRYPT;
	return ssl_private_key_retry;
}

/* The keeper gets the digest, and pads itself. Ed25519 signs the message, which is small enough to go as it is. */
static enum ssl_private_key_result_t key_sign(
	SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out, uint16_t algorithm, const uint8_t *in, size_t in_len)
{
	const EVP_MD *md = SSL_get_signature_algorithm_digest(algorithm);
	struct tls_conn *conn = tls_conn_of(ssl);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len;

	conn->signature_algorithm = algorithm;
	if (!md)
		return key_submit(conn, KEYRING_SIGN, algorithm, SPAN(in, in_len));
	if (!EVP_Digest(in, in_len, digest, &digest_len, md, NULL))
		return key_fail(conn, TLS_ERROR_ENGINE, "cannot compute the digest to sign");
	return key_submit(conn, KEYRING_SIGN, algorithm, SPAN(digest, digest_len));
}

static enum ssl_private_key_result_t key_decrypt(
	SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out, const uint8_t *in, size_t in_len)
{
	struct tls_conn *conn = tls_conn_of(ssl);

	if (in_len != conn->certificate->modulus_size)
		return key_fail(conn, TLS_ERROR_PROTOCOL, "encrypted premaster secret of a wrong length");
	return key_submit(conn, KEYRING_RSA_DECRYPT, conn->client_version, SPAN(in, in_len));
}

/* The keeper has removed the padding already, in constant time, and gave a random secret where it was wrong. The
 * engine wants the raw RSA block and checks it once more: give it a well-formed one. */
static bool premaster_block(uint8_t *out, size_t size, const uint8_t *premaster)
{
	size_t padding = size - PREMASTER_SIZE - 1;

	if (!RAND_bytes(out, padding))
		return false;
	for (size_t i = 2; i < padding; i++)
		while (!out[i])
			if (!RAND_bytes(&out[i], 1))
				return false;
	out[0] = 0;
	out[1] = 2;
	out[padding] = 0;
	memcpy(out + padding + 1, premaster, PREMASTER_SIZE);
	return true;
}

static enum ssl_private_key_result_t key_complete_decrypt(
	struct tls_conn *conn, uint8_t *out, size_t *out_len, size_t max_out)
{
	size_t size = conn->certificate->modulus_size, n = 0;
	uint8_t premaster[PREMASTER_SIZE];
	bool ok = !keyring_client_take(conn->runtime->keys, &conn->key, premaster, sizeof(premaster), &n) &&
		  n == PREMASTER_SIZE && size >= PREMASTER_SIZE + 11 && size <= max_out &&
		  premaster_block(out, size, premaster);

	OPENSSL_cleanse(premaster, sizeof(premaster));
	if (!ok)
		return key_fail(conn, TLS_ERROR_KEY, "the key keeper could not decrypt");
	*out_len = size;
	return ssl_private_key_success;
}

static enum ssl_private_key_result_t key_complete(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out)
{
	struct tls_conn *conn = tls_conn_of(ssl);

	if (conn->key.state == KEYRING_REQUEST_IN_FLIGHT)
		return ssl_private_key_retry;
	if (conn->key_decrypt)
		return key_complete_decrypt(conn, out, out_len, max_out);
	if (keyring_client_take(conn->runtime->keys, &conn->key, out, max_out, out_len))
		return key_fail(conn, TLS_ERROR_KEY, "the key keeper could not sign");
	return ssl_private_key_success;
}

bool tls_key_will_be_missed(const struct tls_conn *conn)
{
	const SSL_CIPHER *suite = conn->acceptor && !conn->established ? SSL_get_pending_cipher(conn->ssl) : NULL;

	return suite && SSL_CIPHER_get_kx_nid(suite) == NID_kx_rsa && !SSL_session_reused(conn->ssl) &&
	       !keyring_client_connected(conn->runtime->keys);
}

const SSL_PRIVATE_KEY_METHOD tls_key_method = {
	.sign = key_sign,
	.decrypt = key_decrypt,
	.complete = key_complete,
};

void tls_key_done(struct keyring_request *request)
{
	struct tls_conn *conn = container_of(request, struct tls_conn, key);

	if (conn->callbacks.on_key_ready)
		conn->callbacks.on_key_ready(conn->owner);
}
