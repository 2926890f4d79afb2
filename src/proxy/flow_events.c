/* SPDX-License-Identifier: Apache-2.0 */
/* A BPF_MAP_TYPE_RINGBUF, read without libbpf: one page with the reader's position, which is ours, one with the
 * writer's, then the data twice in a row, so that no record is ever torn (kernel: Documentation/bpf/ringbuf.rst). */
#include "proxy/flow_events.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>

#include "base/common.h"

struct flow_events {
	unsigned long *consumer;
	const unsigned long *producer;
	const uint8_t *data;
	size_t page;
};

int flow_events_map(struct flow_events **out, int fd)
{
	struct flow_events *events = calloc(1, sizeof(*events));
	void *ours, *theirs;

	if (!events)
		return -ENOMEM;
	events->page = sysconf(_SC_PAGESIZE);
	ours = mmap(NULL, events->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	theirs = ours == MAP_FAILED
			 ? MAP_FAILED
			 : mmap(NULL, events->page + 2 * FLOW_EVENTS_BYTES, PROT_READ, MAP_SHARED, fd, events->page);
	if (theirs == MAP_FAILED) {
		int err = -errno;

		if (ours != MAP_FAILED)
			munmap(ours, events->page);
		free(events);
		return err;
	}
	events->consumer = ours;
	events->producer = theirs;
	events->data = (const uint8_t *)theirs + events->page;
	*out = events;
	return 0;
}

void flow_events_unmap(struct flow_events **events)
{
	if (!*events)
		return;
	munmap((*events)->consumer, (*events)->page);
	munmap((void *)(*events)->producer, (*events)->page + 2 * FLOW_EVENTS_BYTES);
	free(TAKE_PTR(*events));
}

bool flow_events_next(struct flow_events *events, struct flow_event *out)
{
	unsigned long at = *events->consumer; /* nobody else writes it */

	while (at < __atomic_load_n(events->producer, __ATOMIC_ACQUIRE)) {
		const uint8_t *record = events->data + (at & (FLOW_EVENTS_BYTES - 1));
		uint32_t head = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
		uint32_t length = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		bool whole = !(head & BPF_RINGBUF_DISCARD_BIT) && length == sizeof(*out);

		if (head & BPF_RINGBUF_BUSY_BIT)
			return false;
		if (whole)
			memcpy(out, record + BPF_RINGBUF_HDR_SZ, sizeof(*out));
		at += (length + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
		__atomic_store_n(events->consumer, at, __ATOMIC_RELEASE);
		if (whole)
			return true;
	}
	return false;
}
