/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/leg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/common.h"
#include "proxy/session.h"

/* reads of input that nobody wants before other sessions get their turn */
#define LEG_DISCARD_BUDGET 16
#define LEG_READ_BUDGET 8

static bool leg_output(void *owner, const uint8_t *data, size_t len);
static void leg_on_key_ready(void *owner);

const struct tls_callbacks leg_tls_callbacks = {.output = leg_output, .on_key_ready = leg_on_key_ready};

static void leg_fail(struct leg *leg, int error)
{
	if (!leg->error)
		leg->error = error ? error : ECONNRESET;
	leg->writable = false;
}

/* what goes over the wire, decrypted or not */
static void leg_count(struct leg *leg, bool sent, size_t n)
{
	static const enum counter_id counters[LEGS][2] = {
		[LEG_CLIENT] = {COUNTER_BYTES_RECEIVED_CLIENT_LEG, COUNTER_BYTES_SENT_CLIENT_LEG},
		[LEG_SERVER] = {COUNTER_BYTES_RECEIVED_SERVER_LEG, COUNTER_BYTES_SENT_SERVER_LEG}};

	session_count(leg->session, counters[leg == &leg->session->legs[LEG_SERVER]][sent], n);
}

static int leg_socket_error(const struct leg *leg)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(leg->source.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error;
}

static void leg_on_event(struct loop_source *source, uint32_t events)
{
	struct leg *leg = container_of(source, struct leg, source);

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		leg->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP))
		leg->hang_up = true;
	if (events & EPOLLOUT) {
		leg->writable = true;
		if (!(events & EPOLLERR))
			leg->connected = true;
	}
	/* a peer's last words may wait in front of its reset: reading finds both, in order */
	if (events & EPOLLERR && leg->connected)
		leg->reset = true;
	else if (events & EPOLLERR)
		leg_fail(leg, leg_socket_error(leg));
	session_run(leg->session);
}

static void leg_on_key_ready(void *owner)
{
	struct leg *leg = owner;

	session_run(leg->session);
}

int leg_open(struct leg *leg, struct leg_io *io, struct session *session, int fd, bool connected)
{
	int r;

	leg->io = io;
	leg->session = session;
	leg->connected = leg->writable = connected;
	/* edge-triggered and never changed: one epoll_ctl per leg for its whole life */
	r = loop_add(io->loop, &leg->source, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, leg_on_event);
	if (r < 0) {
		close(fd);
		leg->source.fd = -1;
	}
	return r;
}

bool leg_is_broken(const struct leg *leg)
{
	return leg->error || leg->reset;
}

/* what a leg has gathered is of no use to its broken socket, and must not be taken for the next leg's */
static void leg_forget_gathered(struct leg *leg)
{
	if (leg->io->gathering != leg)
		return;
	leg->io->gathering = NULL;
	leg->io->out_len = 0;
}

void leg_drop_tls(struct leg *leg)
{
	leg_forget_gathered(leg);
	tls_conn_free(&leg->tls);
}

void leg_close(struct leg *leg, bool reset)
{
	int fd = leg->source.fd;

	if (leg->io)
		leg_forget_gathered(leg);
	tls_conn_free(&leg->tls);
	free(leg->backlog);
	leg->backlog = NULL;
	if (fd < 0)
		return;
	loop_forget(leg->io->loop, &leg->source);
	/* sockets carry SO_LINGER {1, 0} so that the death of the process resets both legs (A8) */
	if (!reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){0}, sizeof(struct linger));
	close(fd);
}

enum leg_status leg_receive(struct leg *leg, uint8_t *buf, size_t size, size_t *n)
{
	ssize_t got;

	if (leg->fin_received)
		return LEG_FIN;
	if (!leg->readable && !leg->error)
		return LEG_AGAIN;
	/* also after a failed send: what the peer said before it reset the connection says why */
	got = recv(leg->source.fd, buf, size, 0);
	if (leg->error && got <= 0)
		return LEG_RESET;
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		leg->readable = errno == EINTR;
		return LEG_AGAIN;
	}
	if (got < 0) {
		leg_fail(leg, errno);
		return LEG_RESET;
	}
	if (got == 0) {
		leg->fin_received = true;
		return LEG_FIN;
	}
	/* a short read empties the socket, unless a FIN whose edge has already been seen stands behind it */
	if ((size_t)got < size && !leg->hang_up)
		leg->readable = false;
	leg_count(leg, false, got);
	*n = got;
	return LEG_OK;
}

