/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Does the operations that wait, by whichever engine is quickest for as many as there are: five and more RSA operations
 * of one size (of greater ones, more) go eight at a time through the batch backend, everything else singly through
 * OpenSSL. It never waits for more to come. */
#include "ipc/keyring.h"
#include "keys/batch.h"
#include "keys/private_key.h"

#define BATCH_MIN \
	5 /* of RSA-2048: below, eight lanes take longer than that many one by one (tests/bench/key_bench.c) */
#define BATCH_FAULTS_MAX 3

struct key_operation {
	const struct private_key *key; /* borrowed; NULL: there is none of this id */
	uint16_t op, algorithm;        /* as in struct keyring_slot */
	size_t input_len;
	uint8_t input[KEYRING_INPUT_MAX];
	enum keyring_status status;
	size_t output_len;
	uint8_t output[KEYRING_OUTPUT_MAX];
	unsigned int batch_bits;       /* the engine's */
	struct keyring_server *server; /* for who asked */
	uint32_t slot;
};

struct key_engine {
	const struct batch_backend *batch; /* NULL: everything singly */
	const char *why;                   /* there is no batch engine */
	uint64_t single, batched, batches; /* operations done singly, in batches; batches */
	uint64_t faults;                   /* wrong answers of the batch engine, none of which was given out */
};

/* backend: NULL when there is none, with the reason. A backend that fails the self-test is not used. */
void key_engine_init(struct key_engine *engine, const struct batch_backend *backend, const char *why);
/* fills in status and output of all; done is called for each as soon as it is ready */
void key_engine_run(struct key_engine *engine, struct key_operation *operations, unsigned int n,
	void (*done)(struct key_operation *operation));
