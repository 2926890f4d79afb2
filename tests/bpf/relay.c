/* SPDX-License-Identifier: Apache-2.0 */
#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "dataplane/dataplane.h"
#include "proxy/flow_events.h"

#define BUFFER 65536
#define BEAT_MS 20
#define HOLDS 256

struct leg {
	struct connection *connection;
	int fd;
	bool connected, ended, shut; /* read to its end; write side closed */
	size_t head, tail;
	uint8_t data[BUFFER]; /* read here, not yet written to the other leg */
};

struct connection {
	struct leg legs[2]; /* client, server */
	struct connection *next_dead;
	bool dead;
};

static int relay_socket(void)
{
	const struct linger reset = {1, 0}; /* a death resets both legs at once */
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

int relay_listen(unsigned int slot)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(DATAPLANE_LISTEN_PORT),
		.sin_addr.s_addr = htonl(DATAPLANE_LISTEN_NET + slot + 1)};
	int fd = relay_socket();

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static struct connection *dead;

static void relay_end(struct connection *c)
{
	const struct linger gentle = {0, 0};
	bool clean = c->legs[0].shut && c->legs[1].shut;

	if (c->dead)
		return;
	for (int i = 0; i < 2; i++) {
		if (clean)
			setsockopt(c->legs[i].fd, SOL_SOCKET, SO_LINGER, &gentle, sizeof(gentle));
		close(c->legs[i].fd);
	}
	c->dead = true;
	c->next_dead = dead;
	dead = c;
}

/* true while there is something to do at once; from → to */
static bool relay_step(struct leg *from, struct leg *to)
{
	ssize_t n;

	if (from->head == from->tail && !from->ended) {
		n = read(from->fd, from->data, BUFFER);
		if (n < 0 && errno != EAGAIN)
			relay_end(from->connection);
		if (n < 0)
			return false;
		from->ended = n == 0;
		from->head = 0;
		from->tail = n;
	}
	if (from->head == from->tail) {
		if (!to->shut && shutdown(to->fd, SHUT_WR) == 0)
			to->shut = true;
		return false;
	}
	n = write(to->fd, from->data + from->head, from->tail - from->head);
	if (n < 0 && errno != EAGAIN)
		relay_end(from->connection);
	if (n > 0)
		from->head += n;
	return n > 0;
}

static void relay_pump(struct connection *c)
{
	if (!c->legs[1].connected)
		return;
	for (int i = 0; i < 2; i++)
		while (!c->dead && relay_step(&c->legs[i], &c->legs[!i]))
			;
	if (c->legs[0].shut && c->legs[1].shut)
		relay_end(c);
}

/* --- held SYNs: a connection to the server per event, taken when the client has been accepted
 * --------------------------- */
static struct hold {
	struct flow_key key;
	int fd;
} holds[HOLDS];

static int server_connect(const struct flow_key *key)
{
	const struct sockaddr_in client = {
		.sin_family = AF_INET, .sin_addr.s_addr = key->client_ip, .sin_port = key->client_port};
	const struct sockaddr_in server = {
		.sin_family = AF_INET, .sin_addr.s_addr = key->server_ip, .sin_port = key->server_port};
	int fd = relay_socket();

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&client, sizeof(client)) == 0 &&
		(connect(fd, (const struct sockaddr *)&server, sizeof(server)) == 0 || errno == EINPROGRESS))
		return fd;
	fprintf(stderr, "relay: server leg: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static struct hold *hold_find(const struct flow_key *key)
{
	for (size_t i = 0; i < HOLDS; i++)
		if (holds[i].fd > 0 && !memcmp(&holds[i].key, key, sizeof(*key)))
			return &holds[i];
	return NULL;
}

static int hold_take(const struct flow_key *key)
{
	struct hold *hold = hold_find(key);
	int fd = hold ? hold->fd : -1;

	if (hold)
		hold->fd = 0;
	return fd;
}

static void relay_hold(const struct flow_event *event)
{
	static size_t next;
	struct hold *hold = &holds[next++ % HOLDS];

	if (event->kind == FLOW_EVENT_AGAIN && hold_find(&event->key))
		return;
	close(hold_take(&event->key));
	if (event->kind == FLOW_EVENT_GONE)
		return;
	if (hold->fd > 0)
		close(hold->fd);
	hold->key = event->key;
	hold->fd = server_connect(&event->key);
}

static void relay_accept(int epoll, int listener)
{
	struct sockaddr_in client, server;
	socklen_t length = sizeof(client);
	int fd = accept4(listener, (struct sockaddr *)&client, &length, SOCK_NONBLOCK), out;
	struct connection *c;
	struct flow_key key;

	if (fd < 0)
		return;
	length = sizeof(server);
	getsockname(fd, (struct sockaddr *)&server, &length);
	key = (struct flow_key){client.sin_addr.s_addr, server.sin_addr.s_addr, client.sin_port, server.sin_port};
	out = hold_take(&key);
	if (out < 0)
		out = server_connect(&key);
	if (out < 0) {
		close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	for (int i = 0; i < 2; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &c->legs[i]};

		c->legs[i].connection = c;
		c->legs[i].fd = i ? out : fd;
		epoll_ctl(epoll, EPOLL_CTL_ADD, c->legs[i].fd, &event);
	}
	c->legs[0].connected = true;
}

static void relay_event(struct leg *leg, uint32_t events)
{
	if (leg->connection->dead)
		return;
	if (events & EPOLLERR)
		return relay_end(leg->connection);
	if (events & EPOLLOUT)
		leg->connected = true;
	relay_pump(leg->connection);
}

static void relay_bury(void)
{
	while (dead) {
		struct connection *c = dead;

		dead = c->next_dead;
		free(c);
	}
}

_Noreturn void relay_run(int listener, int ring, volatile struct wire_heartbeat *beat)
{
	static int ring_mark;
	struct flow_events *flow_events = NULL;
	struct flow_event event_of_flow;
	struct epoll_event ring_event = {.events = EPOLLIN, .data.ptr = &ring_mark};
	struct epoll_event events[64], event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (flow_events_map(&flow_events, ring) < 0)
		abort();
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	epoll_ctl(epoll, EPOLL_CTL_ADD, ring, &ring_event);
	for (;;) {
		int n = epoll_wait(epoll, events, ARRAY_SIZE(events), BEAT_MS);

		beat->ns = clock_now_ns();
		while (flow_events_next(flow_events, &event_of_flow))
			relay_hold(&event_of_flow);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &ring_mark)
				continue;
			if (events[i].data.ptr)
				relay_event(events[i].data.ptr, events[i].events);
			else
				relay_accept(epoll, listener);
		}
		relay_bury();
	}
}
