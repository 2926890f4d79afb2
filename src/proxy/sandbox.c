/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker and the compiler may ask of the kernel; everything else ends the process (design: worker privileges).
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/socket.h>

#include "base/common.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "proxy/worker.h"

#define WORKER_SOCKET_TYPE (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

static const struct sandbox_rule worker_rules[] = {
	/* the two legs: IPv4 streams only */
	SANDBOX_ALLOW_IF2(socket, 0, AF_INET, 1, WORKER_SOCKET_TYPE),
	SANDBOX_ALLOW(accept4),
	SANDBOX_ALLOW(bind),
	SANDBOX_ALLOW(listen), /* of a worker that was leaving and is wanted again */
	SANDBOX_ALLOW(connect),
	SANDBOX_ALLOW(getsockname),
	SANDBOX_ALLOW(getsockopt),
	SANDBOX_ALLOW(setsockopt),
	SANDBOX_ALLOW(shutdown),
	SANDBOX_ALLOW(recvfrom),
	SANDBOX_ALLOW(sendto),
	/* control socket */
	SANDBOX_ALLOW(recvmsg),
	SANDBOX_ALLOW(sendmsg),
	SANDBOX_ALLOW(poll),
	SANDBOX_ALLOW(ppoll),
	SANDBOX_ALLOW_IF(fcntl, 1, F_DUPFD_CLOEXEC),
	SANDBOX_ALLOW_IF(fcntl, 1, F_GETFL),
	SANDBOX_ALLOW_IF(fcntl, 1, F_SETFL),
	/* loop */
	SANDBOX_ALLOW(epoll_ctl),
	SANDBOX_ALLOW(epoll_wait),
	SANDBOX_ALLOW(epoll_pwait),
	/* flow map, which it holds read-only */
	SANDBOX_ALLOW_IF(bpf, 0, BPF_MAP_LOOKUP_ELEM),
};

static const struct sandbox_rule compile_rules[] = {
	SANDBOX_ALLOW(recvmsg),
	SANDBOX_ALLOW(sendmsg),
	SANDBOX_ALLOW(poll),
	SANDBOX_ALLOW(ppoll),
	SANDBOX_ALLOW(pread64),
	/* the image it hands over */
	SANDBOX_ALLOW(memfd_create),
	SANDBOX_ALLOW(ftruncate),
	SANDBOX_ALLOW_IF(fcntl, 1, F_ADD_SEALS),
};

static int sandbox_or_log(const struct sandbox_rule *rules, size_t n)
{
	int r = sandbox_enter(rules, n);

	return r < 0 ? log_err_r(r, "cannot filter system calls") : 0;
}

int worker_sandbox(void)
{
	return sandbox_or_log(worker_rules, ARRAY_SIZE(worker_rules));
}

int compile_sandbox(void)
{
	return sandbox_or_log(compile_rules, ARRAY_SIZE(compile_rules));
}
