/* SPDX-License-Identifier: Apache-2.0 */
/* What RAUC knows of the slots. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/common.h"
#include "base/system.h"
#include "slots/slots.h"

#define RAUC_CONFIGURATION "/etc/rauc/system.conf"
#define STATUS_MAX (1u << 20)

extern char **environ;

int slots_run(const char *const *argv, void (*on_line)(void *owner, const char *line), void *owner, char last[256])
{
	posix_spawn_file_actions_t actions;
	int pipes[2], r, status;
	char line[256];
	FILE *from;
	pid_t pid;

	last[0] = '\0';
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, (char **)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	from = r ? NULL : fdopen(pipes[0], "r");
	if (!from) {
		close(pipes[0]);
		return r ? -r : -errno;
	}
	while (fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\n")] = '\0';
		if (!line[0])
			continue;
		snprintf(last, 256, "%s", line);
		if (on_line)
			on_line(owner, line);
	}
	fclose(from);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/* the parts of RAUC's word for one slot that are ours */
static void slot_parse(struct slot *slot, const char *name, const json_t *facts, const char *primary)
{
	const json_t *status = json_object_get(facts, "slot_status");

	snprintf(slot->name, sizeof(slot->name), "%s", text_of(facts, "bootname"));
	snprintf(slot->device, sizeof(slot->device), "%s", text_of(facts, "device"));
	snprintf(slot->version, sizeof(slot->version), "%s", text_of(json_object_get(status, "bundle"), "version"));
	snprintf(slot->installed, sizeof(slot->installed), "%s",
		text_of(json_object_get(status, "installed"), "timestamp"));
	slot->booted = !strcmp(text_of(facts, "state"), "booted");
	slot->good = !strcmp(text_of(facts, "boot_status"), "good");
	slot->next = !strcmp(name, primary);
}

int slots_parse(struct slots *slots, const char *text, char error[SLOTS_ERROR_MAX])
{
	json_auto_t *status = json_loads(text, 0, NULL);
	const json_t *facts, *list = json_object_get(status, "slots");
	const char *name;
	size_t i, n = 0;

	memset(slots, 0, sizeof(*slots));
	for (i = 0; i < json_array_size(list); i++) {
		json_object_foreach(json_array_get(list, i), name, facts)
		{
			if (!text_of(facts, "bootname")[0] || n == SLOTS_N)
				continue;
			slot_parse(&slots->slot[n++], name, facts, text_of(status, "boot_primary"));
		}
	}
	if (n == SLOTS_N && strcmp(slots->slot[0].name, slots->slot[1].name) > 0) {
		struct slot first = slots->slot[0];

		slots->slot[0] = slots->slot[1];
		slots->slot[1] = first;
	}
	for (i = 0; i < n; i++)
		*(slots->slot[i].booted ? &slots->booted : &slots->other) = &slots->slot[i];
	if (n == SLOTS_N && slots->booted && slots->other)
		return 0;
	snprintf(error, SLOTS_ERROR_MAX, "RAUC does not tell which of the two root slots runs: see `rauc status`");
	return -EPROTO;
}

int slots_read(struct slots *slots, char error[SLOTS_ERROR_MAX])
{
	static const char *const command[] = {"rauc", "status", "--detailed", "--output-format=json", NULL};
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (access(RAUC_CONFIGURATION, F_OK) < 0) {
		snprintf(error, SLOTS_ERROR_MAX,
			"this machine has no root slots: it is not the appliance's image. Upgrade the package sluice "
			"instead");
		return -ENOTSUP;
	}
	if (geteuid() != 0) {
		snprintf(error, SLOTS_ERROR_MAX, "only root can look at the root slots: use sudo");
		return -EPERM;
	}
	if (system_output(command, STATUS_MAX, &text, &len) < 0) {
		snprintf(error, SLOTS_ERROR_MAX, "RAUC does not answer: see `systemctl status rauc`");
		return -EIO;
	}
	return slots_parse(slots, text, error);
}

json_t *slots_report(char error[SLOTS_ERROR_MAX])
{
	json_t *list, *report, *pending, *last;
	struct slots slots;

	if (slots_read(&slots, error) < 0)
		return NULL;
	list = json_array();
	for (size_t i = 0; i < SLOTS_N; i++) {
		const struct slot *slot = &slots.slot[i];
		const char *version = slot->version[0] ? slot->version : slot->booted ? SLUICE_VERSION : "";

		json_array_append_new(list,
			json_pack("{s:s, s:s, s:b, s:b, s:b, s:s}", "slot", slot->name, "version", version, "booted",
				slot->booted, "next", slot->next, "good", slot->good, "installed", slot->installed));
	}
	report = json_pack("{s:b, s:o}", "ok", 1, "slots", list);
	pending = slots_load_pending();
	last = slots_load_last();
	if (pending)
		json_object_set_new(report, "upgrade", pending);
	if (last)
		json_object_set_new(report, "last", last);
	return report;
}
