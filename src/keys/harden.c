/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "keys/libcrypto.h"

#define HEAP_RESERVE (2u << 20) /* hundreds of keys with libcrypto's own memory; within the usual limit of 8 MiB */

static struct {
	uintptr_t start, locked_end;
	bool all, warned;
} heap;

static const struct sandbox_rule keeper_rules[] = {
	SANDBOX_ALLOW(recvmsg),
	SANDBOX_ALLOW(recvfrom),
	SANDBOX_ALLOW(sendmsg),
	SANDBOX_ALLOW(poll),
	SANDBOX_ALLOW(epoll_wait),
	SANDBOX_ALLOW(epoll_ctl),
	SANDBOX_ALLOW(lseek),
	SANDBOX_ALLOW(pread64),
	SANDBOX_ALLOW(mlock),
	SANDBOX_ALLOW(setitimer),
	SANDBOX_ALLOW_IF(fcntl, 1, F_GET_SEALS),
};

static const struct sandbox_rule importer_rules[] = {
	SANDBOX_ALLOW(recvmsg),
	SANDBOX_ALLOW(recvfrom),
	SANDBOX_ALLOW(sendmsg),
	SANDBOX_ALLOW(poll),
	SANDBOX_ALLOW(lseek),
	SANDBOX_ALLOW(pread64),
	SANDBOX_ALLOW(pwrite64),
	SANDBOX_ALLOW(fsync),
	SANDBOX_ALLOW(flock),
	SANDBOX_ALLOW(mlock),
	SANDBOX_ALLOW(memfd_create),
	SANDBOX_ALLOW_IF(fcntl, 1, F_ADD_SEALS),
};

#ifndef SLUICE_SANITIZED
/* All of malloc's memory in one range that grows at its end and is never given back: it can be locked as a whole. */
static void heap_prepare(void)
{
	void *volatile reserve;

	mallopt(M_MMAP_MAX, 0);
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	/* it begins where the unused end of the heap begins, so that what is allocated later lies above */
	reserve = malloc(HEAP_RESERVE);
	heap.start = (uintptr_t)reserve & ~(uintptr_t)4095;
	free(reserve);
}
#endif

/* --- what libcrypto frees is wiped: its decoders leave copies of whole keys behind, of which it knows nothing
 * ---------
 */

static void *crypto_malloc(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return malloc(size);
}

static void crypto_free(void *data, const char *file, int line)
{
	(void)file, (void)line;
	if (data)
		OPENSSL_cleanse(data, malloc_usable_size(data));
	free(data);
}

static void *crypto_realloc(void *data, size_t size, const char *file, int line)
{
	size_t have = data ? malloc_usable_size(data) : 0;
	void *new;

	if (data && size && size <= have)
		return data;
	new = size ? malloc(size) : NULL;
	if (size && !new)
		return NULL;
	if (new && have)
		memcpy(new, data, have);
	crypto_free(data, file, line);
	return new;
}

int keys_harden(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
		return -EALREADY;
#ifndef SLUICE_SANITIZED /* the leak check traces its own process */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	heap_prepare();
#endif
	/* libc reads the time zone file when it first converts a date; later no file can be opened */
	tzset();
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : -EIO;
}

static bool may_lock_all(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
		return true;
	return syscall(SYS_capget, &header, data) == 0 && data[0].effective & 1u << CAP_IPC_LOCK;
}

static void heap_lock(void)
{
	uintptr_t end = (uintptr_t)sbrk(0), from = heap.locked_end ? heap.locked_end : heap.start;

	if (from >= end)
		return;
	if (mlock((void *)from, end - from) == 0) {
		heap.locked_end = end;
	} else if (!heap.warned) {
		heap.warned = true;
		log_warn("private keys could be written to swap: raise the limit of locked memory (RLIMIT_MEMLOCK) "
			 "above %zu KiB",
			(size_t)(end - heap.start) >> 10);
	}
}

void keys_lock_memory(void)
{
	static bool tried;

	if (!tried) {
		tried = true;
		/* with a limit in force, MCL_FUTURE would make later mappings fail */
		heap.all = may_lock_all() && mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
	}
	if (!heap.all && heap.start)
		heap_lock();
}

int keys_sandbox_keeper(void)
{
	return sandbox_enter(keeper_rules, ARRAY_SIZE(keeper_rules));
}

int keys_sandbox_importer(void)
{
	return sandbox_enter(importer_rules, ARRAY_SIZE(importer_rules));
}
