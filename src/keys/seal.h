/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A private key at rest (E5): AES-256-GCM under the device key.
 *
 *   offset  0  "SLKY"
 *           4  version, 1
 *           5  three zero bytes
 *           8  key id, big-endian
 *          16  nonce, 12 random bytes
 *          28  length n of the ciphertext, big-endian
 *          32  ciphertext: the PKCS#8 PrivateKeyInfo
 *      32 + n  tag, 16 bytes
 *
 * Authenticated with it are the 32 bytes of the header and the certificate's name, so that a file does not open under
 * another name or for another key. */
#include "keys/device_key.h"
#include "keys/secret.h"

#define SEALED_MAX (64u << 10)

/* *sealed is the caller's to free */
int key_seal(const uint8_t device_key[DEVICE_KEY_SIZE], const char *name, uint64_t key_id, struct span plain,
	struct secret *sealed);
/* -EPROTO: not a sealed key of this version; -EBADMSG: another device's, another name's, or damaged */
int key_unseal(const uint8_t device_key[DEVICE_KEY_SIZE], const char *name, uint64_t key_id, struct span sealed,
	struct secret *plain);
