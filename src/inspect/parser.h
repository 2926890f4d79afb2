/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Parsing of one filter. Inside: the state that the keyword functions (keyword*.c) share. */
#include "inspect/filter.h"
#include "inspect/filter_lex.h"

#define FLOWBITS_MAX 65535
#define FLOWBIT_NAME_MAX 127

struct flowbit_names { /* of one engine; the index is the bit */
	size_t n;
	char **names;
};
void flowbit_names_clear(struct flowbit_names *names);

struct parser {
	struct filter *filter;
	struct flowbit_names *flowbits;
	const struct variables *rule_variables;
	bool known;                 /* the text was read once before (enum ruleset_origin) */
	enum buffer_id buffer;      /* the sticky buffer in force */
	transform_chain transforms; /* and its transforms */
	int content;                /* the content that a modifier applies to, -1: none yet */
	unsigned int n_variables;
	char variables[FILTER_VARIABLES_MAX][32];
	bool has_class; /* a classtype that has a severity of its own */
	bool has_priority, has_direction;
	bool by_packet; /* tcp-pkt, dsize, flow:no_stream: speaks of packets */
	bool opens;     /* flags:S, the packet that opens the connection */
	char reason[192];
};

/* Parses one filter's text. -EINVAL with parser->reason (and filter_sid_guess() for the report), -ENOMEM.
 * The caller sets parser->flowbits and ->rule_variables before. */
int filter_parse(struct parser *parser, struct span text, struct filter **out);
/* the sid of a text that does not parse, 0 if there is none */
uint32_t filter_sid_guess(struct span text);

/* --- for the keyword functions --------------------------------------------------------------------------------- */
typedef int keyword_fn(struct parser *p, char *value);
struct keyword {
	const char *name;
	keyword_fn *parse;
	enum { VALUE_NONE, VALUE_REQUIRED, VALUE_OPTIONAL, VALUE_IGNORED } value;
	const char *help; /* for the table in the documentation */
};
/* NULL when there is no such keyword */
const struct keyword *keyword_find(const char *name);

/* sets the reason and returns -EINVAL */
int parser_fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* a new zeroed condition in the buffer in force, or NULL with the reason set */
struct condition *parser_add(struct parser *p, enum condition_type type);
int parser_unsigned(struct parser *p, const char *text, uint64_t max, uint64_t *out);
/* decimal or 0x.. integer, or the name of a variable set before */
int parser_number(struct parser *p, const char *text, struct number *out);

keyword_fn keyword_content, keyword_uricontent, keyword_nocase, keyword_depth, keyword_offset, keyword_distance,
	keyword_within, keyword_startswith, keyword_endswith, keyword_rawbytes, keyword_fast_pattern;
keyword_fn keyword_pcre, keyword_isdataat, keyword_bsize, keyword_urilen, keyword_dsize;
keyword_fn keyword_flags, keyword_tls_version;
keyword_fn keyword_base64_decode;
keyword_fn keyword_byte_test, keyword_byte_jump, keyword_byte_extract, keyword_byte_math;
keyword_fn keyword_metadata;
keyword_fn keyword_flow, keyword_flowbits, keyword_noalert;
keyword_fn keyword_threshold, keyword_detection_filter, keyword_xbits;
