/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside of a stream: the state of one session's inspection, shared by stream.c (entry points, raw payload),
 * stream_http.c (messages) and judge.c (verdicts). */
#include <sys/queue.h>

#include "inspect/decode.h"
#include "inspect/engine.h"
#include "inspect/http_views.h"
#include "inspect/mail.h"
#include "inspect/mime.h"
#include "inspect/window.h"

#define STREAM_SLICE 16384         /* raw bytes scanned between two judgements */
#define STREAM_TRANSACTIONS_MAX 64 /* requests sent without waiting for their responses */

enum phase {
	PHASE_HEAD, /* between messages, or inside a head */
	PHASE_BODY,
	PHASE_RAW, /* no HTTP, or none any more */
};

struct transaction { /* a request and its response */
	TAILQ_ENTRY(transaction) link;
	uint8_t *head; /* the request's, as received */
	size_t head_len;
	struct span method; /* in the head */
	bool request_done, response_done;
};
TAILQ_HEAD(transactions, transaction);

#define HALF_BITS 4 /* candidates, hits, raw_hits, older */

struct half { /* one direction */
	enum phase phase;
	bool scan;           /* any filter looks at this direction, and the profile lets it */
	bool holding;        /* nothing of the current message has been released */
	bool turn;           /* raw bytes have come since the other side last spoke */
	bool interim;        /* the response under way is not the last to its request */
	bool started;        /* the filters on the session itself have been judged */
	uint64_t received;   /* stream bytes given to inspect_data() */
	uint64_t offset;     /* stream bytes taken */
	uint64_t release;    /* stream bytes released */
	uint64_t judged;     /* stream bytes up to which the filters have been judged */
	uint64_t unit;       /* stream offset where the current message or the raw payload began */
	uint64_t turn_start; /* where raw bytes since the other side last spoke began */
	uint64_t hold_left;
	uint64_t effort; /* what evaluations may still spend, see confirm.h */
	uint8_t *head;   /* of the current message, as far as received */
	size_t head_len, head_size, head_scanned;
	struct http_body body;
	uint64_t body_len; /* as inspected: decoded */
	bool body_in_raw;  /* the body's bytes are those of the raw window, from body_start on */
	uint64_t body_start;
	struct decoder *decoder; /* of the body in flight, NULL: not encoded */
	struct decode_budget decode_budget;
	struct window raw, body_window;
	struct mime *mime;                  /* of the mail message in flight, whose parts are bodies; NULL: none */
	struct stream_websocket *websocket; /* whose messages are the raw stream, in the body\'s window; NULL: none */
	struct transaction *transaction;    /* that of the current message */
	/* filters, NULL until there is one */
	struct bits *candidates; /* during a call; between calls as in packed */
	struct bits *hits;       /* matched in this message */
	struct bits *raw_hits;   /* matched on raw payload in this stream */
	struct bits *older;      /* candidates of the stretch before, while a window slides */
	struct packed_bits *packed[HALF_BITS];
	uint64_t rotated; /* stream offset where the current stretch began */
	size_t n_waits;
	struct wait *waits;               /* of the last judgement, by index */
	uint64_t judged_raw, judged_body; /* bytes of the raw unit and of the body that it saw */
};

struct inspect_stream {
	const struct inspect_engine *engine;
	struct inspect_scratch *scratch;
	struct inspect_stream_options options;
	struct half half[INSPECT_DIRS];
	bool has_mail; /* a mail service: its commands are followed */
	struct mail mail;
	struct transactions transactions;
	size_t n_transactions;
	uint64_t *flowbits;
	const struct inspect_filter *block;
	enum inspect_dir block_dir;
	bool trusted;             /* a filter says that the rest is not inspected */
	bool limited;             /* something could not be judged */
	bool limit_blocks;        /* for which the session is to end at the next judgement */
	enum inspect_limit limit; /* the first such one */
};

/* decided for good: nothing more is judged */
static inline bool stream_is_over(const struct inspect_stream *stream)
{
	return stream->block || stream->trusted;
}

/* the set, taken from the scratch if there is none yet; NULL when memory has run out (counted) */
struct bits *stream_bits(struct inspect_stream *stream, struct bits **bits);

/* a limit kept something from being judged; blocks: by which something might have been missed that blocks */
void stream_hit_limit(struct inspect_stream *stream, enum inspect_limit limit, bool blocks);
/* for a limit that was hit and is to block, without a judgement of the direction's bytes */
void stream_block_for_limit(struct inspect_stream *stream, enum inspect_dir dir);
/* out of memory, or Hyperscan failed (counted) */
void stream_fail(struct inspect_stream *stream);

