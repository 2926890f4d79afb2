/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Eight raw RSA operations side by side in the lanes of AVX-512 IFMA. A backend may be wrong (hardware, a CPU it was
 * not made for): it is used only after batch_self_test(), and every signature it makes is checked (engine.h). */
#include "keys/rsa_crt.h"

#define BATCH_WIDTH 8
#define BATCH_BLOCK_MAX 512 /* bytes, RSA-4096 */

struct batch_lane {
	const struct rsa_crt *crt;
	const uint8_t *in; /* crt->bits / 8 bytes, below the modulus; big-endian, as is out */
	uint8_t *out;
};

struct batch_backend {
	const char *name;
	/* the private operation in all eight lanes, of one size, each with its own key; false: nothing was computed */
	bool (*raw)(const struct batch_lane lanes[BATCH_WIDTH], unsigned int bits);
	/* the public operation, for numbers that are no secret: it takes no care of the time; NULL: has none */
	bool (*raw_public)(const struct batch_lane lanes[BATCH_WIDTH], unsigned int bits);
};

/* What this program was built with and this CPU can run; NULL, and why not. */
const struct batch_backend *batch_backend(const char **why);
/* known answers of all three sizes, eight keys each */
bool batch_self_test(const struct batch_backend *backend);
