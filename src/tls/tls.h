/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One TLS connection as a small engine-neutral interface; the only header of tls/ that others include besides
 * client_hello.h and fingerprint.h. No socket is touched here: the caller feeds received bytes and takes bytes to send.
 * An acceptor is the appliance towards the client (one per SSL server and policy snapshot), a connector the appliance
 * towards the real server. Both are immutable and shared by the connections made from them, which keep a reference.
 * The runtime outlives all of them. tls_conn_free() may be called from on_key_ready(), but not from output(). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/common.h"

struct tls_runtime; /* per worker: engine state, buffer pool, key ring client, ticket keys */
struct tls_acceptor;
struct tls_connector;
struct tls_conn;

enum tls_status {
	TLS_OK,
	TLS_WANT_READ,  /* feed more input */
	TLS_WANT_WRITE, /* the output callback refused bytes: call again once it takes some */
	TLS_WANT_DRAIN, /* tls_read() waits until tls_write() has sent its record (renegotiation) */
	TLS_WANT_KEY,   /* a key operation is pending: on_key_ready will be called */
	TLS_CLOSED,     /* close_notify received */
	TLS_FAILED,     /* tls_error() says why */
};

enum tls_error {
	TLS_ERROR_NONE,
	TLS_ERROR_PROTOCOL,           /* malformed or unexpected record or message */
	TLS_ERROR_NO_SHARED_VERSION,  /* version not offered or not allowed */
	TLS_ERROR_NO_SHARED_CIPHER,   /* client_cipher_other */
	TLS_ERROR_ALERT,              /* the peer sent a fatal alert: tls_alert_received() */
	TLS_ERROR_CERTIFICATE_DRIFT,  /* the server shows another leaf than the one held (D9) */
	TLS_ERROR_CLIENT_CERTIFICATE, /* the server requires a client certificate (D6) */
	TLS_ERROR_KEY,                /* key keeper: no key, fault, or ring full */
	TLS_ERROR_RENEGOTIATION,      /* refused */
	TLS_ERROR_FLOOD,              /* records without end that carry nothing, or a message without end */
	TLS_ERROR_ENGINE,             /* out of memory and the like */
};

/* where a connection's output goes and who is told of key results; owner is passed back as it is. Copied. */
struct tls_callbacks {
	/* takes len bytes for the peer or none at all: false makes the connection report TLS_WANT_WRITE */
	bool (*output)(void *owner, const uint8_t *data, size_t len);
	/* a pending key operation has ended: call tls_handshake() again. Called from tls_runtime_poll_keys() */
	void (*on_key_ready)(void *owner);
};

/* --- runtime -------------------------------------------------------------------------------------------------- */
struct tls_ticket_key {
	uint8_t name[16], hmac[32], aes[32];
};
/* keyring_fd, request_eventfd, response_eventfd are borrowed and must outlive the runtime; keyring_fd -1: no keeper
 * (every key operation fails) */
int tls_runtime_new(struct tls_runtime **out, int keyring_fd, int request_eventfd, int response_eventfd);
void tls_runtime_free(struct tls_runtime **runtime);
/* replaces the ring after the keeper was replaced: pending operations of the old ring fail with TLS_ERROR_KEY */
int tls_runtime_set_keyring(struct tls_runtime *runtime, int keyring_fd, int request_eventfd, int response_eventfd);
/* current key encrypts new tickets, previous still decrypts; shared by all workers (D5). previous may be NULL */
void tls_runtime_set_ticket_keys(
	struct tls_runtime *runtime, const struct tls_ticket_key *current, const struct tls_ticket_key *previous);
/* when response_eventfd is readable: completes operations, calling on_key_ready for each live connection */
void tls_runtime_poll_keys(struct tls_runtime *runtime);
/* once per loop round: rings the keeper's doorbell if operations were queued since the last call */
void tls_runtime_ring_doorbell(struct tls_runtime *runtime);