/* --- stream.c ---------------------------------------------------------------------------------------------------- */
/* raw payload and body bytes: scanned for candidates and kept in their windows */
void stream_feed_raw(struct inspect_stream *stream, enum inspect_dir dir, struct span bytes);
void stream_feed_body(struct inspect_stream *stream, enum inspect_dir dir, struct span bytes);
/* no more will come of the message: the patterns that only an end can complete */
void stream_end_windows(struct inspect_stream *stream, enum inspect_dir dir);
/* the patterns that are searched for in the body's window */
struct group *stream_body_group(const struct inspect_stream *stream, enum inspect_dir dir);
/* the body's window and its place in the search begin anew */
void stream_reset_body(struct inspect_stream *stream, enum inspect_dir dir);
/* raw bytes come: since the other side last spoke they are a turn */
void stream_note_turn(struct half *half);
void stream_coding_failed(struct inspect_stream *stream, enum inspect_dir dir);
/* from here on the direction is raw payload; a head that was being collected is its beginning */
void stream_enter_raw(struct inspect_stream *stream, enum inspect_dir dir);
/* forgets the windows, candidates and hits of the message that ended */
void stream_reset_unit(struct inspect_stream *stream, enum inspect_dir dir);

/* --- stream_http.c ----------------------------------------------------------------------------------------------- */
void stream_take_head(struct inspect_stream *stream, enum inspect_dir dir, struct span *in);
void stream_take_body(struct inspect_stream *stream, enum inspect_dir dir, struct span *in);
void stream_end_body(struct inspect_stream *stream, enum inspect_dir dir);
void transactions_clear(struct inspect_stream *stream);

/* --- stream_body.c ----------------------------------------------------------------------------------------------- */
/* the body that begins has these codings */
void stream_begin_decoding(struct inspect_stream *stream, enum inspect_dir dir, const struct decode_codings *codings);
/* body bytes up to and with the first bytes of a piece, at least one */
uint64_t stream_piece_length(struct inspect_stream *stream, size_t piece, uint64_t bytes);
void stream_forget_pieces(struct inspect_stream *stream);
/* walks the framing of part until the message ends, part does, or the notes of pieces are full */
enum http_body_result stream_walk_body(struct inspect_stream *stream, enum inspect_dir dir, struct span *part);

struct walk { /* along the bytes of a call, taking them and what a body is made of as it goes */
	struct inspect_stream *stream;
	enum inspect_dir dir;
	struct half *half;
	const uint8_t *at; /* what stands at half->offset */
};
/* the stream's bytes up to there are taken */
void walk_to(struct walk *walk, const uint8_t *end);

/* --- stream_mail.c ----------------------------------------------------------------------------------------------- */
/* bytes of a mail service's, up to where there is something to judge */
void stream_take_mail(struct inspect_stream *stream, enum inspect_dir dir, struct span *bytes);
/* no more will come */
void stream_end_mail(struct inspect_stream *stream, enum inspect_dir dir);

/* --- stream_websocket.c ------------------------------------------------------------------------------------------ */
/* after the head that agreed on it */
void stream_begin_websocket(struct inspect_stream *stream, enum inspect_dir dir, const struct http_head *response);
/* bytes of its frames, all but where it ends: a frame was not allowed */
void stream_take_websocket(struct inspect_stream *stream, enum inspect_dir dir, struct span *bytes);
/* where in the payload the last message began */
uint64_t stream_websocket_message(const struct stream_websocket *ws);
void stream_websocket_free(struct stream_websocket **ws, struct inspect_scratch *scratch);
size_t stream_websocket_memory(const struct stream_websocket *ws);

/* --- judge.c ----------------------------------------------------------------------------------------------------- */
/* bytes of the body that have come, as inspected */
uint64_t stream_body_seen(const struct half *half);
/* bytes of the unit that came before the turn */
uint64_t stream_turn_skip(const struct half *half);

struct judgement {
	bool start;          /* nothing has come yet: filters on the session itself */
	bool head;           /* the head has just come: filters on it alone are judged now and never again */
	bool complete;       /* the message, or what is there of the raw payload, has ended */
	bool part;           /* a part of a mail message has */
	struct views *views; /* head buffers when built already, else NULL; the others are added */
};
/* Evaluates the candidates of a direction; reports hits in the order of the bytes that completed them, up to the
 * first that blocks. */
void stream_judge(struct inspect_stream *stream, enum inspect_dir dir, const struct judgement *judgement);
/* the filters on the session itself, once, before the first byte of the direction is taken */
void stream_start(struct inspect_stream *stream, enum inspect_dir dir);
/* judged without a block: everything taken may go */
void stream_release(struct inspect_stream *stream, enum inspect_dir dir);
/* the head buffers of the current message, in the scratch's arena */
void stream_head_views(struct inspect_stream *stream, enum inspect_dir dir, struct views *out);

/* --- state.c ----------------------------------------------------------------------------------------------------- */
/* Do the flowbits and xbits that the filter asks for stand as it wants? */
bool state_admits(const struct inspect_stream *stream, enum inspect_dir dir, const struct filter *filter);
/* changes those that it sets, having matched */
void state_change(struct inspect_stream *stream, enum inspect_dir dir, const struct filter *filter);

/* --- waits.c -------------------------------------------------------------------------------------------------------
 */
/* notes what the filter, unmatched on these views, waits for; a filter without a note is evaluated every time */
void waits_note(
	struct inspect_scratch *scratch, const struct filter *filter, uint32_t index, const struct views *views);
/* false while the bytes since the last judgement cannot have made the filter match */
bool wait_is_over(
	const struct wait *wait, const struct filter *filter, const struct half *half, const struct views *views);
/* keeps the notes of this judgement for the next */
void waits_keep(struct inspect_scratch *scratch, struct half *half);
