/* SPDX-License-Identifier: Apache-2.0 */
/* The machine is asked: CPUID, the instruction itself, the kernel. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/common.h"
#include "health/health.h"

#if defined(__x86_64__)
#include <cpuid.h>

#define RDRAND_TRIES 10 /* Intel's guide: ten failures in a row are a broken generator */

static sigjmp_buf find_fault;

static void find_on_fault(int signal_number)
{
	siglongjmp(find_fault, signal_number);
}

static bool find_rdrand_once(uint64_t *value)
{
	unsigned char good;

	for (int i = 0; i < RDRAND_TRIES; i++) {
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(good)::"cc");
		if (good)
			return true;
	}
	return false;
}

/* some processors announce it and then give the same number for ever after a suspend */
static bool find_rdrand_works(void)
{
	struct sigaction action = {.sa_handler = find_on_fault}, before;
	volatile bool works = false;
	uint64_t values[4];

	sigaction(SIGILL, &action, &before);
	if (sigsetjmp(find_fault, 1) == 0) {
		bool all = true;

		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			all &= find_rdrand_once(&values[i]);
		works = all && !(values[0] == values[1] && values[1] == values[2] && values[2] == values[3]);
	}
	sigaction(SIGILL, &before, NULL);
	return works;
}

/* AVX states count only where the operating system saves them */
static uint64_t find_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void find_model(char out[49])
{
	unsigned int r[12] = {0};

	for (unsigned int i = 0; i < 3; i++)
		if (!__get_cpuid(0x80000002 + i, &r[i * 4], &r[i * 4 + 1], &r[i * 4 + 2], &r[i * 4 + 3]))
			return;
	memcpy(out, r, sizeof(r));
	out[48] = '\0';
}

static void find_cpu(struct health_facts *facts)
{
	unsigned int a, b, c, d;
	uint64_t saved = 0;

	find_model(facts->cpu_model);
	if (__get_cpuid(1, &a, &b, &c, &d)) {
		facts->rdrand_announced = c & bit_RDRND;
		facts->ssse3 = c & bit_SSSE3;
		facts->aes = c & bit_AES;
		facts->pclmul = c & bit_PCLMUL;
		saved = c & bit_OSXSAVE ? find_xcr0() : 0;
	}
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		facts->avx2 = (b & bit_AVX2) && (saved & 0x06) == 0x06;
		facts->avx512_ifma = (b & bit_AVX512IFMA) && (b & bit_AVX512F) && (saved & 0xe6) == 0xe6;
	}
	facts->rdrand_works = facts->rdrand_announced && find_rdrand_works();
}
#else
static void find_cpu(struct health_facts *facts) {}
#endif

static bool find_nic_is_tested(const char *driver)
{
	static const char *const tested[] = {"virtio_net", "veth"};

	for (size_t i = 0; i < ARRAY_SIZE(tested); i++)
		if (strcmp(tested[i], driver) == 0)
			return true;
	return false;
}

static void find_nic(const char *name, char *out, size_t size)
{
	char path[320], target[320];
	ssize_t n;
	const char *driver;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver", name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	driver = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	if (!find_nic_is_tested(driver))
		snprintf(out + strlen(out), size - strlen(out), "%s%s (%.32s)", *out ? ", " : "", name, driver);
}

static void find_nics(struct health_facts *facts)
{
	DIR *directory = opendir("/sys/class/net");
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			find_nic(entry->d_name, facts->untested_nics, sizeof(facts->untested_nics));
	if (directory)
		closedir(directory);
}

void health_find(struct health_facts *facts)
{
	struct sysinfo info;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char byte;

	memset(facts, 0, sizeof(*facts));
	find_cpu(facts);
	facts->cpus = cpus > 0 ? (unsigned int)cpus : 1;
	if (sysinfo(&info) == 0)
		facts->memory_bytes = (uint64_t)info.totalram * info.mem_unit;
	facts->entropy = getrandom(&byte, 1, GRND_NONBLOCK) == 1;
	find_nics(facts);
}
