/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/hold.h"

#include <errno.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "proxy/flow_events.h"
#include "proxy/worker.h"

#define HOLDS_BUCKETS 1024 /* power of two */
#define HOLDS_EVENTS_BATCH 128
/* Of more, the oldest is given up: connections to servers that are silent, and those whose client has not been heard of
 * since the server accepted. The second is how many connections per worker a flood of SYNs can hold open at a server.
 */
#define HOLDS_WAITING_MAX 1024
#define HOLDS_CONNECTING_MAX 1024
#define HOLDS_CONNECTED_MAX 128
#define HOLD_CLIENT_NS (10 * NSEC_PER_SEC)
/* A client may use a port again as soon as its own connection is over, when the server's FIN or the last ACK of the old
 * server leg is still on its way (A2): until then the kernel does not let another take its ports. */
#define HOLD_RETRY_NS (2 * NSEC_PER_SEC / 1000)
#define HOLD_WAIT_NS NSEC_PER_SEC
/* bytes that a socket takes beyond what its peer has room for: a slow reader holds no megabytes of the kernel's memory
 */
#define LEG_UNSENT_MAX (256 << 10)

enum hold_state { HOLD_WAITING, HOLD_CONNECTING, HOLD_CONNECTED, HOLD_STATES };

struct hold {
	LIST_ENTRY(hold) bucket;
	TAILQ_ENTRY(hold) age;
	struct holds *holds;
	enum hold_state state;
	struct flow_key key;
	struct loop_source source; /* without a socket while it waits for the ports */
	struct loop_timer timer;
	uint64_t wait_until_ns;
};
TAILQ_HEAD(hold_queue, hold);

struct holds {
	struct worker *worker;
	struct flow_events *events;
	int ring_fd;
	struct loop_source source;
	struct hold_queue queues[HOLD_STATES]; /* oldest first */
	unsigned int n[HOLD_STATES];
	LIST_HEAD(, hold) buckets[HOLDS_BUCKETS];
};

static const unsigned int holds_max[HOLD_STATES] = {HOLDS_WAITING_MAX, HOLDS_CONNECTING_MAX, HOLDS_CONNECTED_MAX};

void leg_socket_prepare(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){LEG_UNSENT_MAX}, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
}

