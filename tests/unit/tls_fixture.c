/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/shm.h"

/* --- certificates ----------------------------------------------------------------------------------------------- */

static int curve_of(const char *kind)
{
	if (!strcmp(kind, "p521"))
		return NID_secp521r1;
	return strcmp(kind, "p384") ? NID_X9_62_prime256v1 : NID_secp384r1;
}

static EVP_PKEY *key_make(const char *kind)
{
	EVP_PKEY *key = EVP_PKEY_new();

	if (!strncmp(kind, "rsa", 3)) {
		RSA *rsa = RSA_new();
		BIGNUM *e = BN_new();

		assert_true(BN_set_word(e, RSA_F4));
		assert_true(RSA_generate_key_ex(rsa, strcmp(kind, "rsa1024") ? 2048 : 1024, e, NULL));
		EVP_PKEY_assign_RSA(key, rsa);
		BN_free(e);
	} else if (!strcmp(kind, "ed25519")) {
		uint8_t seed[32];

		RAND_bytes(seed, sizeof(seed));
		EVP_PKEY_free(key);
		key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	} else {
		EC_KEY *ec = EC_KEY_new_by_curve_name(curve_of(kind));

		assert_true(EC_KEY_generate_key(ec));
		EVP_PKEY_assign_EC_KEY(key, ec);
	}
	return key;
}

static void x509_add_names(X509 *x509, const char *dns_names)
{
	char text[512] = "", *save = NULL, *copy = strdup(dns_names);
	X509_EXTENSION *extension;

	for (char *name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sDNS:%s", *text ? "," : "", name);
	extension = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, text);
	assert_non_null(extension);
	X509_add_ext(x509, extension, -1);
	X509_EXTENSION_free(extension);
	free(copy);
}

static X509 *x509_make(EVP_PKEY *key, const char *name, const char *dns_names)
{
	X509 *x509 = X509_new();
	X509_NAME *subject = X509_get_subject_name(x509);

	X509_set_version(x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 7);
	X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(x509, subject);
	X509_set_pubkey(x509, key);
	if (dns_names)
		x509_add_names(x509, dns_names);
	assert_true(X509_sign(x509, key, EVP_PKEY_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()));
	return x509;
}

void fake_certificate_make(struct fake_certificate *cert, const char *name, const char *key, const char *dns_names)
{
	X509 *x509;
	int len;

	*cert = (struct fake_certificate){.key = key_make(key)};
	x509 = x509_make(cert->key, name, dns_names);
	len = i2d_X509(x509, &cert->der);
	assert_true(len > 0);
	X509_free(x509);
	cert->leaf = SPAN(cert->der, len);
	RAND_bytes((uint8_t *)&cert->key_id, sizeof(cert->key_id));
	cert->tls = (struct tls_certificate){.name = name, .n_chain = 1, .chain = &cert->leaf, .key_id = cert->key_id};
}

void fake_certificate_clear(struct fake_certificate *cert)
{
	EVP_PKEY_free(cert->key);
	OPENSSL_free(cert->der);
}

/* --- key keeper --------------------------------------------------------------------------------------------------- */

void fake_keeper_start(struct fake_keeper *keeper)
{
	void *map;

	assert_int_equal(shm_create("ring", sizeof(struct keyring), &keeper->ring_fd), 0);
	assert_int_equal(shm_map(keeper->ring_fd, 1, sizeof(struct keyring), &map, NULL), 0);
	keeper->ring = map;
	keeper->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	keeper->response_fd = eventfd(0, EFD_CLOEXEC);
	atomic_store(&keeper->ring->keeper_sleeping, 1);
}

void fake_keeper_stop(struct fake_keeper *keeper)
{
	shm_unmap(keeper->ring, sizeof(struct keyring));
	cleanup_close(&keeper->ring_fd);
	cleanup_close(&keeper->request_fd);
	cleanup_close(&keeper->response_fd);
}

