/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/keyring_server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>

#include "base/shm.h"

/* a request as copied out of the ring: the worker can no longer change it */
struct keyring_request {
	uint64_t key_id;
	uint16_t op, algorithm;
	size_t input_len;
	uint8_t input[KEYRING_INPUT_MAX];
};

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

static bool keyring_copy_request(const struct keyring_slot *slot, struct keyring_request *request)
{
	struct keyring_slot head;

	memcpy(&head, slot, offsetof(struct keyring_slot, input));
	/* the checks are of the copy: the compiler may not look at the slot again */
	atomic_signal_fence(memory_order_seq_cst);
	request->key_id = head.key_id;
	request->op = head.op;
	request->algorithm = head.algorithm;
	request->input_len = head.input_len;
	if (request->input_len > sizeof(request->input))
		return false;
	memcpy(request->input, slot->input, request->input_len);
	return true;
}

static enum keyring_status keyring_answer(const struct key_store *store, const struct keyring_request *request,
	uint8_t out[KEYRING_OUTPUT_MAX], size_t *len)
{
	const struct private_key *key = key_store_find(store, request->key_id);
	struct span input = SPAN(request->input, request->input_len);

	if (!key)
		return KEYRING_NO_KEY;
	switch (request->op) {
	case KEYRING_SIGN:
		return private_key_sign(key, request->algorithm, input, out, len);
	case KEYRING_RSA_DECRYPT:
		return private_key_decrypt(key, request->algorithm, input, out, len);
	default:
		return KEYRING_BAD_REQUEST;
	}
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

static void keyring_serve_slot(struct keyring_server *server, const struct key_store *store, uint32_t index)
{
	enum keyring_status status = KEYRING_BAD_REQUEST;
	uint8_t output[KEYRING_OUTPUT_MAX];
	struct keyring_request request;
	struct keyring_slot *slot;
	size_t len = 0;

	if (index >= KEYRING_SLOTS) {
		server->nonsense++;
		return;
	}
	slot = &server->ring->slots[index];
	if (keyring_copy_request(slot, &request))
		status = keyring_answer(store, &request, output, &len);
	if (len)
		memcpy(slot->output, output, len);
	slot->output_len = (uint16_t)len;
	slot->status = status;
	OPENSSL_cleanse(output, sizeof(output));
	keyring_push_response(server, index);
}

unsigned int keyring_server_serve(struct keyring_server *server, const struct key_store *store, unsigned int budget)
{
	struct keyring_queue *queue = &server->ring->requests;
	unsigned int n = MIN(keyring_waiting(server), budget);

	for (unsigned int i = 0; i < n; i++) {
		uint32_t index = *(volatile uint32_t *)&queue->slots[server->request_tail % KEYRING_SLOTS];

		atomic_store_explicit(&queue->tail, ++server->request_tail, memory_order_release);
		keyring_serve_slot(server, store, index);
	}
	server->served += n;
	return n;
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
