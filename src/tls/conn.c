/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: its life, its input and output through a BIO of our own, and the plaintext calls. */
#include "tls/engine.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>

#define PARKED_MAX (1u << 20) /* the owner stops feeding long before */

/* --- input ------------------------------------------------------------------------------------------------------ */

static void conn_drop_input(struct tls_conn *conn)
{
	free(conn->parked);
	conn->parked = NULL;
	conn->in = NULL;
	conn->in_len = 0;
}

/* the bytes not yet read, followed by more, in memory of our own */
static int conn_own_input(struct tls_conn *conn, const uint8_t *more, size_t len)
{
	uint8_t *copy;

	if (len > PARKED_MAX - MIN(conn->in_len, PARKED_MAX))
		return -ENOBUFS;
	copy = malloc(conn->in_len + len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, conn->in, conn->in_len);
	if (len)
		memcpy(copy + conn->in_len, more, len);
	free(conn->parked);
	conn->in = conn->parked = copy;
	conn->in_len += len;
	return 0;
}

int tls_conn_feed(struct tls_conn *conn, const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	if (conn->in_len)
		return conn->parked ? conn_own_input(conn, data, len) : -EBUSY;
	conn->in = data;
	conn->in_len = len;
	conn->starved = false;
	return 0;
}

int tls_conn_park(struct tls_conn *conn)
{
	return conn->in_len && !conn->parked ? conn_own_input(conn, NULL, 0) : 0;
}

size_t tls_conn_pending_input(const struct tls_conn *conn)
{
	return conn->in_len;
}

/* --- BIO -------------------------------------------------------------------------------------------------------- */

/* shifts the bytes just read into last_read */
static void conn_remember(struct tls_conn *conn, size_t n)
{
	size_t keep = sizeof(conn->last_read);

	n = MIN(n, keep);
	memmove(conn->last_read, conn->last_read + n, keep - n);
	memcpy(conn->last_read + keep - n, conn->in - n, n);
}

static int conn_bio_read(BIO *bio, char *out, int len)
{
	struct tls_conn *conn = BIO_get_data(bio);
	size_t n = MIN(conn->in_len, (size_t)MAX(len, 0));

	BIO_clear_retry_flags(bio);
	if (!n) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, conn->in, n);
	conn->in += n;
	conn->in_len -= n;
	if (!conn->established)
		conn_remember(conn, n);
	if (!conn->in_len)
		conn_drop_input(conn);
	return n;
}

static int conn_bio_write(BIO *bio, const char *data, int len)
{
	struct tls_conn *conn = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (!conn->error && tls_key_will_be_missed(conn)) {
		conn->runtime->counts.key_failures++;
		tls_conn_fail(conn, TLS_ERROR_KEY, "the key keeper is not available");
		return -1;
	}
	if (conn->callbacks.output(conn->owner, (const uint8_t *)data, len))
		return len;
	BIO_set_retry_write(bio);
	return -1;
}

static long conn_bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	return cmd == BIO_CTRL_FLUSH;
}

static int conn_bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *tls_bio_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice leg");

	if (!method)
		return NULL;
	BIO_meth_set_create(method, conn_bio_create);
	BIO_meth_set_read(method, conn_bio_read);
	BIO_meth_set_write(method, conn_bio_write);
	BIO_meth_set_ctrl(method, conn_bio_ctrl);
	return method;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static int conn_init_engine(struct tls_conn *conn, SSL_CTX *ctx)
{
	BIO *bio;

	conn->ssl = SSL_new(ctx);
	if (!conn->ssl)
		return -ENOMEM;
	bio = BIO_new(conn->runtime->bio_method);
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, conn);
	SSL_set_bio(conn->ssl, bio, bio);
	SSL_set_shed_handshake_config(conn->ssl, 1);
	return 0;
}

int tls_conn_new(struct tls_conn **out, struct tls_runtime *runtime, SSL_CTX *ctx,
	const struct tls_callbacks *callbacks, void *owner)
{
	struct tls_conn *conn = calloc(1, sizeof(*conn));
	int err;

	if (!conn)
		return -ENOMEM;
	conn->runtime = runtime;
	conn->callbacks = *callbacks;
	conn->owner = owner;
	conn->key.done = tls_key_done;
	conn->error_text = "";
	conn->alert = -1;
	err = conn_init_engine(conn, ctx);
	if (err)
		tls_conn_free(&conn);
	else
		*out = conn;
	return err;
}

