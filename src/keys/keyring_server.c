/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/keyring_server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>

#include "base/shm.h"

int keyring_server_open(struct keyring_server *server, int ring_fd, int request_eventfd, int response_eventfd)
{
	int seals = fcntl(ring_fd, F_GET_SEALS), err;
	void *map;

	/* a ring cut short by the worker would be a SIGBUS here */
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPERM;
	err = shm_map(ring_fd, true, sizeof(struct keyring), &map, &server->ring_size);
	if (err)
		return err;
	server->ring = map;
	server->request_eventfd = request_eventfd;
	server->response_eventfd = response_eventfd;
	/* a keeper may take over a ring in use: go on where its predecessor stopped */
	server->request_tail = atomic_load_explicit(&server->ring->requests.tail, memory_order_relaxed);
	server->response_head = atomic_load_explicit(&server->ring->responses.head, memory_order_relaxed);
	return 0;
}

void keyring_server_close(struct keyring_server *server)
{
	if (server->ring_size)
		shm_unmap(server->ring, server->ring_size);
	cleanup_close(&server->request_eventfd);
	cleanup_close(&server->response_eventfd);
	server->ring = NULL;
}

/* requests waiting; a head that cannot be right is taken as the place to go on from */
static uint32_t keyring_waiting(struct keyring_server *server)
{
	uint32_t head = atomic_load_explicit(&server->ring->requests.head, memory_order_acquire);
	uint32_t n = head - server->request_tail;

	if (n <= KEYRING_SLOTS)
		return n;
	server->nonsense++;
	server->request_tail = head;
	return 0;
}

static bool keyring_copy_request(const struct keyring_slot *slot, struct key_operation *request, uint64_t *key_id)
{
	struct keyring_slot head;

	memcpy(&head, slot, offsetof(struct keyring_slot, input));
	/* the checks are of the copy: the compiler may not look at the slot again */
	atomic_signal_fence(memory_order_seq_cst);
	*key_id = head.key_id;
	request->op = head.op;
	request->algorithm = head.algorithm;
	request->input_len = head.input_len;
	if (request->input_len > sizeof(request->input))
		return false;
	memcpy(request->input, slot->input, request->input_len);
	return true;
}

/* A worker that does not take its answers loses them: there are as many places as slots. */
static void keyring_push_response(struct keyring_server *server, uint32_t slot)
{
	struct keyring_queue *queue = &server->ring->responses;
	uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);

	if (server->response_head - tail >= KEYRING_SLOTS) {
		server->nonsense++;
		return;
	}
	queue->slots[server->response_head % KEYRING_SLOTS] = slot;
	atomic_store_explicit(&queue->head, ++server->response_head, memory_order_release);
	server->answered = true;
}

void keyring_server_answer(struct key_operation *operation)
{
	struct keyring_server *server = operation->server;
	struct keyring_slot *slot = &server->ring->slots[operation->slot];

	if (operation->output_len)
		memcpy(slot->output, operation->output, operation->output_len);
	slot->output_len = (uint16_t)operation->output_len;
	slot->status = operation->status;
	OPENSSL_cleanse(operation->output, sizeof(operation->output));
	keyring_push_response(server, operation->slot);
}

static void keyring_refuse(struct key_operation *operation)
{
	operation->status = KEYRING_BAD_REQUEST;
	operation->output_len = 0;
	keyring_server_answer(operation);
}

/* false when the request was none, or is answered */
static bool keyring_take_slot(
	struct keyring_server *server, const struct key_store *store, uint32_t index, struct key_operation *operation)
{
	uint64_t key_id;

	if (index >= KEYRING_SLOTS) {
		server->nonsense++;
		return false;
	}
	operation->server = server;
	operation->slot = index;
	if (!keyring_copy_request(&server->ring->slots[index], operation, &key_id)) {
		keyring_refuse(operation);
		return false;
	}
	operation->key = key_store_find(store, key_id);
	return true;
}

bool keyring_server_take(struct keyring_server *server, const struct key_store *store, struct key_operation *operation)
{
	struct keyring_queue *queue = &server->ring->requests;
	bool taken = false;

	for (uint32_t n = keyring_waiting(server); n && !taken; n--) {
		uint32_t index = *(volatile uint32_t *)&queue->slots[server->request_tail % KEYRING_SLOTS];

		atomic_store_explicit(&queue->tail, ++server->request_tail, memory_order_release);
		server->served++;
		taken = keyring_take_slot(server, store, index, operation);
	}
	return taken;
}

bool keyring_server_pending(const struct keyring_server *server)
{
	return atomic_load_explicit(&server->ring->requests.head, memory_order_acquire) != server->request_tail;
}

bool keyring_server_sleep(struct keyring_server *server)
{
	/* sequentially consistent, as is the worker's push then look: one of the two sees the other */
	atomic_store(&server->ring->keeper_sleeping, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (!keyring_server_pending(server))
		return true;
	keyring_server_wake(server);
	return false;
}

void keyring_server_wake(struct keyring_server *server)
{
	atomic_store_explicit(&server->ring->keeper_sleeping, 0, memory_order_relaxed);
}

/* O_NONBLOCK is the worker's to change, at any moment; a repeating timer ends any wait */
static void doorbell_guard(int ms)
{
	struct timeval t = {.tv_usec = ms * 1000};

	setitimer(ITIMER_REAL, &(struct itimerval){t, t}, NULL);
}

int keyring_server_doorbell(struct keyring_server *server)
{
	uint64_t one = 1;
	int err = 0;

	if (!server->answered)
		return 0;
	server->answered = false;
	doorbell_guard(KEYRING_DOORBELL_MS);
	if (write(server->response_eventfd, &one, sizeof(one)) < 0)
		err = -errno;
	doorbell_guard(0);
	return err == -EAGAIN ? 0 : err; /* full: it has rung often enough */
}
