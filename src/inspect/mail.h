/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The command lines of SMTP, IMAP and POP3 clients, as far as inspection needs them (C3): a client that asks for TLS
 * inside TLS (STARTTLS, STLS), told apart from the same words in a message. A pure function of the bytes, however they
 * are cut; no line is kept but its beginning. */
#include <stdbool.h>
#include <stdint.h>

#include "base/common.h"

#define MAIL_LINE_MAX 64 /* bytes of a line that are looked at */

enum mail_protocol { MAIL_SMTP, MAIL_IMAP, MAIL_POP3 };

struct mail {
	enum mail_protocol protocol;
	bool asked_data; /* DATA was sent, its reply is awaited (RFC 5321 section 4.1.1.4) */
	bool in_message; /* what comes is a message, up to a line with a dot */
	uint64_t skip; /* bytes of an IMAP literal (RFC 3501 section 4.3) or of a BDAT chunk (RFC 3030) still to come */
	uint64_t literal; /* the number of a literal that this line may be about to announce */
	enum { LITERAL_NONE, LITERAL_DIGITS, LITERAL_PLUS, LITERAL_CLOSED } literal_state;
	uint8_t line_len; /* of what is kept of it */
	uint8_t line[MAIL_LINE_MAX];
	bool reply_goes_on; /* not at the beginning of a line of the server's */
};

/* Takes bytes of the client's up to and with the end of a line that asks for TLS, which it says, or all. Returns how
 * many. */
size_t mail_client(struct mail *mail, struct span bytes, bool *starttls);
void mail_server(struct mail *mail, struct span bytes);
