/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/mail.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"

#define LITERAL_MAX (1ull << 40)

/* --- words of a line --------------------------------------------------------------------------------------------- */
static struct span next_word(struct span *line)
{
	struct span word;

	while (line->len && (line->data[0] == ' ' || line->data[0] == '\t'))
		span_skip(line, 1);
	word = SPAN(line->data, 0);
	while (word.len < line->len && !isspace(line->data[word.len]))
		word.len++;
	span_skip(line, word.len);
	return word;
}

static bool is_word(struct span word, const char *text)
{
	return word.len == strlen(text) && !strncasecmp((const char *)word.data, text, word.len);
}

static uint64_t number_of(struct span word)
{
	uint64_t n = 0;

	for (size_t i = 0; i < word.len && isdigit(word.data[i]) && n < LITERAL_MAX; i++)
		n = n * 10 + (uint64_t)(word.data[i] - '0');
	return n;
}

/* --- commands ---------------------------------------------------------------------------------------------------- */
static bool smtp_command(struct mail *mail, struct span line)
{
	struct span word = next_word(&line);

	mail->asked_data = is_word(word, "DATA");
	if (is_word(word, "BDAT"))
		mail->skip = number_of(next_word(&line));
	return is_word(word, "STARTTLS");
}

static bool imap_command(struct mail *mail, struct span line)
{
	if (mail->literal_state == LITERAL_CLOSED)
		mail->skip = mail->literal;
	next_word(&line); /* the tag */
	return is_word(next_word(&line), "STARTTLS");
}

static bool pop3_command(struct mail *mail, struct span line)
{
	return is_word(next_word(&line), "STLS");
}

static bool line_ends(struct mail *mail)
{
	static bool (*const commands[])(struct mail *mail, struct span line) = {
		[MAIL_SMTP] = smtp_command, [MAIL_IMAP] = imap_command, [MAIL_POP3] = pop3_command};
	struct span line = SPAN(mail->line, mail->line_len);
	bool starttls = false;

	if (mail->in_message)
		mail->in_message = !(line.len && line.data[0] == '.' && (line.len == 1 || line.data[1] == '\r'));
	else
		starttls = commands[mail->protocol](mail, line);
	mail->line_len = 0;
	mail->literal_state = LITERAL_NONE;
	return starttls;
}

/* "{123}" or "{123+}" at the end of a line */
static void note_literal(struct mail *mail, uint8_t c)
{
	if (c == '{') {
		mail->literal = 0;
		mail->literal_state = LITERAL_DIGITS;
	} else if (isdigit(c) && mail->literal_state == LITERAL_DIGITS && mail->literal < LITERAL_MAX) {
		mail->literal = mail->literal * 10 + (uint64_t)(c - '0');
	} else if (c == '+' && mail->literal_state == LITERAL_DIGITS) {
		mail->literal_state = LITERAL_PLUS;
	} else if (c == '}' && (mail->literal_state == LITERAL_DIGITS || mail->literal_state == LITERAL_PLUS)) {
		mail->literal_state = LITERAL_CLOSED;
	} else if (c != '\r') {
		mail->literal_state = LITERAL_NONE;
	}
}

/* a byte of a line, its end excepted */
static void line_byte(struct mail *mail, uint8_t c)
{
	if (mail->line_len < MAIL_LINE_MAX)
		mail->line[mail->line_len++] = c;
	if (mail->protocol == MAIL_IMAP)
		note_literal(mail, c);
}

size_t mail_client(struct mail *mail, struct span bytes, bool *starttls)
{
	size_t at = 0;

	*starttls = false;
	while (at < bytes.len && !*starttls) {
		if (mail->skip) {
			size_t n = (size_t)MIN(mail->skip, bytes.len - at);

			mail->skip -= n;
			at += n;
		} else if (bytes.data[at++] == '\n') {
			*starttls = line_ends(mail);
		} else {
			line_byte(mail, bytes.data[at - 1]);
		}
	}
	return at;
}

void mail_server(struct mail *mail, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (!mail->reply_goes_on && mail->asked_data) {
			mail->in_message = bytes.data[i] == '3'; /* 354: go on; anything else: no */
			mail->asked_data = false;
		}
		mail->reply_goes_on = bytes.data[i] != '\n';
	}
}
