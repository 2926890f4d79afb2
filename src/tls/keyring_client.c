/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/keyring_client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/shm.h"

LIST_HEAD(keyring_request_list, keyring_request);

struct keyring_client {
	struct keyring *ring; /* NULL: none */
	size_t ring_size;
	int request_eventfd, response_eventfd;
	uint32_t generation; /* of the ring */
	bool queued;         /* since the last doorbell */
	bool warned;         /* one line per ring about a keeper that misbehaves */
	/* our own indices: what the ring holds can be overwritten by the keeper */
	uint32_t request_head, response_tail;
	uint16_t n_free;
	uint16_t free_slots[KEYRING_SLOTS];
	bool in_flight[KEYRING_SLOTS];
	struct keyring_request *owners[KEYRING_SLOTS]; /* NULL while in flight: orphan */
	struct keyring_request_list failed;
};

static void keyring_client_reset(struct keyring_client *client)
{
	client->ring = NULL;
	client->request_eventfd = client->response_eventfd = -1;
	client->generation++;
	client->queued = client->warned = false;
	client->request_head = client->response_tail = 0;
	memset(client->in_flight, 0, sizeof(client->in_flight));
	memset(client->owners, 0, sizeof(client->owners));
	client->n_free = KEYRING_SLOTS;
	for (unsigned int i = 0; i < KEYRING_SLOTS; i++)
		client->free_slots[i] = KEYRING_SLOTS - 1 - i;
}

int keyring_client_new(struct keyring_client **out)
{
	struct keyring_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	LIST_INIT(&client->failed);
	keyring_client_reset(client);
	*out = client;
	return 0;
}

void keyring_client_free(struct keyring_client **client)
{
	if (!*client)
		return;
	shm_unmap((*client)->ring, (*client)->ring_size);
	free(*client);
	*client = NULL;
}

static void slot_free(struct keyring_client *client, uint16_t slot)
{
	client->owners[slot] = NULL;
	client->in_flight[slot] = false;
	client->free_slots[client->n_free++] = slot;
}

/* --- replacing the ring --------------------------------------------------------------------------------------- */

static void keyring_client_fail_owners(struct keyring_client *client)
{
	for (unsigned int i = 0; i < KEYRING_SLOTS; i++) {
		struct keyring_request *request = client->owners[i];

		if (!request)
			continue;
		/* a READY request was told already; its answer is lost with the ring */
		if (request->state == KEYRING_REQUEST_IN_FLIGHT) {
			LIST_INSERT_HEAD(&client->failed, request, link);
			request->untold = true;
		}
		request->state = KEYRING_REQUEST_FAILED;
	}
}

/* done() may cancel any other request of the list, so each is unlinked before it is told */
static void keyring_client_tell_failed(struct keyring_client *client)
{
	struct keyring_request *request;

	while ((request = LIST_FIRST(&client->failed))) {
		LIST_REMOVE(request, link);
		request->untold = false;
		request->done(request);
	}
}