static EVP_PKEY *keeper_key(const struct fake_keeper *keeper, uint64_t key_id)
{
	for (size_t i = 0; i < keeper->n_certs; i++)
		if (keeper->certs[i]->key_id == key_id)
			return keeper->certs[i]->key;
	return NULL;
}

static bool keeper_sign(EVP_PKEY *key, struct keyring_slot *slot)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	size_t len = sizeof(slot->output);
	bool ok = EVP_PKEY_sign_init(ctx) &&
		  EVP_PKEY_CTX_set_signature_md(ctx, SSL_get_signature_algorithm_digest(slot->algorithm));

	if (SSL_is_signature_algorithm_rsa_pss(slot->algorithm))
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, -1);
	ok = ok && EVP_PKEY_sign(ctx, slot->output, &len, slot->input, slot->input_len);
	slot->output_len = len;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool keeper_sign_message(EVP_PKEY *key, struct keyring_slot *slot)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = sizeof(slot->output);
	bool ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) &&
		  EVP_DigestSign(ctx, slot->output, &len, slot->input, slot->input_len);

	slot->output_len = len;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool keeper_decrypt(EVP_PKEY *key, struct keyring_slot *slot)
{
	uint8_t plain[512];
	size_t len;

	if (!RSA_decrypt(EVP_PKEY_get0_RSA(key), &len, plain, sizeof(plain), slot->input, slot->input_len,
		    RSA_PKCS1_PADDING) ||
		len != 48) {
		RAND_bytes(plain, 48);
		plain[0] = slot->algorithm >> 8;
		plain[1] = slot->algorithm;
	}
	memcpy(slot->output, plain, 48);
	slot->output_len = 48;
	return true;
}

static uint32_t keeper_answer(struct fake_keeper *keeper, struct keyring_slot *slot)
{
	EVP_PKEY *key = keeper_key(keeper, slot->key_id);
	bool ok;

	if (keeper->fault)
		return keeper->fault;
	if (!key)
		return KEYRING_NO_KEY;
	keeper->last_algorithm = slot->algorithm;
	keeper->n_sign += slot->op == KEYRING_SIGN;
	keeper->n_decrypt += slot->op == KEYRING_RSA_DECRYPT;
	if (slot->op == KEYRING_RSA_DECRYPT)
		ok = keeper_decrypt(key, slot);
	else if (EVP_PKEY_id(key) == EVP_PKEY_ED25519)
		ok = keeper_sign_message(key, slot);
	else
		ok = keeper_sign(key, slot);
	return ok ? KEYRING_DONE : KEYRING_FAULT;
}

void fake_keeper_run(struct fake_keeper *keeper)
{
	struct keyring *ring = keeper->ring;
	uint32_t tail, head;
	uint64_t bell = 1;

	if (!ring || keeper->silent || read(keeper->request_fd, &bell, sizeof(bell)) < 0)
		return;
	tail = atomic_load(&ring->requests.tail);
	head = atomic_load(&ring->requests.head);
	for (; tail != head; tail++) {
		uint32_t slot = ring->requests.slots[tail % KEYRING_SLOTS];
		uint32_t at = atomic_load(&ring->responses.head);

		ring->slots[slot].status = keeper_answer(keeper, &ring->slots[slot]);
		ring->responses.slots[at % KEYRING_SLOTS] = slot;
		atomic_store(&ring->responses.head, at + 1);
	}
	atomic_store(&ring->requests.tail, tail);
	bell = 1;
	assert_int_equal(write(keeper->response_fd, &bell, sizeof(bell)), sizeof(bell));
}

/* --- two connections ------------------------------------------------------------------------------------------------
 */

