/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket for operators: one request, one answer, one table of commands (docs/architecture.md). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "daemon/certificate.h"
#include "daemon/commit.h"
#include "daemon/supervisor.h"
#include "ipc/message.h"

struct client {
	struct supervisor *supervisor;
	struct loop_source source;
	uid_t uid; /* who asks, for the Audit log */
};

struct request {
	struct client *client;
	json_t *json;
	int *fds;
	size_t n_fds;
};

static void client_close(struct client *client)
{
	int fd = client->source.fd;

	commit_forget_owner(client->supervisor, client);
	certificate_forget_owner(client->supervisor, client);
	loop_remove(client->supervisor->loop, &client->source);
	close(fd);
	free(client);
}

/* takes the reference */
static void client_answer(void *owner, json_t *answer)
{
	struct client *client = owner;

	if (answer)
		ipc_send(client->source.fd, answer, NULL, 0);
	json_decref(answer);
}

static json_t *answer_error(const char *error)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

/* --- commands: each answers now (returns the answer) or later (returns NULL) ----------------------------------------
 */

static json_t *operator_commit(struct request *request, bool check_only)
{
	struct commit_request commit = {.files = json_object_get(request->json, "files"),
		.fds = request->fds,
		.n_fds = request->n_fds,
		.check_only = check_only,
		.done = client_answer,
		.owner = request->client};

	commit_begin(request->client->supervisor, &commit);
	return NULL;
}

static json_t *command_check(struct supervisor *supervisor, struct request *request)
{
	return operator_commit(request, true);
}

static json_t *command_commit(struct supervisor *supervisor, struct request *request)
{
	return operator_commit(request, false);
}

static json_t *command_clear_sessions(struct supervisor *supervisor, struct request *request)
{
	unsigned int before = 0, matched;

	json_object_set_new(request->json, "limit", json_integer(SESSION_TABLE_SLOTS));
	json_t *listed = report_sessions(supervisor, request->json);

	matched = json_array_size(json_object_get(listed, "sessions"));
	json_decref(listed);
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++, before++)
		if (child_running(&supervisor->workers[i].child))
			child_send(&supervisor->workers[i].child, "clear", json_deep_copy(request->json), NULL, 0);
	supervisor_record(
		supervisor, EVENT_LOG_AUDIT, "notice", "%u sessions cleared by user %u", matched, request->client->uid);
	return json_pack("{s:b, s:i}", "ok", 1, "cleared", (int)matched);
}

static json_t *command_certificate_import(struct supervisor *supervisor, struct request *request)
{
	certificate_import(supervisor, request->json, request->fds, request->n_fds, client_answer, request->client);
	return NULL;
}

static json_t *command_stop(struct supervisor *supervisor, struct request *request)
{
	supervisor_stop(supervisor);
	return json_pack("{s:b}", "ok", 1);
}

#define REPORT(name)                                                                          \
	static json_t *command_##name(struct supervisor *supervisor, struct request *request) \
	{                                                                                     \
		return report_##name(supervisor, request->json);                              \
	}
REPORT(status)
REPORT(counters)
REPORT(servers)
REPORT(segments)
REPORT(sessions)
REPORT(filters_refused)
REPORT(certificates)

static const struct {
	const char *name;
	json_t *(*run)(struct supervisor *supervisor, struct request *request);
} commands[] = {
	{"status", command_status},
	{"counters", command_counters},
	{"servers", command_servers},
	{"segments", command_segments},
	{"sessions", command_sessions},
	{"clear_sessions", command_clear_sessions},
	{"filters_refused", command_filters_refused},
	{"check", command_check},
	{"commit", command_commit},
	{"certificate_import", command_certificate_import},
	{"certificate_list", command_certificates},
	{"stop", command_stop},
};

static json_t *operator_run(struct supervisor *supervisor, struct request *request)
{
	const char *name = json_string_value(json_object_get(request->json, "command"));

	for (size_t i = 0; name && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run(supervisor, request);
	return answer_error("unknown command: the program and the supervisor are of different versions");
}

static void client_on_request(struct loop_source *source, uint32_t events)
{
	struct client *client = container_of(source, struct client, source);
	int fds[IPC_FDS_MAX];
	struct request request = {.client = client, .fds = fds, .n_fds = IPC_FDS_MAX};
	json_t *answer;

	if (ipc_recv(source->fd, 0, &request.json, fds, &request.n_fds) < 0) {
		client_close(client);
		return;
	}
	answer = operator_run(client->supervisor, &request);
	if (answer)
		client_answer(client, answer);
	for (size_t i = 0; i < request.n_fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	json_decref(request.json);
}

/* --- the socket ------------------------------------------------------------------------------------------------------
 */

static void operator_on_connection(struct loop_source *source, uint32_t events)
{
	struct supervisor *supervisor = container_of(source, struct supervisor, control);
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	struct client *client = fd < 0 ? NULL : calloc(1, sizeof(*client));
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	if (!client) {
		if (fd >= 0)
			close(fd);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	client->supervisor = supervisor;
	client->uid = peer.uid;
	if (loop_add(supervisor->loop, &client->source, fd, EPOLLIN, client_on_request) < 0) {
		close(fd);
		free(client);
	}
}

static int operator_make_run_dir(const struct instance *instance)
{
	if (mkdir("/run/sluice", 0755) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(instance->run_dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* somebody answers there: another supervisor of this instance is running */
static bool operator_socket_answers(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

int operator_open(struct supervisor *supervisor)
{
	const struct instance *instance = &supervisor->instance;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = operator_make_run_dir(instance);

	if (r < 0 || fd < 0)
		return log_err_r(r < 0 ? r : -errno, "cannot make %s", instance->run_dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", instance->control_path);
	if (operator_socket_answers(&address))
		return log_err_r(-EADDRINUSE, "another sluiced of instance %s is running", instance->name);
	unlink(instance->control_path);
	umask(0077);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
		return log_err_r(-errno, "cannot listen on %s", instance->control_path);
	umask(0022);
	return loop_add(supervisor->loop, &supervisor->control, TAKE_FD(fd), EPOLLIN, operator_on_connection);
}

void operator_close(struct supervisor *supervisor)
{
	int fd = supervisor->control.fd;

	if (fd < 0)
		return;
	loop_remove(supervisor->loop, &supervisor->control);
	close(fd);
	unlink(supervisor->instance.control_path);
}
