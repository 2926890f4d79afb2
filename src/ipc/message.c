/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/message.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/common.h"

#define IPC_HEADER 4

/* jansson would open /dev/urandom for its hash seed at the first object, which a sandboxed process may not */
__attribute__((constructor)) static void ipc_seed_json(void)
{
	size_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		json_object_seed(seed ? seed : 1);
}

/* room for what a frame may carry; a peer that sends more is cut off by the kernel (MSG_CTRUNC) */
union ipc_control {
	char bytes[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	struct cmsghdr align;
};

/* the frame being received and the descriptors that came with it */
struct ipc_frame {
	int fd;
	uint8_t header[IPC_HEADER];
	int fds[IPC_FDS_MAX];
	size_t n_fds;
};

static void ipc_close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void ipc_frame_clear(struct ipc_frame *frame)
{
	ipc_close_fds(frame->fds, frame->n_fds);
	frame->n_fds = 0;
}

/* 0 when ready, -ETIMEDOUT, or -errno; a signal does not lengthen the wait */
static int ipc_wait(int fd, short events, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	uint64_t end = clock_now_ns() + MAX(timeout_ms, 0) * NSEC_PER_MSEC;
	int n;

	while ((n = poll(&pfd, 1, timeout_ms)) < 0) {
		uint64_t now = clock_now_ns();

		if (errno != EINTR)
			return -errno;
		if (timeout_ms > 0)
			timeout_ms = now < end ? (int)((end - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) : 0;
	}
	return n ? 0 : -ETIMEDOUT;
}

static void ipc_advance(struct msghdr *msg, size_t n)
{
	while (msg->msg_iovlen && n >= msg->msg_iov->iov_len) {
		n -= msg->msg_iov->iov_len;
		msg->msg_iov++;
		msg->msg_iovlen--;
	}
	if (msg->msg_iovlen) {
		msg->msg_iov->iov_base = (char *)msg->msg_iov->iov_base + n;
		msg->msg_iov->iov_len -= n;
	}
}

/* timeout_ms is for the whole message; -1: none */
static int ipc_send_all(int fd, struct msghdr *msg, int timeout_ms)
{
	uint64_t end = clock_now_ns() + MAX(timeout_ms, 0) * NSEC_PER_MSEC;

	while (msg->msg_iovlen) {
		ssize_t n = sendmsg(fd, msg, MSG_NOSIGNAL | (timeout_ms < 0 ? 0 : MSG_DONTWAIT));

		if (n < 0 && errno == EAGAIN) {
			uint64_t now = clock_now_ns();
			int left = now < end ? (int)((end - now) / NSEC_PER_MSEC) + 1 : 0;
			int err = ipc_wait(fd, POLLOUT, timeout_ms < 0 ? -1 : left);

			if (err)
				return err;
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		} else if (n > 0) {
			/* the descriptors left with the first byte */
			msg->msg_control = NULL;
			msg->msg_controllen = 0;
			ipc_advance(msg, n);
		}
	}
	return 0;
}

static void ipc_attach_fds(struct msghdr *msg, union ipc_control *control, const int *fds, size_t n)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	msg->msg_control = control->bytes;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * n);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
}

int ipc_send(int fd, const json_t *message, const int *fds, size_t n_fds)
{
	return ipc_send_within(fd, message, fds, n_fds, -1);
}

int ipc_encode(const json_t *message, char **frame, size_t *len)
{
	size_t n = json_dumpb(message, NULL, 0, JSON_COMPACT);
	_cleanup_free_ char *bytes = NULL;

	if (!n || n > IPC_MESSAGE_MAX)
		return n ? -EMSGSIZE : -EINVAL;
	bytes = malloc(IPC_HEADER + n);
	if (!bytes || json_dumpb(message, bytes + IPC_HEADER, n, JSON_COMPACT) != n)
		return -ENOMEM;
	for (unsigned int i = 0; i < IPC_HEADER; i++)
		bytes[i] = (char)(n >> 8 * i);
	*len = IPC_HEADER + n;
	*frame = TAKE_PTR(bytes);
	return 0;
}

