/* SPDX-License-Identifier: Apache-2.0 */
#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"

extern char **environ;
static const char *root = "";

void system_set_root(const char *path)
{
	root = path;
}

const char *system_path(const char *path)
{
	static char buffers[2][512];
	static unsigned int turn;
	char *buffer = buffers[turn++ % 2];

	snprintf(buffer, sizeof(buffers[0]), "%s%s", root, path);
	return buffer;
}

int system_make_directory(const char *path, mode_t mode)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", system_path(path));
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(copy, 0755);
		*slash = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return log_err_r(-errno, "cannot make %s", copy);
	return 0;
}

static int system_read_fd(int fd, size_t max, char **out, size_t *len)
{
	_cleanup_free_ char *text = malloc(max + 2);
	size_t n = 0;

	if (!text)
		return -ENOMEM;
	for (;;) {
		ssize_t r = read(fd, text + n, max + 1 - n);

		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += r;
		if (n > max)
			return -EFBIG;
	}
	text[n] = '\0';
	*len = n;
	*out = TAKE_PTR(text);
	return 0;
}

int system_read_file(const char *path, size_t max, char **out, size_t *len)
{
	_cleanup_close_ int fd = open(system_path(path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int r = fd < 0 ? -errno : system_read_fd(fd, max, out, len);

	return r < 0 ? log_err_r(r, "cannot read %s", system_path(path)) : 0;
}

static int system_write_fd(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t r = write(fd, text, len);

		if (r < 0)
			return -errno;
		text += r;
		len -= r;
	}
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

int system_write_file(const char *path, mode_t mode, const char *text, size_t len)
{
	_cleanup_close_ int fd = -1;
	char target[512], beside[528];
	int r;

	snprintf(target, sizeof(target), "%s", system_path(path));
	snprintf(beside, sizeof(beside), "%s.new", target);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	r = fd < 0 ? -errno : system_write_fd(fd, text, len);
	if (r >= 0 && (fchmod(fd, mode) < 0 || rename(beside, target) < 0))
		r = -errno;
	return r < 0 ? log_err_r(r, "cannot write %s", target) : 0;
}

int system_overwrite_file(const char *path, const char *text, size_t len)
{
	_cleanup_close_ int fd = open(system_path(path), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
	int r = fd < 0 ? -errno : system_write_fd(fd, text, len);

	return r < 0 ? log_err_r(r, "cannot write %s", system_path(path)) : 0;
}

void system_own_like(const char *path, const char *like)
{
	struct stat st;

	if (stat(system_path(like), &st) < 0 || chown(system_path(path), st.st_uid, st.st_gid) < 0)
		log_warn("%s keeps its owner: %s", path, strerror(errno));
}

static int system_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* in_fd, out_fd: -1 for /dev/null and our own */
static int system_spawn(const char *const *argv, int in_fd, int out_fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	if (in_fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, in_fd, STDIN_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (out_fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	r = posix_spawnp(pid, argv[0], &actions, NULL, (char **)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return r ? log_err_r(-r, "cannot run %s", argv[0]) : 0;
}

int system_run(const char *const *argv)
{
	pid_t pid;
	int r = system_spawn(argv, -1, -1, &pid);

	return r < 0 ? r : system_wait(pid);
}

static int system_collect(const char *const *argv, int in_fd, size_t max, char **out, size_t *len)
{
	int pipes[2], r, status;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	r = system_spawn(argv, in_fd, pipes[1], &pid);
	close(pipes[1]);
	if (r >= 0) {
		r = system_read_fd(pipes[0], max, out, len);
		close(pipes[0]);
		status = system_wait(pid);
		if (r >= 0 && status != 0) {
			free(TAKE_PTR(*out));
			r = -EIO;
		}
		return r;
	}
	close(pipes[0]);
	return r;
}

int system_output(const char *const *argv, size_t max, char **out, size_t *len)
{
	return system_collect(argv, -1, max, out, len);
}

int system_filter(const char *const *argv, const char *line, size_t max, char **out, size_t *len)
{
	int pipes[2], r = 0;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	if (dprintf(pipes[1], "%s\n", line) < 0)
		r = -EIO;
	close(pipes[1]);
	if (r >= 0)
		r = system_collect(argv, pipes[0], max, out, len);
	close(pipes[0]);
	return r;
}

bool system_is_vmware(void)
{
	_cleanup_close_ int fd = open(system_path("/sys/class/dmi/id/sys_vendor"), O_RDONLY | O_CLOEXEC);
	char vendor[32] = "";

	return fd >= 0 && read(fd, vendor, sizeof(vendor) - 1) > 0 && strncmp(vendor, "VMware", 6) == 0;
}

int system_connect(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}