static bool peer_output(void *owner, const uint8_t *data, size_t len)
{
	struct peer *peer = owner;

	if (len > peer->room) {
		peer->refused++;
		return false;
	}
	if (peer->room != SIZE_MAX)
		peer->room -= len;
	peer->out = realloc(peer->out, peer->out_len + len);
	memcpy(peer->out + peer->out_len, data, len);
	peer->out_len += len;
	return true;
}

static void peer_key_ready(void *owner)
{
	((struct peer *)owner)->keys_ready++;
}

const struct tls_callbacks peer_callbacks = {.output = peer_output, .on_key_ready = peer_key_ready};

void pair_init(struct pair *pair, const struct fake_certificate *cert)
{
	*pair = (struct pair){
		.accept = {.protocol_min = 0x0301,
			.protocol_max = 0x0304,
			.n_certificates = 1,
			.certificates = &cert->tls},
		.connect = {.protocol_min = 0x0301, .protocol_max = 0x0304},
		.chunk = SIZE_MAX,
	};
	fake_keeper_start(&pair->keeper);
	pair->keeper.certs[pair->keeper.n_certs++] = cert;
	assert_int_equal(tls_runtime_new(&pair->runtime, pair->keeper.ring_fd, pair->keeper.request_fd,
				 pair->keeper.response_fd),
		0);
}

void pair_open(struct pair *pair)
{
	if (!pair->acceptor)
		assert_int_equal(tls_acceptor_new(&pair->acceptor, pair->runtime, &pair->accept), 0);
	if (!pair->connector)
		assert_int_equal(tls_connector_new(&pair->connector, pair->runtime, &pair->connect), 0);
	pair->a = pair->c = (struct peer){.room = SIZE_MAX, .status = TLS_WANT_READ};
	assert_int_equal(tls_accept(&pair->a.conn, pair->acceptor, &peer_callbacks, &pair->a), 0);
	assert_int_equal(tls_connect(&pair->c.conn, pair->connector, &pair->options, &peer_callbacks, &pair->c), 0);
}

bool peer_deliver(struct pair *pair, struct peer *from, struct peer *to)
{
	size_t n = MIN(from->out_len, pair->chunk);
	uint8_t *copy;

	if (!n || !to->conn)
		return false;
	copy = malloc(n); /* exact: the sanitizer sees reads past it, and after it is gone */
	memcpy(copy, from->out, n);
	memmove(from->out, from->out + n, from->out_len - n);
	from->out_len -= n;
	assert_int_equal(tls_conn_feed(to->conn, copy, n), 0);
	if (to->status != TLS_OK)
		to->status = tls_handshake(to->conn);
	assert_int_equal(tls_conn_park(to->conn), 0);
	free(copy);
	return true;
}

static bool peer_step(struct peer *peer)
{
	enum tls_status before = peer->status;

	if (peer->status != TLS_OK && peer->status != TLS_FAILED)
		peer->status = tls_handshake(peer->conn);
	return peer->status != before;
}

void pair_handshake(struct pair *pair)
{
	bool moved = true;

	while (moved) {
		unsigned int ready = pair->a.keys_ready;

		moved = peer_step(&pair->c) | peer_step(&pair->a);
		moved |= peer_deliver(pair, &pair->c, &pair->a);
		moved |= peer_deliver(pair, &pair->a, &pair->c);
		tls_runtime_ring_doorbell(pair->runtime);
		fake_keeper_run(&pair->keeper);
		tls_runtime_poll_keys(pair->runtime);
		moved |= ready != pair->a.keys_ready;
	}
}

void pair_close(struct pair *pair)
{
	tls_conn_free(&pair->a.conn);
	tls_conn_free(&pair->c.conn);
	free(pair->a.out);
	free(pair->c.out);
	pair->a.out = pair->c.out = NULL;
}

void pair_clear(struct pair *pair)
{
	pair_close(pair);
	tls_acceptor_unref(&pair->acceptor);
	tls_connector_unref(&pair->connector);
	tls_runtime_free(&pair->runtime);
	fake_keeper_stop(&pair->keeper);
}
