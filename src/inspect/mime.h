/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of a mail message (RFC 2045, RFC 2046): headers, nested multiparts and attached messages are followed, and
 * each leaf comes out decoded, as what a mail program would save. Fed a byte at a time, so nothing depends on cuts;
 * what it keeps is bounded. No allocation. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIME_DEPTH_MAX 16    /* multiparts inside of one another */
#define MIME_BOUNDARY_MAX 70 /* RFC 2046 section 5.1.1 */
#define MIME_FIELD_MAX 1024  /* bytes of a header field that are looked at */
#define MIME_LINE_MAX 128    /* of a line that may be a boundary */
#define MIME_OUT_MAX (MIME_FIELD_MAX + MIME_LINE_MAX + 8)

enum mime_state {
	MIME_HEADER,
	MIME_LEAF,
	MIME_BETWEEN, /* preamble or epilogue of a multipart: shown by nobody */
};
enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QUOTED_PRINTABLE };

struct mime {
	enum mime_state state;
	enum mime_encoding encoding;
	bool first;                       /* nothing but header fields has come yet */
	bool multipart, message, unknown; /* what the part's header says of it */
	unsigned int depth;               /* of the boundaries in force */
	struct {
		uint8_t len;
		char text[MIME_BOUNDARY_MAX];
	} boundaries[MIME_DEPTH_MAX];
	uint8_t boundary_len; /* that of the part's own header, 0: none */
	char boundary[MIME_BOUNDARY_MAX];
	size_t field_len, line_len;
	bool field_line_empty;   /* nothing of the header's line that is under way has come */
	bool line_held;          /* the line may be a boundary: none of it has come out */
	uint8_t end_len, end[2]; /* a line's end, which belongs to a boundary if one follows */
	uint8_t digits, kept;    /* decoder: digits of base64 in bits; characters of an escape of quoted-printable */
	uint32_t bits;
	uint8_t escape[2];
	uint8_t blanks_len, blanks[MIME_LINE_MAX]; /* quoted-printable: blanks that a line's end would take away */
	uint8_t field[MIME_FIELD_MAX], line[MIME_LINE_MAX];
};

struct mime_news {         /* what a byte brought */
	bool begins, ends; /* a leaf; at most one of them, ends after the bytes */
	bool failed;       /* what follows cannot be taken apart as its header says: it comes as it is */
	size_t n;
	uint8_t bytes[MIME_OUT_MAX]; /* of the leaf */
};

void mime_start(struct mime *mime);
void mime_byte(struct mime *mime, uint8_t c, struct mime_news *news);
/* the message has ended */
void mime_finish(struct mime *mime, struct mime_news *news);
