/* SPDX-License-Identifier: Apache-2.0 */
/* Does the time of an RSA decryption tell whether the padding was right (Bleichenbacher, ROBOT, Marvin; RFC 5246
 * section 7.4.7.1)? After dudect (Reparaz, Balasch, Verbauwhede, 2016): well-formed and malformed blocks in random
 * order, the slowest tenth cut off, Welch's t of the two; beyond 5 the times differ. A deliberately careless unpadding
 * goes through the same, to show that a difference would be found.
 *
 *   unpad_timing [SCALE]     prints one JSON object: t by kind of malformed block
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys/private_key.h"

#define SIZE 256
#define BLOCKS 256 /* of each class, prepared before anything is measured */
#define VERSION 0x0303

enum kind { WELL_FORMED, WRONG_TYPE, NO_ZERO, EARLY_ZERO, SHORT_SECRET, WRONG_VERSION, KINDS };
static const char *const names[KINDS] = {
	"well_formed", "wrong_type", "no_zero", "early_zero", "short_secret", "wrong_version"};

static uint8_t blocks[KINDS][BLOCKS][SIZE];
static struct private_key *key;
static volatile uint8_t sink;

static void make_block(uint8_t *block, enum kind kind)
{
	RAND_bytes(block, SIZE);
	for (int i = 0; i < SIZE; i++)
		block[i] = block[i] % 255 + 1;
	block[0] = 0;
	block[1] = kind == WRONG_TYPE ? 0x17 : 2;
	if (kind != NO_ZERO)
		block[SIZE - PREMASTER_SIZE - (kind == SHORT_SECRET ? 0 : 1)] = 0;
	if (kind == EARLY_ZERO)
		block[2] = 0;
	if (kind != SHORT_SECRET && kind != NO_ZERO) {
		block[SIZE - PREMASTER_SIZE] = VERSION >> 8;
		block[SIZE - PREMASTER_SIZE + 1] = kind == WRONG_VERSION ? 0x7f : VERSION & 0xff;
	}
}

static void encrypt_block(uint8_t *block)
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	uint8_t out[SIZE];
	size_t len = sizeof(out);

	if (!ctx || EVP_PKEY_encrypt_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) != 1 ||
		EVP_PKEY_encrypt(ctx, out, &len, block, SIZE) != 1)
		abort();
	memcpy(block, out, SIZE);
}

/* --- what is measured ----------------------------------------------------------------------------------------------
 */

static void measure_unpad(const uint8_t *block)
{
	uint8_t copy[SIZE], out[KEYRING_OUTPUT_MAX];

	for (int i = 0; i < 8; i++) {
		memcpy(copy, block, SIZE);
		private_key_unpad(VERSION, copy, SIZE, out);
		sink ^= out[2];
	}
}

static void measure_decrypt(const uint8_t *block)
{
	uint8_t out[KEYRING_OUTPUT_MAX];
	size_t len;

	private_key_decrypt(key, VERSION, SPAN(block, SIZE), out, &len);
	sink ^= out[2];
}

/* what everybody writes first */
static void measure_careless(const uint8_t *block)
{
	uint8_t out[PREMASTER_SIZE] = {0};

	for (int i = 0; i < 8; i++) {
		const uint8_t *zero = block[0] == 0 && block[1] == 2 ? memchr(block + 2, 0, SIZE - 2) : NULL;

		if (zero && block + SIZE - zero == PREMASTER_SIZE + 1 && zero[1] == VERSION >> 8)
			memcpy(out, zero + 1, PREMASTER_SIZE);
		else
			RAND_bytes(out, sizeof(out));
		sink ^= out[2];
	}
}

/* --- statistics ----------------------------------------------------------------------------------------------------
 */

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct times {
	double *at;
	size_t n;
};

/* of those below the cut, which is one for both classes */
static void moments(const struct times *times, double cut, double *mean, double *variance_of_mean)
{
	double sum = 0, square = 0;
	size_t n = 0;

	for (size_t i = 0; i < times->n; i++)
		if (times->at[i] <= cut)
			sum += times->at[i], n++;
	*mean = sum / (double)n;
	for (size_t i = 0; i < times->n; i++)
		if (times->at[i] <= cut)
			square += (times->at[i] - *mean) * (times->at[i] - *mean);
	*variance_of_mean = square / (double)(n - 1) / (double)n;
}

static double welch(const struct times times[2])
{
	size_t n = times[0].n + times[1].n;
	double *all = calloc(n, sizeof(*all)), mean[2], variance[2], cut;

	memcpy(all, times[0].at, times[0].n * sizeof(*all));
	memcpy(all + times[0].n, times[1].at, times[1].n * sizeof(*all));
	qsort(all, n, sizeof(*all), compare);
	cut = all[n * 9 / 10];
	free(all);
	for (int i = 0; i < 2; i++)
		moments(&times[i], cut, &mean[i], &variance[i]);
	return (mean[0] - mean[1]) / sqrt(variance[0] + variance[1]);
}

static double compare_kinds(void (*measure)(const uint8_t *block), enum kind kind, size_t n)
{
	struct times times[2] = {{calloc(n, sizeof(double)), 0}, {calloc(n, sizeof(double)), 0}};
	uint8_t block[SIZE];
	double t;

	for (size_t i = 0; i < n; i++) {
		int class = rand() & 1;
		double begin;

		/* one place for both: the cache does not know which it is */
		memcpy(block, blocks[class ? kind : WELL_FORMED][rand() % BLOCKS], SIZE);
		begin = now_ns();
		measure(block);
		times[class].at[times[class].n++] = now_ns() - begin;
	}
	t = welch(times);
	free(times[0].at);
	free(times[1].at);
	return t;
}

static void report(const char *name, void (*measure)(const uint8_t *block), size_t n, const char *end)
{
	printf("\"%s\": {", name);
	for (enum kind kind = WRONG_TYPE; kind < KINDS; kind++)
		printf("\"%s\": %.2f%s", names[kind], compare_kinds(measure, kind, n), kind + 1 < KINDS ? ", " : "}");
	printf("%s", end);
}

int main(int argc, char **argv)
{
	double scale = argc > 1 ? atof(argv[1]) : 1;
	struct timespec seed;

	clock_gettime(CLOCK_REALTIME, &seed);
	srand((unsigned int)seed.tv_nsec);
	key = calloc(1, sizeof(*key));
	key->pkey = EVP_RSA_gen(SIZE * 8);
	for (enum kind kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < BLOCKS; i++)
			make_block(blocks[kind][i], kind);
	printf("{");
	report("careless", measure_careless, (size_t)(10000 * scale), ", ");
	report("unpad", measure_unpad, (size_t)(40000 * scale), ", ");
	for (enum kind kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < BLOCKS; i++)
			encrypt_block(blocks[kind][i]);
	report("decrypt", measure_decrypt, (size_t)(4000 * scale), "}\n");
	return 0;
}
