/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket for operators: one request, one answer, one table of commands (docs/architecture.md). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "daemon/asymmetric.h"
#include "daemon/certificate.h"
#include "daemon/commit.h"
#include "daemon/export.h"
#include "daemon/history.h"
#include "daemon/keystore.h"
#include "daemon/log_credentials.h"
#include "daemon/ports.h"
#include "daemon/monitor_report.h"
#include "daemon/supervisor.h"
#include "daemon/targets.h"
#include "daemon/usage.h"
#include "ipc/message.h"

#define CLIENTS_MAX 64
#define CLIENT_STALL_NS (10 * NSEC_PER_SEC)

/* The loop never waits for one: requests are taken as they come in, answers queue until they are read. */
struct client {
	LIST_ENTRY(client) link;
	struct supervisor *supervisor;
	struct loop_source source;
	struct ipc_receiver receiver;
	struct ucred peer; /* who asks, for the Audit log */
	char *out;         /* answers not sent yet; NULL: none */
	size_t out_len, out_sent;
	struct loop_timer stall;
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
	keystore_forget_owner(client->supervisor, client);
	export_forget_owner(client);
	log_credentials_forget_owner(client);
	usage_forget_owner(client->supervisor, client);
	loop_timer_disarm(client->supervisor->loop, &client->stall);
	loop_remove(client->supervisor->loop, &client->source);
	close(fd);
	LIST_REMOVE(client, link);
	client->supervisor->n_clients--;
	ipc_receiver_clear(&client->receiver);
	free(client->out);
	free(client);
}

static void client_on_stall(struct loop_timer *timer)
{
	client_close(container_of(timer, struct client, stall));
}

/* what can be sent now; while something is left, no further request is taken. An error is seen by the next read. */
static void client_flush(struct client *client)
{
	struct loop *loop = client->supervisor->loop;

	while (client->out_sent < client->out_len) {
		ssize_t n = send(client->source.fd, client->out + client->out_sent, client->out_len - client->out_sent,
			MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			loop_modify(loop, &client->source, EPOLLOUT);
			return;
		}
		if (n < 0 && errno != EINTR)
			break;
		client->out_sent += MAX(n, 0);
		loop_timer_arm(loop, &client->stall, CLIENT_STALL_NS, client_on_stall);
	}
	loop_timer_disarm(loop, &client->stall);
	free(TAKE_PTR(client->out));
	client->out_len = client->out_sent = 0;
	loop_modify(loop, &client->source, EPOLLIN);
}

static int client_queue(struct client *client, const json_t *answer)
{
	_cleanup_free_ char *frame = NULL;
	size_t len;
	int r = ipc_encode(answer, &frame, &len);
	char *out;

	if (r < 0)
		return r;
	out = realloc(client->out, client->out_len + len);
	if (!out)
		return -ENOMEM;
	memcpy(out + client->out_len, frame, len);
	client->out = out;
	client->out_len += len;
	return 0;
}

static json_t *answer_error(const char *error);

/* takes the reference; never closes the client */
static void client_answer(void *owner, json_t *answer)
{
	struct client *client = owner;

	if (!answer)
		answer = answer_error("out of memory");
	if (!client->out)
		loop_timer_arm(client->supervisor->loop, &client->stall, CLIENT_STALL_NS, client_on_stall);
	if (client_queue(client, answer) < 0)
		log_err("an answer to an operator is lost: it is too long, or memory is short");
	json_decref(answer);
	client_flush(client);
}

static json_t *answer_error(const char *error)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

