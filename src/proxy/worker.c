/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "proxy/record.h"

#define WORKER_CONTROL_FD 3
#define WORKER_HEARTBEAT_NS (25 * NSEC_PER_MSEC)
#define WORKER_ACCEPT_BATCH 64
#define WORKER_LAST_CALL_NS NSEC_PER_SEC
#define WORKER_DESCRIPTORS 1500 /* of its own, of holds, and those of one policy message while it is read */
/* without a supervisor a generation serves on for this long, then drains (design: generations) */
#define WORKER_HEADLESS_SECONDS 600
#define WORKER_HEADLESS_DRAIN_SECONDS 300

/* no other version will do: the flow's ids are places in that version's lists */
struct snapshot *worker_find_snapshot(struct worker *worker, uint32_t version)
{
	for (size_t i = 0; i < WORKER_SNAPSHOTS; i++)
		if (worker->snapshots[i] && worker->snapshots[i]->version == version)
			return snapshot_ref(worker->snapshots[i]);
	return NULL;
}

/* unique over restarts and workers: 16 bits of the boot, 8 of the slot, 40 of a count that worker_main() begins with
 * the time, because a worker that is started again has the same boot and slot */
uint64_t worker_next_session_id(struct worker *worker)
{
	return worker->boot_id << 48 | (uint64_t)(worker->slot & 0xff) << 40 |
	       (++worker->sessions_made & 0xffffffffffull);
}

unsigned int worker_max_sessions(const struct worker *worker, const struct snapshot *snapshot)
{
	/* the wire holds all workers together to the limit; this is what a worker bears when it could not */
	return MIN(snapshot->config->limits.max_sessions, worker->descriptor_sessions);
}

static bool worker_owns_cell(const struct worker *worker)
{
	return __atomic_load_n(&worker->cell->pid, __ATOMIC_RELAXED) == worker->pid;
}

void worker_beat(struct worker *worker)
{
	/* another generation's worker may have taken the slot: its hanging must not be hidden by this one's beat */
	if (worker_owns_cell(worker))
		__atomic_store_n(&worker->cell->heartbeat_ns, clock_now_ns(), __ATOMIC_RELAXED);
}

static void worker_close_listener(struct worker *worker)
{
	int fd = worker->listener.fd;

	if (fd < 0)
		return;
	loop_remove(worker->loop, &worker->listener);
	close(fd);
	holds_stop(worker->holds);
}

void worker_stop(struct worker *worker)
{
	worker->stopping = true;
	worker_close_listener(worker);
	while (!LIST_EMPTY(&worker->sessions))
		session_abort(LIST_FIRST(&worker->sessions), CLOSE_SHUTDOWN);
	loop_stop(worker->loop);
}

void worker_drain(struct worker *worker, unsigned int seconds)
{
	if (worker->draining)
		return;
	worker->draining = true;
	worker->listen_until_ns = loop_now_ns(worker->loop) + WORKER_LAST_CALL_NS;
	worker->drain_until_ns = loop_now_ns(worker->loop) + seconds * NSEC_PER_SEC;
}

/* connections whose handshake had begun when the listener left the SOCKMAP are still taken: closing it resets them */
static void worker_drain_on(struct worker *worker)
{
	uint64_t now = loop_now_ns(worker->loop);

	if (now > worker->listen_until_ns)
		worker_close_listener(worker);
	if ((worker->listener.fd < 0 && !worker->n_sessions) || now > worker->drain_until_ns)
		worker_stop(worker);
}

static bool worker_clear_matches(const struct session *session, const struct session_clear *clear)
{
	if (*clear->server && (!session->server || strcmp(session->server->config->name, clear->server)))
		return false;
	if (clear->client.s_addr && clear->client.s_addr != session->client_ip.s_addr)
		return false;
	if (clear->id && clear->id != session->id)
		return false;
	if (*clear->segment && strcmp(session->virtual_segment->segment->name, clear->segment))
		return false;
	return clear->all || *clear->segment || *clear->server || clear->client.s_addr || clear->id;
}

unsigned int worker_clear_sessions(struct worker *worker, const struct session_clear *clear)
{
	struct session *session, *next;
	unsigned int n = 0;

	for (session = LIST_FIRST(&worker->sessions); session; session = next) {
		next = LIST_NEXT(session, link);
		if (!worker_clear_matches(session, clear))
			continue;
		session_abort(session, clear->fallback ? CLOSE_FALLBACK : CLOSE_CLEARED);
		n++;
	}
	return n;
}

static void worker_take_clears(struct worker *worker)
{
	struct session_clear clear;

	while (session_table_next_clear(worker->table, &clear))
		worker_clear_sessions(worker, &clear);
}

