/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/commit.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "day0/apply.h"
#include "base/system.h"

#define COMMIT_WAIT_NS (180 * NSEC_PER_SEC) /* an emulated machine starts slowly */

int commit_wait(void)
{
	static const char *const command[] = {"sluice", "show", "status", "--json", NULL};
	uint64_t deadline = clock_now_ns() + COMMIT_WAIT_NS;

	while (clock_now_ns() < deadline) {
		char *text;
		size_t len;

		if (system_output(command, 1u << 20, &text, &len) == 0) {
			free(text);
			return 0;
		}
		sleep(1);
	}
	return log_err_r(-ETIMEDOUT, "sluiced does not answer");
}

static bool commit_has_certificate(const char *name)
{
	const char *const command[] = {"sluice", "certificate", "show", name, "--json", NULL};
	char *text;
	size_t len;

	if (system_output(command, 1u << 20, &text, &len) < 0)
		return false;
	free(text);
	return true;
}

static int commit_certificate(const char *name)
{
	char file[256], password[256];
	const char *const command[] = {
		"sluice", "certificate", "import", name, "--cert", file, "--password-file", password, NULL};

	snprintf(file, sizeof(file), DAY0_PENDING "/certificates/%s", name);
	snprintf(password, sizeof(password), DAY0_PENDING "/passwords/%s", name);
	if (commit_has_certificate(name))
		return 0; /* a boot before this one got so far */
	return system_run(command) == 0 ? 0 : log_err_r(-EINVAL, "certificate %s cannot be imported", name);
}

/* each of what waits in one directory */
static int commit_each(const char *pending, int (*take)(const char *name))
{
	DIR *directory = opendir(pending);
	struct dirent *entry;
	int result = 0;

	while (directory && (entry = readdir(directory))) {
		int r = entry->d_name[0] == '.' ? 0 : take(entry->d_name);

		result = r < 0 ? r : result;
	}
	if (directory)
		closedir(directory);
	return result;
}

static int commit_credential(const char *name)
{
	static const struct {
		const char *file, *option;
	} parts[] = {{"ca", "--ca"}, {"certificate", "--cert"}, {"key", "--key"}};
	const char *command[12] = {"sluice", "log", "credentials", "import", name};
	char paths[ARRAY_SIZE(parts)][256];
	size_t n = 5;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		snprintf(paths[i], sizeof(paths[i]), DAY0_PENDING "/log_credentials/%s/%s", name, parts[i].file);
		if (access(paths[i], F_OK) < 0)
			continue;
		command[n++] = parts[i].option;
		command[n++] = paths[i];
	}
	return system_run(command) == 0 ? 0 : log_err_r(-EINVAL, "log_credentials %s cannot be imported", name);
}

int commit_pending(void)
{
	static const char file[] = DAY0_PENDING "/configuration/sluice.yaml";
	static const char *const command[] = {"sluice", "commit", file, "--comment", "day 0", NULL};
	int r = commit_wait();

	if (r >= 0)
		r = commit_each(DAY0_PENDING "/certificates", commit_certificate);
	if (r >= 0)
		r = commit_each(DAY0_PENDING "/log_credentials", commit_credential);
	if (r < 0 || access(file, F_OK) < 0)
		return r;
	return system_run(command) == 0 ? 0 : log_err_r(-EINVAL, "the configuration of day 0 is not in force");
}
