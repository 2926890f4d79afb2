/* SPDX-License-Identifier: Apache-2.0 */
/* Private-key operations per CPU second by engine and by how many wait at once; a Markdown table. */
#include <stdio.h>
#include <time.h>

#include "keys/engine.h"

#define MEASURE_S 0.5

static struct key_operation operations[8];

static double cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void on_done(struct key_operation *operation)
{
	(void)operation;
}

/* n signatures (PSS, SHA-256) at a time: operations per CPU second */
static double measure(struct key_engine *engine, const struct private_key *key, unsigned int n)
{
	double begin = cpu_now(), used;
	unsigned long done = 0;

	do {
		for (unsigned int i = 0; i < n; i++)
			operations[i] = (struct key_operation){
				.key = key, .op = KEYRING_SIGN, .algorithm = 0x0804, .input_len = 32};
		key_engine_run(engine, operations, n, on_done);
		done += n;
		used = cpu_now() - begin;
	} while (used < MEASURE_S);
	return (double)done / used;
}

static void measure_size(struct key_engine *single, struct key_engine *batch, unsigned int bits)
{
	static const unsigned int waiting[] = {1, 4, 5, 6, 8};
	struct private_key key = {.pkey = EVP_RSA_gen(bits)};

	key.crt = rsa_crt_new(key.pkey);
	printf("| RSA-%u | %.0f |", bits, measure(single, &key, 8));
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
		if (batch->batch)
			printf(" %.0f |", measure(batch, &key, waiting[i]));
		else
			printf(" - |");
	}
	printf("\n");
	rsa_crt_free(&key.crt);
	EVP_PKEY_free(key.pkey);
}

int main(void)
{
	struct key_engine single, batch;
	const char *why = "";
	const struct batch_backend *backend = batch_backend(&why);

	key_engine_init(&single, NULL, "for comparison");
	key_engine_init(&batch, backend, why);
	printf("| signatures per CPU second | OpenSSL | batch engine, 1 waiting | 4 | 5 | 6 | 8 |\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n");
	for (unsigned int bits = 2048; bits <= 4096; bits += 1024)
		measure_size(&single, &batch, bits);
	return 0;
}
