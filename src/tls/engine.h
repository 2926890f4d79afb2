/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of this folder share behind tls.h: the only place where BoringSSL's types have names. */
#include <string.h>

#include <openssl/base.h>
#ifndef OPENSSL_IS_BORINGSSL
#error "this folder needs BoringSSL's headers; OpenSSL's were found"
#endif
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/keyring_client.h"
#include "tls/tls.h"

#define TLS_CURVES "X25519:P-256:P-384" /* the first of them costs least */
#define TLS_VERSION_LOWEST TLS1_VERSION

struct tls_runtime {
	CRYPTO_BUFFER_POOL *pool; /* one copy of each certificate, however many connections show or saw it */
	struct keyring_client *keys;
	BIO_METHOD *bio_method;
	bool has_previous;
	struct tls_ticket_key current, previous;
	struct tls_counts counts;
};

/* certificate.c: what choosing and using a certificate needs to know */
struct certificate {
	char *name;
	uint64_t key_id;
	int key_type;       /* EVP_PKEY_RSA, EVP_PKEY_EC, EVP_PKEY_ED25519 */
	uint16_t signature; /* TLS 1.3 ties signatures to the curve: the one SignatureScheme of a key that is not RSA */
	size_t modulus_size; /* RSA, bytes */
	size_t n_chain;
	CRYPTO_BUFFER **chain; /* leaf first */
	size_t n_dns_names;
	char **dns_names; /* lower case; "*.example.org" matches one label */
	uint8_t session_context[32];
};
/* copies of n certificates; 0 or -errno */
int certificates_new(
	struct certificate **out, struct tls_runtime *runtime, size_t n, const struct tls_certificate *sources);
void certificates_free(struct certificate **certs, size_t n);
/* what a ClientHello says about which certificate suits it */
struct certificate_wish {
	const CRYPTO_BUFFER *server_leaf; /* what the server shows, NULL: not known */
	char sni[256];                    /* lower case, "" for none */
	bool rsa, ecdsa;
	bool tls13;
	struct span signature_algorithms;
};
const struct certificate *certificate_choose(
	const struct certificate *certs, size_t n, const struct certificate_wish *wish);

struct tls_acceptor {
	unsigned int refs;
	struct tls_runtime *runtime;
	SSL_CTX *ctx;
	uint16_t protocol_max;
	size_t n_certificates;
	struct certificate *certificates;
};

struct session_cache;
struct tls_connector {
	unsigned int refs;
	struct tls_runtime *runtime;
	SSL_CTX *ctx;
	uint16_t protocol_min, protocol_max;
	bool pin, verify, renegotiate;
	X509_STORE *anchors; /* verify: the issuers that were imported with the certificates */
	size_t n_certificates;
	struct certificate *certificates;
	struct session_cache *sessions;
};

struct tls_conn {
	SSL *ssl;
	struct tls_runtime *runtime;
	struct tls_acceptor *acceptor; /* one of the two is set */
	struct tls_connector *connector;
	struct tls_callbacks callbacks;
	void *owner;
	const uint8_t *in; /* into the caller's buffer, or into parked */
	size_t in_len;
	uint8_t *parked;
	struct keyring_request key;
	uint64_t session_key; /* 0: no resumption */
	const struct certificate *certificate;
	CRYPTO_BUFFER *server_leaf; /* acceptor: what the server shows on its leg */
	CRYPTO_BUFFER *staple_leaf; /* the server's leaf that the staple is about; NULL: no staple */
	uint8_t *alpn;              /* chosen by the caller; freed with the handshake */
	const char *error_text;
	uint16_t signature_algorithm, client_version;
	int16_t alert;
	uint8_t last_read[7]; /* by the engine, until the handshake is complete: an alert record's size */
	uint8_t alpn_len;
	uint8_t error; /* enum tls_error */
	bool key_decrypt;
	bool asked_client_certificate;
	/* acceptor: as the server chose; 0: any */
	uint16_t version_max, wanted_suite, wanted_group, wanted_signature;
	uint64_t offer;       /* connector: hash over what was offered, as far as it is the client's */
	bool drifted;         /* the server shows none of the certificates held */
	uint16_t key_updates; /* by the server; stays at its greatest value */
	uint8_t n_tickets;    /* by the server, as far as they are kept */
	bool ticket_offered;
	bool got_ticket;
	bool established;   /* tls_handshake() said TLS_OK */
	bool tickets_wait;  /* acceptor: for the next write */
	bool got_plaintext; /* tls_read() gave some */
	bool starved;       /* the engine has had all input and wants more: calling it again is of no use */
	bool write_pending; /* a record waits in the engine for tls_write() to be called again */
	bool wrote_close;
};

