/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The lines of SMTP, IMAP and POP3, as far as inspection needs them (C3): where messages begin and end in either
 * direction, and a client that asks for TLS inside TLS (STARTTLS, STLS), told apart from the same words in a message. A
 * pure function of the bytes, however they are cut; no line is kept but its beginning. */
#include <stdbool.h>
#include <stdint.h>

#include "base/common.h"

#define MAIL_LINE_MAX 64   /* bytes of a line that are looked at */
#define MAIL_ASKED_MAX 128 /* commands that may wait for their replies */

enum mail_protocol { MAIL_SMTP, MAIL_IMAP, MAIL_POP3 };

struct mail_side {     /* the lines of one direction */
	uint64_t skip; /* bytes of an IMAP literal (RFC 3501 section 4.3) or of a BDAT chunk (RFC 3030) still to come */
	uint64_t literal; /* the number of a literal that this line may be about to announce */
	enum { LITERAL_NONE, LITERAL_DIGITS, LITERAL_PLUS, LITERAL_CLOSED } literal_state;
	/* what comes is a list or a message, up to a line with a dot */
	enum { MAIL_LINES, MAIL_LIST, MAIL_MESSAGE } content;
	enum { DOT_NONE, DOT_FIRST, DOT_END } dot; /* the line began with a dot, and a CR followed it */
	bool last;                                 /* the message ends with what is to be skipped */
	bool begun;                                /* not at the beginning of a line */
	uint8_t line_len;                          /* of what is kept of it */
	uint8_t line[MAIL_LINE_MAX];
};

struct mail {
	enum mail_protocol protocol;
	struct mail_side client, server;
	/* SMTP and POP3, whose clients need not wait (RFC 2920, RFC 2449): what the replies to come will bring, the
	 * oldest first; to DATA the client's message */
	uint8_t n_asked;
	uint8_t asked[MAIL_ASKED_MAX];
};

struct mail_news {
	bool starttls;       /* a line that asks for TLS ends at the bytes taken */
	bool ends;           /* a message, if one has begun, ends there */
	struct span message; /* those of the bytes taken that are a message's */
};
void mail_init(struct mail *mail, enum mail_protocol protocol);
/* Takes bytes up to where there is something to tell, at least one. Returns how many. */
size_t mail_client(struct mail *mail, struct span bytes, struct mail_news *news);
size_t mail_server(struct mail *mail, struct span bytes, struct mail_news *news);
