/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Framed JSON messages with descriptors over a Unix stream socket: CLI <-> supervisor <-> children.
 * A frame is a 4-byte little-endian length (of the JSON text, at most IPC_MESSAGE_MAX) and the text; descriptors
 * travel with the frame's first byte. */
#include <jansson.h>
#include <stddef.h>

#define IPC_MESSAGE_MAX (64u << 20)
#define IPC_FDS_MAX 250 /* the kernel takes 253 */
#define IPC_STALL_MS 10000

/* Blocking send of one message; fds stay the caller's. 0 or -errno (-EPIPE when the peer is gone, never a signal). */
int ipc_send(int fd, const json_t *message, const int *fds, size_t n_fds);
/* As ipc_send(), for a peer that may not be reading: -ETIMEDOUT when it has not taken all within timeout_ms. After that
 * the stream may have lost its framing: close it. */
int ipc_send_within(int fd, const json_t *message, const int *fds, size_t n_fds, int timeout_ms);
/* the frame of a message without descriptors, for a sender that queues it itself; *frame is malloc'ed, the caller's */
int ipc_encode(const json_t *message, char **frame, size_t *len);
/* Blocking receive with timeout_ms (-1: forever): 0, -ETIMEDOUT, -ECONNRESET at end of stream, -EPROTO on a bad
 * frame. *message, always an object, is the caller's (json_decref), so are the descriptors: *n_fds holds room before,
 * count after; descriptors beyond the room are closed. fds and n_fds may be NULL.
 * The timeout is for the frame's first byte, so that 0 after epoll never cuts a frame in two; a peer that stalls within
 * a frame for IPC_STALL_MS is -EPROTO. After any error but -ETIMEDOUT the stream has lost its framing: close it. */
int ipc_recv(int fd, int timeout_ms, json_t **message, int *fds, size_t *n_fds);

/* Receiving without ever waiting, for a loop with peers that it does not trust: call it whenever fd is readable.
 * -EAGAIN until a message is whole; else as ipc_recv(), -ECONNRESET and -EPROTO included. Zeroed before its first use;
 * ipc_receiver_clear() also closes descriptors of a frame that never became whole. */
struct ipc_receiver {
	struct ipc_frame *frame;
	char *text;
	size_t have; /* bytes of header and text */
};
int ipc_receive(struct ipc_receiver *receiver, int fd, json_t **message, int *fds, size_t *n_fds);
void ipc_receiver_clear(struct ipc_receiver *receiver);

/* pair of connected stream sockets, close-on-exec */
int ipc_pair(int out[2]);
