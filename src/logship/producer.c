/* SPDX-License-Identifier: Apache-2.0 */
#include "logship/producer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"

int producer_new(struct producer **out, int64_t number, const char *name, int memfd, int eventfd)
{
	int seals = fcntl(memfd, F_GET_SEALS), err;
	struct producer *producer;

	/* a ring cut short by its producer would be a SIGBUS here */
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPERM;
	producer = calloc(1, sizeof(*producer));
	if (!producer)
		return -ENOMEM;
	producer->number = number;
	producer->source.fd = -1;
	snprintf(producer->name, sizeof(producer->name), "%s", name);
	producer->may_audit = !strcmp(name, "sluiced");
	err = event_ring_map(&producer->ring, memfd, eventfd);
	if (err)
		producer_free(&producer);
	else
		*out = producer;
	return err;
}

void producer_free(struct producer **producer)
{
	if (!*producer)
		return;
	event_ring_free(&(*producer)->ring);
	free(*producer);
	*producer = NULL;
}

static void producer_follow(struct producer *producer, uint64_t sequence)
{
	if (producer->sequence_known && sequence > producer->next_sequence)
		producer->lost += sequence - producer->next_sequence;
	producer->sequence_known = true;
	producer->next_sequence = sequence + 1;
}

void producer_skip_through(struct producer *producer, uint64_t sequence)
{
	producer->skipping = true;
	producer->skip_through = sequence;
	/* what the ring lost meanwhile shows as a gap after it */
	producer->sequence_known = true;
	producer->next_sequence = sequence + 1;
}

static bool producer_skips(struct producer *producer, uint64_t sequence)
{
	producer->skipping = producer->skipping && sequence <= producer->skip_through;
	return producer->skipping;
}

int producer_read(struct producer *producer, uint8_t record[EVENT_MAX])
{
	struct event_header header;
	int n;

	while ((n = event_ring_peek(producer->ring, record, EVENT_MAX)) != 0) {
		if (n < 0) {
			producer->refused++;
			/* what was skipped cannot be counted, nor told from what was lost */
			producer->sequence_known = false;
			return 0;
		}
		memcpy(&header, record, sizeof(header));
		if (producer_skips(producer, header.sequence))
			continue;
		producer_follow(producer, header.sequence);
		header.producer = (uint16_t)producer->number;
		memcpy(record, &header, sizeof(header));
		if (header.log != EVENT_LOG_AUDIT || producer->may_audit)
			return 1;
		producer->refused++;
	}
	return 0;
}
