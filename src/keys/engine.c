/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/engine.h"

#include <string.h>

#include "base/log.h"

#define BATCH_DONE UINT32_MAX
#define BATCH_CHECK_MIN 3 /* signatures: fewer are checked sooner one by one */

void key_engine_init(struct key_engine *engine, const struct batch_backend *backend, const char *why)
{
	*engine = (struct key_engine){.batch = backend, .why = why};
	if (backend && !batch_self_test(backend)) {
		engine->batch = NULL;
		engine->why = "the batch engine gives wrong answers on this CPU";
	}
	if (engine->batch)
		log_info("RSA operations: OpenSSL, from %d waiting on %s", BATCH_MIN, engine->batch->name);
	else
		log_info("RSA operations: OpenSSL (%s)", engine->why);
}

/* --- singly --------------------------------------------------------------------------------------------------------
 */

static void run_single(struct key_engine *engine, struct key_operation *operation)
{
	struct span input = SPAN(operation->input, operation->input_len);

	operation->output_len = 0;
	if (!operation->key)
		operation->status = KEYRING_NO_KEY;
	else if (operation->op == KEYRING_SIGN)
		operation->status = private_key_sign(
			operation->key, operation->algorithm, input, operation->output, &operation->output_len);
	else if (operation->op == KEYRING_RSA_DECRYPT)
		operation->status = private_key_decrypt(
			operation->key, operation->algorithm, input, operation->output, &operation->output_len);
	else
		operation->status = KEYRING_BAD_REQUEST;
	engine->single++;
}

/* --- eight at once -------------------------------------------------------------------------------------------------
 */

/* 0 when it cannot go into a batch */
static unsigned int batch_bits(const struct key_engine *engine, const struct key_operation *operation)
{
	const struct private_key *key = operation->key;

	if (!engine->batch || !key || !key->crt || key->crt->faulty)
		return 0;
	return operation->op == KEYRING_SIGN || operation->op == KEYRING_RSA_DECRYPT ? key->crt->bits : 0;
}

/* the raw operation's input; false when it is none that a batch could do: done singly, it says what is wrong */
static bool batch_prepare(const struct key_operation *operation, uint8_t block[BATCH_BLOCK_MAX])
{
	struct span input = SPAN(operation->input, operation->input_len);

	if (operation->op == KEYRING_SIGN)
		return private_key_sign_block(operation->key, operation->algorithm, input, block);
	return private_key_decrypt_block(operation->key, input, block);
}

static void batch_fault(struct key_engine *engine, struct key_operation *operation)
{
	operation->key->crt->faulty = true;
	log_err_r(-EIO,
		"the batch engine computed a wrong signature (never given out) with key %016llx, which it is not "
		"used for any more",
		(unsigned long long)operation->key->id);
	if (++engine->faults >= BATCH_FAULTS_MAX && engine->batch) {
		engine->batch = NULL;
		engine->why = "switched off: it gave wrong answers";
		log_err_r(-EIO, "the batch engine is switched off");
	}
	run_single(engine, operation);
}

/* what comes back from the signatures by the public operation, all at once; false when each has to be asked for */
static bool batch_check(const struct key_engine *engine, struct key_operation *const operations[],
	uint8_t raw[][BATCH_BLOCK_MAX], uint8_t back[][BATCH_BLOCK_MAX], unsigned int n)
{
	struct batch_lane lanes[BATCH_WIDTH];
	unsigned int signatures = 0, last = 0;

	for (unsigned int i = 0; i < n; i++)
		if (operations[i]->op == KEYRING_SIGN)
			lanes[last = i] = (struct batch_lane){operations[i]->key->crt, raw[i], back[i]}, signatures++;
	if (!engine->batch->raw_public || signatures < BATCH_CHECK_MIN)
		return false;
	for (unsigned int i = 0; i < BATCH_WIDTH; i++)
		if (i >= n || operations[i]->op != KEYRING_SIGN)
			lanes[i] = lanes[last];
	return engine->batch->raw_public(lanes, operations[0]->key->crt->bits);
}

/* A wrong signature would tell the key. A wrong decryption has no padding and gives the random premaster secret, which
 * tells nothing; checking it with the public operation would take the unblinded plaintext through arithmetic that is
 * not made for secrets. back: NULL when it is to be computed here */
static bool batch_is_right(
	const struct key_operation *operation, const uint8_t *block, const uint8_t *raw, const uint8_t *back)
{
	size_t size = operation->key->crt->bits / 8;

	if (operation->op == KEYRING_RSA_DECRYPT)
		return true;
	return back ? !memcmp(back, block, size)
		    : private_key_raw_is_right(operation->key, SPAN(block, size), SPAN(raw, size));
}

