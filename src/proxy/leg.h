/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One side of a session: a non-blocking socket with a TLS connection over it. All legs of a worker share one receive
 * buffer and one gathering send buffer (struct leg_io): records are read in large pieces and leave in one send per
 * pump, and an idle leg owns no buffer at all. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "tls/tls.h"

struct session;
struct leg;

#define LEG_INPUT_SIZE (64u << 10)
#define LEG_OUTPUT_SIZE (256u << 10)

struct leg_io {
	struct loop *loop;
	struct leg *gathering; /* whose ciphertext is in out; NULL: nobody's */
	size_t out_len;
	uint8_t in[LEG_INPUT_SIZE];
	uint8_t out[LEG_OUTPUT_SIZE];
};

enum leg_status {
	LEG_OK,
	LEG_AGAIN,  /* wait for an event */
	LEG_CLOSED, /* close_notify received */
	LEG_FIN,    /* TCP end of stream without close_notify */
	LEG_RESET,  /* the socket failed: leg->error */
	LEG_FAILED, /* TLS failed: tls_conn_error() */
};

struct leg {
	struct loop_source source;
	struct leg_io *io;
	struct session *session;
	struct tls_conn *tls;
	uint8_t *backlog; /* ciphertext that the socket did not take; NULL when there is none */
	size_t backlog_len, backlog_sent;
	int error; /* errno of the socket, 0 while it works */
	bool connected, readable, writable;
	bool reset;   /* the socket has failed; what came before may still be read */
	bool hang_up; /* a FIN waits behind the data that is left to read */
	bool fin_received, fin_sent, notify_received, notify_sent;
	bool spoke;       /* something went to the peer: it can no longer be handed to another */
	bool write_waits; /* for a renegotiation that reading completes */
	bool alert_sent;  /* the peer knows why: an orderly close follows */
};

extern const struct tls_callbacks leg_tls_callbacks; /* owner: the leg */

/* takes fd over; on failure it is closed. Its events run session_run(). */
int leg_open(struct leg *leg, struct leg_io *io, struct session *session, int fd, bool connected);
/* reset: the peer sees RST, nothing unsent is delivered; else an orderly close */
void leg_close(struct leg *leg, bool reset);
/* forgets TLS and what it had to say: from here on the leg is raw */
void leg_drop_tls(struct leg *leg);
/* reset or failed, with or without data left to read */
bool leg_is_broken(const struct leg *leg);

/* raw bytes, before TLS: as leg_read() */
enum leg_status leg_receive(struct leg *leg, uint8_t *buf, size_t size, size_t *n);
/* bytes before there is TLS: an alert in the clear */
void leg_send_clear(struct leg *leg, const uint8_t *data, size_t len);
/* On LEG_FAILED the engine's alert to a peer that has heard nothing yet is withheld: leg_flush() sends it. */
enum leg_status leg_handshake(struct leg *leg);
/* those that have not gone with data yet */
void leg_send_tickets(struct leg *leg);
/* after the handshake: LEG_OK when plaintext waits; tickets and alerts are read (tls_peek) */
enum leg_status leg_peek(struct leg *leg);
enum leg_status leg_read(struct leg *leg, uint8_t *buf, size_t size, size_t *n);
/* *n bytes taken; LEG_AGAIN when the leg is blocked */
enum leg_status leg_write(struct leg *leg, const uint8_t *data, size_t len, size_t *n);
/* sends what is gathered: LEG_OK when all is with the kernel */
enum leg_status leg_flush(struct leg *leg);
/* keeps unread input so that the shared buffer can serve another leg; to be called when done with a leg */
int leg_park(struct leg *leg);
/* after close_notify: discards input until the FIN. false: there is more, in another turn */
bool leg_discard_input(struct leg *leg);
/* passes on close_notify and FIN; LEG_OK when both are with the kernel */
enum leg_status leg_send_end(struct leg *leg, bool notify, bool fin);