/* every WORKER_HEARTBEAT_NS: heartbeat, and whether this worker's time is over */
static void worker_on_heartbeat(struct loop_timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, heartbeat);
	uint32_t retire = __atomic_load_n(&worker->cell->retire, __ATOMIC_RELAXED);

	worker_beat(worker);
	worker_take_clears(worker);
	if (worker->control_fd < 0 && !worker_owns_cell(worker))
		worker_drain(worker, WORKER_HEADLESS_DRAIN_SECONDS); /* another generation has this slot */
	else if (worker->control_fd < 0 && retire)
		worker_drain(worker, retire);
	else if (worker->control_fd < 0 &&
		 loop_now_ns(worker->loop) - worker->headless_since_ns > WORKER_HEADLESS_SECONDS * NSEC_PER_SEC)
		worker_drain(worker, WORKER_HEADLESS_DRAIN_SECONDS);
	record_tick(worker);
	if (worker->draining)
		worker_drain_on(worker);
	if (!worker->stopping)
		loop_timer_arm(worker->loop, timer, WORKER_HEARTBEAT_NS, worker_on_heartbeat);
}

static void worker_publish(struct worker *worker, enum counter_id id, uint64_t value)
{
	__atomic_store_n(&worker->cells->counter[id], worker->counted_before[id] + value, __ATOMIC_RELAXED);
}

static const struct {
	enum counter_id id;
	size_t offset; /* in struct inspect_stats */
} inspect_counters[] = {
	{COUNTER_INSPECT_CONFIRM_LIMIT, offsetof(struct inspect_stats, confirm_limit)},
	{COUNTER_INSPECT_HTTP_ANOMALY, offsetof(struct inspect_stats, http_anomaly)},
	{COUNTER_INSPECT_HTTP_SMUGGLING, offsetof(struct inspect_stats, http_smuggling)},
	{COUNTER_INSPECT_MAIL_STARTTLS, offsetof(struct inspect_stats, mail_starttls)},
	{COUNTER_INSPECT_WEBSOCKET_ANOMALY, offsetof(struct inspect_stats, websocket_anomaly)},
	{COUNTER_INSPECT_MATCHES_DROPPED, offsetof(struct inspect_stats, matches_dropped)},
	{COUNTER_INSPECT_ENGINE_FAILED, offsetof(struct inspect_stats, engine_failed)},
	{COUNTER_INSPECT_RATE_SUPPRESSED, offsetof(struct inspect_stats, rate_suppressed)},
	{COUNTER_INSPECT_TRACK_EVICTED, offsetof(struct inspect_stats, track_evicted)},
	{COUNTER_INSPECT_DECODE_LIMIT, offsetof(struct inspect_stats, decode_limit)},
	{COUNTER_INSPECT_DECODE_FAILED, offsetof(struct inspect_stats, decode_failed)},
	{COUNTER_INSPECT_LIMIT_STREAMS, offsetof(struct inspect_stats, limit_streams)},
	{COUNTER_INSPECT_LIMIT_BLOCKED, offsetof(struct inspect_stats, limit_blocked)},
};

/* what the engines count themselves, on top of what earlier workers of this slot had counted */
static void worker_publish_engines(struct worker *worker)
{
	const struct inspect_stats *inspect = inspect_scratch_stats(worker->scratch);
	const struct tls_counts *tls = tls_runtime_counts(worker->tls);

	worker_publish(worker, COUNTER_KEY_OPERATIONS, tls->key_operations);
	worker_publish(worker, COUNTER_KEY_FAILURES, tls->key_failures);
	worker_publish(worker, COUNTER_SERVER_TICKETS_IGNORED, tls->tickets_ignored);
	for (size_t i = 0; i < ARRAY_SIZE(inspect_counters); i++)
		worker_publish(worker, inspect_counters[i].id,
			*(const uint64_t *)((const char *)inspect + inspect_counters[i].offset));
}

/* after each round of events: one doorbell each for keeper and log, however much was queued */
static void worker_on_idle(void *data)
{
	struct worker *worker = data;

	worker_beat(worker);
	worker_publish_engines(worker);
	tls_runtime_ring_doorbell(worker->tls);
	event_ring_flush(worker->events);
}

/* Out of descriptors: a connection that stays in the queue would wake the loop for ever. The spare descriptor lets it
 * be taken and reset. False: nothing was taken */
static bool worker_refuse_one(struct worker *worker)
{
	int fd;

	if (worker->spare_fd < 0)
		return false;
	close(worker->spare_fd);
	fd = accept4(worker->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		close(fd); /* SO_LINGER {1, 0} from the listener: a reset */
		worker->cells->closed[CLOSE_LIMIT]++;
		stats_add(worker->cells, COUNTER_SESSIONS_REFUSED_LIMIT, 1);
	}
	worker->spare_fd = fcntl(worker->flow_map_fd, F_DUPFD_CLOEXEC, 0);
	return fd >= 0;
}

