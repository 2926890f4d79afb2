/* SPDX-License-Identifier: Apache-2.0 */
/* flowbits of a stream, and xbits of the hosts it joins: what a match leaves behind for other filters to ask. */
#include "inspect/stream.h"

#define MS_PER_SECOND 1000ull

static void bit_set(uint64_t *bits, size_t i)
{
	bits[i / 64] |= 1ull << i % 64;
}

static void bit_clear(uint64_t *bits, size_t i)
{
	bits[i / 64] &= ~(1ull << i % 64);
}

static bool bit_is_set(const uint64_t *bits, size_t i)
{
	return bits && bits[i / 64] & 1ull << i % 64;
}

/* --- flowbits ---------------------------------------------------------------------------------------------------- */
static bool flowbit_is_any(const struct inspect_stream *stream, const struct flowbit *flowbit)
{
	for (unsigned int i = 0; i < flowbit->n_bits; i++)
		if (bit_is_set(stream->flowbits, flowbit->bits[i]))
			return true;
	return false;
}

static void flowbit_change(struct inspect_stream *stream, enum flowbit_command command, uint16_t bit)
{
	size_t words = (stream->engine->set.flowbits.n + 63) / 64;

	if (!stream->flowbits)
		stream->flowbits = calloc(words, sizeof(uint64_t));
	if (!stream->flowbits)
		stream_fail(stream);
	else if (command == FLOWBIT_SET || (command == FLOWBIT_TOGGLE && !bit_is_set(stream->flowbits, bit)))
		bit_set(stream->flowbits, bit);
	else
		bit_clear(stream->flowbits, bit);
}

/* --- xbits ------------------------------------------------------------------------------------------------------- */
static struct track_key xbit_key(const struct inspect_stream *stream, enum inspect_dir dir, const struct xbit *xbit)
{
	struct track_key key = track_key_of(xbit->name, xbit->by, &stream->options, dir);

	key.id += xbit->by == TRACK_BY_PAIR; /* a host's bit and a pair's are two */
	return key;
}

static struct track_entry *xbit_find(const struct inspect_stream *stream, enum inspect_dir dir, const struct xbit *xbit)
{
	struct track_key key = xbit_key(stream, dir, xbit);

	return track_find(&stream->scratch->xbits, &key, scratch_now(stream->scratch));
}

static void xbit_change(struct inspect_stream *stream, enum inspect_dir dir, const struct xbit *xbit)
{
	struct track_key key = xbit_key(stream, dir, xbit);
	uint64_t now = scratch_now(stream->scratch), until = now + xbit->expire * MS_PER_SECOND;
	struct track_entry *entry = xbit_find(stream, dir, xbit);

	if (xbit->command == FLOWBIT_SET || (xbit->command == FLOWBIT_TOGGLE && !entry))
		track_take(&stream->scratch->xbits, &key, now, until)->until = until;
	else if (entry)
		track_drop(entry);
}

/* --- of a filter ------------------------------------------------------------------------------------------------- */
static bool answers(enum flowbit_command command, bool is_set)
{
	return !(command == FLOWBIT_ISSET && !is_set) && !(command == FLOWBIT_ISNOTSET && is_set);
}

bool state_admits(const struct inspect_stream *stream, enum inspect_dir dir, const struct filter *filter)
{
	for (unsigned int i = 0; i < filter->n_flowbits; i++)
		if (!answers(filter->flowbits[i].command, flowbit_is_any(stream, &filter->flowbits[i])))
			return false;
	for (unsigned int i = 0; i < filter->n_xbits; i++)
		if (!answers(filter->xbits[i].command, xbit_find(stream, dir, &filter->xbits[i])))
			return false;
	return true;
}

void state_change(struct inspect_stream *stream, enum inspect_dir dir, const struct filter *filter)
{
	for (unsigned int i = 0; i < filter->n_flowbits; i++) {
		const struct flowbit *flowbit = &filter->flowbits[i];

		for (unsigned int b = 0; b < flowbit->n_bits && flowbit->command <= FLOWBIT_TOGGLE; b++)
			flowbit_change(stream, flowbit->command, flowbit->bits[b]);
	}
	for (unsigned int i = 0; i < filter->n_xbits; i++)
		if (filter->xbits[i].command <= FLOWBIT_TOGGLE)
			xbit_change(stream, dir, &filter->xbits[i]);
}