int ipc_send_within(int fd, const json_t *message, const int *fds, size_t n_fds, int timeout_ms)
{
	_cleanup_free_ char *text = json_dumps(message, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	uint8_t header[IPC_HEADER] = {len, len >> 8, len >> 16, len >> 24};
	struct iovec iov[] = {{header, sizeof(header)}, {text, len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
	union ipc_control control;

	if (!text)
		return -EINVAL;
	if (len > IPC_MESSAGE_MAX || n_fds > IPC_FDS_MAX)
		return -EMSGSIZE;
	if (n_fds)
		ipc_attach_fds(&msg, &control, fds, n_fds);
	return ipc_send_all(fd, &msg, timeout_ms);
}

/* Takes the descriptors of one recvmsg(); those beyond IPC_FDS_MAX of a frame are closed. */
static void ipc_frame_take_fds(struct ipc_frame *frame, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (frame->n_fds < IPC_FDS_MAX)
				frame->fds[frame->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

/* one read of the header, with whatever descriptors came along: bytes, 0 at the end, -errno (-EAGAIN: nothing there) */
static ssize_t ipc_frame_read_header(struct ipc_frame *frame, size_t have)
{
	struct iovec iov = {frame->header + have, sizeof(frame->header) - have};
	union ipc_control control;
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(frame->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	ipc_frame_take_fds(frame, &msg);
	return msg.msg_flags & MSG_CTRUNC ? -EPROTO : n;
}

static int ipc_frame_header(struct ipc_frame *frame, int timeout_ms)
{
	for (size_t have = 0; have < sizeof(frame->header);) {
		ssize_t n = ipc_frame_read_header(frame, have);
		int err = 0;

		if (n == 0)
			return have ? -EPROTO : -ECONNRESET;
		if (n > 0)
			have += n;
		else if (n == -EAGAIN)
			err = ipc_wait(frame->fd, POLLIN, have ? IPC_STALL_MS : timeout_ms);
		else if (n != -EINTR)
			return n;
		if (err)
			return have && err == -ETIMEDOUT ? -EPROTO : err;
	}
	return 0;
}

/* Descriptors may come with a frame's first byte only: plain recv() makes the kernel drop others. */
static int ipc_frame_body(struct ipc_frame *frame, char *text, size_t len)
{
	for (size_t have = 0; have < len;) {
		ssize_t n = recv(frame->fd, text + have, len - have, MSG_DONTWAIT);
		int err = 0;

		if (n == 0)
			return -EPROTO;
		if (n > 0)
			have += n;
		else if (errno == EAGAIN)
			err = ipc_wait(frame->fd, POLLIN, IPC_STALL_MS);
		else if (errno != EINTR)
			return -errno;
		if (err)
			return err == -ETIMEDOUT ? -EPROTO : err;
	}
	return 0;
}

static size_t ipc_frame_len(const struct ipc_frame *frame)
{
	const uint8_t *h = frame->header;

	return h[0] | (size_t)h[1] << 8 | (size_t)h[2] << 16 | (size_t)h[3] << 24;
}

static int ipc_parse(const char *text, size_t len, json_t **message)
{
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(json)) {
		json_decref(json);
		return -EPROTO;
	}
	*message = json;
	return 0;
}

static int ipc_frame_message(struct ipc_frame *frame, json_t **message)
{
	size_t len = ipc_frame_len(frame);
	_cleanup_free_ char *text = NULL;
	int err;

	if (!len || len > IPC_MESSAGE_MAX)
		return -EPROTO;
	text = malloc(len);
	if (!text)
		return -ENOMEM;
	err = ipc_frame_body(frame, text, len);
	return err ? err : ipc_parse(text, len, message);
}

/* hands the descriptors to the caller as far as there is room */
static void ipc_frame_give_fds(struct ipc_frame *frame, int *fds, size_t *n_fds)
{
	size_t n = fds && n_fds ? MIN(*n_fds, frame->n_fds) : 0;

	if (n)
		memcpy(fds, frame->fds, n * sizeof(*fds));
	ipc_close_fds(frame->fds + n, frame->n_fds - n);
	frame->n_fds = 0;
	if (n_fds)
		*n_fds = n;
}

int ipc_recv(int fd, int timeout_ms, json_t **message, int *fds, size_t *n_fds)
{
	_cleanup_(ipc_frame_clear) struct ipc_frame frame = {.fd = fd};
	int err = ipc_frame_header(&frame, timeout_ms);

	if (!err)
		err = ipc_frame_message(&frame, message);
	if (!err)
		ipc_frame_give_fds(&frame, fds, n_fds);
	else if (n_fds)
		*n_fds = 0;
	return err;
}

/* --- without waiting -------------------------------------------------------------------------------------------- */

static int receiver_header(struct ipc_receiver *receiver)
{
	while (receiver->have < IPC_HEADER) {
		ssize_t n = ipc_frame_read_header(receiver->frame, receiver->have);

		if (n == 0)
			return receiver->have ? -EPROTO : -ECONNRESET;
		if (n > 0)
			receiver->have += n;
		else if (n != -EINTR)
			return n;
	}
	return 0;
}

static int receiver_body(struct ipc_receiver *receiver, size_t len)
{
	while (receiver->have < IPC_HEADER + len) {
		size_t done = receiver->have - IPC_HEADER;
		ssize_t n = recv(receiver->frame->fd, receiver->text + done, len - done, MSG_DONTWAIT);

		if (n == 0)
			return -EPROTO;
		if (n > 0)
			receiver->have += n;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int receiver_message(struct ipc_receiver *receiver, json_t **message)
{
	int err = receiver_header(receiver);
	size_t len;

	if (err)
		return err;
	len = ipc_frame_len(receiver->frame);
	if (!len || len > IPC_MESSAGE_MAX)
		return -EPROTO;
	if (!receiver->text && !(receiver->text = malloc(len)))
		return -ENOMEM;
	err = receiver_body(receiver, len);
	return err ? err : ipc_parse(receiver->text, len, message);
}

int ipc_receive(struct ipc_receiver *receiver, int fd, json_t **message, int *fds, size_t *n_fds)
{
	int err;

	if (!receiver->frame && !(receiver->frame = calloc(1, sizeof(*receiver->frame))))
		return -ENOMEM;
	receiver->frame->fd = fd;
	err = receiver_message(receiver, message);
	if (err) {
		if (n_fds)
			*n_fds = 0;
		return err;
	}
	ipc_frame_give_fds(receiver->frame, fds, n_fds);
	free(TAKE_PTR(receiver->text));
	receiver->have = 0;
	return 0;
}

void ipc_receiver_clear(struct ipc_receiver *receiver)
{
	if (receiver->frame)
		ipc_frame_clear(receiver->frame);
	free(receiver->frame);
	free(receiver->text);
	*receiver = (struct ipc_receiver){0};
}

int ipc_pair(int out[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out) < 0 ? -errno : 0;
}
