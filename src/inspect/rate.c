/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/rate.h"

#define MS_PER_SECOND 1000ull

struct track_key track_key_of(
	uint64_t id, enum track_by by, const struct inspect_stream_options *stream, enum inspect_dir dir)
{
	uint32_t source = dir == INSPECT_TO_SERVER ? stream->client_ip : stream->server_ip;
	uint32_t destination = dir == INSPECT_TO_SERVER ? stream->server_ip : stream->client_ip;

	switch (by) {
	case TRACK_BY_SOURCE:
		return (struct track_key){id, source, 0};
	case TRACK_BY_DESTINATION:
		return (struct track_key){id, destination, 0};
	case TRACK_BY_PAIR: /* whichever of the two speaks */
		return (struct track_key){id, MIN(source, destination), MAX(source, destination)};
	case TRACK_BY_RULE:
		break;
	}
	return (struct track_key){id, 0, 0};
}

enum rate_result rate_count(
	struct track_table *table, const struct rate *rate, const struct track_key *key, uint64_t now)
{
	uint64_t until = now + rate->seconds * MS_PER_SECOND;
	struct track_entry *entry;

	if (rate->type == RATE_NONE)
		return RATE_REPORT;
	entry = track_take(table, key, now, until);
	entry->count += entry->count < UINT32_MAX;
	switch (rate->type) {
	case RATE_LIMIT:
		return entry->count <= rate->count ? RATE_REPORT : RATE_QUIET;
	case RATE_THRESHOLD: /* every count-th match, each time anew */
		if (entry->count < rate->count)
			return RATE_GATED;
		entry->count = 0;
		entry->until = until;
		return RATE_REPORT;
	case RATE_BOTH:
		if (entry->count < rate->count)
			return RATE_GATED;
		return entry->count == rate->count ? RATE_REPORT : RATE_QUIET;
	case RATE_DETECTION:
		return entry->count > rate->count ? RATE_REPORT : RATE_GATED;
	case RATE_NONE:
		break;
	}
	return RATE_REPORT;
}