static void batch_finish(struct key_engine *engine, struct key_operation *operation, uint8_t *raw)
{
	size_t size = operation->key->crt->bits / 8;

	if (operation->op == KEYRING_RSA_DECRYPT) {
		operation->status = private_key_unpad(operation->algorithm, raw, size, operation->output);
		operation->output_len = operation->status == KEYRING_DONE ? PREMASTER_SIZE : 0;
	} else {
		memcpy(operation->output, raw, size);
		operation->output_len = size;
		operation->status = KEYRING_DONE;
	}
	engine->batched++;
}

/* n of them, at most BATCH_WIDTH, of one size; lanes that are left over repeat the first */
static void run_batch(struct key_engine *engine, struct key_operation *const operations[],
	uint8_t block[][BATCH_BLOCK_MAX], unsigned int n, void (*done)(struct key_operation *operation))
{
	static uint8_t raw[BATCH_WIDTH][BATCH_BLOCK_MAX], back[BATCH_WIDTH][BATCH_BLOCK_MAX];
	unsigned int bits = operations[0]->key->crt->bits;
	struct batch_lane lanes[BATCH_WIDTH];
	bool ok, checked;

	for (unsigned int i = 0; i < BATCH_WIDTH; i++) {
		unsigned int from = i < n ? i : 0;

		lanes[i] = (struct batch_lane){operations[from]->key->crt, block[from], raw[i]};
	}
	ok = engine->batch->raw(lanes, bits);
	checked = ok && batch_check(engine, operations, raw, back, n);
	engine->batches += ok;
	for (unsigned int i = 0; i < n; i++) {
		if (!ok)
			run_single(engine, operations[i]);
		else if (batch_is_right(operations[i], block[i], raw[i], checked ? back[i] : NULL))
			batch_finish(engine, operations[i], raw[i]);
		else
			batch_fault(engine, operations[i]);
		operations[i]->batch_bits = BATCH_DONE;
		done(operations[i]);
	}
	OPENSSL_cleanse(raw, sizeof(raw));
}

/* from how many on; the library's lanes gain less with greater keys (measured: docs/benchmarks.md) */
static const struct batch_size {
	unsigned int bits, min;
} sizes[] = {{2048, BATCH_MIN}, {3072, 7}, {4096, 7}};

static unsigned int count_of_size(const struct key_operation *operations, unsigned int n, unsigned int bits)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < n; i++)
		count += operations[i].batch_bits == bits;
	return count;
}

/* as many of one size as make batches worth while; the others are left */
static void run_size(struct key_engine *engine, struct key_operation *operations, unsigned int n,
	const struct batch_size *size, void (*done)(struct key_operation *operation))
{
	static uint8_t block[BATCH_WIDTH][BATCH_BLOCK_MAX];
	struct key_operation *batch[BATCH_WIDTH];
	unsigned int waiting = count_of_size(operations, n, size->bits), m = 0;

	for (unsigned int i = 0; i < n && engine->batch && waiting + m >= size->min; i++) {
		if (operations[i].batch_bits != size->bits)
			continue;
		waiting--;
		if (!batch_prepare(&operations[i], block[m])) {
			operations[i].batch_bits = 0;
			continue;
		}
		batch[m++] = &operations[i];
		if (m == BATCH_WIDTH) {
			run_batch(engine, batch, block, m, done);
			m = 0;
		}
	}
	if (engine->batch && m >= size->min)
		run_batch(engine, batch, block, m, done);
}

static void run_rest(struct key_engine *engine, struct key_operation *operations, unsigned int n, bool batchable,
	void (*done)(struct key_operation *operation))
{
	for (unsigned int i = 0; i < n; i++) {
		if (operations[i].batch_bits == BATCH_DONE || (operations[i].batch_bits && !batchable))
			continue;
		run_single(engine, &operations[i]);
		operations[i].batch_bits = BATCH_DONE;
		done(&operations[i]);
	}
}

void key_engine_run(struct key_engine *engine, struct key_operation *operations, unsigned int n,
	void (*done)(struct key_operation *operation))
{
	for (unsigned int i = 0; i < n; i++)
		operations[i].batch_bits = batch_bits(engine, &operations[i]);
	/* what is quick or cannot be batched does not wait for a batch */
	run_rest(engine, operations, n, false, done);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		run_size(engine, operations, n, &sizes[i], done);
	run_rest(engine, operations, n, true, done);
}