void tls_conn_free(struct tls_conn **conn)
{
	struct tls_conn *c = TAKE_PTR(*conn);

	if (!c)
		return;
	keyring_client_cancel(c->runtime->keys, &c->key);
	SSL_free(c->ssl);
	conn_drop_input(c);
	CRYPTO_BUFFER_free(c->staple_leaf);
	CRYPTO_BUFFER_free(c->server_leaf);
	free(c->alpn);
	tls_acceptor_unref(&c->acceptor);
	tls_connector_unref(&c->connector);
	free(c);
}

/* --- plaintext -------------------------------------------------------------------------------------------------- */

enum tls_status tls_read(struct tls_conn *conn, uint8_t *buf, size_t size, size_t *n)
{
	int rc;

	*n = 0;
	if (conn->error)
		return TLS_FAILED;
	if (conn->starved)
		return TLS_WANT_READ;
	rc = SSL_read(conn->ssl, buf, MIN(size, (size_t)INT_MAX));
	if (rc < 0 && SSL_get_error(conn->ssl, rc) == SSL_ERROR_WANT_RENEGOTIATE) {
		/* the engine renegotiates only between records */
		if (conn->write_pending)
			return TLS_WANT_DRAIN;
		/* a server that asks for a certificate now is told apart by what follows (D6) */
		conn->got_plaintext = false;
		rc = SSL_renegotiate(conn->ssl) ? SSL_read(conn->ssl, buf, MIN(size, (size_t)INT_MAX)) : -1;
	}
	if (rc <= 0)
		return tls_conn_status(conn, rc);
	conn->got_plaintext = true;
	conn->starved = !conn->in_len && !SSL_has_pending(conn->ssl);
	*n = rc;
	return TLS_OK;
}

enum tls_status tls_peek(struct tls_conn *conn)
{
	uint8_t byte;
	int rc;

	if (conn->error)
		return TLS_FAILED;
	if (conn->starved)
		return TLS_WANT_READ;
	rc = SSL_peek(conn->ssl, &byte, sizeof(byte));
	return rc <= 0 ? tls_conn_status(conn, rc) : TLS_OK;
}

bool tls_conn_asked_client_certificate(const struct tls_conn *conn)
{
	return conn->asked_client_certificate;
}

bool tls_conn_got_ticket(const struct tls_conn *conn)
{
	return conn->got_ticket;
}

unsigned int tls_conn_rekeys(const struct tls_conn *conn)
{
	return SSL_total_renegotiations(conn->ssl) + conn->key_updates;
}

bool tls_conn_in_handshake(const struct tls_conn *conn)
{
	return SSL_in_init(conn->ssl);
}

/* one record per turn, until all is taken or the output refuses */
enum tls_status tls_write(struct tls_conn *conn, const uint8_t *data, size_t len, size_t *n)
{
	enum tls_status status;

	*n = 0;
	if (conn->error)
		return TLS_FAILED;
	conn->tickets_wait = conn->tickets_wait && !len;
	while (*n < len) {
		int rc;

		rc = SSL_write(conn->ssl, data + *n, MIN(len - *n, (size_t)INT_MAX));
		if (rc <= 0) {
			status = tls_conn_status(conn, rc);
			conn->write_pending = status == TLS_WANT_WRITE;
			return conn->write_pending && *n ? TLS_OK : status;
		}
		conn->write_pending = false;
		*n += rc;
	}
	return TLS_OK;
}

/* Before the handshake is complete, and after a failure, there is nothing to close. A record of tls_write() that the
 * output refused goes first, and only tls_write() can send it. */
enum tls_status tls_close(struct tls_conn *conn)
{
	int rc;

	if (conn->error || !conn->established || conn->wrote_close)
		return TLS_OK;
	if (conn->write_pending)
		return TLS_WANT_WRITE;
	if (SSL_in_init(conn->ssl)) /* a renegotiation: tls_read() completes it */
		return TLS_WANT_READ;
	tls_send_tickets(conn);
	ERR_clear_error();
	rc = SSL_shutdown(conn->ssl);
	if (rc < 0 && SSL_get_error(conn->ssl, rc) == SSL_ERROR_WANT_WRITE)
		return TLS_WANT_WRITE;
	ERR_clear_error();
	conn->wrote_close = true;
	return TLS_OK;
}

void tls_send_alert(struct tls_conn *conn, uint8_t alert)
{
	if (!conn->wrote_close)
		SSL_send_fatal_alert(conn->ssl, alert);
	conn->wrote_close = true;
	ERR_clear_error();
}
