/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog over TLS (RFC 5425, GnuTLS) and over TCP (RFC 6587 section 3.4.1): for receivers without RELP (G9). */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/common.h"
#include "relp/sender_kind.h"

#define SYSLOG_ACK_POLL_MS 2

struct syslog {
	int fd;
	gnutls_certificate_credentials_t credentials; /* NULL without TLS */
	gnutls_session_t session;
	uint64_t written;             /* bytes given to TCP */
	uint64_t ends[SENDER_WINDOW]; /* a ring: where each of the newest messages ended in them */
	unsigned int first, n;
};

static int syslog_fail(struct sender *sender, const char *what, const char *why)
{
	snprintf(sender->error, sizeof(sender->error), "%s: %s", what, why);
	return -EIO;
}

/* --- GnuTLS ------------------------------------------------------------------------------------------------------- */

static ssize_t syslog_push(gnutls_transport_ptr_t data, const void *bytes, size_t len)
{
	struct syslog *syslog = data;
	ssize_t n = send(syslog->fd, bytes, len, MSG_NOSIGNAL);

	if (n > 0)
		syslog->written += (uint64_t)n;
	return n;
}

static ssize_t syslog_pull(gnutls_transport_ptr_t data, void *bytes, size_t len)
{
	return recv(((struct syslog *)data)->fd, bytes, len, 0);
}

static int syslog_pull_timeout(gnutls_transport_ptr_t data, unsigned int ms)
{
	struct pollfd poll_fd = {.fd = ((struct syslog *)data)->fd, .events = POLLIN};

	return poll(&poll_fd, 1, (int)ms);
}

static int syslog_load(struct sender *sender, struct syslog *syslog)
{
	const char *ca = sender->settings->credential[SENDER_CA];
	const char *certificate = sender->settings->credential[SENDER_CERTIFICATE];
	int r = gnutls_certificate_allocate_credentials(&syslog->credentials);

	if (r >= 0)
		r = gnutls_certificate_set_x509_trust_file(syslog->credentials, ca, GNUTLS_X509_FMT_PEM);
	if (r == 0)
		r = GNUTLS_E_NO_CERTIFICATE_FOUND;
	if (r >= 0 && *certificate)
		r = gnutls_certificate_set_x509_key_file(syslog->credentials, certificate,
			sender->settings->credential[SENDER_KEY], GNUTLS_X509_FMT_PEM);
	return r < 0 ? syslog_fail(sender, "the target's credentials cannot be read", gnutls_strerror(r)) : 0;
}

static const char *syslog_why(struct syslog *syslog, int code)
{
	static gnutls_datum_t text;

	if (code != GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		return gnutls_strerror(code);
	gnutls_free(text.data);
	text.data = NULL;
	if (gnutls_certificate_verification_status_print(
		    gnutls_session_get_verify_cert_status(syslog->session), GNUTLS_CRT_X509, &text, 0) < 0)
		return gnutls_strerror(code);
	return (const char *)text.data;
}

static int syslog_handshake(struct sender *sender, struct syslog *syslog, const char *peer)
{
	struct in6_addr address;
	int r = gnutls_init(&syslog->session, GNUTLS_CLIENT);

	if (r >= 0)
		r = gnutls_priority_set_direct(syslog->session, "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1", NULL);
	if (r >= 0)
		r = gnutls_credentials_set(syslog->session, GNUTLS_CRD_CERTIFICATE, syslog->credentials);
	/* RFC 6066 section 3: names only */
	if (r >= 0 && inet_pton(AF_INET, peer, &address) != 1 && inet_pton(AF_INET6, peer, &address) != 1)
		r = gnutls_server_name_set(syslog->session, GNUTLS_NAME_DNS, peer, strlen(peer));
	if (r < 0)
		return syslog_fail(sender, "TLS", gnutls_strerror(r));
	gnutls_session_set_verify_cert(syslog->session, peer, 0);
	gnutls_transport_set_ptr(syslog->session, syslog);
	gnutls_transport_set_push_function(syslog->session, syslog_push);
	gnutls_transport_set_pull_function(syslog->session, syslog_pull);
	gnutls_transport_set_pull_timeout_function(syslog->session, syslog_pull_timeout);
	gnutls_handshake_set_timeout(syslog->session, SENDER_TIMEOUT_S * 1000);
	do
		r = gnutls_handshake(syslog->session);
	while (r < 0 && !gnutls_error_is_fatal(r) && r != GNUTLS_E_AGAIN);
	return r < 0 ? syslog_fail(sender, "TLS handshake", syslog_why(syslog, r)) : 0;
}

/* --- TCP ---------------------------------------------------------------------------------------------------------- */

static void syslog_drop(struct syslog *syslog)
{
	if (syslog->session)
		gnutls_deinit(syslog->session);
	syslog->session = NULL;
	cleanup_close(&syslog->fd);
	syslog->written = 0;
	syslog->first = syslog->n = 0;
}

static int syslog_connect_to(const struct addrinfo *address)
{
	const struct timeval patience = {.tv_sec = SENDER_TIMEOUT_S}; /* of connect() too (socket(7)) */
	const unsigned int user_timeout_ms = SENDER_TIMEOUT_S * 1000;
	const int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms));
	if (!connect(fd, address->ai_addr, address->ai_addrlen))
		return fd;
	err = errno == EINPROGRESS ? ETIMEDOUT : errno;
	close(fd);
	return -err;
}

