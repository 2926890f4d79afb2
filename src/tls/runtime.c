/* SPDX-License-Identifier: Apache-2.0 */
/* Engine state of one worker: buffer pool, key ring, ticket keys, and the settings that every context shares. */
#include "tls/engine.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <openssl/cipher.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include "base/log.h"
#include "base/span.h"
#include "tls/x25519.h"

/* ECDHE first; among those of equal worth the client's hardware decides. Then what only old peers want (D1, D3). */
#define CIPHERS_DEFAULT                                                                                \
	"[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305|ECDHE-ECDSA-AES256-GCM-SHA384]:" \
	"[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305|ECDHE-RSA-AES256-GCM-SHA384]:"       \
	"ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:"     \
	"AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA"

/* --- runtime -------------------------------------------------------------------------------------------------- */

int tls_runtime_new(struct tls_runtime **out, int keyring_fd, int request_eventfd, int response_eventfd)
{
	struct tls_runtime *runtime = calloc(1, sizeof(*runtime));
	int err;

	if (!runtime)
		return -ENOMEM;
	tzset(); /* for checks of validity later, when a worker can open no file: the C library reads the zone's once */
	tls_x25519_begin();
	runtime->pool = CRYPTO_BUFFER_POOL_new();
	runtime->bio_method = tls_bio_method_new();
	err = runtime->pool && runtime->bio_method ? keyring_client_new(&runtime->keys) : -ENOMEM;
	if (!err)
		err = tls_runtime_set_keyring(runtime, keyring_fd, request_eventfd, response_eventfd);
	/* until the shared keys come, tickets of this process only */
	if (!err && !RAND_bytes((uint8_t *)&runtime->current, sizeof(runtime->current)))
		err = -EIO;
	if (err)
		tls_runtime_free(&runtime);
	else
		*out = runtime;
	return err;
}

void tls_runtime_free(struct tls_runtime **runtime)
{
	struct tls_runtime *r = *runtime;

	if (!r)
		return;
	keyring_client_free(&r->keys);
	if (r->bio_method)
		BIO_meth_free(r->bio_method);
	if (r->pool)
		CRYPTO_BUFFER_POOL_free(r->pool);
	OPENSSL_cleanse(r, sizeof(*r));
	free(r);
	*runtime = NULL;
}

int tls_runtime_set_keyring(struct tls_runtime *runtime, int keyring_fd, int request_eventfd, int response_eventfd)
{
	int err = keyring_client_set_ring(runtime->keys, keyring_fd, request_eventfd, response_eventfd);

	return err ? log_err_r(err, "cannot use the key ring") : 0;
}

void tls_runtime_poll_keys(struct tls_runtime *runtime)
{
	keyring_client_poll(runtime->keys);
}

void tls_runtime_ring_doorbell(struct tls_runtime *runtime)
{
	keyring_client_ring_doorbell(runtime->keys);
}

/* --- session tickets (D5, RFC 5077 section 4) ------------------------------------------------------------------ */

void tls_runtime_set_ticket_keys(
	struct tls_runtime *runtime, const struct tls_ticket_key *current, const struct tls_ticket_key *previous)
{
	runtime->current = *current;
	runtime->has_previous = previous != NULL;
	if (previous)
		runtime->previous = *previous;
	else
		OPENSSL_cleanse(&runtime->previous, sizeof(runtime->previous));
}

static bool ticket_seal_init(
	const struct tls_ticket_key *key, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac)
{
	memcpy(name, key->name, sizeof(key->name));
	return RAND_bytes(iv, 16) && EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv) &&
	       HMAC_Init_ex(hmac, key->hmac, sizeof(key->hmac), EVP_sha256(), NULL);
}

static bool ticket_open_init(
	const struct tls_ticket_key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac)
{
	return EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv) &&
	       HMAC_Init_ex(hmac, key->hmac, sizeof(key->hmac), EVP_sha256(), NULL);
}

/* BoringSSL: 1 done, 2 opened with the old key: renew, 0 not ours, -1 abort */
int tls_ticket_key_cb(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac, int encrypt)
{
	const struct tls_runtime *runtime = tls_conn_of(ssl)->runtime;

	if (encrypt)
		return ticket_seal_init(&runtime->current, name, iv, cipher, hmac) ? 1 : -1;
	if (!memcmp(name, runtime->current.name, sizeof(runtime->current.name)))
		return ticket_open_init(&runtime->current, iv, cipher, hmac) ? 1 : -1;
	if (runtime->has_previous && !memcmp(name, runtime->previous.name, sizeof(runtime->previous.name)))
		return ticket_open_init(&runtime->previous, iv, cipher, hmac) ? 2 : -1;
	return 0;
}

/* --- contexts ------------------------------------------------------------------------------------------------- */

static bool cipher_is_known(const SSL_CTX *ctx, struct span name)
{
	const STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);

	for (size_t i = 0; i < sk_SSL_CIPHER_num(all); i++)
		if (span_is(name, SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i))))
			return true;
	return false;
}

/* Names that this engine lacks (D2) and those of TLS 1.3, which cannot be chosen, are left out: the commit told the
 * operator. ctx still has every suite there is. */
static char *cipher_list_filter(const SSL_CTX *ctx, const char *list)
{
	char *known = calloc(1, strlen(list) + 1), *end = known;

	if (!known)
		return NULL;
	while (*list) {
		size_t len = strcspn(list, ":");

		if (cipher_is_known(ctx, SPAN(list, len))) {
			if (end != known)
				*end++ = ':';
			memcpy(end, list, len);
			end += len;
		}
		list += len;
		list += *list == ':';
	}
	return known;
}

static int ctx_set_ciphers(SSL_CTX *ctx, uint16_t protocol_min, const char *cipher_list)
{
	_cleanup_free_ char *known = NULL;

	if (!cipher_list)
		return SSL_CTX_set_strict_cipher_list(ctx, CIPHERS_DEFAULT) ? 0 : -EINVAL;
	known = cipher_list_filter(ctx, cipher_list);
	if (!known)
		return -ENOMEM;
	if (!*known)
		return protocol_min >= TLS1_3_VERSION ? 0
						      : log_err_r(-EINVAL, "no usable cipher suite in %s", cipher_list);
	return SSL_CTX_set_strict_cipher_list(ctx, known) ? 0 : -EINVAL;
}

int tls_ctx_new(SSL_CTX **out, struct tls_runtime *runtime, uint16_t protocol_min, uint16_t protocol_max,
	const char *cipher_list)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_with_buffers_method());
	uint16_t min = MAX(protocol_min, TLS_VERSION_LOWEST); /* SSL 3.0 is for another engine (D2) */
	int err;

	if (!ctx)
		return -ENOMEM;
	SSL_CTX_set0_buffer_pool(ctx, runtime->pool);
	SSL_CTX_set_mode(ctx,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_CBC_RECORD_SPLITTING);
	SSL_CTX_set_early_data_enabled(ctx, 0);
	err = ctx_set_ciphers(ctx, min, cipher_list);
	if (!err && (min > protocol_max || !SSL_CTX_set_min_proto_version(ctx, min) ||
			    !SSL_CTX_set_max_proto_version(ctx, protocol_max) ||
			    !SSL_CTX_set1_curves_list(ctx, TLS_CURVES)))
		err = -EINVAL;
	ERR_clear_error();
	if (err)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return err;
}

const struct tls_counts *tls_runtime_counts(const struct tls_runtime *runtime)
{
	return &runtime->counts;
}
