/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/common.h"

struct orphan {
	pid_t pid;
	enum role role;
	unsigned long long start; /* clock ticks since boot: with the pid, one process for ever */
};

static void orphan_path(char *path, size_t size, const struct instance *instance, pid_t pid)
{
	snprintf(path, size, "%s/child-%d", instance->run_dir, (int)pid);
}

/* field 22 of /proc/PID/stat, counted from the end of the command's name; 0 when the process is gone or dead */
static unsigned long long process_start(pid_t pid)
{
	char path[64], line[1024], *at;
	unsigned long long start = 0;
	char state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file) && (at = strrchr(line, ')')))
		sscanf(at + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			&state, &start);
	fclose(file);
	return state == 'Z' ? 0 : start;
}

void orphans_note(const struct instance *instance, pid_t pid, enum role role)
{
	char path[128];
	FILE *file;

	orphan_path(path, sizeof(path), instance, pid);
	file = fopen(path, "we");
	if (!file)
		return;
	fprintf(file, "%u %llu\n", role, process_start(pid));
	fclose(file);
}

void orphans_forget(const struct instance *instance, pid_t pid)
{
	char path[128];

	orphan_path(path, sizeof(path), instance, pid);
	unlink(path);
}

/* false, and the file is removed, when that process no longer runs */
static bool orphan_read(const struct instance *instance, pid_t pid, struct orphan *orphan)
{
	char path[128];
	unsigned int role = ROLES;
	FILE *file;
	int n = 0;

	orphan_path(path, sizeof(path), instance, pid);
	file = fopen(path, "re");
	if (file) {
		n = fscanf(file, "%u %llu", &role, &orphan->start);
		fclose(file);
	}
	orphan->pid = pid;
	orphan->role = role;
	if (n == 2 && role < ROLES && orphan->start && process_start(pid) == orphan->start)
		return true;
	unlink(path);
	return false;
}

static void orphans_each(
	const struct instance *instance, void (*fn)(const struct orphan *orphan, void *data), void *data)
{
	DIR *dir = opendir(instance->run_dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct orphan orphan;
		int pid;

		if (sscanf(entry->d_name, "child-%d", &pid) == 1 && pid > 1 && orphan_read(instance, pid, &orphan))
			fn(&orphan, data);
	}
	if (dir)
		closedir(dir);
}

struct orphan_lister {
	void (*fn)(pid_t pid, enum role role, void *data);
	void *data;
};

static void orphan_tell(const struct orphan *orphan, void *data)
{
	const struct orphan_lister *lister = data;

	lister->fn(orphan->pid, orphan->role, lister->data);
}

void orphans_list(const struct instance *instance, void (*fn)(pid_t pid, enum role role, void *data), void *data)
{
	struct orphan_lister lister = {fn, data};

	orphans_each(instance, orphan_tell, &lister);
}

bool orphans_has(const struct instance *instance, pid_t pid)
{
	struct orphan orphan;

	return orphan_read(instance, pid, &orphan);
}

struct orphan_count {
	int (*mine)(void *data, pid_t pid);
	void *data;
	unsigned int workers;
};

static void orphan_count_worker(const struct orphan *orphan, void *data)
{
	struct orphan_count *count = data;

	count->workers += orphan->role == ROLE_WORKER && !count->mine(count->data, orphan->pid);
}

static void orphan_end(const struct orphan *orphan, void *data)
{
	struct orphan_count *count = data;

	if (!count->mine(count->data, orphan->pid))
		kill(orphan->pid, SIGTERM);
}

unsigned int orphans_tick(const struct instance *instance, int (*mine)(void *data, pid_t pid), void *data)
{
	struct orphan_count count = {.mine = mine, .data = data};

	orphans_each(instance, orphan_count_worker, &count);
	if (!count.workers)
		orphans_each(instance, orphan_end, &count);
	return count.workers;
}

static void orphan_kill(const struct orphan *orphan, void *data)
{
	const struct instance *instance = data;

	kill(orphan->pid, SIGKILL);
	/* its sockets and descriptors must be gone before namespaces and maps are */
	for (int i = 0; i < 200 && process_start(orphan->pid) == orphan->start; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	orphans_forget(instance, orphan->pid);
}

struct orphan_role {
	const struct instance *instance;
	enum role role;
};

static void orphan_kill_of_role(const struct orphan *orphan, void *data)
{
	const struct orphan_role *wanted = data;

	if (orphan->role == wanted->role)
		orphan_kill(orphan, (void *)wanted->instance);
}

void orphans_kill_role(const struct instance *instance, enum role role)
{
	struct orphan_role wanted = {instance, role};

	orphans_each(instance, orphan_kill_of_role, &wanted);
}

void orphans_kill_all(const struct instance *instance)
{
	orphans_each(instance, orphan_kill, (void *)instance);
}