/* more ciphertext for the TLS connection, through the shared buffer */
static enum leg_status leg_refill(struct leg *leg)
{
	size_t n;
	enum leg_status status = leg_receive(leg, leg->io->in, sizeof(leg->io->in), &n);

	if (status == LEG_OK && tls_conn_feed(leg->tls, leg->io->in, n) < 0) {
		leg_fail(leg, ENOMEM);
		return LEG_RESET;
	}
	return status;
}

int leg_park(struct leg *leg)
{
	return leg->tls ? tls_conn_park(leg->tls) : 0;
}

bool leg_discard_input(struct leg *leg)
{
	size_t n;

	for (unsigned int turn = 0; turn < LEG_DISCARD_BUDGET; turn++)
		if (leg_receive(leg, leg->io->in, sizeof(leg->io->in), &n) != LEG_OK)
			return true;
	return false;
}

static enum leg_status leg_send_backlog(struct leg *leg)
{
	ssize_t sent;

	if (!leg->backlog)
		return LEG_OK;
	sent = send(
		leg->source.fd, leg->backlog + leg->backlog_sent, leg->backlog_len - leg->backlog_sent, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		leg_fail(leg, errno);
		return LEG_RESET;
	}
	sent = MAX(sent, 0);
	leg->backlog_sent += sent;
	leg_count(leg, true, sent);
	if (leg->backlog_sent < leg->backlog_len) {
		leg->writable = false;
		return LEG_AGAIN;
	}
	free(leg->backlog);
	leg->backlog = NULL;
	return LEG_OK;
}

static enum leg_status leg_keep_backlog(struct leg *leg, const uint8_t *data, size_t len)
{
	leg->backlog = malloc(len);
	if (!leg->backlog) {
		leg_fail(leg, ENOMEM);
		return LEG_RESET;
	}
	memcpy(leg->backlog, data, len);
	leg->backlog_len = len;
	leg->backlog_sent = 0;
	leg->writable = false;
	return LEG_AGAIN;
}

static enum leg_status leg_send_gathered(struct leg *leg)
{
	struct leg_io *io = leg->io;
	size_t len = io->out_len;
	ssize_t sent;

	if (io->gathering != leg)
		return LEG_OK;
	io->gathering = NULL;
	io->out_len = 0;
	if (!len)
		return LEG_OK;
	leg->spoke = true;
	sent = send(leg->source.fd, io->out, len, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		leg_fail(leg, errno);
		return LEG_RESET;
	}
	sent = MAX(sent, 0);
	leg_count(leg, true, sent);
	return (size_t)sent == len ? LEG_OK : leg_keep_backlog(leg, io->out + sent, len - sent);
}

enum leg_status leg_flush(struct leg *leg)
{
	enum leg_status status;

	if (leg->error) {
		leg_forget_gathered(leg);
		return LEG_RESET;
	}
	status = leg_send_backlog(leg);
	return status == LEG_OK ? leg_send_gathered(leg) : status;
}

static bool leg_output(void *owner, const uint8_t *data, size_t len)
{
	struct leg *leg = owner;
	struct leg_io *io = leg->io;

	if (len > sizeof(io->out))
		leg_fail(leg, EMSGSIZE); /* refused, it would come again for ever */
	if (leg->error)
		return true; /* nobody will read it: let the engine go on to its end */
	if (io->gathering && (io->gathering != leg || io->out_len + len > sizeof(io->out)))
		leg_flush(io->gathering);
	if (leg->error)
		return true;
	if (leg->backlog)
		return false;
	io->gathering = leg;
	memcpy(io->out + io->out_len, data, len);
	io->out_len += len;
	return true;
}

void leg_send_clear(struct leg *leg, const uint8_t *data, size_t len)
{
	leg_output(leg, data, len);
}

