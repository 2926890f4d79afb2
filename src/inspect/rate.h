/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What becomes of a match by the filter's threshold or detection_filter, as Suricata decides it. */
#include "inspect/filter.h"
#include "inspect/track.h"

enum rate_result {
	RATE_GATED,  /* as if it had not matched: no record, no action */
	RATE_QUIET,  /* the action without the record */
	RATE_REPORT, /* record and action */
};
/* counts one match at the time now (milliseconds); key as track_key_of() made it */
enum rate_result rate_count(
	struct track_table *table, const struct rate *rate, const struct track_key *key, uint64_t now);

/* the key of an object with that id in bytes of that direction */
struct track_key track_key_of(
	uint64_t id, enum track_by by, const struct inspect_stream_options *stream, enum inspect_dir dir);
