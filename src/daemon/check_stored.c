/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check_stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "config/config.h"
#include "daemon/commit_internal.h"
#include "daemon/store.h"

static int check_document(int fd, uint32_t version)
{
	struct config_problems problems = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_(config_unref) struct config *config = NULL;
	size_t len;
	int r = commit_read_document(fd, &text, &len);

	if (r < 0)
		return log_err_r(r, "configuration version %u cannot be read", version);
	r = config_parse(text, len, &config, &problems);
	for (size_t i = 0; i < problems.n; i++)
		if (problems.items[i].severity == CONFIG_ERROR)
			fprintf(stderr, "version %u:%u:%u: %s\n", version, problems.items[i].line,
				problems.items[i].column, problems.items[i].message);
	config_problems_clear(&problems);
	return r;
}

int check_stored_main(const struct instance *instance)
{
	struct store store = {.dir_fd = open(instance->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	uint32_t version = store.dir_fd < 0 ? 0 : store_newest_version(&store);
	_cleanup_close_ int fd = version ? store_open_version(&store, version) : -1;
	int r = version ? check_document(fd, version) : 0;

	store_close(&store);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
