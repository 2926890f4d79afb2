/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's crypto_mb. Its own test of the CPU asks for Intel's; the instructions are what counts. */
#include "keys/batch.h"

#include <crypto_mb/rsa.h>

static bool crypto_mb_raw(const struct batch_lane lanes[BATCH_WIDTH], unsigned int bits)
{
	const BIGNUM *p[BATCH_WIDTH], *q[BATCH_WIDTH], *dp[BATCH_WIDTH], *dq[BATCH_WIDTH], *iq[BATCH_WIDTH];
	const int8u *from[BATCH_WIDTH];
	int8u *to[BATCH_WIDTH];

	for (int i = 0; i < BATCH_WIDTH; i++) {
		from[i] = lanes[i].in;
		to[i] = lanes[i].out;
		p[i] = lanes[i].crt->p;
		q[i] = lanes[i].crt->q;
		dp[i] = lanes[i].crt->dp;
		dq[i] = lanes[i].crt->dq;
		iq[i] = lanes[i].crt->iq;
	}
	return mbx_rsa_private_crt_ssl_mb8(from, to, p, q, dp, dq, iq, (int)bits) == MBX_STATUS_OK;
}

static bool crypto_mb_raw_public(const struct batch_lane lanes[BATCH_WIDTH], unsigned int bits)
{
	const BIGNUM *e[BATCH_WIDTH], *n[BATCH_WIDTH];
	const int8u *from[BATCH_WIDTH];
	int8u *to[BATCH_WIDTH];

	for (int i = 0; i < BATCH_WIDTH; i++) {
		from[i] = lanes[i].in;
		to[i] = lanes[i].out;
		e[i] = lanes[i].crt->e;
		n[i] = lanes[i].crt->n;
	}
	return mbx_rsa_public_ssl_mb8(from, to, e, n, (int)bits) == MBX_STATUS_OK;
}

static const struct batch_backend crypto_mb = {
	"crypto_mb, 8 lanes of AVX-512 IFMA", crypto_mb_raw, crypto_mb_raw_public};

const struct batch_backend *batch_backend(const char **why)
{
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
		!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512ifma") ||
		!__builtin_cpu_supports("avx512vbmi2") || !__builtin_cpu_supports("bmi2")) {
		*why = "this CPU has no AVX-512 IFMA";
		return NULL;
	}
	return &crypto_mb;
}