struct tls_counts {               /* since the runtime began */
	uint64_t key_operations;  /* private-key operations asked of the keeper */
	uint64_t key_failures;    /* of those: ended without a result */
	uint64_t tickets_ignored; /* servers' tickets that were not kept: too large, or too many for one connection */
};
const struct tls_counts *tls_runtime_counts(const struct tls_runtime *runtime);

/* --- certificates (public part; DER) ---------------------------------------------------------------------------- */
struct tls_certificate {
	const char *name; /* in the certificate store */
	size_t n_chain;
	const struct span *chain; /* leaf first; borrowed until tls_acceptor_new()/tls_connector_new() return */
	uint64_t key_id;          /* as in ipc/keyring.h */
};

struct tls_acceptor_options {
	uint16_t protocol_min, protocol_max; /* 0x0301 ... 0x0304 */
	size_t n_certificates;               /* the first is the default; others are chosen by SNI and key type (D8) */
	const struct tls_certificate *certificates;
	const char *cipher_list; /* engine-neutral OpenSSL-style names joined by ':', NULL: the default list */
};
int tls_acceptor_new(
	struct tls_acceptor **out, struct tls_runtime *runtime, const struct tls_acceptor_options *options);
struct tls_acceptor *tls_acceptor_ref(struct tls_acceptor *acceptor);
void tls_acceptor_unref(struct tls_acceptor **acceptor);

struct tls_connector_options {
	uint16_t protocol_min, protocol_max;
	bool renegotiate; /* honour a server's renegotiation (D7) */
	bool pin;         /* compare the server's leaf with the certificates (D9 pin) */
	bool verify;      /* take another leaf that an issuer in the certificates' chains has signed (D9 verify) */
	size_t n_certificates;
	const struct tls_certificate *certificates;
	const char *cipher_list; /* as the acceptor's */
};
/* -ENOKEY: verify, and no issuer stands in a certificate's chain */
int tls_connector_new(
	struct tls_connector **out, struct tls_runtime *runtime, const struct tls_connector_options *options);
void tls_connector_unref(struct tls_connector **connector);

/* --- connection ----------------------------------------------------------------------------------------------- */
int tls_accept(
	struct tls_conn **out, struct tls_acceptor *acceptor, const struct tls_callbacks *callbacks, void *owner);
/* The ALPN protocol the acceptor shall select: called before tls_handshake(); an empty span selects none. */
void tls_conn_select_alpn(struct tls_conn *conn, struct span protocol);

/* The client gets what the server chose: version, suite, group, signature algorithm, and the certificate that the
 * server shows, as far as it can take them (D5). Called before tls_handshake(), after the server's handshake. */
void tls_conn_follow(struct tls_conn *client, const struct tls_conn *server);

/* Gives the client the certificate status that the server sent (RFC 6066 section 8, D11), if the certificate that it
 * will be shown is the server's own: called before tls_handshake(), after the server's handshake. */
void tls_conn_pass_staple(struct tls_conn *client, const struct tls_conn *server);

struct tls_connect_options {
	struct span sni;                     /* empty: none sent */
	struct span alpn;                    /* wire format (length-prefixed names), empty: none offered */
	uint16_t protocol_min, protocol_max; /* 0: the connector's; else intersected with it (client's offer) */
	/* the client's, as in its ClientHello; empty: all that the connector has */
	struct span cipher_suites, groups, key_shares, signature_algorithms;
	bool staple;                /* ask for a certificate status: the client does */
	uint64_t session_cache_key; /* 0: no resumption; else sessions are kept and offered under this key */
};
/* -EPROTONOSUPPORT when the two version ranges have nothing in common, -EINVAL for an SNI or ALPN that cannot be sent
 */
int tls_connect(struct tls_conn **out, struct tls_connector *connector, const struct tls_connect_options *options,
	const struct tls_callbacks *callbacks, void *owner);
void tls_conn_free(struct tls_conn **conn);