static void worker_on_accept(struct loop_source *source, uint32_t events)
{
	struct worker *worker = container_of(source, struct worker, listener);

	for (unsigned int i = 0; i < WORKER_ACCEPT_BATCH; i++) {
		struct sockaddr_in client;
		socklen_t len = sizeof(client);
		int fd = accept4(source->fd, (struct sockaddr *)&client, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			session_accept(worker, fd, &client);
		else if (errno != EMFILE && errno != ENFILE)
			return;
		else if (!worker_refuse_one(worker))
			return;
	}
}

int worker_open_listener(struct worker *worker)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const struct sockaddr_in *address = &worker->listen_address;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
		setsockopt(fd, SOL_IP, IP_TRANSPARENT, &(int){1}, sizeof(int)) < 0 ||
		bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 || listen(fd, 65535) < 0)
		return log_err_r(-errno, "cannot listen in the inspect namespace");
	leg_socket_prepare(fd); /* accepted sockets inherit it */
	worker->closed_listener_fd = TAKE_FD(fd);
	return 0;
}

int worker_offer_listener(struct worker *worker)
{
	int fd = worker->closed_listener_fd, r;

	if (fd < 0)
		return 0;
	r = loop_add(worker->loop, &worker->listener, fd, EPOLLIN, worker_on_accept);
	if (r >= 0)
		r = holds_watch(worker->holds);
	if (r < 0)
		return r;
	worker->closed_listener_fd = -1;
	return worker_send_listener(worker, fd);
}

/* wanted again: sessions go on, and new ones come once the supervisor has the listener and a policy has come */
void worker_serve(struct worker *worker)
{
	int r = 0;

	if (!worker->draining || worker->stopping)
		return;
	worker->draining = false;
	if (worker->listener.fd >= 0)
		r = worker_send_listener(worker, worker->listener.fd);
	else if (worker->closed_listener_fd < 0)
		r = worker_open_listener(worker);
	if (r < 0)
		worker_stop(worker); /* another is started in its place */
}

/* two descriptors a session; what the worker itself holds is left free */
static void worker_count_descriptors(struct worker *worker)
{
	struct rlimit limit;

	worker->descriptor_sessions = UINT_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		worker->descriptor_sessions = limit.rlim_cur > 2 * WORKER_DESCRIPTORS
						      ? (limit.rlim_cur - WORKER_DESCRIPTORS) / 2
						      : WORKER_DESCRIPTORS / 2;
}

static void worker_free(struct worker *worker)
{
	for (size_t i = 0; i < WORKER_SNAPSHOTS; i++)
		snapshot_unref(&worker->snapshots[i]);
	ipc_receiver_clear(&worker->receiver);
	record_end(worker);
	if (worker->events)
		event_ring_flush(worker->events);
	holds_free(&worker->holds);
	inspect_scratch_free(&worker->scratch);
	tls_runtime_free(&worker->tls);
	event_ring_free(&worker->events);
	session_table_free(&worker->table);
	bypass_table_free(&worker->bypasses);
	stats_page_free(&worker->stats);
	loop_free(&worker->loop);
	free(worker);
}

static int worker_run(struct worker *worker)
{
	memcpy(worker->counted_before, worker->cells->counter, sizeof(worker->counted_before));
	loop_set_idle(worker->loop, worker_on_idle, worker);
	worker->cell->retire = 0;
	worker->pid = getpid();
	__atomic_store_n(&worker->cell->pid, worker->pid, __ATOMIC_RELAXED);
	worker_beat(worker);
	loop_timer_arm(worker->loop, &worker->heartbeat, WORKER_HEARTBEAT_NS, worker_on_heartbeat);
	worker_watch_control(worker);
	return loop_run(worker->loop);
}

int worker_main(void)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return EXIT_FAILURE;
	LIST_INIT(&worker->sessions);
	worker->listener.fd = worker->key_responses.fd = worker->control.fd = -1;
	worker->closed_listener_fd = worker->spare_fd = -1;
	/* faster than sessions can be made, 62500 a second; comes again after 200 days */
	worker->sessions_made = clock_wall_us() >> 4;
	worker_count_descriptors(worker);
	for (size_t i = 0; i < WORKER_KEYRING_FDS; i++)
		worker->keyring_fds[i] = -1;
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	r = loop_new(&worker->loop);
	worker->io.loop = worker->loop;
	if (r >= 0)
		r = worker_start(worker, WORKER_CONTROL_FD);
	if (r >= 0)
		worker->spare_fd = fcntl(worker->flow_map_fd, F_DUPFD_CLOEXEC, 0);
	if (r >= 0)
		r = worker_sandbox();
	if (r >= 0)
		r = worker_run(worker);
	worker_free(worker);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
