/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The spool (G6): every record that sluice-log takes is appended here before it leaves its producer's ring, and stays
 * until every log target has certainly received it. One directory, flat:
 *
 *   BOOT-FIRST.seg      records with sequences from FIRST on, without gaps; BOOT and FIRST as 16 hex digits, so that
 *                       names sort by age. A boot is one run of the supervisor; one sluice-log writes it.
 *   BOOT.lock           locked (flock) while that sluice-log lives
 *   BOOT.cursor-TARGET  struct spool_cursor, written by the target's process
 *
 * A record is struct spool_record and its JSON line. Numbers are in the machine's byte order: a spool does not travel.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/common.h"
#include "events/event.h"

#define SPOOL_SEGMENT_MAX (8u << 20)
#define SPOOL_BUFFER (2u << 20)
#define SPOOL_NAME_MAX 128 /* of a file */
#define SPOOL_TARGETS_MAX 8
#define SPOOL_RINGS_MAX 64

#define SPOOL_RECORD_MAGIC 0x536c3031u /* "Sl01" */
struct spool_record {
	uint32_t magic;
	uint32_t len;      /* of the line that follows */
	uint32_t checksum; /* of what follows this field, and of the line */
	uint8_t log;       /* enum event_log */
	uint8_t severity;  /* RFC 5424 section 6.2.1 */
	uint16_t zero;
	uint64_t sequence; /* of the boot, from 1, without gaps */
	uint64_t time_us;
	uint64_t ring; /* where it came from: what is still in the ring after a kill is not spooled twice */
	uint64_t ring_sequence;
};
uint32_t spool_checksum(const struct spool_record *record, const void *line);

struct spool_cursor {
	uint64_t sequence; /* everything before it is certainly received or not for this target */
	uint32_t done;     /* 1: the boot has ended and all of it is received */
	uint32_t checksum;
};
uint32_t spool_cursor_checksum(const struct spool_cursor *cursor);

/* names of files */
enum spool_kind { SPOOL_OTHER, SPOOL_SEGMENT, SPOOL_LOCK, SPOOL_CURSOR };
struct spool_name {
	enum spool_kind kind;
	uint64_t boot, first;        /* first: of a segment */
	char target[SPOOL_NAME_MAX]; /* of a cursor */
};
void spool_parse_name(const char *text, struct spool_name *out);
void spool_segment_name(char out[SPOOL_NAME_MAX], uint64_t boot, uint64_t first);
void spool_lock_name(char out[SPOOL_NAME_MAX], uint64_t boot);
void spool_cursor_name(char out[SPOOL_NAME_MAX], uint64_t boot, const char *target);

/* every name of the directory, sorted by age; a new array. 0 or -errno */
struct spool_list {
	size_t n;
	struct spool_name *names;
};
int spool_list(int dir_fd, struct spool_list *out);
void spool_list_free(struct spool_list *list);

/* whether a sluice-log that writes this boot is alive */
bool spool_boot_is_live(int dir_fd, uint64_t boot);
/* sequence 0 when there is none, or a damaged one: then everything is sent again */
struct spool_cursor spool_read_cursor(int dir_fd, uint64_t boot, const char *target);

/* Reads the record at offset of a segment: 1 with *record and its line in line[]; 0: not there yet, or torn; -EBADMSG
 * when the bytes are no record. */
int spool_read_record(int fd, uint64_t offset, struct spool_record *record, char line[EVENT_JSON_MAX]);

/* the same of bytes that were read from there */
int spool_take_record(struct span bytes, struct spool_record *record, char line[EVENT_JSON_MAX]);

/* --- the writer: sluice-log ------------------------------------------------------------------------------------- */

struct spool_ring { /* what is spooled of a ring */
	uint64_t ring, sequence;
};

struct spool {
	int dir_fd;  /* borrowed */
	int lock_fd; /* owned */
	int fd;      /* owned; -1 before the first record */
	uint64_t boot, next_sequence;
	uint64_t size;        /* of the segment */
	uint64_t segment_max; /* SPOOL_SEGMENT_MAX but in tests */
	uint64_t first_in_buffer;
	size_t used;
	uint8_t *buffer;
	bool dirty, failing;
	unsigned int n_rings;
	struct spool_ring rings[SPOOL_RINGS_MAX]; /* as found at opening */
};

/* Opens the boot's spool for appending: what a killed sluice-log left torn is cut off, and the sequence goes on. */
int spool_open(struct spool *spool, int dir_fd, uint64_t boot);
void spool_close(struct spool *spool);
static inline bool spool_has_room(const struct spool *spool)
{
	return spool->used + sizeof(struct spool_record) + EVENT_JSON_MAX <= SPOOL_BUFFER;
}
/* needs room; fills magic, len, checksum and sequence (next_sequence, which the line holds already) */
void spool_add(struct spool *spool, struct spool_record record, const char *line, size_t len);
/* writes what was added; on failure (disk full) it is kept for the next call. 0 or -errno */
int spool_flush(struct spool *spool);
void spool_sync(struct spool *spool);
/* the newest sequence spooled of a ring; false when there is none */
bool spool_find_ring(const struct spool *spool, uint64_t ring, uint64_t *sequence);

/* seconds since 1970 for judging ages: the wall clock, but never ahead of what has passed since this process began, so
 * that a clock that is set forward and back makes nothing old */
uint64_t spool_now_s(void);

/* --- bounds (spool_keep.c) -------------------------------------------------------------------------------------- */

struct spool_bounds {
	size_t n_targets;
	char targets[SPOOL_TARGETS_MAX][SPOOL_NAME_MAX / 2];
	uint64_t max_bytes;
	uint64_t max_age_s;
};
struct spool_usage {
	uint64_t bytes;
	uint64_t dropped;  /* records removed by this call before every target had them */
	uint64_t oldest_s; /* wall clock of the oldest segment's last write; 0: none */
};
/* Removes what every target has, and beyond the bounds the oldest; never the segment being written. */
int spool_keep(const struct spool *spool, const struct spool_bounds *bounds, struct spool_usage *usage);
