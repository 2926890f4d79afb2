/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A real program, started as the supervisor starts its children: descriptor 3 is the control socket. */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/message.h"

/* argument: NULL for none */
static inline pid_t start_program(const char *path, const char *argument, int *control)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(ipc_pair(pair), 0);
	pid = fork();
	if (!pid) {
		/* away from 3 first, or dup2() would leave it close-on-exec */
		int fd = fcntl(pair[1], F_DUPFD, 10);

		dup2(fd, 3);
		close(fd);
		execl(path, strrchr(path, '/') + 1, argument, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	*control = pair[0];
	return pid;
}

static inline int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* takes the reference */
static inline void send_message(int control, json_t *message, const int *fds, size_t n)
{
	assert_int_equal(ipc_send(control, message, fds, n), 0);
	json_decref(message);
}
