/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/mail.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"

#define LITERAL_MAX (1ull << 40)

static void ask(struct mail *mail, uint8_t brings)
{
	if (mail->n_asked < MAIL_ASKED_MAX)
		mail->asked[mail->n_asked++] = brings;
}

/* the oldest n have their replies */
static void answer(struct mail *mail, size_t n)
{
	mail->n_asked -= (uint8_t)n;
	memmove(mail->asked, mail->asked + n, mail->n_asked);
}

void mail_init(struct mail *mail, enum mail_protocol protocol)
{
	*mail = (struct mail){.protocol = protocol};
	ask(mail, MAIL_LINES); /* the greeting is a reply that nobody asked for */
}

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

/* --- lines of clients -------------------------------------------------------------------------------------------- */
static void smtp_command(struct mail *mail, struct span line, struct mail_news *news)
{
	struct span word = next_word(&line);
	bool chunk = is_word(word, "BDAT");

	ask(mail, is_word(word, "DATA") ? MAIL_MESSAGE : MAIL_LINES);
	if (chunk)
		mail->client.skip = number_of(next_word(&line));
	mail->client.last = chunk && is_word(next_word(&line), "LAST");
	news->ends = !chunk || (mail->client.last && !mail->client.skip);
	news->starttls = is_word(word, "STARTTLS");
}

static void take_literal(struct mail_side *side)
{
	if (side->literal_state != LITERAL_CLOSED)
		return;
	side->skip = side->literal;
	side->last = true;
}

static void imap_command(struct mail *mail, struct span line, struct mail_news *news)
{
	take_literal(&mail->client);
	next_word(&line); /* the tag */
	news->starttls = is_word(next_word(&line), "STARTTLS");
}

static void pop3_command(struct mail *mail, struct span line, struct mail_news *news)
{
	struct span word = next_word(&line);
	bool list = is_word(word, "LIST") || is_word(word, "UIDL");
	uint8_t brings = MAIL_LINES;

	if (is_word(word, "RETR") || is_word(word, "TOP"))
		brings = MAIL_MESSAGE;
	else if (is_word(word, "CAPA") || (list && !next_word(&line).len))
		brings = MAIL_LIST;
	ask(mail, brings);
	news->starttls = is_word(word, "STLS");
}

/* --- lines of servers -------------------------------------------------------------------------------------------- */
/* 354 (RFC 5321 section 4.1.1.4) is for the DATA that waits, however the others were counted */
static void smtp_reply(struct mail *mail, struct span line)
{
	size_t n = 0;

	if (line.len > 3 && line.data[3] == '-') /* the reply goes on */
		return;
	if (line.len >= 3 && !memcmp(line.data, "354", 3)) {
		while (n < mail->n_asked && mail->asked[n] != MAIL_MESSAGE)
			n++;
		if (n < mail->n_asked)
			mail->client.content = MAIL_MESSAGE;
	}
	answer(mail, n < mail->n_asked ? n + 1 : mail->n_asked > 0);
}

static void imap_reply(struct mail *mail, struct span line)
{
	take_literal(&mail->server);
}

static void pop3_reply(struct mail *mail, struct span line)
{
	bool ok = is_word(next_word(&line), "+OK");

	if (!mail->n_asked)
		return;
	if (ok)
		mail->server.content = mail->asked[0];
	answer(mail, 1);
}

/* --- both -------------------------------------------------------------------------------------------------------- */
/* "{123}" or "{123+}" at the end of a line */
static void note_literal(struct mail_side *side, uint8_t c)
{
	if (c == '{') {
		side->literal = 0;
		side->literal_state = LITERAL_DIGITS;
	} else if (isdigit(c) && side->literal_state == LITERAL_DIGITS && side->literal < LITERAL_MAX) {
		side->literal = side->literal * 10 + (uint64_t)(c - '0');
	} else if (c == '+' && side->literal_state == LITERAL_DIGITS) {
		side->literal_state = LITERAL_PLUS;
	} else if (c == '}' && (side->literal_state == LITERAL_DIGITS || side->literal_state == LITERAL_PLUS)) {
		side->literal_state = LITERAL_CLOSED;
	} else if (c != '\r') {
		side->literal_state = LITERAL_NONE;
	}
}

static void line_ends(struct mail *mail, struct mail_side *side, struct mail_news *news)
{
	static void (*const commands[])(struct mail *mail, struct span line, struct mail_news *news) = {
		[MAIL_SMTP] = smtp_command, [MAIL_IMAP] = imap_command, [MAIL_POP3] = pop3_command};
	static void (*const replies[])(struct mail *mail, struct span line) = {
		[MAIL_SMTP] = smtp_reply, [MAIL_IMAP] = imap_reply, [MAIL_POP3] = pop3_reply};
	struct span line = SPAN(side->line, side->line_len);

	if (side == &mail->client)
		commands[mail->protocol](mail, line, news);
	else
		replies[mail->protocol](mail, line);
	side->line_len = 0;
	side->literal_state = LITERAL_NONE;
}

static size_t take_line(struct mail *mail, struct mail_side *side, struct span bytes, struct mail_news *news)
{
	size_t at = 0;

	while (at < bytes.len) {
		uint8_t c = bytes.data[at++];

		side->begun = c != '\n';
		if (c == '\n') {
			line_ends(mail, side, news);
			break;
		}
		if (side->line_len < MAIL_LINE_MAX)
			side->line[side->line_len++] = c;
		if (mail->protocol == MAIL_IMAP)
			note_literal(side, c);
	}
	return at;
}

static size_t take_skipped(struct mail_side *side, struct span bytes, struct mail_news *news)
{
	size_t n = (size_t)MIN(side->skip, bytes.len);

	side->skip -= n;
	news->message = SPAN(bytes.data, n);
	news->ends = side->last && !side->skip;
	return n;
}

/* A line of a message or a list, up to one with a dot alone; the dot before another is not the message's (RFC 5321
 * section 4.5.2). */
static size_t take_dotted(struct mail *mail, struct mail_side *side, struct span bytes, struct mail_news *news)
{
	bool shown = side->content == MAIL_MESSAGE;
	uint8_t c = bytes.data[0];
	const uint8_t *end;
	size_t n;

	if (!side->begun && c == '.') {
		side->begun = true;
		side->dot = DOT_FIRST;
		return 1;
	}
	side->begun = true;
	if (side->dot == DOT_FIRST && c == '\r') {
		side->dot = DOT_END;
		return 1;
	}
	end = memchr(bytes.data, '\n', bytes.len);
	n = end ? (size_t)(end - bytes.data) + 1 : bytes.len;
	side->begun = !end;
	if (side->dot == DOT_END || (side->dot == DOT_FIRST && c == '\n')) {
		if (!end)
			return n;
		news->ends = shown;
		side->content = MAIL_LINES;
		if (side == &mail->client)
			ask(mail, MAIL_LINES); /* the message has a reply of its own */
	} else if (shown) {
		news->message = SPAN(bytes.data, n);
	}
	side->dot = DOT_NONE;
	return n;
}

static size_t take(struct mail *mail, struct mail_side *side, struct span bytes, struct mail_news *news)
{
	*news = (struct mail_news){0};
	if (side->skip)
		return take_skipped(side, bytes, news);
	return side->content ? take_dotted(mail, side, bytes, news) : take_line(mail, side, bytes, news);
}

size_t mail_client(struct mail *mail, struct span bytes, struct mail_news *news)
{
	return take(mail, &mail->client, bytes, news);
}

size_t mail_server(struct mail *mail, struct span bytes, struct mail_news *news)
{
	return take(mail, &mail->server, bytes, news);
}