int leg_socket_connect(const struct flow_key *key)
{
	const struct sockaddr_in client = {
		.sin_family = AF_INET, .sin_addr.s_addr = key->client_ip, .sin_port = key->client_port};
	const struct sockaddr_in server = {
		.sin_family = AF_INET, .sin_addr.s_addr = key->server_ip, .sin_port = key->server_port};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	leg_socket_prepare(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
		setsockopt(fd, SOL_IP, IP_TRANSPARENT, &(int){1}, sizeof(int)) < 0 ||
		bind(fd, (const struct sockaddr *)&client, sizeof(client)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

static size_t hold_bucket(const struct flow_key *key)
{
	uint32_t h = key->client_ip * 0x9e3779b1u ^ key->server_ip * 0x85ebca6bu ^
		     ((uint32_t)key->client_port << 16 | key->server_port) * 0xc2b2ae35u;

	return (h ^ h >> 16) & (HOLDS_BUCKETS - 1);
}

static struct hold *hold_find(struct holds *holds, const struct flow_key *key)
{
	struct hold *hold;

	LIST_FOREACH (hold, &holds->buckets[hold_bucket(key)], bucket) {
		if (!memcmp(&hold->key, key, sizeof(*key)))
			return hold;
	}
	return NULL;
}

static void hold_enqueue(struct hold *hold, enum hold_state state)
{
	hold->state = state;
	hold->holds->n[state]++;
	TAILQ_INSERT_TAIL(&hold->holds->queues[state], hold, age);
}

static void hold_dequeue(struct hold *hold)
{
	hold->holds->n[hold->state]--;
	TAILQ_REMOVE(&hold->holds->queues[hold->state], hold, age);
}

/* its socket, now the caller's */
static int hold_free(struct hold *hold)
{
	struct loop *loop = hold->holds->worker->loop;
	int fd = hold->source.fd;

	loop_timer_disarm(loop, &hold->timer);
	loop_remove(loop, &hold->source);
	hold_dequeue(hold);
	LIST_REMOVE(hold, bucket);
	free(hold);
	return fd;
}

/* a connection that stood is reset, one under way is forgotten */
static void hold_give_up(struct hold *hold)
{
	if (hold->state == HOLD_CONNECTED)
		stats_add(hold->holds->worker->cells, COUNTER_HOLDS_ABANDONED, 1);
	close(hold_free(hold));
}

/* the server did not accept: counted and recorded as a session that never was */
static void hold_fail(struct hold *hold, int error)
{
	struct worker *worker = hold->holds->worker;
	struct flow_key key = hold->key;

	close(hold_free(hold));
	session_record_refused(worker, &key, error);
}

static void hold_on_timeout(struct loop_timer *timer)
{
	struct hold *hold = container_of(timer, struct hold, timer);

	if (hold->state == HOLD_CONNECTED)
		hold_give_up(hold);
	else
		hold_fail(hold, ETIMEDOUT);
}

static void hold_make_room(struct holds *holds, enum hold_state state)
{
	if (holds->n[state] >= holds_max[state])
		hold_give_up(TAILQ_FIRST(&holds->queues[state]));
}

static void hold_on_event(struct loop_source *source, uint32_t events)
{
	struct hold *hold = container_of(source, struct hold, source);
	int error = 0;
	socklen_t len = sizeof(error);

	if (hold->state == HOLD_CONNECTED) {
		if (events & EPOLLERR)
			hold_give_up(hold);
		return;
	}
	getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		hold_fail(hold, error);
		return;
	}
	if (!(events & EPOLLOUT))
		return;
	hold_make_room(hold->holds, HOLD_CONNECTED);
	hold_dequeue(hold);
	hold_enqueue(hold, HOLD_CONNECTED);
	loop_timer_arm(hold->holds->worker->loop, &hold->timer, HOLD_CLIENT_NS, hold_on_timeout);
}

static uint64_t hold_timeout_ns(const struct worker *worker)
{
	return worker->snapshots[0]->config->limits.handshake_timeout_seconds * NSEC_PER_SEC;
}

static bool ports_are_taken(int error)
{
	return error == -EADDRNOTAVAIL || error == -EADDRINUSE;
}

/* its connection is under way; takes fd over */
static int hold_watch(struct hold *hold, int fd)
{
	struct loop *loop = hold->holds->worker->loop;
	int r = loop_add(loop, &hold->source, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, hold_on_event);

	if (r < 0) {
		close(fd);
		return r;
	}
	hold_make_room(hold->holds, HOLD_CONNECTING);
	hold_enqueue(hold, HOLD_CONNECTING);
	loop_timer_arm(loop, &hold->timer, hold_timeout_ns(hold->holds->worker), hold_on_timeout);
	return 0;
}

static void hold_on_retry(struct loop_timer *timer)
{
	struct hold *hold = container_of(timer, struct hold, timer);
	struct loop *loop = hold->holds->worker->loop;
	int fd = leg_socket_connect(&hold->key);

	if (ports_are_taken(fd) && loop_now_ns(loop) < hold->wait_until_ns) {
		loop_timer_arm(loop, timer, HOLD_RETRY_NS, hold_on_retry);
		return;
	}
	if (fd < 0) {
		hold_fail(hold, -fd);
		return;
	}
	hold_dequeue(hold);
	if (hold_watch(hold, fd) < 0) {
		LIST_REMOVE(hold, bucket);
		free(hold); /* the client will ask again */
	}
}

static void hold_wait(struct hold *hold)
{
	struct loop *loop = hold->holds->worker->loop;

	stats_add(hold->holds->worker->cells, COUNTER_HOLDS_WAITED, 1);
	hold_make_room(hold->holds, HOLD_WAITING);
	hold_enqueue(hold, HOLD_WAITING);
	hold->wait_until_ns = loop_now_ns(loop) + HOLD_WAIT_NS;
	loop_timer_arm(loop, &hold->timer, HOLD_RETRY_NS, hold_on_retry);
}

static void hold_begin(struct holds *holds, const struct flow_key *key)
{
	struct worker *worker = holds->worker;
	struct hold *hold;
	int fd = leg_socket_connect(key);

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS) {
		/* the client hears nothing and asks again */
		worker->cells->closed[CLOSE_LIMIT]++;
		stats_add(worker->cells, COUNTER_SESSIONS_REFUSED_LIMIT, 1);
		return;
	}
	if (fd < 0 && !ports_are_taken(fd)) {
		session_record_refused(worker, key, -fd);
		return;
	}
	hold = calloc(1, sizeof(*hold));
	if (!hold) {
		close(fd);
		return; /* the client will ask again */
	}
	hold->holds = holds;
	hold->key = *key;
	hold->source.fd = -1;
	if (fd < 0) {
		hold_wait(hold);
	} else if (hold_watch(hold, fd) < 0) {
		free(hold);
		return;
	}
	LIST_INSERT_HEAD(&holds->buckets[hold_bucket(key)], hold, bucket);
}

static void holds_take_event(struct holds *holds, const struct flow_event *event)
{
	struct hold *hold = hold_find(holds, &event->key);

	if (hold && event->kind != FLOW_EVENT_AGAIN) {
		hold_give_up(hold); /* of an earlier flow with the same ports, or the client has gone */
		hold = NULL;
	}
	if (!hold && event->kind != FLOW_EVENT_GONE)
		hold_begin(holds, &event->key);
}

static void holds_on_ring(struct loop_source *source, uint32_t events)
{
	struct holds *holds = container_of(source, struct holds, source);
	struct flow_event event;

	for (unsigned int i = 0; i < HOLDS_EVENTS_BATCH && flow_events_next(holds->events, &event); i++)
		holds_take_event(holds, &event);
}

int holds_new(struct holds **out, struct worker *worker, int ring_fd)
{
	struct holds *holds = calloc(1, sizeof(*holds));
	int r = holds ? flow_events_map(&holds->events, ring_fd) : -ENOMEM;

	if (r < 0) {
		free(holds);
		close(ring_fd);
		return r;
	}
	holds->worker = worker;
	holds->ring_fd = ring_fd;
	holds->source.fd = -1;
	for (enum hold_state state = 0; state < HOLD_STATES; state++)
		TAILQ_INIT(&holds->queues[state]);
	*out = holds;
	return 0;
}

int holds_watch(struct holds *holds)
{
	if (holds->source.fd >= 0)
		return 0;
	return loop_add(holds->worker->loop, &holds->source, holds->ring_fd, EPOLLIN, holds_on_ring);
}

void holds_stop(struct holds *holds)
{
	if (holds->source.fd >= 0)
		loop_remove(holds->worker->loop, &holds->source);
	for (enum hold_state state = 0; state < HOLD_STATES; state++)
		while (!TAILQ_EMPTY(&holds->queues[state]))
			hold_give_up(TAILQ_FIRST(&holds->queues[state]));
}

void holds_free(struct holds **holds)
{
	if (!*holds)
		return;
	flow_events_unmap(&(*holds)->events);
	close((*holds)->ring_fd);
	free(TAKE_PTR(*holds));
}

int hold_take(struct holds *holds, const struct flow_key *key, bool *connected)
{
	struct hold *hold = hold_find(holds, key);

	if (!hold)
		return -1;
	*connected = hold->state == HOLD_CONNECTED;
	return hold_free(hold);
}
