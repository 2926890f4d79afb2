/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For the tests of tls/: certificates made on the spot, a key keeper in the same process, and two connections that talk
 * to each other in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/base.h>
#ifndef OPENSSL_IS_BORINGSSL
#error "these tests need BoringSSL's headers"
#endif

#include "ipc/keyring.h"
#include "tls/tls.h"

/* --- certificates --- */
struct fake_certificate {
	EVP_PKEY *key;
	uint8_t *der;
	struct span leaf;
	uint64_t key_id;
	struct tls_certificate tls; /* as the acceptor wants it */
};
/* key: "rsa", "rsa1024", "p256", "p384", "p521", "ed25519"; names: DNS names joined by ',', or NULL: none but the
 * common name */
void fake_certificate_make(struct fake_certificate *cert, const char *name, const char *key, const char *dns_names);
void fake_certificate_clear(struct fake_certificate *cert);

/* --- key keeper --- */
struct fake_keeper {
	int ring_fd, request_fd, response_fd;
	struct keyring *ring;
	const struct fake_certificate *certs[4];
	size_t n_certs;
	bool silent;    /* does not answer */
	uint32_t fault; /* status to give instead of an answer */
	unsigned int n_sign, n_decrypt;
	uint16_t last_algorithm;
};
void fake_keeper_start(struct fake_keeper *keeper);
void fake_keeper_stop(struct fake_keeper *keeper);
void fake_keeper_run(struct fake_keeper *keeper);

/* --- two connections --- */
struct peer {
	struct tls_conn *conn;
	uint8_t *out; /* what it sent, on its way */
	size_t out_len;
	size_t room; /* bytes that its output still takes; SIZE_MAX: any */
	unsigned int refused, keys_ready;
	enum tls_status status; /* of the last tls_handshake() */
};
extern const struct tls_callbacks peer_callbacks;

struct pair {
	struct fake_keeper keeper;
	struct tls_runtime *runtime;
	struct tls_acceptor *acceptor;
	struct tls_connector *connector;
	struct tls_acceptor_options accept;
	struct tls_connector_options connect;
	struct tls_connect_options options;
	struct peer a, c; /* acceptor's and connector's connection */
	size_t chunk;     /* bytes delivered at a time */
};
/* defaults: TLS 1.0 to 1.3 on both sides, the connector does not pin, everything in one go */
void pair_init(struct pair *pair, const struct fake_certificate *cert);
/* makes acceptor and connector from the options, unless there */
void pair_open(struct pair *pair);
/* runs both handshakes until neither moves */
void pair_handshake(struct pair *pair);
void pair_close(struct pair *pair); /* the two connections */
void pair_clear(struct pair *pair);
/* hands over what from sent; false: nothing */
bool peer_deliver(struct pair *pair, struct peer *from, struct peer *to);
