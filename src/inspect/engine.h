/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside of an engine and of a worker's scratch. */
#include "inspect/bits.h"
#include "inspect/decode.h"
#include "inspect/groups.h"
#include "inspect/http.h"
#include "inspect/rate.h"
#include "inspect/regex.h"

struct inspect_engine {
	struct ruleset set;
	struct groups groups;
	struct inspect_usage *usage; /* by filter; what streams write of an engine */
	size_t n_on;                 /* filters that the profile leaves on */
	/* Does any of them look there? */
	bool blocks, blocks_body[INSPECT_DIRS]; /* any filter, any that looks there */
	bool looks_at_head[INSPECT_DIRS], looks_at_body[INSPECT_DIRS], looks_at_raw[INSPECT_DIRS];
	bool looks_at_start[INSPECT_DIRS], looks_at_parts[INSPECT_DIRS]; /* parts: of mail messages */
};

#define SCRATCH_ARENA (5 * HTTP_HEAD_MAX) /* the normalised buffers of one head */
#define SCRATCH_PIECES 1024
#define SCRATCH_COARSE 4096
#define SCRATCH_MATCHES 256

#define SCRATCH_SPARES 4
#define SCRATCH_INFLATING_MAX 1024 /* WebSockets with compressed messages, 40 KB each */
#define SCRATCH_DECODED 16384

struct piece {                 /* a run of body bytes within the bytes of the current call */
	uint64_t stream, body; /* where it is in the stream, and in the body as it is inspected */
	size_t len, decoded;   /* its length in either: the same, or of one encoded byte, or that of struct coarse */
};

/* A run of encoded bytes that was decoded at once. Where in it a match ends is asked rarely: then it is decoded again,
 * a byte at a time, from the copy of the decoder that was made before. */
struct coarse {
	struct decoder *before; /* NULL: none since the last judgement */
	size_t piece;           /* its index */
	struct span run;
	bool known;
	uint32_t decoded[SCRATCH_COARSE]; /* once known: bytes that came out with each byte and those before */
};

struct match {
	const struct filter *filter;
	uint32_t index;
	uint64_t end; /* stream offset past the byte that completed it */
};

/* What a candidate that did not match is waiting for: it need not be evaluated again before bytes come that hold it. */
struct wait {
	uint32_t index;
	int16_t condition; /* this content, which occurs nowhere yet; WAIT_ANY: any of the filter's contents */
};
#define WAIT_ANY (-1)
#define SCRATCH_WAITS 1024

struct inspect_scratch {
	hs_scratch_t *hs;
	struct regex_memory *regex;
	struct inspect_stats stats;
	struct track_table rates, xbits;
	struct bits_pool bits;
	struct spare { /* windows that messages have left, for the next ones */
		uint8_t *data;
		size_t size;
	} spares[SCRATCH_SPARES];
	uint32_t sampling;             /* decides which evaluations are timed */
	uint64_t (*clock)(void *data); /* milliseconds */
	void *clock_data;
	size_t n_pieces, n_matches, n_waits, n_inflating;
	struct wait waits[SCRATCH_WAITS]; /* those of the judgement going on, by index */
	struct piece pieces[SCRATCH_PIECES];
	struct coarse coarse;
	struct match matches[SCRATCH_MATCHES];
	size_t arena_used;
	uint8_t arena[SCRATCH_ARENA];
	uint8_t decoded[SCRATCH_DECODED];
};

static inline uint64_t scratch_now(const struct inspect_scratch *scratch)
{
	return scratch->clock(scratch->clock_data);
}