/* the engine's answer in the leg's terms, after an attempt to mend what it waits for. LEG_OK: call it again */
static enum leg_status leg_advance(struct leg *leg, enum tls_status status)
{
	switch (status) {
	case TLS_OK:
		return LEG_OK;
	case TLS_WANT_READ:
		return leg_refill(leg);
	case TLS_WANT_WRITE:
		return leg_flush(leg);
	case TLS_WANT_DRAIN:
	case TLS_WANT_KEY:
		return LEG_AGAIN;
	case TLS_CLOSED:
		leg->notify_received = true;
		return LEG_CLOSED;
	case TLS_FAILED:
		break;
	}
	return LEG_FAILED;
}

enum leg_status leg_handshake(struct leg *leg)
{
	for (;;) {
		enum tls_status tls = tls_handshake(leg->tls);
		enum leg_status status = leg_advance(leg, tls);

		if (status != LEG_FAILED || leg->spoke)
			leg_flush(leg);
		if (status != LEG_OK || tls == TLS_OK) {
			if (leg_park(leg) < 0)
				return LEG_FAILED;
			return status;
		}
	}
}

void leg_send_tickets(struct leg *leg)
{
	if (leg->tls)
		tls_send_tickets(leg->tls); /* refused output comes again with the next write */
	leg_flush(leg);
}

enum leg_status leg_peek(struct leg *leg)
{
	enum leg_status status = LEG_OK;
	enum tls_status tls = TLS_WANT_READ;

	for (unsigned int turn = 0; turn < LEG_READ_BUDGET && status == LEG_OK && tls != TLS_OK; turn++) {
		tls = tls_peek(leg->tls);
		status = leg_advance(leg, tls);
	}
	if (status == LEG_OK && tls != TLS_OK) {
		leg->session->again = true;
		status = LEG_AGAIN;
	}
	return leg_park(leg) < 0 ? LEG_FAILED : status;
}

/* tickets and key updates may come without end: other sessions get their turn in between */
enum leg_status leg_read(struct leg *leg, uint8_t *buf, size_t size, size_t *n)
{
	for (unsigned int turn = 0; turn < LEG_READ_BUDGET; turn++) {
		enum tls_status tls = tls_read(leg->tls, buf, size, n);
		enum leg_status status = leg_advance(leg, tls);

		if (leg->write_waits && !tls_conn_in_handshake(leg->tls)) {
			leg->write_waits = false;
			leg->session->again = true;
		}
		if (status != LEG_OK || tls == TLS_OK)
			return status;
	}
	leg->session->again = true;
	return LEG_AGAIN;
}

/* A renegotiation is under way (D7). Not to be read for here: the shared buffer may hold what the other leg has yet to
 * take. */
static enum leg_status leg_wait_for_handshake(struct leg *leg)
{
	leg->write_waits = true;
	return LEG_AGAIN;
}

enum leg_status leg_write(struct leg *leg, const uint8_t *data, size_t len, size_t *n)
{
	*n = 0;
	while (*n < len) {
		size_t taken = 0;
		enum tls_status tls = tls_write(leg->tls, data + *n, len - *n, &taken);
		enum leg_status status = tls == TLS_WANT_READ ? leg_wait_for_handshake(leg) : leg_advance(leg, tls);

		*n += taken;
		if (status != LEG_OK)
			return status;
	}
	return LEG_OK;
}

enum leg_status leg_send_end(struct leg *leg, bool notify, bool fin)
{
	enum leg_status status = LEG_OK;

	if (notify && !leg->notify_sent) {
		enum tls_status tls = tls_close(leg->tls);

		if (tls == TLS_WANT_READ)
			return leg_wait_for_handshake(leg);
		if (tls == TLS_WANT_WRITE)
			return leg_flush(leg) == LEG_RESET ? LEG_RESET : LEG_AGAIN;
		leg->notify_sent = true;
	}
	status = leg_flush(leg);
	if (status == LEG_OK && fin && !leg->fin_sent) {
		shutdown(leg->source.fd, SHUT_WR);
		leg->fin_sent = true;
	}
	return status;
}
