/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Signature inspection of decrypted payload (spec C1 to C4, B8). Signature filters are written in the Suricata rule
 * language. An engine is the immutable compiled form of a profile's filter packages; a stream is the state of one
 * session; a scratch is per worker. Hyperscan finds candidates, the confirm stage makes the match exact. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/common.h"

enum inspect_service { /* the decrypted service (C3) */
	INSPECT_HTTP,
	INSPECT_SMTP,
	INSPECT_IMAP,
	INSPECT_POP3,
	INSPECT_RAW,  /* Any: filters for no protocol in particular */
	INSPECT_NONE, /* Other */
	INSPECT_SERVICES
};
enum inspect_dir { INSPECT_TO_SERVER, INSPECT_TO_CLIENT, INSPECT_DIRS };
/* trust: the rest of the session passes uninspected */
enum inspect_action { INSPECT_NOTIFY, INSPECT_TRUST, INSPECT_BLOCK };
/* whom a filter's own action resets: source and destination of the bytes that matched */
enum inspect_reject { INSPECT_REJECT_NONE, INSPECT_REJECT_SOURCE, INSPECT_REJECT_DESTINATION, INSPECT_REJECT_BOTH };

/* --- compilation (sluice-proxy --compile) --------------------------------------------------------------------- */
struct inspect_source {   /* one rule file */
	const char *name; /* as it appears in messages */
	struct span text;
};
struct inspect_refusal {  /* a filter that was not loaded, never silently */
	const char *file; /* the source's name */
	unsigned int line;
	uint32_t sid; /* 0 if it could not be read */
	char *reason;
};
struct inspect_report {
	size_t n_loaded, n_refused, n_disabled; /* disabled: commented-out filters */
	struct inspect_refusal *refused;
};
void inspect_report_clear(struct inspect_report *report);

/* how far a compilation has come: "filters" of the sources' bytes, "patterns" of the groups of patterns */
struct inspect_progress {
	void (*tell)(void *owner, const char *what, size_t done, size_t total);
	void *owner;
};

/* Compiles the sources into one self-contained image (for inspect_engine_load() in another process of the same
 * build and CPU); refused filters are reported and left out. *image can be freed and is the caller's. 0 or -errno. */
int inspect_compile(const struct inspect_source *sources, size_t n, const struct inspect_progress *progress,
	uint8_t **image, size_t *image_len, struct inspect_report *report);

#define INSPECT_IMAGE_ALIGN 64
static inline size_t inspect_image_room(size_t len) /* for aligned_alloc() */
{
	return (len + INSPECT_IMAGE_ALIGN - 1) / INSPECT_IMAGE_ALIGN * INSPECT_IMAGE_ALIGN;
}
/* -EINVAL when an engine would not load the image: damaged, of another build, Hyperscan or CPU */
int inspect_image_check(const uint8_t *image, size_t len);
/* against damage, not against malice */
uint64_t inspect_checksum(uint64_t seed, const void *data, uint64_t len);

/* --- engine -------------------------------------------------------------------------------------------------- */
struct inspect_engine;
struct inspect_scratch;

/* -EINVAL when the image is damaged, of another build, or not so aligned. The engine reads its databases where they
 * are: the image must stay until the engine is freed, and may be read-only memory that several processes share (C5). */
int inspect_engine_load(struct inspect_engine **out, const uint8_t *image, size_t len);
void inspect_engine_free(struct inspect_engine **engine);
/* those that are on */
size_t inspect_engine_filters(const struct inspect_engine *engine);

int inspect_scratch_new(struct inspect_scratch **out);
/* makes the scratch large enough for one more engine; call after each load */
int inspect_scratch_grow(struct inspect_scratch *scratch, const struct inspect_engine *engine);
void inspect_scratch_free(struct inspect_scratch **scratch);
/* The clock of threshold, detection_filter and xbits, in milliseconds; CLOCK_MONOTONIC unless set. Their tables belong
 * to the scratch: every worker counts for itself. */
void inspect_scratch_set_clock(struct inspect_scratch *scratch, uint64_t (*clock)(void *data), void *data);
struct inspect_stats {              /* of the streams that used this scratch */
	uint64_t confirm_limit;     /* evaluations given up at the engine's limits, counted as unmatched (B12) */
	uint64_t http_anomaly;      /* messages that are not HTTP/1, or beyond its bounds: raw bytes from there on */
	uint64_t http_smuggling;    /* messages whose end readers could see in different places: the same */
	uint64_t mail_starttls;     /* commands of mail clients that ask for TLS inside TLS */
	uint64_t websocket_anomaly; /* frames that RFC 6455 forbids: raw bytes from there on */
	uint64_t matches_dropped;   /* more filters matched at one point than can be reported */
	uint64_t engine_failed;     /* data that could not be inspected: out of memory, Hyperscan error */
	uint64_t rate_suppressed;   /* matches without a record for their filter's threshold or detection_filter */
	uint64_t decode_limit;      /* encoded bodies whose rest was not inspected: a decompression bomb's signs */
	uint64_t decode_failed;     /* the same for a broken coding, or one that is not known: inspected as it came */
	uint64_t limit_streams;     /* streams in which a limit kept anything from being judged */
	uint64_t limit_blocked;     /* those of them that on_limit ended */
	uint64_t track_evicted;     /* counts and xbits that gave way to others before their time */
};
const struct inspect_stats *inspect_scratch_stats(const struct inspect_scratch *scratch);

