/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One child process of the supervisor: its control socket, its messages, its end. Embedded in its owner. */
#include <jansson.h>
#include <stdint.h>

#include "base/loop.h"
#include "daemon/role.h"
#include "ipc/message.h"

struct child;
typedef void child_message_fn(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds);
/* how: "exited with status 1", "was killed by signal 9 (KILL)"; the child is already forgotten and may be spawned again
 */
typedef void child_exit_fn(struct child *child, const char *how);

struct child {
	struct loop *loop;
	enum role role;
	pid_t pid;                       /* 0: not running */
	struct loop_source control, end; /* socket; pidfd */
	struct ipc_receiver receiver;
	child_message_fn *on_message; /* descriptors it wants to keep it sets to -1 */
	child_exit_fn *on_exit;
	uint64_t started_ns;
	pid_t ended_pid; /* of the last end, for who keeps lists */
};

/* netns_fd: namespace to run in, -1 the caller's. 0 or -errno, logged */
int child_spawn(struct child *child, struct loop *loop, enum role role, const char *bin_dir, int netns_fd,
	child_message_fn *on_message, child_exit_fn *on_exit);
/* Sends {"message": name, ...}; takes the reference of message. A child that does not take it (stopped, hung) is
 * killed: the supervisor must not wait for it. Its end is reported as any other. */
int child_send(struct child *child, const char *name, json_t *message, const int *fds, size_t n_fds);
void child_kill(struct child *child, int signal);
/* kills it if it runs, waits, and forgets it: on_exit is not called */
void child_end(struct child *child);
static inline bool child_running(const struct child *child)
{
	return child->pid > 0;
}
