/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What this machine offers and what each thing that is missing costs (J2): found out once at start; told in the System
 * log, on the console, by `sluice show health`. Below the minimum SSL inspection is refused. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum health_state { HEALTH_GOOD, HEALTH_NOTE, HEALTH_WARNING, HEALTH_REFUSED, HEALTH_STATE_N };

struct health_facts {
	char cpu_model[49];
	bool rdrand_announced, rdrand_works; /* works: executed, without a fault, and not always the same */
	bool ssse3, aes, pclmul, avx2, avx512_ifma;
	unsigned int cpus;       /* online */
	uint64_t memory_bytes;   /* that the kernel has */
	bool entropy;            /* the kernel's generator is seeded */
	char untested_nics[128]; /* "name (driver), …" of network interfaces nobody has tested Sluice on */
};

struct health_check {
	const char *name; /* "rdrand" */
	const char *title;
	bool (*good)(const struct health_facts *facts);
	enum health_state bad; /* the state when it is not good */
	const char *cost;      /* what the operator pays for it, and the mend */
};

extern const struct health_check health_checks[];
extern const size_t health_n_checks;

void health_find(struct health_facts *facts);
enum health_state health_judge(const struct health_check *check, const struct health_facts *facts);
const char *health_state_name(enum health_state state);
/* what was found, for a person: "2 vCPU" */
void health_describe(const struct health_check *check, const struct health_facts *facts, char *out, size_t size);
/* the first check that refuses SSL inspection; NULL: none does */
const struct health_check *health_refusal(const struct health_facts *facts);