/* --- stream --------------------------------------------------------------------------------------------------- */
struct inspect_filter { /* facts of one filter, for records */
	uint32_t sid, revision, generator;
	const char *name;           /* msg */
	const char *category;       /* classtype, "" when none */
	unsigned int severity;      /* priority: 1 high ... 4 */
	enum inspect_action own;    /* what its text says: alert, drop and reject */
	enum inspect_reject reject; /* the same */
	bool passes;                /* the same: pass, which goes before all others and leaves no record */
	enum inspect_action action; /* what is done: its own unless inspect_engine_treat() said otherwise */
	const void *treatment;      /* of inspect_engine_treat()'s caller, NULL unless set there */
};

/* What a profile makes of its filters (F1, B8, B11). Called once for each, before the first stream: may change action
 * and treatment; false switches the filter off. */
void inspect_engine_treat(
	struct inspect_engine *engine, bool (*treat)(void *data, struct inspect_filter *filter), void *data);

/* C6: what a filter did and cost since its engine was loaded. One evaluation in INSPECT_USAGE_SAMPLE is timed and
 * stands for all of them; the pattern search of all filters together is in no filter's cost. */
#define INSPECT_USAGE_SAMPLE 64
struct inspect_usage {
	uint64_t evaluations, hits, blocks, cost_ns;
};
/* filter i of all that were loaded, off or not; NULL past the last */
const struct inspect_filter *inspect_engine_usage(
	const struct inspect_engine *engine, size_t i, struct inspect_usage *out);

struct inspect_http_facts { /* of the transaction in which a filter matched; spans valid during the callback */
	struct span method, uri, host, x_forwarded_for, user_agent;
	unsigned int status; /* 0 until known */
};
struct inspect_hit {
	const struct inspect_filter *filter;
	enum inspect_dir dir;
	uint64_t offset; /* stream offset in dir of the byte that completed the match, as far as is known */
	const struct inspect_http_facts *http; /* NULL outside HTTP */
};

/* B12: what keeps bytes from being judged as their filters mean it, and what is done then. Counted and told in the
 * verdict either way. Bypass: what can be inspected still is. The others end the session, where a filter that blocks
 * might have been missed; for anomalies of HTTP and of WebSockets and STARTTLS always. */
enum inspect_limit {
	INSPECT_LIMIT_CONFIRM,   /* too costly an evaluation */
	INSPECT_LIMIT_MATCHES,   /* too many matches at once */
	INSPECT_LIMIT_DECODE,    /* a decompression bomb's signs */
	INSPECT_LIMIT_CODING,    /* a broken content coding, or one that is not known */
	INSPECT_LIMIT_ENGINE,    /* no memory, or Hyperscan failed */
	INSPECT_LIMIT_ANOMALY,   /* not HTTP/1, or beyond its bounds */
	INSPECT_LIMIT_SMUGGLING, /* readers could see a message's end in different places */
	INSPECT_LIMIT_STARTTLS,  /* a mail client asks for TLS inside TLS */
	INSPECT_LIMIT_WEBSOCKET, /* a frame that RFC 6455 forbids */
	INSPECT_LIMITS
};
enum inspect_on_limit { INSPECT_ON_LIMIT_BYPASS, INSPECT_ON_LIMIT_BLOCK, INSPECT_ON_LIMIT_RESET };

struct inspect_tls_facts { /* of the client's handshake; strings borrowed for the life of the stream, NULL: none */
	const char *sni, *ja3, *ja4, *version; /* version: "1.2" */
};

struct inspect_stream_options {
	enum inspect_service service;
	struct inspect_tls_facts tls;
	uint32_t client_ip, server_ip;     /* network byte order, for the rules' headers and logs */
	uint16_t client_port, server_port; /* host byte order */
	bool inspect_response;             /* B11 */
	enum inspect_on_limit on_limit[INSPECT_LIMITS];
	size_t body_hold_bytes; /* B8: request body held until its verdict up to this many bytes */
	/* called for every matching filter (once per filter and transaction) before inspect_data() returns; not where
	 * noalert, threshold or detection_filter suppress the record, though such a filter may block all the same */
	void (*on_hit)(void *owner, const struct inspect_hit *hit);
	void *owner;
};
struct inspect_stream;
int inspect_stream_new(struct inspect_stream **out, const struct inspect_engine *engine,
	struct inspect_scratch *scratch, const struct inspect_stream_options *options);
void inspect_stream_free(struct inspect_stream **stream);

struct inspect_verdict {
	/* stream offset up to which bytes of this direction may be sent on; the rest must be held by the caller until
	 * a later call raises it. Never decreases. A request head is held until its verdict. */
	uint64_t release;
	/* not NULL: end the session; nothing past release is ever sent. A filter with sid 0 stands for on_limit. */
	const struct inspect_filter *block;
	enum inspect_dir block_dir; /* of the bytes that matched it */
	bool limited;               /* a limit has kept something in this stream from being judged (B12) */
};
/* The next bytes of a direction, in order. data may be cut anywhere: the verdict does not depend on the cuts. */
void inspect_data(struct inspect_stream *stream, enum inspect_dir dir, const uint8_t *data, size_t len,
	struct inspect_verdict *out);
/* the direction has ended: what is held is judged as it is */
void inspect_end(struct inspect_stream *stream, enum inspect_dir dir, struct inspect_verdict *out);
/* bytes of memory this stream holds now */
size_t inspect_stream_memory(const struct inspect_stream *stream);
