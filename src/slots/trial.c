/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the version in a slot takes the configuration in force: that version itself is asked, in its own root. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/common.h"
#include "slots/slots.h"

#define TRIAL_ROOT "/run/sluice-slot"
#define TRIAL_STATE "/var/lib/sluice"

enum { TRIAL_NO_MOUNT = 120, TRIAL_NO_PROGRAM = 121 };

/* In a child with mounts of its own, which end with it: the slot read-only, and in it the state directory, read-only
 * too. */
static void trial_child(const struct slot *slot, const char *instance, int out)
{
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		mount(slot->device, TRIAL_ROOT, "ext4", MS_RDONLY | MS_NODEV, NULL) < 0 ||
		mount(TRIAL_STATE, TRIAL_ROOT TRIAL_STATE, NULL, MS_BIND, NULL) < 0 ||
		mount(NULL, TRIAL_ROOT TRIAL_STATE, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0 ||
		chroot(TRIAL_ROOT) < 0 || chdir("/") < 0) {
		dprintf(STDERR_FILENO, "slot %s cannot be mounted: %s", slot->name, strerror(errno));
		_exit(TRIAL_NO_MOUNT);
	}
	execl("/usr/sbin/sluiced", "sluiced", "--check-stored", "--instance", instance, NULL);
	dprintf(STDERR_FILENO, "slot %s holds no sluiced", slot->name);
	_exit(TRIAL_NO_PROGRAM);
}

static void trial_read(int fd, char *text, size_t size)
{
	size_t n = 0;
	ssize_t r;
	char rest[256];

	while (n < size - 1 && (r = read(fd, text + n, size - 1 - n)) > 0)
		n += r;
	while (n == size - 1 && read(fd, rest, sizeof(rest)) > 0)
		;
	text[n] = '\0';
	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
}

int slots_try_configuration(const struct slot *slot, const char *instance, char error[SLOTS_ERROR_MAX])
{
	const char *version = slot->version[0] ? slot->version : "in that slot";
	int pipes[2], status = 0;
	char said[320];
	pid_t pid;

	mkdir(TRIAL_ROOT, 0700);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		trial_child(slot, instance, pipes[1]);
	close(pipes[1]);
	if (pid < 0) {
		close(pipes[0]);
		return -errno;
	}
	trial_read(pipes[0], said, sizeof(said));
	close(pipes[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) >= TRIAL_NO_MOUNT)
		snprintf(error, SLOTS_ERROR_MAX, "%s", said);
	else
		snprintf(error, SLOTS_ERROR_MAX,
			"version %s does not take the configuration in force, so it is not booted: %s. Commit a "
			"configuration that it takes, then try again",
			version, said[0] ? said : "it ended without a word");
	return -EINVAL;
}
