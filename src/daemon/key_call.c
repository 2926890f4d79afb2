/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/key_call.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/keystore.h"

#define CALL_NS (60 * NSEC_PER_SEC)

struct key_call {
	struct child child;
	struct supervisor *supervisor;
	LIST_ENTRY(key_call) link;
	struct loop_timer patience;
	const char *answer;
	key_call_fn *done;
	void *data;
	unsigned int epoch; /* of the device key */
	bool answered;
};
/* for nobody but who looks for leaks: they end with the supervisor */
static LIST_HEAD(key_call_list, key_call) calls = LIST_HEAD_INITIALIZER(calls);

static void key_call_answer(struct key_call *call, json_t *answer, const int *fds, size_t n_fds, const char *error)
{
	call->answered = true;
	call->done(call->supervisor, call->data, answer, fds, n_fds, error);
}

static void key_call_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct key_call *call = container_of(child, struct key_call, child);
	const char *error = json_string_value(json_object_get(message, "error"));

	if (call->answered)
		return;
	if (strcmp(name, call->answer) != 0)
		key_call_answer(call, NULL, NULL, 0, error ? error : "its program gave no reason");
	else if (keystore_busy(call->supervisor) || call->epoch != call->supervisor->keystore.epoch)
		key_call_answer(call, NULL, NULL, 0, "the device key has been changed meanwhile: try again");
	else
		key_call_answer(call, message, fds, n_fds, NULL);
}

static void key_call_free(struct key_call *call)
{
	loop_timer_disarm(call->supervisor->loop, &call->patience);
	LIST_REMOVE(call, link);
	free(call);
}

static void key_call_on_exit(struct child *child, const char *how)
{
	struct key_call *call = container_of(child, struct key_call, child);

	if (!call->answered)
		key_call_answer(call, NULL, NULL, 0, how);
	key_call_free(call);
}

static void key_call_on_patience(struct loop_timer *timer)
{
	child_kill(&container_of(timer, struct key_call, patience)->child, SIGKILL);
}

/* takes the arguments */
static int key_call_start(struct key_call *call, const struct key_call_request *request)
{
	struct supervisor *supervisor = call->supervisor;
	_cleanup_close_ int device_key = keystore_device_key(supervisor);
	int all[1 + KEY_CALL_FDS_MAX], r = device_key;

	if (r >= 0)
		r = child_spawn(&call->child, supervisor->loop, request->role, supervisor->bin_dir, -1,
			key_call_on_message, key_call_on_exit);
	if (r < 0) {
		json_decref(request->arguments);
		return r;
	}
	all[0] = device_key;
	memcpy(all + 1, request->fds, request->n_fds * sizeof(*all));
	loop_timer_arm(supervisor->loop, &call->patience, CALL_NS, key_call_on_patience);
	return child_send(&call->child, request->message, request->arguments, all, 1 + request->n_fds);
}

void key_call(struct supervisor *supervisor, const struct key_call_request *request, key_call_fn *done, void *data)
{
	struct key_call *call = request->n_fds <= KEY_CALL_FDS_MAX ? calloc(1, sizeof(*call)) : NULL;

	if (!call) {
		json_decref(request->arguments);
		done(supervisor, data, NULL, NULL, 0, "out of memory");
		return;
	}
	call->supervisor = supervisor;
	call->answer = request->answer;
	call->done = done;
	call->data = data;
	call->epoch = supervisor->keystore.epoch;
	LIST_INSERT_HEAD(&calls, call, link);
	if (key_call_start(call, request) >= 0 || child_running(&call->child))
		return; /* answered by its message or its end */
	key_call_answer(call, NULL, NULL, 0, "its program cannot be started");
	key_call_free(call);
}
