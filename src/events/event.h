/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Log records (G1) on their way from a producer to sluice-log: a single-producer single-consumer byte ring in a
 * memfd, with an eventfd doorbell. A record is a header and fields as {u8 id, u8 0, u16 len, bytes}, each padded with
 * zeros to a multiple of 8, each id at most once; encoders, queries and documentation derive from event_fields.def. A
 * full ring loses the record and says so: never blocks. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/common.h"

enum event_log { /* file name in the log directory: <name>.json */
#define EVENT_LOG(id, name, eve, severity, ssl_inspect, meaning) EVENT_LOG_##id,
#include "events/event_logs.def"
#undef EVENT_LOG
	EVENT_LOG_N
};
/* G1: which records have the field ssl_inspect; the encoder sees to it, whatever the producer set */
enum event_ssl_inspect { EVENT_SSL_INSPECT_NEVER, EVENT_SSL_INSPECT_ALWAYS, EVENT_SSL_INSPECT_URL };
struct event_log_info {
	const char *name;
	const char *eve_type;
	unsigned int severity;
	enum event_ssl_inspect ssl_inspect;
	const char *meaning;
};
extern const struct event_log_info event_log_info[EVENT_LOG_N];
const char *event_log_name(enum event_log log); /* "system", ...; "unknown" */
int event_log_find(const char *name);           /* -ENOENT */

enum event_privacy { /* G8 */
#define EVENT_PRIVACY(id, name, holds, masked) EVENT_PRIVACY_##id,
#include "events/event_privacy.def"
#undef EVENT_PRIVACY
	EVENT_PRIVACY_N
};
struct event_privacy_info {
	const char *name, *holds, *masked;
};
extern const struct event_privacy_info event_privacy_info[EVENT_PRIVACY_N];

enum event_field {
#define EVENT_FIELD(id, name, type, meaning, eve, ecs, cef, where, privacy) EVENT_##id,
#include "events/event_fields.def"
#undef EVENT_FIELD
	EVENT_FIELD_N
};
enum event_type {
	EVENT_TYPE_U64,
	EVENT_TYPE_STR,
	EVENT_TYPE_IP4,
	EVENT_TYPE_PORT,
	EVENT_TYPE_MAC,
	EVENT_TYPE_ID,
	EVENT_TYPE_BOOL,
	EVENT_TYPE_TIME_US
};
struct event_field_info {
	const char *name;
	enum event_type type;
	const char *meaning;
	const char *eve; /* path in the JSON of log targets */
	const char *ecs; /* "": sluice.<name> */
	const char *cef; /* "": Sluice<Name> */
	bool parameter;  /* of RFC 5424 structured data */
	enum event_privacy privacy;
};
extern const struct event_field_info event_field_info[EVENT_FIELD_N];
/* the field of a name, which need not end in NUL; -ENOENT */
int event_field_find(struct span name);

#define EVENT_MAX (96 << 10) /* bytes of one record */
#define EVENT_STR_MAX 65535  /* longer text is cut here */
struct event_header {
	uint32_t len; /* whole record, multiple of 8 */
	uint16_t log; /* enum event_log */
	uint16_t producer;
	uint64_t time_us;  /* wall clock */
	uint64_t sequence; /* per producer, gaps show losses */
};

struct event_ring;                              /* a mapping of either side */
int event_ring_create(struct event_ring **out); /* memfd + eventfd */
/* duplicates the descriptors: the caller's stay its own */
int event_ring_map(struct event_ring **out, int memfd, int eventfd);
void event_ring_free(struct event_ring **ring);
/* chosen at random by who made the ring */
uint64_t event_ring_id(const struct event_ring *ring);
int event_ring_memfd(const struct event_ring *ring);
int event_ring_eventfd(const struct event_ring *ring);

/* A record under construction; lives on the producer's stack. Fields beyond EVENT_MAX are left out. */
struct event {
	uint32_t used;
	_Alignas(8) uint8_t bytes[EVENT_MAX];
};
void event_begin(struct event *event, enum event_log log);
void event_u64(struct event *event, enum event_field field, uint64_t value);   /* U64, PORT, ID, BOOL, TIME_US */
void event_str(struct event *event, enum event_field field, const char *text); /* NULL: left out */
/* STR from the wire; empty: left out */
void event_bytes(struct event *event, enum event_field field, struct span bytes);
void event_ip4(struct event *event, enum event_field field, struct in_addr address);
void event_mac(struct event *event, enum event_field field, const uint8_t mac[6]);
/* 0, or -ENOBUFS when the ring is full: the caller counts it (events_lost); its sequence number stays a gap */
int event_commit(struct event_ring *ring, struct event *event, uint16_t producer);
/* producer: bytes that can be committed now */
uint64_t event_ring_room(const struct event_ring *ring);
/* rings the doorbell if records were committed since the last call; once per loop round */
void event_ring_flush(struct event_ring *ring);

/* consumer: copies the next record, 1; 0 when empty; -EPROTO when the producer wrote nonsense (the ring is then
 * skipped to its head). The copy is checked: lengths and ids are sane. */
int event_ring_read(struct event_ring *ring, uint8_t *record, size_t size);
/* As event_ring_read(), but the record stays in the ring, for whoever maps it next, until event_ring_release(): a
 * consumer that is killed in between has lost nothing. The next call goes on after it. */
int event_ring_peek(struct event_ring *ring, uint8_t *record, size_t size);
/* gives the room of everything peeked at back to the producer */
void event_ring_release(struct event_ring *ring);
/* whether record[0..size) begins with a sane record, as event_ring_read() checks it: 0 or -EPROTO */
int event_check(const uint8_t *record, size_t size);

#define EVENT_JSON_MAX (640 << 10) /* no checked record of EVENT_MAX bytes needs more */
/* one line of JSON without the newline, in EVE's shape: {"timestamp": ..., "log": ..., ...}. Returns its length, or
 * -ENOBUFS. Invalid UTF-8 and control characters are escaped; forges nothing.
 * Escapes: quote, backslash; every byte below 0x20, 0x7f, every byte that is not part of valid UTF-8, and the bytes of
 * characters that move a terminal's cursor or break or reorder a line (U+0080-9F, U+2028-202E, U+2066-2069) become
 * \u00XX, one escape per byte. Other UTF-8 stands as it is, so the line tells every byte of the original. */
struct event_origin {
	const char *device;
	uint64_t boot;     /* 0: left out, and the sequence is the record's own */
	uint64_t sequence; /* of the boot, over all producers; the record's own becomes producer_sequence */
};
int event_encode_json(const uint8_t *record, const struct event_origin *origin, char *out, size_t size);
/* RFC 5424 section 6.2.1: 2 critical, 3 error, 4 warning, 5 notice, 6 informational; from the log and the severity
 * field */
unsigned int event_severity(const uint8_t *record);