/* conn.c */
int tls_conn_new(struct tls_conn **out, struct tls_runtime *runtime, SSL_CTX *ctx,
	const struct tls_callbacks *callbacks, void *owner);
BIO_METHOD *tls_bio_method_new(void);
/* the connection of an engine object: its BIO points there */
static inline struct tls_conn *tls_conn_of(const SSL *ssl)
{
	return BIO_get_data(SSL_get_rbio(ssl));
}

static inline bool buffers_equal(const CRYPTO_BUFFER *a, const CRYPTO_BUFFER *b)
{
	return CRYPTO_BUFFER_len(a) == CRYPTO_BUFFER_len(b) &&
	       !memcmp(CRYPTO_BUFFER_data(a), CRYPTO_BUFFER_data(b), CRYPTO_BUFFER_len(a));
}

/* handshake.c: the engine's word on a call that returned rc <= 0, as a status; fills error, alert and error_text */
enum tls_status tls_conn_status(struct tls_conn *conn, int rc);
enum tls_status tls_conn_fail(struct tls_conn *conn, enum tls_error error, const char *text);

/* key_method.c */
extern const SSL_PRIVATE_KEY_METHOD tls_key_method;
void tls_key_done(struct keyring_request *request);
/* The key is asked for only when the client has our whole flight (RSA key exchange), and there is no keeper to ask:
 * then nothing is sent, so that the session can still be bypassed (E6). */
bool tls_key_will_be_missed(const struct tls_conn *conn);

/* runtime.c: what acceptors and connectors have in common */
int tls_ctx_new(SSL_CTX **out, struct tls_runtime *runtime, uint16_t protocol_min, uint16_t protocol_max,
	const char *cipher_list);
int tls_ticket_key_cb(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac, int encrypt);

/* coherence.c */
struct client_hello;
/* what every connection offers that knows of no client's wishes; false: the engine failed */
bool tls_connector_set_offer(SSL_CTX *ctx);
/* offers the server what the client can, and notes it in conn->offer; 0 or -errno */
int tls_conn_offer(struct tls_conn *conn, const struct tls_connect_options *options);
/* offered: a ClientHello's list of suites, empty: unknown */
bool tls_session_may_be_offered(const SSL_SESSION *session, struct span offered);
/* false: the engine failed, or the client takes no signature of the certificate's key (then conn->error says so) */
bool tls_conn_take_servers_choice(struct tls_conn *client, const struct client_hello *hello);

/* drift.c. -ENOKEY: no issuer was imported */
int drift_store_new(X509_STORE **out, const struct certificate *certs, size_t n);
/* *why: the engine's words */
bool drift_is_acceptable(struct tls_conn *conn, const STACK_OF(CRYPTO_BUFFER) * chain, const char **why);

/* session_cache.c */
int session_cache_new(struct session_cache **out);
void session_cache_free(struct session_cache **cache);
/* takes over session */
void session_cache_put(struct session_cache *cache, uint64_t key, SSL_SESSION *session);
/* a reference of the caller's, or NULL; a single-use session leaves the cache */
SSL_SESSION *session_cache_get(struct session_cache *cache, uint64_t key);
void session_cache_drop(struct session_cache *cache, uint64_t key);
