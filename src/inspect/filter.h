/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The model of one signature filter: an ordered list of conditions, each bound to a buffer. Made by the parser
 * (parser.h), read by the compiler and the confirm stage, immutable in between. A filter owns all it points to. */
#include <stdbool.h>
#include <stdint.h>

#include "base/common.h"
#include "inspect/buffer.h"
#include "inspect/header.h"
#include "inspect/inspect.h"
#include "inspect/transform.h"

#define FILTER_CONDITIONS_MAX 64
#define FILTER_VARIABLES_MAX 8
#define BYTE_DIGITS_MAX 23
#define BASE64_BYTES_MAX 65535
#define FAST_LEN_MIN 4 /* shorter contents find too many candidates, and slow the search for all of them down */
#define FILTER_FLOWBITS_MAX 8
#define FILTER_XBITS_MAX 4

struct regex; /* a compiled PCRE2 pattern (regex.h) */

/* a constant, or the value that byte_extract or byte_math left in a variable */
struct number {
	int64_t value;
	int8_t variable; /* -1: constant */
};

enum condition_type {
	CONDITION_CONTENT,
	CONDITION_PCRE,
	CONDITION_ISDATAAT,
	CONDITION_BYTE_TEST,
	CONDITION_BYTE_JUMP,
	CONDITION_BYTE_EXTRACT,
	CONDITION_SIZE, /* bsize, urilen */
	CONDITION_BASE64,
	CONDITION_BYTE_MATH,
};

struct content {
	uint8_t *bytes; /* lower case when nocase */
	size_t len;
	bool nocase, starts, ends;
	bool has_offset, has_depth, has_distance, has_within;
	struct number offset, depth, distance, within;
	bool fast;                      /* fast_pattern given */
	uint16_t fast_offset, fast_len; /* part used as fast pattern; len 0: all of it */
};

struct pcre_condition {
	char *pattern;
	uint32_t flags; /* enum regex_flag */
	struct regex *regex;
};

enum compare { COMPARE_EQ, COMPARE_LT, COMPARE_GT, COMPARE_LE, COMPARE_GE, COMPARE_AND, COMPARE_XOR, COMPARE_BETWEEN };

struct byte_access {         /* how byte_* keywords read their number */
	uint8_t bytes, base; /* base 0: binary; 8, 10, 16: digits, as many as there are when bytes is 0 */
	bool little;
	uint32_t bitmask; /* 0: none; else the number is masked, and moved right by the mask's trailing zeros */
	struct number offset;
};

enum math { MATH_ADD, MATH_SUBTRACT, MATH_MULTIPLY, MATH_DIVIDE, MATH_LEFT, MATH_RIGHT };

struct condition {
	enum condition_type type;
	enum buffer_id buffer;
	transform_chain transforms; /* of the buffer, before the condition looks at it */
	bool negated, relative;     /* relative: to the end of the match before it in the same buffer */
	union {
		struct content content;
		struct pcre_condition pcre;
		struct number isdataat;
		struct {
			struct byte_access access;
			enum compare compare;
			struct number value;
		} test;
		struct {
			struct byte_access access;
			uint32_t multiplier;
			bool align, from_beginning, from_end;
			int32_t post_offset;
		} jump;
		struct {
			struct byte_access access;
			uint32_t multiplier;
			uint8_t align, variable;
		} extract;
		struct {
			struct byte_access access;
			enum math operation;
			struct number operand;
			uint8_t variable;
		} math;
		struct {
			enum compare compare;
			uint32_t low, high;
		} size;
		struct {
			uint32_t bytes, offset;
		} base64;
	};
};

enum flowbit_command { FLOWBIT_SET, FLOWBIT_UNSET, FLOWBIT_TOGGLE, FLOWBIT_ISSET, FLOWBIT_ISNOTSET, FLOWBIT_COMMANDS };
extern const char *const flowbit_commands[FLOWBIT_COMMANDS];
struct flowbit {
	enum flowbit_command command;
	uint8_t n_bits; /* isset:a|b is true when any of them is */
	uint16_t bits[4];
};

enum track_by { TRACK_BY_SOURCE, TRACK_BY_DESTINATION, TRACK_BY_PAIR, TRACK_BY_RULE };

enum rate_type { RATE_NONE, RATE_LIMIT, RATE_THRESHOLD, RATE_BOTH, RATE_DETECTION };
struct rate { /* threshold or detection_filter */
	enum rate_type type;
	enum track_by by;
	uint32_t count, seconds;
};

struct xbit { /* a flowbit of a host or of a pair of hosts */
	enum flowbit_command command;
	enum track_by by;
	uint32_t expire; /* seconds */
	uint64_t name;   /* its hash */
};

enum filter_protocol { /* in the head of the filter, or by the buffers it looks at */
	PROTOCOL_ANY,  /* tcp, ip */
	PROTOCOL_HTTP,
	PROTOCOL_SMTP,
	PROTOCOL_IMAP,
	PROTOCOL_POP3,
	PROTOCOL_TLS, /* about the handshake: any service inside */
};

struct filter {
	struct inspect_filter facts;
	char *name, *category; /* what facts points to */
	enum filter_protocol protocol;
	bool off;      /* by the profile: looked for by no stream */
	bool silent;   /* noalert: sets its flowbits, reports nothing */
	bool at_start; /* looks at nothing but the session itself: judged at the first byte of a direction */
	bool by_turn;  /* its positions may count from where a side began to speak, as in a packet */
	uint8_t dirs;
	struct header header;
	size_t n_conditions;
	struct condition *conditions; /* sorted by buffer, in written order within one */
	uint64_t buffers;             /* 1 << enum buffer_id */
	bool streams;                 /* some condition looks at a growing buffer */
	unsigned int n_flowbits;
	struct flowbit flowbits[FILTER_FLOWBITS_MAX];
	unsigned int n_xbits;
	struct xbit xbits[FILTER_XBITS_MAX];
	struct rate rate;
	int fast;          /* the condition that finds candidates, -1: none can */
	unsigned int line; /* in its source */
};

void filter_free(struct filter **filter);
void condition_clear(struct condition *condition);

/* Can its content be searched for in the buffer as it is, before transforms and base64? */
bool condition_is_findable(const struct condition *condition);

/* orders filters so that those that set flowbits or xbits come before those that ask for them */
int filter_flowbit_rank(const struct filter *filter);

static inline bool filter_uses(const struct filter *filter, enum buffer_id buffer)
{
	return filter->buffers & 1ull << buffer;
}
