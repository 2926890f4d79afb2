/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One private key and what TLS asks of it. Everything padded or unpadded, is padded here: a worker hands in digests
 * and ciphertexts and gets finished signatures and premaster secrets, never a raw RSA block. */
#include "ipc/keyring.h"
#include "keys/libcrypto.h"
#include "keys/premaster.h"
#include "keys/rsa_crt.h"

struct private_key {
	uint64_t id; /* as struct keyring_slot's key_id */
	EVP_PKEY *pkey;
	struct rsa_crt *crt; /* NULL: not for the batch engine */
};

int private_key_from_pkcs8(struct private_key **out, struct span der);
void private_key_free(struct private_key **key);

/* first 8 bytes of SHA-256 over the SubjectPublicKeyInfo */
int public_key_id(const EVP_PKEY *key, uint64_t *id);

/* Signs a digest (Ed25519: the message) under a TLS SignatureScheme. RSA signatures are checked before they are given
 * out (by the library): one computed wrongly, by a fault of the hardware, would tell the key (Boneh, DeMillo, Lipton).
 */
enum keyring_status private_key_sign(const struct private_key *key, uint16_t scheme, struct span digest,
	uint8_t out[KEYRING_OUTPUT_MAX], size_t *len);
/* The premaster secret of a TLS <= 1.2 RSA key exchange; version is the client's (ClientHello.legacy_version). A
 * ciphertext of the right length always gives 48 bytes, and in the same time. */
enum keyring_status private_key_decrypt(const struct private_key *key, uint16_t version, struct span ciphertext,
	uint8_t out[KEYRING_OUTPUT_MAX], size_t *len);

/* The same in halves, for the engine that does the raw RSA operation of several keys at once (engine.h). The block is
 * what that operation takes; false when the whole has to be asked for instead, which also says what is wrong with it.
 */
bool private_key_sign_block(
	const struct private_key *key, uint16_t scheme, struct span digest, uint8_t block[KEYRING_INPUT_MAX]);
bool private_key_decrypt_block(const struct private_key *key, struct span ciphertext, uint8_t block[KEYRING_INPUT_MAX]);
/* whether raw is the signature of block: by the public key */
bool private_key_raw_is_right(const struct private_key *key, struct span block, struct span raw);
/* the decrypted block, of which nothing is left */
enum keyring_status private_key_unpad(uint16_t version, uint8_t *block, size_t size, uint8_t out[KEYRING_OUTPUT_MAX]);