static void operator_audit(const struct request *request, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void operator_audit(const struct request *request, const char *fmt, ...)
{
	json_t *asker = history_asker(&request->client->peer, request->json);
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	supervisor_audit(request->client->supervisor, "notice", history_user(asker), "%s", text);
	json_decref(asker);
}

/* --- commands: each answers now (returns the answer) or later (returns NULL) ----------------------------------------
 */

/* before the answer, for those who asked for it */
static void client_progress(void *owner, json_t *progress)
{
	client_answer(owner, json_pack("{s:o}", "progress", progress));
}

static json_t *operator_commit(struct request *request, bool check_only)
{
	struct commit_request commit = {.files = json_object_get(request->json, "files"),
		.fds = request->fds,
		.n_fds = request->n_fds,
		.check_only = check_only,
		.override_locked = json_is_true(json_object_get(request->json, "override_locked")),
		.facts = history_asker(&request->client->peer, request->json),
		.done = client_answer,
		.progress = json_is_true(json_object_get(request->json, "progress")) ? client_progress : NULL,
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

static bool clear_says_which(const json_t *request)
{
	return json_is_true(json_object_get(request, "all")) || json_is_string(json_object_get(request, "server")) ||
	       json_is_string(json_object_get(request, "client")) || json_is_string(json_object_get(request, "id"));
}

static json_t *command_clear_sessions(struct supervisor *supervisor, struct request *request)
{
	unsigned int matched;

	if (!clear_says_which(request->json))
		return answer_error("which sessions: all, or those of a server, a client or an id");
	matched = report_count_sessions(supervisor, request->json);
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (child_running(&supervisor->workers[i].child))
			child_send(&supervisor->workers[i].child, "clear", json_deep_copy(request->json), NULL, 0);
	elders_clear(supervisor, request->json);
	operator_audit(request, "%u sessions cleared", matched);
	return json_pack("{s:b, s:i}", "ok", 1, "cleared", (int)matched);
}

static json_t *command_clear_bypasses(struct supervisor *supervisor, struct request *request)
{
	const char *server = json_string_value(json_object_get(request->json, "server"));
	unsigned int n;

	if (!server && !json_is_true(json_object_get(request->json, "all")))
		return answer_error("which bypasses: all, or those of a server");
	n = bypass_table_clear(supervisor->bypasses, clock_now_ns(), server) + asymmetric_clear(supervisor, server);
	operator_audit(request, "%u remembered bypasses of %s cleared", n, server ? server : "all SSL servers");
	return json_pack("{s:b, s:i}", "ok", 1, "cleared", (int)n);
}

/* an older version becomes the newest: the way forward is the same, so it is as safe as any commit */
static json_t *command_rollback(struct supervisor *supervisor, struct request *request)
{
	uint32_t version = history_target(supervisor, request->json);
	_cleanup_close_ int fd = version ? store_open_version(&supervisor->store, version) : -1;
	struct commit_request commit = {.fds = &fd,
		.n_fds = 1,
		.rollback = true,
		.override_locked = json_is_true(json_object_get(request->json, "override_locked")),
		.version = version,
		.done = client_answer,
		.owner = request->client};
	char name[32];
	json_t *files;

	if (fd < 0)
		return answer_error(
			json_object_get(request->json, "version")
				? "that version is not in the store: see \"sluice history\" for those that are"
				: "there is no earlier version to go back to: see \"sluice history\"");
	snprintf(name, sizeof(name), "version %u", version);
	files = json_pack("[s]", name);
	commit.files = files;
	commit.facts = history_asker(&request->client->peer, request->json);
	json_object_set_new(commit.facts, "rollback_of", json_integer(version));
	commit_begin(supervisor, &commit);
	json_decref(files);
	return NULL;
}

static json_t *command_certificate_export(struct supervisor *supervisor, struct request *request)
{
	certificate_export(supervisor, request->json, request->fds, request->n_fds, client_answer, request->client);
	return NULL;
}

static json_t *command_certificate_import(struct supervisor *supervisor, struct request *request)
{
	operator_audit(request, "import of certificate %s asked for",
		json_string_value(json_object_get(request->json, "name")) ?: "");
	certificate_import(supervisor, request->json, request->fds, request->n_fds, client_answer, request->client);
	return NULL;
}

static json_t *command_keystore_show(struct supervisor *supervisor, struct request *request)
{
	(void)request;
	return keystore_report(supervisor);
}

static json_t *command_keystore_unlock(struct supervisor *supervisor, struct request *request)
{
	operator_audit(request, "unlocking of the keystore asked for");
	keystore_unlock(supervisor, request->json, request->fds, request->n_fds, client_answer, request->client);
	return NULL;
}

static json_t *command_keystore_protect(struct supervisor *supervisor, struct request *request)
{
	operator_audit(request, "another protection of the keystore asked for");
	keystore_protect(supervisor, request->json, request->fds, request->n_fds, client_answer, request->client);
	return NULL;
}

static json_t *command_filters_top(struct supervisor *supervisor, struct request *request)
{
	const char *by = json_string_value(json_object_get(request->json, "by"));

	if (by && strcmp(by, "hits") && strcmp(by, "cost"))
		return answer_error("filters are ordered by cost or by hits");
	usage_begin(supervisor, request->json, client_answer, request->client);
	return NULL;
}

static json_t *command_log_status(struct supervisor *supervisor, struct request *request)
{
	return targets_report(supervisor);
}

static json_t *command_certificate_replace(struct supervisor *supervisor, struct request *request)
{
	operator_audit(request, "replacement of certificate %s asked for",
		json_string_value(json_object_get(request->json, "name")) ?: "");
	certificate_replace(supervisor, request->json, request->fds, request->n_fds, client_answer, request->client);
	return NULL;
}

#define CERTIFICATE(name)                                                                                 \
	static json_t *command_certificate_##name(struct supervisor *supervisor, struct request *request) \
	{                                                                                                 \
		return certificate_##name(supervisor, request->json);                                     \
	}
CERTIFICATE(show)
CERTIFICATE(chain)

static json_t *command_certificate_remove(struct supervisor *supervisor, struct request *request)
{
	json_t *answer = certificate_remove(supervisor, request->json);

	if (json_is_true(json_object_get(answer, "ok")))
		operator_audit(request, "certificate %s and its key removed",
			json_string_value(json_object_get(answer, "removed")));
	return answer;
}

static json_t *command_log_credentials_import(struct supervisor *supervisor, struct request *request)
{
	operator_audit(request, "import of log credentials %s asked for",
		json_string_value(json_object_get(request->json, "name")) ?: "");
	log_credentials_import(supervisor, request->json, request->fds, request->n_fds, client_answer, request->client);
	return NULL;
}

static json_t *command_log_credentials_export(struct supervisor *supervisor, struct request *request)
{
	log_credentials_export(supervisor, request->json, request->fds, request->n_fds, client_answer, request->client);
	return NULL;
}

static json_t *command_log_credentials_remove(struct supervisor *supervisor, struct request *request)
{
	json_t *answer = log_credentials_remove(supervisor, request->json);

	if (json_is_true(json_object_get(answer, "ok")))
		operator_audit(request, "log credentials %s removed",
			json_string_value(json_object_get(request->json, "name")));
	return answer;
}

static json_t *command_log_credentials_list(struct supervisor *supervisor, struct request *request)
{
	(void)request;
	return log_credentials_list(supervisor);
}

static json_t *operator_fallback(struct supervisor *supervisor, struct request *request, bool enter)
{
	const char *segment = json_string_value(json_object_get(request->json, "segment"));
	unsigned int n;
	const char *error = fallback_command(supervisor, segment, enter, &n);

	if (error)
		return answer_error(error);
	operator_audit(request, "layer-2 fallback %s on %s%s", enter ? "entered" : "left",
		segment ? "segment " : "all segments", segment ?: "");
	return json_pack("{s:b, s:s, s:i}", "ok", 1, "fallback", enter ? "entered" : "left", "segments", (int)n);
}

static json_t *command_fallback_enter(struct supervisor *supervisor, struct request *request)
{
	return operator_fallback(supervisor, request, true);
}

static json_t *command_fallback_leave(struct supervisor *supervisor, struct request *request)
{
	return operator_fallback(supervisor, request, false);
}

/* how an upgrade of the appliance ended: `sluice system confirm` tells, after the boot (J5) */
static json_t *command_upgrade_ended(struct supervisor *supervisor, struct request *request)
{
	const char *to = json_string_value(json_object_get(request->json, "to")) ?: "?";
	const char *from = json_string_value(json_object_get(request->json, "from")) ?: "?";
	const char *reason = json_string_value(json_object_get(request->json, "reason")) ?: "no reason given";

	if (!strcmp(json_string_value(json_object_get(request->json, "state")) ?: "", "confirmed"))
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice",
			"the appliance went from version %s to version %s and is as well as before", from, to);
	else
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"version %s of the appliance did not stay: %s; version %s runs again", to, reason, from);
	return json_pack("{s:b}", "ok", 1);
}

/* a report in the form that monitors are given: sluice show metrics */
static json_t *command_monitor(struct supervisor *supervisor, struct request *request)
{
	json_t *report = monitor_report_named(supervisor, json_string_value(json_object_get(request->json, "report")));

	return report ?: answer_error("there is no report of that name");
}

static json_t *command_stop(struct supervisor *supervisor, struct request *request)
{
	operator_audit(request, "stop requested");
	supervisor_stop(supervisor);
	return json_pack("{s:b}", "ok", 1);
}

#define REPORT(name)                                                                          \
	static json_t *command_##name(struct supervisor *supervisor, struct request *request) \
	{                                                                                     \
		json_t *answer = report_##name(supervisor, request->json);                    \
                                                                                              \
		return answer ? answer : answer_error("out of memory");                       \
	}
REPORT(status)
REPORT(counters)
REPORT(servers)
REPORT(segments)
REPORT(ports)
REPORT(flows)
REPORT(bypass_rules)
REPORT(sessions)
REPORT(bypasses)
REPORT(filters_refused)
REPORT(certificates)
REPORT(history)
REPORT(diagnose)
REPORT(configuration)
REPORT(ciphers)
REPORT(graph)
REPORT(health)
REPORT(rates)

static const struct {
	const char *name;
	json_t *(*run)(struct supervisor *supervisor, struct request *request);
} commands[] = {
	{"status", command_status},
	{"counters", command_counters},
	{"servers", command_servers},
	{"segments", command_segments},
	{"ports", command_ports},
	{"flows", command_flows},
	{"bypass_rules", command_bypass_rules},
	{"sessions", command_sessions},
	{"graph", command_graph},
	{"rates", command_rates},
	{"monitor", command_monitor},
	{"clear_sessions", command_clear_sessions},
	{"bypasses", command_bypasses},
	{"clear_bypasses", command_clear_bypasses},
	{"filters_refused", command_filters_refused},
	{"filters_top", command_filters_top},
	{"check", command_check},
	{"commit", command_commit},
	{"rollback", command_rollback},
	{"history", command_history},
	{"diagnose", command_diagnose},
	{"configuration", command_configuration},
	{"certificate_export", command_certificate_export},
	{"certificate_import", command_certificate_import},
	{"keystore_show", command_keystore_show},
	{"keystore_unlock", command_keystore_unlock},
	{"keystore_protect", command_keystore_protect},
	{"certificate_list", command_certificates},
	{"ciphers", command_ciphers},
	{"health", command_health},
	{"log_status", command_log_status},
	{"log_credentials_export", command_log_credentials_export},
	{"log_credentials_import", command_log_credentials_import},
	{"log_credentials_list", command_log_credentials_list},
	{"log_credentials_remove", command_log_credentials_remove},
	{"certificate_replace", command_certificate_replace},
	{"certificate_show", command_certificate_show},
	{"certificate_chain", command_certificate_chain},
	{"certificate_remove", command_certificate_remove},
	{"fallback_enter", command_fallback_enter},
	{"fallback_leave", command_fallback_leave},
	{"upgrade_ended", command_upgrade_ended},
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

static void client_request(struct client *client, struct request *request)
{
	json_t *answer = operator_run(client->supervisor, request);

	if (answer)
		client_answer(client, answer);
	for (size_t i = 0; i < request->n_fds; i++)
		if (request->fds[i] >= 0)
			close(request->fds[i]);
	json_decref(request->json);
}

static void client_on_event(struct loop_source *source, uint32_t events)
{
	struct client *client = container_of(source, struct client, source);
	int fds[IPC_FDS_MAX], r;
	struct request request = {.client = client, .fds = fds, .n_fds = IPC_FDS_MAX};

	if (client->out && !(events & (EPOLLHUP | EPOLLERR))) {
		client_flush(client);
		return;
	}
	r = ipc_receive(&client->receiver, source->fd, &request.json, fds, &request.n_fds);
	if (r >= 0)
		client_request(client, &request);
	else if (r != -EAGAIN || events & (EPOLLHUP | EPOLLERR))
		client_close(client);
}

/* --- the socket ------------------------------------------------------------------------------------------------------
 */

static void operator_on_connection(struct loop_source *source, uint32_t events)
{
	struct supervisor *supervisor = container_of(source, struct supervisor, control);
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	struct client *client = fd < 0 || supervisor->n_clients >= CLIENTS_MAX ? NULL : calloc(1, sizeof(*client));
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	if (!client) {
		if (fd >= 0)
			close(fd);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	client->supervisor = supervisor;
	client->peer = peer;
	if (loop_add(supervisor->loop, &client->source, fd, EPOLLIN, client_on_event) < 0) {
		close(fd);
		free(client);
		return;
	}
	LIST_INSERT_HEAD(&supervisor->clients, client, link);
	supervisor->n_clients++;
}

static int operator_make_run_dir(const struct instance *instance)
{
	if (mkdir("/run/sluice", 0755) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(instance->run_dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* one supervisor per instance: the lock is on the run directory itself and ends with the process, however it ends */
static int operator_lock(struct supervisor *supervisor)
{
	const struct instance *instance = &supervisor->instance;

	supervisor->lock_fd = open(instance->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (supervisor->lock_fd < 0)
		return log_err_r(-errno, "cannot open %s", instance->run_dir);
	if (flock(supervisor->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return log_err_r(-EADDRINUSE, "another sluiced of instance %s is running", instance->name);
	return log_err_r(-errno, "cannot lock %s", instance->run_dir);
}

static int operator_listen(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t before;
	int r;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	before = umask(0177); /* root's alone from its first moment */
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0 ? -errno : 0;
	umask(before);
	return r < 0 ? log_err_r(r, "cannot listen on %s", path) : 0;
}

int operator_open(struct supervisor *supervisor)
{
	const struct instance *instance = &supervisor->instance;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = operator_make_run_dir(instance);

	if (r < 0 || fd < 0)
		return log_err_r(r < 0 ? r : -errno, "cannot make %s", instance->run_dir);
	r = operator_lock(supervisor);
	if (r >= 0)
		r = operator_listen(fd, instance->control_path);
	if (r < 0)
		return r;
	return loop_add(supervisor->loop, &supervisor->control, TAKE_FD(fd), EPOLLIN, operator_on_connection);
}

void operator_close(struct supervisor *supervisor)
{
	int fd = supervisor->control.fd;

	if (fd < 0)
		return;
	while (!LIST_EMPTY(&supervisor->clients))
		client_close(LIST_FIRST(&supervisor->clients));
	loop_remove(supervisor->loop, &supervisor->control);
	close(fd);
	unlink(supervisor->instance.control_path);
}
