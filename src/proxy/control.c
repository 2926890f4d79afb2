/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of the control socket: one handler per message, listed in one table. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/common.h"
#include "base/log.h"
#include "config/decide.h"
#include "base/shm.h"
#include "dataplane/flow.h"
#include "ipc/message.h"
#include "proxy/record.h"
#include "proxy/usage.h"
#include "proxy/worker.h"

#define CONTROL_START_MS 10000

struct control_message {
	json_t *json;
	int fds[IPC_FDS_MAX];
	size_t n_fds;
};

static void control_message_clear(struct control_message *message)
{
	json_decref(message->json);
	for (size_t i = 0; i < message->n_fds; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
}

static int64_t control_int(const struct control_message *message, const char *key)
{
	return json_integer_value(json_object_get(message->json, key));
}

static void control_reply(struct worker *worker, json_t *reply)
{
	if (reply && worker->control_fd >= 0)
		ipc_send(worker->control_fd, reply, NULL, 0);
	json_decref(reply);
}

/* --- start ------------------------------------------------------------------------------------------------------ */

enum start_fd {
	START_STATS,
	START_TABLE,
	START_EVENTS,
	START_EVENTS_BELL,
	START_FLOWS,
	START_CELLS,
	START_TICKETS,
	START_BYPASSES,
	START_FLOW_EVENTS,
	START_FDS
};

static int start_map_cell(struct worker *worker, int fd)
{
	struct worker_cell *cells =
		mmap(NULL, sizeof(*cells) * FLOW_WORKERS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (cells == MAP_FAILED)
		return -errno;
	worker->cell = &cells[worker->slot];
	return 0;
}

static int start_ticket_keys(struct worker *worker, int fd)
{
	void *keys;
	size_t size;
	int r = shm_map(fd, false, 2 * sizeof(struct tls_ticket_key), &keys, &size);

	if (r < 0)
		return r;
	tls_runtime_set_ticket_keys(worker->tls, keys, (struct tls_ticket_key *)keys + 1);
	shm_unmap(keys, size);
	return 0;
}

static void control_ticket_keys(struct worker *worker, struct control_message *message)
{
	int r = message->n_fds == 1 ? start_ticket_keys(worker, message->fds[0]) : -EPROTO;

	if (r < 0)
		log_err_r(r, "cannot take over the keys of session tickets");
}

static int start_attach(struct worker *worker, struct control_message *message)
{
	int *fds = message->fds;
	int r = stats_page_map(&worker->stats, fds[START_STATS], true);

	if (r >= 0)
		r = session_table_map(&worker->table, fds[START_TABLE], true);
	if (r >= 0)
		r = event_ring_map(&worker->events, fds[START_EVENTS], fds[START_EVENTS_BELL]);
	if (r >= 0)
		r = start_map_cell(worker, fds[START_CELLS]);
	if (r >= 0)
		r = tls_runtime_new(&worker->tls, -1, -1, -1);
	if (r >= 0)
		r = start_ticket_keys(worker, fds[START_TICKETS]);
	if (r >= 0)
		r = bypass_table_map(&worker->bypasses, fds[START_BYPASSES]);
	if (r >= 0)
		r = inspect_scratch_new(&worker->scratch);
	if (r >= 0)
		r = holds_new(&worker->holds, worker, TAKE_FD(fds[START_FLOW_EVENTS]));
	if (r < 0)
		return r;
	worker->cells = stats_cells(worker->stats, worker->stats_writer);
	/* the mappings own what they need of the rest */
	worker->flow_map_fd = TAKE_FD(fds[START_FLOWS]);
	return worker->cells ? 0 : -EINVAL;
}

int worker_start(struct worker *worker, int control_fd)
{
	_cleanup_(control_message_clear) struct control_message message = {.n_fds = IPC_FDS_MAX};
	const char *listen_ip;
	char name[32];
	int r = ipc_recv(control_fd, CONTROL_START_MS, &message.json, message.fds, &message.n_fds);

	if (r < 0)
		return log_err_r(r, "no start message from the supervisor");
	worker->slot = control_int(&message, "slot");
	worker->stats_writer = control_int(&message, "stats_writer");
	worker->boot_id = control_int(&message, "boot_id") & 0xffff;
	listen_ip = json_string_value(json_object_get(message.json, "listen_ip"));
	if (message.n_fds != START_FDS || worker->slot >= FLOW_WORKERS_MAX ||
		worker->stats_writer >= STATS_WORKER_BLOCKS || !listen_ip)
		return log_err_r(-EPROTO, "malformed start message");
	worker->control_fd = control_fd;
	snprintf(name, sizeof(name), "sluice-proxy[%u]", worker->slot);
	log_set_name(name);
	r = start_attach(worker, &message);
	if (r < 0)
		return log_err_r(r, "cannot take over what the supervisor sent");
	worker->listen_address = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(control_int(&message, "listen_port")),
		.sin_addr.s_addr = inet_addr(listen_ip)};
	return worker_open_listener(worker);
}

int worker_send_listener(struct worker *worker, int listener_fd)
{
	json_t *message = json_pack("{s:s}", "message", "listener");
	int r = message ? ipc_send(worker->control_fd, message, &listener_fd, 1) : -ENOMEM;

	json_decref(message);
	return r;
}

/* --- messages --------------------------------------------------------------------------------------------------- */

static void control_on_key_responses(struct loop_source *source, uint32_t events)
{
	tls_runtime_poll_keys(container_of(source, struct worker, key_responses)->tls);
}

static void control_close_keyring(int fds[WORKER_KEYRING_FDS])
{
	for (size_t i = 0; i < WORKER_KEYRING_FDS; i++)
		if (fds[i] >= 0)
			close(TAKE_FD(fds[i]));
}

/* a new keeper's ring, or none while there is no keeper; operations of the old one fail */
static void control_keyring(struct worker *worker, struct control_message *message)
{
	int *fds = message->fds;
	int r;

	if (message->n_fds && message->n_fds != WORKER_KEYRING_FDS)
		return;
	loop_remove(worker->loop, &worker->key_responses);
	if (!message->n_fds) {
		tls_runtime_set_keyring(worker->tls, -1, -1, -1);
		control_close_keyring(worker->keyring_fds);
		return;
	}
	r = tls_runtime_set_keyring(worker->tls, fds[0], fds[1], fds[2]);
	if (r >= 0)
		r = loop_add(worker->loop, &worker->key_responses, fds[2], EPOLLIN, control_on_key_responses);
	if (r < 0) {
		log_err_r(r, "cannot use the key ring");
		return;
	}
	control_close_keyring(worker->keyring_fds);
	memcpy(worker->keyring_fds, fds, sizeof(worker->keyring_fds));
	message->n_fds = 0; /* the runtime uses them from now on */
}

/* takes the reference; the newest version again, with other certificates (E3), takes the place of itself */
static void control_put_snapshot(struct worker *worker, struct snapshot *snapshot)
{
	struct snapshot **list = worker->snapshots;
	bool again = list[0] && list[0]->version == snapshot->version;

	snapshot_unref(&list[again ? 0 : WORKER_SNAPSHOTS - 1]);
	if (!again)
		memmove(&list[1], &list[0], sizeof(*list) * (WORKER_SNAPSHOTS - 1));
	list[0] = snapshot;
}

static void control_policy(struct worker *worker, struct control_message *message)
{
	char error[512];
	struct snapshot *snapshot;
	int64_t version = control_int(message, "version");
	int r = snapshot_new(&snapshot, message->json, message->fds, message->n_fds, worker->tls, worker->scratch,
		error, sizeof(error));

	if (r < 0) {
		control_reply(worker, json_pack("{s:s, s:I, s:s}", "message", "policy_error", "version",
					      (json_int_t)version, "error", error));
		return;
	}
	control_put_snapshot(worker, snapshot);
	r = worker_offer_listener(worker);
	if (r < 0)
		log_err_r(r, "cannot offer the listener");
	control_reply(worker, json_pack("{s:s, s:I}", "message", "policy_ok", "version", (json_int_t)version));
}

/* B5: rules of the version now in force also hold for sessions that an older one let begin */
static void control_in_force(struct worker *worker, struct control_message *message)
{
	struct snapshot *snapshot = worker_find_snapshot(worker, control_int(message, "version"));
	struct session *session, *next;

	for (session = LIST_FIRST(&worker->sessions); snapshot && session; session = next) {
		struct config_flow flow = {.client = session->client_ip,
			.server = session->server_ip,
			.port = session->server_port,
			.vlan = session->flow_context.vlan & 0xfff,
			.side = session->flow_context.side,
			.segment = session->virtual_segment->segment->name};

		next = LIST_NEXT(session, link);
		if (!session->stream || !config_find_bypass_rule(snapshot->config, &flow))
			continue;
		stats_add(worker->cells, COUNTER_SESSIONS_BYPASSED_LATER, 1);
		session_stop_inspection(session);
	}
	snapshot_unref(&snapshot);
}

/* a commit that failed elsewhere: its policy goes, whoever began with it keeps it */
static void control_policy_drop(struct worker *worker, struct control_message *message)
{
	if (!worker->snapshots[0] || worker->snapshots[0]->version != control_int(message, "version"))
		return;
	snapshot_unref(&worker->snapshots[0]);
	memmove(&worker->snapshots[0], &worker->snapshots[1], sizeof(worker->snapshots[0]) * (WORKER_SNAPSHOTS - 1));
	worker->snapshots[WORKER_SNAPSHOTS - 1] = NULL;
}

static void control_clear(struct worker *worker, struct control_message *message)
{
	const char *server = json_string_value(json_object_get(message->json, "server"));
	const char *client = json_string_value(json_object_get(message->json, "client"));
	const char *id = json_string_value(json_object_get(message->json, "id"));
	const char *segment = json_string_value(json_object_get(message->json, "segment"));
	struct session_clear clear = {.all = json_is_true(json_object_get(message->json, "all")),
		.fallback = json_is_true(json_object_get(message->json, "fallback")),
		.id = id ? strtoull(id, NULL, 16) : 0,
		.client.s_addr = client ? inet_addr(client) : 0};

	snprintf(clear.server, sizeof(clear.server), "%s", server ? server : "");
	snprintf(clear.segment, sizeof(clear.segment), "%s", segment ? segment : "");
	control_reply(
		worker, json_pack("{s:s, s:i}", "message", "cleared", "n", (int)worker_clear_sessions(worker, &clear)));
}

/* `filter_usage` {query, by}: answered with the same query */
static void control_filter_usage(struct worker *worker, struct control_message *message)
{
	const char *by = json_string_value(json_object_get(message->json, "by"));
	json_t *reply = worker->snapshots[0] ? usage_report(worker->snapshots[0], by) : json_object();

	if (!reply)
		return;
	json_object_set_new(reply, "message", json_string("filter_usage"));
	json_object_set_new(reply, "query", json_integer(control_int(message, "query")));
	control_reply(worker, reply);
}

static void control_drain(struct worker *worker, struct control_message *message)
{
	worker_drain(worker, control_int(message, "seconds"));
}

static void control_serve(struct worker *worker, struct control_message *message)
{
	worker_serve(worker);
}

static void control_stop(struct worker *worker, struct control_message *message)
{
	worker_stop(worker);
}

static const struct {
	const char *name;
	void (*handle)(struct worker *worker, struct control_message *message);
} handlers[] = {
	{"keyring", control_keyring},
	{"ticket_keys", control_ticket_keys},
	{"policy", control_policy},
	{"policy_drop", control_policy_drop},
	{"in_force", control_in_force},
	{"clear", control_clear},
	{"filter_usage", control_filter_usage},
	{"drain", control_drain},
	{"serve", control_serve},
	{"stop", control_stop},
};

/* the supervisor has gone: go on without it (design: generations) */
static void control_lost(struct worker *worker)
{
	log_warn("the supervisor has gone: sessions go on, new ones are taken until another supervisor takes over");
	loop_remove(worker->loop, &worker->control);
	close(worker->control_fd);
	worker->control_fd = -1;
	ipc_receiver_clear(&worker->receiver);
	worker->headless_since_ns = loop_now_ns(worker->loop);
}

static void control_on_message(struct loop_source *source, uint32_t events)
{
	struct worker *worker = container_of(source, struct worker, control);
	_cleanup_(control_message_clear) struct control_message message = {.n_fds = IPC_FDS_MAX};
	const char *name;
	int r = ipc_receive(&worker->receiver, source->fd, &message.json, message.fds, &message.n_fds);

	if (r < 0) {
		if (r != -EAGAIN)
			control_lost(worker);
		return;
	}
	name = json_string_value(json_object_get(message.json, "message"));
	for (size_t i = 0; name && i < ARRAY_SIZE(handlers); i++)
		if (!strcmp(handlers[i].name, name))
			handlers[i].handle(worker, &message);
}

void worker_watch_control(struct worker *worker)
{
	loop_add(worker->loop, &worker->control, worker->control_fd, EPOLLIN, control_on_message);
}
