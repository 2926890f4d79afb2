/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include "base/shm.h"
#include "events/event.h"
#include "events/event_record.h"

#define EVENT_RING_MAGIC 0x45767432u /* "Evt2" */
#define EVENT_RING_DATA (1u << 20)   /* a power of two */

/* Positions count bytes since the ring was made and never wrap in practice; their low bits are the place in data. */
struct event_ring_shared {
	uint32_t magic, fields;             /* fields: EVENT_FIELD_N of the program that made it */
	uint64_t id;                        /* random */
	_Alignas(64) _Atomic uint64_t head; /* written by the producer */
	uint64_t sequence;                  /* the producer's next */
	_Alignas(64) _Atomic uint64_t tail; /* written by the consumer */
	_Alignas(4096) uint8_t data[EVENT_RING_DATA];
};

struct event_ring {
	struct event_ring_shared *shared;
	size_t size;
	int memfd, eventfd; /* owned */
	bool dirty;         /* producer: records since the last doorbell */
	uint64_t read_at;   /* consumer: where it reads, at or after the shared tail */
};

/* owns both descriptors from here on, also when it fails */
static int event_ring_open(struct event_ring **out, int memfd, int event_fd)
{
	struct event_ring *ring = calloc(1, sizeof(*ring));
	void *map;
	int err = -ENOMEM;

	if (!ring) {
		cleanup_close(&memfd);
		cleanup_close(&event_fd);
		return err;
	}
	ring->memfd = memfd;
	ring->eventfd = event_fd;
	err = memfd < 0 || event_fd < 0 ? -EBADF : shm_map(memfd, true, sizeof(*ring->shared), &map, &ring->size);
	if (err) {
		event_ring_free(&ring);
		return err;
	}
	ring->shared = map;
	*out = ring;
	return 0;
}

int event_ring_create(struct event_ring **out)
{
	int memfd, event_fd, err = shm_create("sluice-events", sizeof(struct event_ring_shared), &memfd);

	if (err)
		return err;
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = event_ring_open(out, memfd, event_fd);
	if (err)
		return err;
	(*out)->shared->magic = EVENT_RING_MAGIC;
	(*out)->shared->fields = EVENT_FIELD_N;
	return getrandom(&(*out)->shared->id, sizeof((*out)->shared->id), 0) < 0 ? -errno : 0;
}

int event_ring_map(struct event_ring **out, int memfd, int event_fd)
{
	struct event_ring *ring = NULL;
	int err = event_ring_open(&ring, fcntl(memfd, F_DUPFD_CLOEXEC, 0), fcntl(event_fd, F_DUPFD_CLOEXEC, 0));

	if (err)
		return err;
	if (ring->shared->magic != EVENT_RING_MAGIC || ring->shared->fields != EVENT_FIELD_N) {
		event_ring_free(&ring);
		return -EPROTO;
	}
	ring->read_at = atomic_load_explicit(&ring->shared->tail, memory_order_relaxed);
	*out = ring;
	return 0;
}

uint64_t event_ring_id(const struct event_ring *ring)
{
	return ring->shared->id;
}

void event_ring_free(struct event_ring **ring)
{
	if (!*ring)
		return;
	shm_unmap((*ring)->shared, (*ring)->size);
	cleanup_close(&(*ring)->memfd);
	cleanup_close(&(*ring)->eventfd);
	free(*ring);
	*ring = NULL;
}

int event_ring_memfd(const struct event_ring *ring)
{
	return ring->memfd;
}

int event_ring_eventfd(const struct event_ring *ring)
{
	return ring->eventfd;
}

static void event_ring_copy_in(struct event_ring_shared *shared, uint64_t at, const uint8_t *from, size_t len)
{
	size_t place = at % EVENT_RING_DATA, first = MIN(len, EVENT_RING_DATA - place);

	memcpy(shared->data + place, from, first);
	memcpy(shared->data, from + first, len - first);
}

static void event_ring_copy_out(const struct event_ring_shared *shared, uint64_t at, uint8_t *to, size_t len)
{
	size_t place = at % EVENT_RING_DATA, first = MIN(len, EVENT_RING_DATA - place);

	memcpy(to, shared->data + place, first);
	memcpy(to + first, shared->data, len - first);
}

int event_commit(struct event_ring *ring, struct event *event, uint16_t producer)
{
	struct event_ring_shared *shared = ring->shared;
	struct event_header *header = (struct event_header *)event->bytes;
	uint64_t head = atomic_load_explicit(&shared->head, memory_order_relaxed);
	uint64_t used = head - atomic_load_explicit(&shared->tail, memory_order_acquire);

	header->len = event->used;
	header->producer = producer;
	header->sequence = shared->sequence++;
	if (used > EVENT_RING_DATA || event->used > EVENT_RING_DATA - used)
		return -ENOBUFS;
	event_ring_copy_in(shared, head, event->bytes, event->used);
	atomic_store_explicit(&shared->head, head + event->used, memory_order_release);
	ring->dirty = true;
	return 0;
}

uint64_t event_ring_room(const struct event_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->shared->head, memory_order_relaxed);
	uint64_t used = head - atomic_load_explicit(&ring->shared->tail, memory_order_acquire);

	return used < EVENT_RING_DATA ? EVENT_RING_DATA - used : 0;
}

void event_ring_flush(struct event_ring *ring)
{
	uint64_t one = 1;

	if (!ring->dirty)
		return;
	ring->dirty = false;
	/* fails only when the doorbell has rung 2^64 times unheard: the consumer is awake then, or never will be */
	if (write(ring->eventfd, &one, sizeof(one)) < 0)
		return;
}

/* The record at tail, of at most used bytes: its length, or 0 for nonsense. The producer may change it meanwhile, so
 * that what is checked is the copy. */
static uint32_t event_ring_copy_record(
	const struct event_ring_shared *shared, uint64_t tail, uint64_t used, uint8_t *record, size_t size)
{
	struct event_header header, copied;

	if (used < sizeof(header) || size < sizeof(header))
		return 0;
	event_ring_copy_out(shared, tail, (uint8_t *)&header, sizeof(header));
	/* the checks are of the copy: the compiler may not look at the ring again */
	atomic_signal_fence(memory_order_seq_cst);
	if (header.len < sizeof(header) || header.len > MIN(used, size))
		return 0;
	event_ring_copy_out(shared, tail, record, header.len);
	memcpy(&copied, record, sizeof(copied));
	return copied.len == header.len && !event_check(record, header.len) ? header.len : 0;
}

int event_ring_peek(struct event_ring *ring, uint8_t *record, size_t size)
{
	struct event_ring_shared *shared = ring->shared;
	uint64_t tail = ring->read_at;
	uint64_t head = atomic_load_explicit(&shared->head, memory_order_acquire);
	uint32_t len = 0;

	if (head == tail)
		return 0;
	if (head - tail <= EVENT_RING_DATA)
		len = event_ring_copy_record(shared, tail, head - tail, record, size);
	ring->read_at = len ? tail + len : head;
	return len ? 1 : -EPROTO;
}

void event_ring_release(struct event_ring *ring)
{
	atomic_store_explicit(&ring->shared->tail, ring->read_at, memory_order_release);
}

int event_ring_read(struct event_ring *ring, uint8_t *record, size_t size)
{
	int n = event_ring_peek(ring, record, size);

	event_ring_release(ring);
	return n;
}
