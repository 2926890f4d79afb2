/* SPDX-License-Identifier: Apache-2.0 */
/* The first process of a machine that tests/vm/kernel boots: loads the modules of /modules, runs the programs of
 * /programs, one path a line each, says how each ended, and switches the machine off. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static int module_load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -1 : (int)syscall(SYS_finit_module, fd, "", 0);

	close(fd);
	return err;
}

static int program_run(const char *path)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void each_line(const char *list, const char *what, int (*fn)(const char *path))
{
	FILE *file = fopen(list, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		printf("%s %s: %d\n", what, line, fn(line));
		fflush(stdout);
	}
}

int main(void)
{
	struct utsname name;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
	uname(&name);
	printf("kernel %s\n", name.release);
	each_line("/modules", "module", module_load);
	each_line("/programs", "ended", program_run);
	sync();
	return reboot(RB_POWER_OFF);
}
