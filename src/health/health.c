/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"

#define HEALTH_CPUS_MIN 2
/* of 2 GB the kernel keeps some for itself */
#define HEALTH_MEMORY_MIN (1800ull << 20)

static bool good_rdrand(const struct health_facts *facts)
{
	return facts->rdrand_works;
}

static bool good_ssse3(const struct health_facts *facts)
{
	return facts->ssse3;
}

static bool good_cpus(const struct health_facts *facts)
{
	return facts->cpus >= HEALTH_CPUS_MIN;
}

static bool good_memory(const struct health_facts *facts)
{
	return facts->memory_bytes >= HEALTH_MEMORY_MIN;
}

static bool good_aes(const struct health_facts *facts)
{
	return facts->aes && facts->pclmul;
}

static bool good_avx2(const struct health_facts *facts)
{
	return facts->avx2;
}

static bool good_ifma(const struct health_facts *facts)
{
	return facts->avx512_ifma;
}

static bool good_entropy(const struct health_facts *facts)
{
	return facts->entropy;
}

static bool good_nics(const struct health_facts *facts)
{
	return !*facts->untested_nics;
}

const struct health_check health_checks[] = {
	{"ssse3", "SSSE3", good_ssse3, HEALTH_REFUSED,
		"signature filters need it: give the virtual machine the host's CPU model (virt-install --cpu "
		"host-passthrough)"},
	{"cpus", "Processors", good_cpus, HEALTH_REFUSED, "SSL inspection needs 2 vCPU: give the virtual machine more"},
	{"memory", "Memory", good_memory, HEALTH_REFUSED, "SSL inspection needs 2 GB: give the virtual machine more"},
	{"rdrand", "RDRAND", good_rdrand, HEALTH_WARNING,
		"the kernel's generator has one source less; random numbers stay safe once it is seeded. Give the "
		"virtual "
		"machine a CPU model with RDRAND, or a virtio-rng device"},
	{"entropy", "Entropy", good_entropy, HEALTH_WARNING,
		"the kernel's generator is not seeded yet: handshakes wait until it is. A virtio-rng device helps"},
	{"aes", "AES-NI", good_aes, HEALTH_WARNING, "AES is computed without it, several times slower: CPU model"},
	{"avx2", "AVX2", good_avx2, HEALTH_NOTE, "signature filters and RSA are slower without it: CPU model"},
	{"avx512_ifma", "AVX-512 IFMA", good_ifma, HEALTH_NOTE,
		"private-key operations are not computed eight at a time: fewer full handshakes per second"},
	{"nics", "Network drivers", good_nics, HEALTH_NOTE,
		"nobody has tested Sluice on them yet; tested are virtio_net and veth"},
};
const size_t health_n_checks = ARRAY_SIZE(health_checks);

enum health_state health_judge(const struct health_check *check, const struct health_facts *facts)
{
	return check->good(facts) ? HEALTH_GOOD : check->bad;
}

const char *health_state_name(enum health_state state)
{
	static const char *const names[HEALTH_STATE_N] = {"good", "note", "warning", "refused"};

	return names[state];
}

void health_describe(const struct health_check *check, const struct health_facts *facts, char *out, size_t size)
{
	if (strcmp(check->name, "cpus") == 0)
		snprintf(out, size, "%u vCPU", facts->cpus);
	else if (strcmp(check->name, "memory") == 0)
		snprintf(out, size, "%llu MB", (unsigned long long)(facts->memory_bytes >> 20));
	else if (strcmp(check->name, "rdrand") == 0 && facts->rdrand_announced && !facts->rdrand_works)
		snprintf(out, size, "announced, but it does not work");
	else if (strcmp(check->name, "nics") == 0 && *facts->untested_nics)
		snprintf(out, size, "%s", facts->untested_nics);
	else
		snprintf(out, size, "%s", check->good(facts) ? "there" : "missing");
}

const struct health_check *health_refusal(const struct health_facts *facts)
{
	for (size_t i = 0; i < health_n_checks; i++)
		if (health_judge(&health_checks[i], facts) == HEALTH_REFUSED)
			return &health_checks[i];
	return NULL;
}