static int syslog_open(struct sender *sender, const char *host)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int fd = -1, r = getaddrinfo(host, sender->settings->port, &hints, &found);

	if (r)
		return syslog_fail(sender, host, gai_strerror(r));
	for (const struct addrinfo *address = found; address && fd < 0; address = address->ai_next)
		fd = syslog_connect_to(address);
	freeaddrinfo(found);
	return fd < 0 ? syslog_fail(sender, "cannot connect", strerror(-fd)) : fd;
}

/* waits until TCP has the receiver's word for everything up to `end` */
static int syslog_wait_acknowledged(struct sender *sender, struct syslog *syslog, uint64_t end)
{
	uint64_t deadline = clock_now_ns() + SENDER_TIMEOUT_S * NSEC_PER_SEC;
	int queued;

	for (;;) {
		struct pollfd poll_fd = {.fd = syslog->fd};

		if (ioctl(syslog->fd, SIOCOUTQ, &queued) < 0)
			return syslog_fail(sender, "cannot ask TCP", strerror(errno));
		if (syslog->written - (uint64_t)queued >= end)
			return 0;
		if (clock_now_ns() > deadline)
			return syslog_fail(sender, "cannot send", "the receiver does not answer");
		if (poll(&poll_fd, 1, SYSLOG_ACK_POLL_MS) > 0)
			return syslog_fail(sender, "cannot send", "the receiver has closed the connection");
	}
}

static int syslog_write(struct sender *sender, struct syslog *syslog, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = syslog->session ? gnutls_record_send(syslog->session, bytes, len)
					    : syslog_push(syslog, bytes, len);

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (syslog->session ? n != GNUTLS_E_INTERRUPTED : errno != EINTR) {
			return syslog_fail(
				sender, "cannot send", syslog->session ? gnutls_strerror((int)n) : strerror(errno));
		}
	}
	return 0;
}

/* a receiver says nothing but that it goes: what is sent after that is lost */
static int syslog_check_open(struct sender *sender, struct syslog *syslog)
{
	struct pollfd poll_fd = {.fd = syslog->fd, .events = POLLRDHUP};

	if (poll(&poll_fd, 1, 0) > 0)
		return syslog_fail(sender, "cannot send", "the receiver has closed the connection");
	return 0;
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

static int syslog_start(struct sender *sender)
{
	struct syslog *syslog = calloc(1, sizeof(*syslog));

	if (!syslog)
		return -ENOMEM;
	syslog->fd = -1;
	sender->data = syslog;
	return 0;
}

static void syslog_end(struct sender *sender)
{
	struct syslog *syslog = sender->data;

	syslog_drop(syslog);
	if (syslog->credentials)
		gnutls_certificate_free_credentials(syslog->credentials);
	free(syslog);
	sender->data = NULL;
}

static int syslog_connect(struct sender *sender, const char *host)
{
	struct syslog *syslog = sender->data;
	int err = sender_has_tls(sender) && !syslog->credentials ? syslog_load(sender, syslog) : 0;

	if (!err) {
		syslog->fd = syslog_open(sender, host);
		err = syslog->fd < 0 ? syslog->fd : 0;
	}
	if (!err && sender_has_tls(sender))
		err = syslog_handshake(sender, syslog, sender_peer(sender, host));
	if (err)
		syslog_drop(syslog);
	return err;
}

static int syslog_send(struct sender *sender, const char *message, size_t len)
{
	struct syslog *syslog = sender->data;
	char count[24];
	int n = snprintf(count, sizeof(count), "%zu ", len), err = syslog_check_open(sender, syslog);

	if (!err)
		err = syslog_write(sender, syslog, count, (size_t)n);
	if (!err)
		err = syslog_write(sender, syslog, message, len);
	if (err)
		return err;
	if (syslog->n == SENDER_WINDOW) {
		err = syslog_wait_acknowledged(sender, syslog, syslog->ends[syslog->first]);
		syslog->first = (syslog->first + 1) % SENDER_WINDOW;
		syslog->n--;
	}
	syslog->ends[(syslog->first + syslog->n++) % SENDER_WINDOW] = syslog->written;
	return err;
}

/* the receiver has all of it, and closes when it has read our end */
static int syslog_close(struct sender *sender)
{
	struct syslog *syslog = sender->data;
	int err = syslog_wait_acknowledged(sender, syslog, syslog->written);
	char rest[256];

	if (!err && syslog->session)
		gnutls_bye(syslog->session, GNUTLS_SHUT_WR);
	if (!err && shutdown(syslog->fd, SHUT_WR) < 0)
		err = syslog_fail(sender, "no orderly end of the session", strerror(errno));
	while (!err) {
		ssize_t n = recv(syslog->fd, rest, sizeof(rest), 0);

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			err = syslog_fail(sender, "no orderly end of the session", strerror(errno));
	}
	syslog_drop(syslog);
	return err;
}

const struct sender_kind sender_kind_syslog = {syslog_start, syslog_end, syslog_connect, syslog_send, syslog_close};
