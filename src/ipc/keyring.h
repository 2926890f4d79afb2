/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The key ring: private-key operations between one worker (producer) and the key keeper (consumer), in a memfd that
 * both map, with one eventfd each way. Single producer, single consumer per queue. Neither side trusts the other:
 * every index and length read from the ring is checked against the bounds here, and a slot is copied before use.
 * The worker never sees a private key nor a raw RSA block (design: key keeper). */
#include <stdatomic.h>
#include <stdint.h>

#define KEYRING_SLOTS 1024    /* power of two */
#define KEYRING_INPUT_MAX 512 /* RSA-4096 ciphertext */
#define KEYRING_OUTPUT_MAX 512

enum keyring_op {
	KEYRING_SIGN = 1,        /* input: digest of the message; output: signature */
	KEYRING_RSA_DECRYPT = 2, /* input: RSA ciphertext; output: the 48-byte premaster secret, random if unpadding
				  * fails (constant time); the first two bytes are the client's offered version */
};
enum keyring_status { KEYRING_DONE = 1, KEYRING_NO_KEY = 2, KEYRING_BAD_REQUEST = 3, KEYRING_FAULT = 4 };

struct keyring_slot {
	uint64_t key_id;    /* first 8 bytes of SHA-256 over the SubjectPublicKeyInfo, big-endian */
	uint16_t op;        /* enum keyring_op */
	uint16_t algorithm; /* TLS SignatureScheme (RFC 8446 section 4.2.3); for RSA decryption the client's version */
	uint16_t input_len;
	uint16_t output_len;
	uint32_t status; /* enum keyring_status, by the keeper */
	uint32_t pad;
	uint8_t input[KEYRING_INPUT_MAX];
	uint8_t output[KEYRING_OUTPUT_MAX];
};

struct keyring_queue { /* slot indices; head is written by its producer, tail by its consumer */
	_Alignas(64) _Atomic uint32_t head;
	_Alignas(64) _Atomic uint32_t tail;
	_Alignas(64) uint32_t slots[KEYRING_SLOTS];
};

struct keyring {
	struct keyring_queue requests;                 /* worker -> keeper */
	struct keyring_queue responses;                /* keeper -> worker */
	_Alignas(64) _Atomic uint32_t keeper_sleeping; /* 1: ring the request eventfd */
	_Alignas(64) struct keyring_slot slots[KEYRING_SLOTS];
};
