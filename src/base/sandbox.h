/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* System call filter (seccomp) of a process that handles hostile bytes. The rules name what is allowed; anything else
 * kills the process with SIGSYS. Call it once, single-threaded, when every descriptor is in place; there is no way
 * back. It also sets no_new_privs.
 *
 * Always allowed, because libc itself needs them: read, write, close, exit, exit_group, brk, mmap and mprotect without
 * PROT_EXEC, munmap, mremap, madvise, futex, clock_gettime, gettimeofday, getrandom, getpid, gettid, sched_yield,
 * rt_sigreturn, rt_sigprocmask, restart_syscall, fstat (newfstatat of a descriptor), tgkill of oneself (abort).
 *
 * Builds with sanitizers (SLUICE_SANITIZED) are no security boundary: their runtime needs more (files read-only,
 * threads, ptrace of itself for the leak check, mappings), which is added. socket, bind, connect, execve, opening for
 * writing and unlinking stay forbidden unless allowed. There, the forbidden call is named on standard error before the
 * process dies; in other builds the parent sees SIGSYS and the kernel's audit log has the number. */
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#define SANDBOX_ARGS_MAX 3

struct sandbox_arg {
	unsigned int index;   /* 0 to 5 */
	uint64_t mask, value; /* allowed when (argument & mask) == value */
};

struct sandbox_rule {
	int number; /* SYS_... of this architecture */
	unsigned int n_args;
	struct sandbox_arg args[SANDBOX_ARGS_MAX]; /* all of them must hold */
};

#define SANDBOX_ALLOW(name) {.number = SYS_##name}
/* allowed when argument index equals value; several rules for one call are alternatives. An int argument is given as
 * the 64-bit register holds it, e.g. (uint32_t)-1. */
#define SANDBOX_ALLOW_IF(name, arg_index, arg_value)                                                  \
	{                                                                                             \
		.number = SYS_##name, .n_args = 1, .args = { {(arg_index), UINT64_MAX, (arg_value)} } \
	}
#define SANDBOX_ALLOW_IF2(name, index1, value1, index2, value2) \
	{                                                       \
		.number = SYS_##name, .n_args = 2, .args = {    \
			{(index1), UINT64_MAX, (value1)},       \
			{(index2), UINT64_MAX, (value2)}        \
		}                                               \
	}
/* allowed when (argument & mask) == value, e.g. socket types whatever their SOCK_CLOEXEC */
#define SANDBOX_ALLOW_MASKED(name, arg_index, arg_mask, arg_value)                                    \
	{                                                                                             \
		.number = SYS_##name, .n_args = 1, .args = { {(arg_index), (arg_mask), (arg_value)} } \
	}

/* 0 or -errno (nothing is filtered then) */
int sandbox_enter(const struct sandbox_rule *rules, size_t n_rules);
