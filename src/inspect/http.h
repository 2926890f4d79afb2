/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* HTTP/1 message syntax (RFC 9112) as pure functions over hostile bytes: no allocation, no state but what the caller
 * holds. A head is read whole; a body is walked piece by piece. Tolerant where servers are (bare LF, folded fields),
 * strict where two readers could disagree about where a message ends (request smuggling). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/common.h"

#define HTTP_HEAD_MAX 65536
#define HTTP_FIELDS_MAX 256

struct http_field {
	struct span name, value; /* value: trimmed; a folded one contains its line ends */
	uint32_t hash;           /* of the name, whatever its case */
	uint16_t next;           /* the next field of that name, 0: none */
	bool repeat;             /* another of that name stands before it */
};

struct http_head {
	struct span line;                     /* first line without its end */
	struct span method, target, protocol; /* a request's; protocol also a response's */
	unsigned int status;                  /* a response's, 0: none that can be read */
	struct span status_text, reason;
	struct span fields_raw; /* all after the first line, the empty line included */
	size_t n_fields;
	struct http_field fields[HTTP_FIELDS_MAX];
};

/* Could these bytes begin a message? false as soon as they cannot. */
bool http_request_is_plausible(struct span begun);
bool http_response_is_plausible(struct span begun);

/* Length of the head that data begins with, its empty line included; 0: not complete. *scanned: bytes that need not be
 * looked at again next time (start with 0). */
size_t http_head_length(struct span data, size_t *scanned);

/* -EINVAL when it is not one, -E2BIG when it has too many fields */
int http_request_parse(struct span head, struct http_head *out);
int http_response_parse(struct span head, struct http_head *out);
/* Inline: most names differ in length, which is known of the text when this is compiled. */
static inline bool span_equal_nocase(struct span a, const char *text)
{
	return a.len == strlen(text) && !strncasecmp((const char *)a.data, text, a.len);
}

/* first field of that name, case-insensitive; NULL when absent */
static inline const struct http_field *http_field_find(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->n_fields; i++)
		if (span_equal_nocase(head->fields[i].name, name))
			return &head->fields[i];
	return NULL;
}

/* does the comma-separated list contain the token? */
bool http_list_has(struct span list, const char *token);

enum http_body_kind {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,
	HTTP_BODY_UNTIL_CLOSE,
	HTTP_BODY_TUNNEL, /* not HTTP from here on: CONNECT, 101 */
	HTTP_BODY_BAD,    /* readers could disagree where the message ends */
};
struct http_body {
	enum http_body_kind kind;
	uint64_t left; /* bytes of the body or chunk still to come */
	uint8_t state;
	uint16_t line; /* length of the size line or the trailer so far */
};
/* how the body is delimited (RFC 9112 section 6.3) */
void http_request_body(const struct http_head *head, struct http_body *out);
/* method: of the request, as far as is known */
void http_response_body(const struct http_head *head, struct span method, struct http_body *out);

enum http_body_result { HTTP_BODY_MORE, HTTP_BODY_PIECE, HTTP_BODY_DONE, HTTP_BODY_BROKEN };
/* Takes from in up to and including the next run of body bytes, which becomes *piece. DONE: the message ends at the
 * bytes taken; MORE: all taken; BROKEN: invalid chunk at the byte where in stands now. */
enum http_body_result http_body_take(struct http_body *body, struct span *in, struct span *piece);
