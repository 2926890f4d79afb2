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

/* the supervisor answers */
static int commit_wait(void)
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

static int commit_certificates(void)
{
	DIR *directory = opendir(DAY0_PENDING "/certificates");
	struct dirent *entry;
	int result = 0;

	while (directory && (entry = readdir(directory))) {
		int r = entry->d_name[0] == '.' ? 0 : commit_certificate(entry->d_name);

		result = r < 0 ? r : result;
	}
	if (directory)
		closedir(directory);
	return result;
}

int commit_pending(void)
{
	static const char file[] = DAY0_PENDING "/configuration/sluice.yaml";
	static const char *const command[] = {"sluice", "commit", file, "--comment", "day 0", NULL};
	int r = commit_wait();

	if (r >= 0)
		r = commit_certificates();
	if (r < 0 || access(file, F_OK) < 0)
		return r;
	return system_run(command) == 0 ? 0 : log_err_r(-EINVAL, "the configuration of day 0 is not in force");
}
