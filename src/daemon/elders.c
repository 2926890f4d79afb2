/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elders.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "daemon/orphans.h"
#include "daemon/supervisor.h"

/* A memfd of that name that a process holds, opened anew; only one that cannot shrink under whoever maps it. */
static int process_open_memfd(pid_t pid, const char *name)
{
	char path[64], wanted[80], link[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int fd = -ENOENT;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	snprintf(wanted, sizeof(wanted), "/memfd:%s (deleted)", name);
	dir = opendir(path);
	while (dir && fd < 0 && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[MAX(n, 0)] = '\0';
		if (strcmp(link, wanted))
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && !(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK)) {
			close(fd);
			fd = -EPERM;
		}
	}
	if (dir)
		closedir(dir);
	return fd;
}

struct stats_search {
	struct stats_page *page;
	int r;
};

static void elder_try_stats(pid_t pid, enum role role, void *data)
{
	struct stats_search *search = data;
	_cleanup_close_ int fd = role == ROLE_WORKER && !search->page ? process_open_memfd(pid, STATS_PAGE_NAME) : -1;

	if (fd >= 0)
		search->r = stats_page_map(&search->page, fd, true);
}

int elders_find_stats(const struct instance *instance, struct stats_page **page)
{
	struct stats_search search = {.r = -ENOENT};

	orphans_list(instance, elder_try_stats, &search);
	if (search.page)
		*page = search.page;
	return search.page ? 0 : search.r;
}

static unsigned int elder_slot(const struct supervisor *supervisor, pid_t pid)
{
	unsigned int slot = 0;

	while (slot < FLOW_WORKERS_MAX && (pid_t)supervisor->cells[slot].pid != pid)
		slot++;
	return slot;
}

static void elder_add(pid_t pid, enum role role, void *data)
{
	struct supervisor *supervisor = data;
	struct elders *elders = &supervisor->elders;
	struct session_table *table = NULL;
	_cleanup_close_ int fd = -1;

	if (role != ROLE_WORKER || elders->n == ELDERS_MAX)
		return;
	fd = process_open_memfd(pid, SESSION_TABLE_NAME);
	if (fd < 0 || session_table_map(&table, fd, true) < 0)
		log_warn("the sessions of worker process %d cannot be listed: it is of another version", (int)pid);
	elders->items[elders->n++] = (struct elder){.pid = pid, .slot = elder_slot(supervisor, pid), .table = table};
}

void elders_find(struct supervisor *supervisor)
{
	orphans_list(&supervisor->instance, elder_add, supervisor);
	if (supervisor->elders.n)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice",
			"%zu workers of an earlier generation serve their sessions to the end", supervisor->elders.n);
}

bool elders_have(const struct supervisor *supervisor, pid_t pid)
{
	for (size_t i = 0; i < supervisor->elders.n; i++)
		if (supervisor->elders.items[i].pid == pid)
			return true;
	return false;
}

/* what a killed one was counting as open is open no longer */
static void elder_forget(struct supervisor *supervisor, struct elder *elder)
{
	struct elders *elders = &supervisor->elders;

	for (unsigned int block = 0; block < STATS_WORKER_BLOCKS; block++)
		if ((pid_t)stats_owner(supervisor->stats, block) == elder->pid)
			stats_clear_gauges(supervisor->stats, block);
	session_table_free(&elder->table);
	*elder = elders->items[--elders->n];
}

void elders_tick(struct supervisor *supervisor)
{
	struct elders *elders = &supervisor->elders;

	for (size_t i = elders->n; i-- > 0;)
		if (!orphans_has(&supervisor->instance, elders->items[i].pid))
			elder_forget(supervisor, &elders->items[i]);
}

void elders_clear(struct supervisor *supervisor, const json_t *request)
{
	const char *server = json_string_value(json_object_get(request, "server"));
	const char *client = json_string_value(json_object_get(request, "client"));
	const char *id = json_string_value(json_object_get(request, "id"));
	const char *segment = json_string_value(json_object_get(request, "segment"));
	struct session_clear clear = {.all = json_is_true(json_object_get(request, "all")),
		.fallback = json_is_true(json_object_get(request, "fallback")),
		.id = id ? strtoull(id, NULL, 16) : 0,
		.client.s_addr = client ? inet_addr(client) : 0};

	snprintf(clear.server, sizeof(clear.server), "%s", server ? server : "");
	snprintf(clear.segment, sizeof(clear.segment), "%s", segment ? segment : "");
	for (size_t i = 0; i < supervisor->elders.n; i++)
		if (supervisor->elders.items[i].table &&
			session_table_ask_clear(supervisor->elders.items[i].table, &clear) < 0)
			log_warn("worker process %d of an earlier generation takes no more requests",
				(int)supervisor->elders.items[i].pid);
}

void elders_free(struct supervisor *supervisor)
{
	while (supervisor->elders.n)
		session_table_free(&supervisor->elders.items[--supervisor->elders.n].table);
}
