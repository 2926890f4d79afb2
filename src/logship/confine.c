/* SPDX-License-Identifier: Apache-2.0 */
#include "logship/confine.h"

#include <fcntl.h>

#include "base/common.h"
#include "base/sandbox.h"
#include "logship/log_file.h"

int logship_confine(int log_dir_fd, int spool_fd)
{
	const struct sandbox_rule rules[] = {
		SANDBOX_ALLOW(recvmsg),
		SANDBOX_ALLOW(recvfrom),
		SANDBOX_ALLOW(sendmsg),
		SANDBOX_ALLOW(poll),
		SANDBOX_ALLOW(epoll_wait),
		SANDBOX_ALLOW(epoll_ctl),
		SANDBOX_ALLOW(pread64),
		SANDBOX_ALLOW(fdatasync),
		SANDBOX_ALLOW(ftruncate),
		SANDBOX_ALLOW(getdents64),
		SANDBOX_ALLOW(flock),
		SANDBOX_ALLOW(lseek),
		SANDBOX_ALLOW_IF(fcntl, 1, F_GETFL),
		SANDBOX_ALLOW_IF(fcntl, 1, F_SETFD),
		SANDBOX_ALLOW_IF(fcntl, 1, F_GET_SEALS),
		SANDBOX_ALLOW_IF(fcntl, 1, F_DUPFD_CLOEXEC),
		SANDBOX_ALLOW_IF2(openat, 0, (uint64_t)log_dir_fd, 2, LOG_FILE_FLAGS),
		SANDBOX_ALLOW_IF(openat, 0, (uint64_t)spool_fd),
		SANDBOX_ALLOW_IF(unlinkat, 0, (uint64_t)spool_fd),
		SANDBOX_ALLOW_IF(unlinkat, 0, (uint64_t)log_dir_fd),
		SANDBOX_ALLOW_IF(newfstatat, 0, (uint64_t)log_dir_fd),
		SANDBOX_ALLOW_IF2(renameat, 0, (uint64_t)log_dir_fd, 2, (uint64_t)log_dir_fd),
	};

	return sandbox_enter(rules, ARRAY_SIZE(rules));
}