static int keyring_client_map(struct keyring_client *client, int ring_fd, int request_eventfd, int response_eventfd)
{
	int flags = fcntl(response_eventfd, F_GETFL), err;
	void *map;

	if (flags < 0 || fcntl(response_eventfd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	err = shm_map(ring_fd, 1, sizeof(struct keyring), &map, &client->ring_size);
	if (err)
		return err;
	client->ring = map;
	client->request_eventfd = request_eventfd;
	client->response_eventfd = response_eventfd;
	/* the ring may have been used by an earlier client: go on where it stands */
	client->request_head = atomic_load_explicit(&client->ring->requests.head, memory_order_relaxed);
	client->response_tail = atomic_load_explicit(&client->ring->responses.tail, memory_order_relaxed);
	return 0;
}

int keyring_client_set_ring(struct keyring_client *client, int ring_fd, int request_eventfd, int response_eventfd)
{
	int err = 0;

	keyring_client_fail_owners(client);
	shm_unmap(client->ring, client->ring_size);
	keyring_client_reset(client);
	if (ring_fd >= 0)
		err = keyring_client_map(client, ring_fd, request_eventfd, response_eventfd);
	keyring_client_tell_failed(client);
	return err;
}

bool keyring_client_connected(const struct keyring_client *client)
{
	return client->ring != NULL;
}

/* --- requests ------------------------------------------------------------------------------------------------- */

static void slot_fill(
	struct keyring_slot *slot, enum keyring_op op, uint64_t key_id, uint16_t algorithm, struct span input)
{
	slot->key_id = key_id;
	slot->op = op;
	slot->algorithm = algorithm;
	slot->input_len = input.len;
	slot->output_len = 0;
	slot->status = 0;
	memcpy(slot->input, input.data, input.len);
}

/* the queue has as many places as there are slots, so it cannot be full while a slot is free */
static void queue_push(struct keyring_client *client, uint16_t slot)
{
	struct keyring_queue *queue = &client->ring->requests;

	queue->slots[client->request_head % KEYRING_SLOTS] = slot;
	atomic_store_explicit(&queue->head, ++client->request_head, memory_order_release);
}

int keyring_client_submit(struct keyring_client *client, struct keyring_request *request, enum keyring_op op,
	uint64_t key_id, uint16_t algorithm, struct span input)
{
	uint16_t slot;

	if (!client->ring)
		return -ENOTCONN;
	if (input.len > KEYRING_INPUT_MAX)
		return -EMSGSIZE;
	if (request->state == KEYRING_REQUEST_IN_FLIGHT || request->state == KEYRING_REQUEST_READY)
		return -EBUSY;
	if (!client->n_free)
		return -EAGAIN;
	slot = client->free_slots[--client->n_free];
	slot_fill(&client->ring->slots[slot], op, key_id, algorithm, input);
	client->owners[slot] = request;
	client->in_flight[slot] = true;
	request->slot = slot;
	request->state = KEYRING_REQUEST_IN_FLIGHT;
	queue_push(client, slot);
	client->queued = true;
	return 0;
}

static int slot_read(const struct keyring_slot *slot, uint8_t *out, size_t size, size_t *len)
{
	/* read once: the keeper can still write here */
	uint32_t status = *(const volatile uint32_t *)&slot->status;
	uint16_t output_len = *(const volatile uint16_t *)&slot->output_len;

	if (status != KEYRING_DONE)
		return -EIO;
	if (!output_len || output_len > KEYRING_OUTPUT_MAX || output_len > size)
		return -EPROTO;
	memcpy(out, slot->output, output_len);
	*len = output_len;
	return 0;
}

int keyring_client_take(
	struct keyring_client *client, struct keyring_request *request, uint8_t *out, size_t size, size_t *len)
{
	int err;

	if (request->state == KEYRING_REQUEST_IN_FLIGHT)
		return -EAGAIN;
	if (request->state != KEYRING_REQUEST_READY) {
		keyring_client_cancel(client, request);
		return -EIO;
	}
	err = slot_read(&client->ring->slots[request->slot], out, size, len);
	slot_free(client, request->slot);
	request->state = KEYRING_REQUEST_IDLE;
	return err;
}

void keyring_client_cancel(struct keyring_client *client, struct keyring_request *request)
{
	if (request->untold)
		LIST_REMOVE(request, link);
	if (request->state == KEYRING_REQUEST_IN_FLIGHT)
		client->owners[request->slot] = NULL;
	if (request->state == KEYRING_REQUEST_READY)
		slot_free(client, request->slot);
	request->untold = false;
	request->state = KEYRING_REQUEST_IDLE;
}

/* --- answers -------------------------------------------------------------------------------------------------- */

static void keyring_client_answer(struct keyring_client *client, uint32_t slot)
{
	struct keyring_request *request;

	if (slot >= KEYRING_SLOTS || !client->in_flight[slot]) {
		if (!client->warned)
			log_warn("key ring: the keeper answered a slot that it was not asked: %u", slot);
		client->warned = true;
		return;
	}
	request = client->owners[slot];
	client->in_flight[slot] = false;
	if (!request) {
		slot_free(client, slot);
		return;
	}
	request->state = KEYRING_REQUEST_READY;
	request->done(request);
}

void keyring_client_poll(struct keyring_client *client)
{
	struct keyring *ring = client->ring;
	uint32_t generation = client->generation;
	uint64_t count;
	uint32_t head;

	if (!ring)
		return;
	if (read(client->response_eventfd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
		log_warn("key ring: cannot read the response eventfd: %s", strerror(errno));
	head = atomic_load_explicit(&ring->responses.head, memory_order_acquire);
	if (head - client->response_tail > KEYRING_SLOTS) {
		log_warn("key ring: the keeper's response index is out of bounds: the ring is given up");
		keyring_client_set_ring(client, -1, -1, -1);
		return;
	}
	/* done() may replace the ring */
	while (client->generation == generation && client->response_tail != head) {
		const uint32_t *place = &ring->responses.slots[client->response_tail % KEYRING_SLOTS];
		uint32_t slot = *(const volatile uint32_t *)place;

		atomic_store_explicit(&ring->responses.tail, ++client->response_tail, memory_order_release);
		keyring_client_answer(client, slot);
	}
}

/* The keeper sets keeper_sleeping, looks at the queue once more, and only then reads the eventfd; here the queue's
 * head is stored before keeper_sleeping is loaded. With a sequentially consistent fence on each side one of the two
 * sees the other's store, so no request is left lying: either the keeper finds it, or the doorbell is rung. */
void keyring_client_ring_doorbell(struct keyring_client *client)
{
	uint64_t one = 1;

	if (!client->queued || !client->ring)
		return;
	client->queued = false;
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&client->ring->keeper_sleeping, memory_order_relaxed))
		return;
	if (write(client->request_eventfd, &one, sizeof(one)) < 0)
		log_warn("key ring: cannot ring the keeper's doorbell: %s", strerror(errno));
}
