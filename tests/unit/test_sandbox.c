/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/common.h"
#include "base/log.h"
#include "base/sandbox.h"

static const struct sandbox_rule rules[] = {
	SANDBOX_ALLOW(pipe2),
	SANDBOX_ALLOW_IF2(socket, 0, AF_UNIX, 1, SOCK_STREAM),
	SANDBOX_ALLOW_IF2(socket, 0, AF_UNIX, 1, SOCK_DGRAM),
};

/* runs act in a sandboxed child: its exit code, or minus the signal that killed it */
static int in_sandbox(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		if (sandbox_enter(rules, ARRAY_SIZE(rules)))
			_exit(99);
		_exit(act());
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int act_allowed(void)
{
	int fd[2];
	char *memory = malloc(1 << 20);

	if (!memory || pipe2(fd, 0) < 0)
		return 1;
	memset(memory, 1, 1 << 20);
	free(memory);
	log_err("allowed to speak");
	return socket(AF_UNIX, SOCK_DGRAM, 0) < 0 || socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* glibc's qsort() of more than a kilobyte asks for the size of memory, once */
static int act_sort_much(void)
{
	int numbers[4096];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		numbers[i] = (int)(ARRAY_SIZE(numbers) - i);
	qsort(numbers, ARRAY_SIZE(numbers), sizeof(*numbers), compare_ints);
	return numbers[0] != 1;
}

static int act_inet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0;
}

static int act_open_for_writing(void)
{
	return open("/dev/null", O_WRONLY) < 0;
}

static int act_exec(void)
{
	return execl("/bin/true", "true", NULL);
}

static int act_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int act_abort(void)
{
	abort();
}

static void test_what_is_allowed_works(void **state)
{
	assert_int_equal(in_sandbox(act_allowed), 0);
	assert_int_equal(in_sandbox(act_sort_much), 0);
	assert_int_equal(in_sandbox(act_abort), -SIGABRT);
	(void)state;
}

static void test_what_is_not_allowed_kills(void **state)
{
	assert_int_equal(in_sandbox(act_inet_socket), -SIGSYS);
	assert_int_equal(in_sandbox(act_open_for_writing), -SIGSYS);
	assert_int_equal(in_sandbox(act_exec), -SIGSYS);
	assert_int_equal(in_sandbox(act_executable_memory), -SIGSYS);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_allowed_works),
		cmocka_unit_test(test_what_is_not_allowed_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
