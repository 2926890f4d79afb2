/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/common.h"

#define WITHOUT_EXEC(name) SANDBOX_ALLOW_MASKED(name, 2, PROT_EXEC, 0)

static const struct sandbox_rule libc_rules[] = {
	SANDBOX_ALLOW(read),
	SANDBOX_ALLOW(write),
	SANDBOX_ALLOW(close),
	SANDBOX_ALLOW(exit),
	SANDBOX_ALLOW(exit_group),
	SANDBOX_ALLOW(brk),
	WITHOUT_EXEC(mmap),
	WITHOUT_EXEC(mprotect),
	SANDBOX_ALLOW(munmap),
	SANDBOX_ALLOW(mremap),
	SANDBOX_ALLOW(madvise),
	SANDBOX_ALLOW(futex),
	SANDBOX_ALLOW(clock_gettime),
	SANDBOX_ALLOW(gettimeofday),
	SANDBOX_ALLOW(getrandom),
	SANDBOX_ALLOW(sysinfo), /* glibc's qsort() asks how much memory there is before it sorts a kilobyte or more */
	SANDBOX_ALLOW(getpid),
	SANDBOX_ALLOW(gettid),
	SANDBOX_ALLOW(sched_yield),
	SANDBOX_ALLOW(rt_sigreturn),
	SANDBOX_ALLOW(rt_sigprocmask),
	SANDBOX_ALLOW(restart_syscall),
	SANDBOX_ALLOW(fstat),
	SANDBOX_ALLOW_MASKED(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
};

#ifdef SLUICE_SANITIZED
/* what the runtimes of AddressSanitizer, LeakSanitizer and UBSan call, reports and symbolizing by themselves included
 */
static const struct sandbox_rule sanitizer_rules[] = {
	SANDBOX_ALLOW(sched_getaffinity),
	SANDBOX_ALLOW(sigaltstack),
	SANDBOX_ALLOW(rt_sigaction),
	SANDBOX_ALLOW(prctl),
	SANDBOX_ALLOW(arch_prctl),
	SANDBOX_ALLOW(prlimit64),
	SANDBOX_ALLOW(getrlimit),
	SANDBOX_ALLOW_MASKED(openat, 2, O_ACCMODE | O_CREAT, O_RDONLY),
	SANDBOX_ALLOW_MASKED(open, 1, O_ACCMODE | O_CREAT, O_RDONLY),
	SANDBOX_ALLOW(readlink),
	SANDBOX_ALLOW(readlinkat),
	SANDBOX_ALLOW(newfstatat),
	SANDBOX_ALLOW(stat),
	SANDBOX_ALLOW(lseek),
	SANDBOX_ALLOW(pread64),
	SANDBOX_ALLOW(getdents),
	SANDBOX_ALLOW(getdents64),
	SANDBOX_ALLOW(getppid),
	SANDBOX_ALLOW(getuid),
	SANDBOX_ALLOW(ioctl), /* is standard error a terminal? */
	SANDBOX_ALLOW(writev),
	SANDBOX_ALLOW(mincore),
	SANDBOX_ALLOW(clone), /* the leak check stops the process from a thread of its own */
	SANDBOX_ALLOW(ptrace),
	SANDBOX_ALLOW(wait4),
	SANDBOX_ALLOW(process_vm_readv),
	SANDBOX_ALLOW(set_robust_list),
	SANDBOX_ALLOW(rseq),
	SANDBOX_ALLOW(tgkill),
	SANDBOX_ALLOW(kill),
};

/* names the call; SA_RESETHAND makes the second SIGSYS final */
static void sandbox_report(int signal, siginfo_t *info, void *context)
{
	char line[96], *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, info->si_syscall);
	int n = snprintf(line, sizeof(line), "sandbox: forbidden system call %d (%s)\n", info->si_syscall,
		name ? name : "unknown");

	(void)context;
	if (write(STDERR_FILENO, line, MIN((size_t)n, sizeof(line) - 1)) < 0)
		_exit(128 + signal);
	raise(signal);
}

static int sandbox_report_calls(void)
{
	struct sigaction action = {.sa_sigaction = sandbox_report, .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER};

	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

#define SANDBOX_DEFAULT SCMP_ACT_TRAP
#else
#define SANDBOX_DEFAULT SCMP_ACT_KILL_PROCESS
#endif

static void sandbox_release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int sandbox_add(scmp_filter_ctx filter, const struct sandbox_rule *rule)
{
	struct scmp_arg_cmp args[SANDBOX_ARGS_MAX];
	int err;

	if (rule->n_args > SANDBOX_ARGS_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < rule->n_args; i++)
		args[i] = (struct scmp_arg_cmp){
			rule->args[i].index, SCMP_CMP_MASKED_EQ, rule->args[i].mask, rule->args[i].value};
	err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->number, rule->n_args, args);
	return err == -EEXIST ? 0 : err;
}

static int sandbox_add_all(scmp_filter_ctx filter, const struct sandbox_rule *rules, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = sandbox_add(filter, &rules[i]);
	return err;
}

int sandbox_enter(const struct sandbox_rule *rules, size_t n_rules)
{
	const struct sandbox_rule abort_itself = SANDBOX_ALLOW_IF(tgkill, 0, (uint64_t)getpid());
	_cleanup_(sandbox_release) scmp_filter_ctx filter = seccomp_init(SANDBOX_DEFAULT);
	int err;

	if (!filter)
		return -ENOMEM;
	err = sandbox_add_all(filter, libc_rules, ARRAY_SIZE(libc_rules));
	if (!err)
		err = sandbox_add(filter, &abort_itself);
	if (!err)
		err = sandbox_add_all(filter, rules, n_rules);
#ifdef SLUICE_SANITIZED
	if (!err)
		err = sandbox_add_all(filter, sanitizer_rules, ARRAY_SIZE(sanitizer_rules));
	if (!err)
		err = sandbox_report_calls();
#endif
	return err ? err : seccomp_load(filter);
}
