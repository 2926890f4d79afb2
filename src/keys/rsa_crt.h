/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The numbers of an RSA private key as the batch engine takes them (batch.h). */
#include "keys/libcrypto.h"

struct rsa_crt {
	BIGNUM *n, *e, *p, *q, *dp, *dq, *iq; /* owned */
	unsigned int bits;                    /* of n: 2048, 3072 or 4096 */
	bool faulty;                          /* gave a wrong answer once: never batched again */
};

/* NULL when the key is not of that kind: another type or size, more than two primes, primes of unequal length or the
 * smaller one first. It is then used singly. */
struct rsa_crt *rsa_crt_new(const EVP_PKEY *pkey);
void rsa_crt_free(struct rsa_crt **crt);
