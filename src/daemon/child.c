/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"

#define CHILD_CONTROL_FD 3
#define CHILD_PROGRAM_FD 4
#define CHILD_SEND_MS 2000
#define CHILD_FILES (1u << 20) /* the kernel's default fs.nr_open: two descriptors per session */

/* nothing of the environment that the supervisor was started in reaches a child, but for the sanitizers' options */
static char *const *child_environment(void)
{
	static char *const minimal[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL};

#ifdef SLUICE_SANITIZED
	if (environ)
		return environ;
#endif
	return minimal;
}

static void child_set_limits(enum role role)
{
	struct rlimit files = {CHILD_FILES, CHILD_FILES};

	/* memory of a worker is plaintext, the keeper's are keys */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (role != ROLE_WORKER || setrlimit(RLIMIT_NOFILE, &files) == 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* standard input is nothing, standard output goes where the messages go */
static void child_set_streams(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		close(STDIN_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	dup2(STDERR_FILENO, STDOUT_FILENO);
}

/* in the child: never returns */
static void __attribute__((noreturn)) child_exec(enum role role, int control_fd, int program_fd, int netns_fd)
{
	const struct role_info *info = &role_info[role];
	char *argv[] = {(char *)info->program, (char *)info->argument, NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (chdir("/") < 0)
		_exit(120);
	setsid(); /* a terminal's interrupt is for the supervisor, which ends the children in order */
	if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) < 0)
		_exit(121);
	/* out of the way of the two fixed numbers first */
	control_fd = fcntl(control_fd, F_DUPFD, 10);
	program_fd = fcntl(program_fd, F_DUPFD, 10);
	if (dup2(control_fd, CHILD_CONTROL_FD) < 0 || dup2(program_fd, CHILD_PROGRAM_FD) < 0)
		_exit(122);
	child_set_streams();
	close_range(CHILD_PROGRAM_FD + 1, ~0u, 0);
	fcntl(CHILD_PROGRAM_FD, F_SETFD, FD_CLOEXEC);
	child_set_limits(role);
	if (role_enter(role) < 0)
		_exit(123);
	/* by descriptor: the role's user need not be able to walk the path */
	syscall(SYS_execveat, CHILD_PROGRAM_FD, "", argv, child_environment(), AT_EMPTY_PATH);
	_exit(124);
}

static void child_forget(struct child *child)
{
	int control = child->control.fd, end = child->end.fd;

	loop_remove(child->loop, &child->control);
	loop_remove(child->loop, &child->end);
	if (control >= 0)
		close(control);
	if (end >= 0)
		close(end);
	ipc_receiver_clear(&child->receiver);
	child->ended_pid = child->pid;
	child->pid = 0;
}

/* false: there is no further message now */
static bool child_receive(struct child *child)
{
	json_t *message = NULL;
	int fds[IPC_FDS_MAX], r;
	size_t n_fds = IPC_FDS_MAX;
	const char *name;

	r = ipc_receive(&child->receiver, child->control.fd, &message, fds, &n_fds);
	if (r == -EAGAIN)
		return false;
	if (r < 0) {
		int fd = child->control.fd;

		/* its end will be reported by the pidfd; alive without a control socket it would be no use */
		loop_remove(child->loop, &child->control);
		close(fd);
		child_kill(child, SIGKILL);
		return false;
	}
	name = json_string_value(json_object_get(message, "message"));
	if (name)
		child->on_message(child, name, message, fds, n_fds);
	for (size_t i = 0; i < n_fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	json_decref(message);
	return true;
}

static void child_on_control(struct loop_source *source, uint32_t events)
{
	child_receive(container_of(source, struct child, control));
}

static void child_on_end(struct loop_source *source, uint32_t events)
{
	struct child *child = container_of(source, struct child, end);
	siginfo_t info = {0};
	char how[64];

	if (waitid(P_PID, child->pid, &info, WEXITED) < 0)
		return;
	if (info.si_code == CLD_EXITED)
		snprintf(how, sizeof(how), "exited with status %d", info.si_status);
	else
		snprintf(how, sizeof(how), "was killed by signal %d (%s)", info.si_status,
			sigabbrev_np(info.si_status) ? sigabbrev_np(info.si_status) : "?");
	/* what it said before it ended comes first; the read that fails closes the socket */
	while (child->control.fd >= 0 && child_receive(child))
		;
	child_forget(child);
	child->on_exit(child, how);
}

static int child_watch(struct child *child, int control_fd)
{
	int pidfd = syscall(SYS_pidfd_open, child->pid, 0), r;

	if (pidfd < 0) {
		close(control_fd);
		return -errno;
	}
	r = loop_add(child->loop, &child->control, control_fd, EPOLLIN, child_on_control);
	if (r < 0)
		close(control_fd);
	else
		r = loop_add(child->loop, &child->end, pidfd, EPOLLIN, child_on_end);
	if (r < 0)
		close(pidfd);
	return r;
}

int child_spawn(struct child *child, struct loop *loop, enum role role, const char *bin_dir, int netns_fd,
	child_message_fn *on_message, child_exit_fn *on_exit)
{
	_cleanup_close_ int program = -1;
	char path[4096];
	int pair[2], r;

	snprintf(path, sizeof(path), "%s/%s", bin_dir, role_info[role].program);
	program = open(path, O_PATH | O_CLOEXEC);
	if (program < 0)
		return log_err_r(-errno, "cannot open %s", path);
	r = ipc_pair(pair);
	if (r < 0)
		return r;
	*child = (struct child){.loop = loop,
		.role = role,
		.control.fd = -1,
		.end.fd = -1,
		.on_message = on_message,
		.on_exit = on_exit,
		.started_ns = clock_now_ns()};
	child->pid = fork();
	if (child->pid == 0)
		child_exec(role, pair[1], program, netns_fd);
	close(pair[1]);
	if (child->pid < 0) {
		close(pair[0]);
		child->pid = 0;
		return log_err_r(-errno, "cannot fork for the %s", role_info[role].name);
	}
	r = child_watch(child, pair[0]);
	if (r < 0)
		child_end(child);
	return r;
}

int child_send(struct child *child, const char *name, json_t *message, const int *fds, size_t n_fds)
{
	int r = message && child_running(child) && child->control.fd >= 0 ? 0 : -ENOTCONN;

	if (r >= 0) {
		json_object_set_new(message, "message", json_string(name));
		r = ipc_send_within(child->control.fd, message, fds, n_fds, CHILD_SEND_MS);
		if (r < 0 && r != -EPIPE) {
			log_err_r(r, "the %s process %d does not take a message and is killed",
				role_info[child->role].name, (int)child->pid);
			child_kill(child, SIGKILL);
		}
	}
	json_decref(message);
	return r;
}

void child_kill(struct child *child, int signal)
{
	if (child_running(child))
		syscall(SYS_pidfd_send_signal, child->end.fd, signal, NULL, 0);
}

void child_end(struct child *child)
{
	siginfo_t info;

	if (!child_running(child))
		return;
	kill(child->pid, SIGKILL); /* not reaped yet: the number is still its own */
	while (waitid(P_PID, child->pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	child_forget(child);
}
