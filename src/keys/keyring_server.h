/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The keeper's end of one worker's key ring (ipc/keyring.h). Nothing that a worker can write there makes it read or
 * write outside the ring, wait, or spend more than the work asked for. */
#include "base/loop.h"
#include "ipc/keyring.h"
#include "keys/engine.h"
#include "keys/key_store.h"

struct keyring_server {
	struct keyring *ring;
	size_t ring_size;                      /* of the mapping; 0: not ours to unmap */
	int request_eventfd, response_eventfd; /* owned */
	uint32_t request_tail, response_head;  /* ours; the ring's copies are for the worker */
	uint64_t served, nonsense;
	bool answered; /* since the last doorbell */
};

/* Maps the ring and takes the eventfds. -EPERM when the ring could be shrunk under us. */
int keyring_server_open(struct keyring_server *server, int ring_fd, int request_eventfd, int response_eventfd);
void keyring_server_close(struct keyring_server *server);

/* Takes the next request out of the ring, copied, with its key looked up; false when there is none. What makes no sense
 * is answered here. */
bool keyring_server_take(struct keyring_server *server, const struct key_store *store, struct key_operation *operation);
/* puts the answer of one that was taken into the ring */
void keyring_server_answer(struct key_operation *operation);
bool keyring_server_pending(const struct keyring_server *server);
/* told to the worker, which then rings; false when a request came meanwhile, which it may not have rung for */
bool keyring_server_sleep(struct keyring_server *server);
void keyring_server_wake(struct keyring_server *server);
/* tells the worker about answers since the last call. -errno when its eventfd cannot be written: a worker that fills it
 * on purpose and makes it blocking holds us for KEYRING_DOORBELL_MS at most (needs a SIGALRM handler). */
#define KEYRING_DOORBELL_MS 50
int keyring_server_doorbell(struct keyring_server *server);
