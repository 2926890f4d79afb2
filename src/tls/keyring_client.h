/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The worker's end of the key ring (ipc/keyring.h). Nothing that the keeper writes is trusted: indices and lengths are
 * read once and checked, and which slot belongs to whom is kept in the worker's own memory. */
#include <sys/queue.h>

#include "base/common.h"
#include "ipc/keyring.h"

struct keyring_client;

enum keyring_request_state {
	KEYRING_REQUEST_IDLE,
	KEYRING_REQUEST_IN_FLIGHT, /* the keeper has it */
	KEYRING_REQUEST_READY,     /* answered; the slot is held until the answer is taken */
	KEYRING_REQUEST_FAILED,    /* its ring is gone */
};

/* One operation, embedded in its owner; zeroed at first. done is called once, from keyring_client_poll() or
 * keyring_client_set_ring(), and may free the owner (which cancels). */
struct keyring_request {
	LIST_ENTRY(keyring_request) link; /* while FAILED and not yet told */
	void (*done)(struct keyring_request *request);
	uint16_t slot;
	uint8_t state; /* enum keyring_request_state */
	bool untold;   /* on the list of failed requests */
};

int keyring_client_new(struct keyring_client **out);
void keyring_client_free(struct keyring_client **client);
/* Takes another ring (fd -1: none). Requests of the old one fail. The descriptors stay the caller's; response_eventfd
 * is made non-blocking. -errno leaves the client without a ring. */
int keyring_client_set_ring(struct keyring_client *client, int ring_fd, int request_eventfd, int response_eventfd);

/* false: without a ring there is no keeper to ask */
bool keyring_client_connected(const struct keyring_client *client);
/* 0; -ENOTCONN without a ring, -EAGAIN when all slots are taken, -EMSGSIZE, -EBUSY when request is under way */
int keyring_client_submit(struct keyring_client *client, struct keyring_request *request, enum keyring_op op,
	uint64_t key_id, uint16_t algorithm, struct span input);
/* Copies the answer of a READY request and ends it: 0 and *len; -EIO when the keeper reported a failure, -EPROTO when
 * its answer does not fit. -EAGAIN while the keeper has the request. */
int keyring_client_take(
	struct keyring_client *client, struct keyring_request *request, uint8_t *out, size_t size, size_t *len);
/* the owner gives up; a slot that the keeper still works on is freed when its answer comes */
void keyring_client_cancel(struct keyring_client *client, struct keyring_request *request);

/* after response_eventfd became readable */
void keyring_client_poll(struct keyring_client *client);
/* once per loop round */
void keyring_client_ring_doorbell(struct keyring_client *client);