/* Input: bytes as received. The connection reads from the caller's buffer until the next call of tls_conn_park(),
 * which keeps what is left over in memory of its own, so that the buffer can serve another connection.
 * tls_conn_feed() may only be called when tls_conn_pending_input() is 0 or after parking (it then appends). */
/* 0; -EBUSY when input is pending and not parked, -ENOBUFS past 1 MB parked, -ENOMEM */
int tls_conn_feed(struct tls_conn *conn, const uint8_t *data, size_t len);
int tls_conn_park(struct tls_conn *conn);
size_t tls_conn_pending_input(const struct tls_conn *conn);

enum tls_status tls_handshake(struct tls_conn *conn);
/* Acceptor, TLS 1.3: tickets go with the first tls_write(), in one piece; or by this, where none comes soon. TLS_OK too
 * when there are none; TLS_WANT_WRITE: the output refused them, call again. */
enum tls_status tls_send_tickets(struct tls_conn *conn);
/* *n: plaintext bytes; TLS_OK with *n > 0, TLS_CLOSED after close_notify */
enum tls_status tls_read(struct tls_conn *conn, uint8_t *buf, size_t size, size_t *n);
/* *n: plaintext bytes taken, may be fewer than len. After TLS_WANT_WRITE, and for what was not taken, the next call
 * must begin with the same bytes (at any address, and more may follow): a record of them is sealed already. */
enum tls_status tls_write(struct tls_conn *conn, const uint8_t *data, size_t len, size_t *n);
/* Sends close_notify once; TLS_OK, TLS_WANT_WRITE, TLS_WANT_READ during a renegotiation. Reading goes on. While
 * tls_write() has a record waiting it says TLS_WANT_WRITE: finish that first. */
enum tls_status tls_close(struct tls_conn *conn);
/* sends a fatal alert of this code where the engine allows; best effort */
void tls_send_alert(struct tls_conn *conn, uint8_t alert);

/* Reads what follows the handshake, tickets and alerts, without taking plaintext: TLS_OK when there is some. */
enum tls_status tls_peek(struct tls_conn *conn);
/* the server asked for a client certificate and got none (D6) */
bool tls_conn_asked_client_certificate(const struct tls_conn *conn);
/* the server has issued a ticket: in TLS 1.3 it does so when it is content with the client's handshake */
bool tls_conn_got_ticket(const struct tls_conn *conn);

/* renegotiations begun by the server since the handshake, and key updates of TLS 1.3 (counted where
 * tls_connector_options.renegotiate is set) */
unsigned int tls_conn_rekeys(const struct tls_conn *conn);
/* a renegotiation is under way: tls_write() waits for what tls_read() must read */
bool tls_conn_in_handshake(const struct tls_conn *conn);

enum tls_error tls_conn_error(const struct tls_conn *conn);
const char *tls_error_name(enum tls_error error);
int tls_conn_alert_received(const struct tls_conn *conn); /* alert code, or -1 */
/* engine's own words for the log; never NULL; valid until the next call on this connection */
const char *tls_conn_error_text(const struct tls_conn *conn);

struct tls_facts {                                 /* after the handshake; strings live as long as the connection */
	uint16_t version;                          /* 0x0303 ... */
	uint16_t cipher_id, group_id;              /* IANA; 0: no group */
	const char *version_name, *cipher, *group; /* "TLSv1.3", IANA cipher name, "X25519"; group may be "" */
	uint16_t signature_algorithm;              /* of the peer's or own signature, 0: none */
	const char *signature;                     /* its name, "rsa_pss_rsae_sha256"; NULL: none */
	struct span alpn;
	bool resumed;
	bool ticket_offered;     /* resumed or not */
	bool drifted;            /* connector: the server shows none of the certificates held, and it was taken (D9) */
	const char *certificate; /* acceptor: name of the certificate shown */
};
void tls_conn_facts(const struct tls_conn *conn, struct tls_facts *out);
