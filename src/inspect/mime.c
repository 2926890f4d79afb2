/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/mime.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"

#define SNIFF_MIN 40 /* characters of base64 in a line that has no header, to be taken for it */

static void start_part(struct mime *mime)
{
	mime->state = MIME_HEADER;
	mime->encoding = MIME_IDENTITY;
	mime->multipart = mime->message = mime->unknown = false;
	mime->boundary_len = 0;
	mime->field_len = mime->line_len = 0;
	mime->field_line_empty = true;
	mime->line_held = false;
	mime->end_len = mime->digits = mime->kept = mime->blanks_len = 0;
}

void mime_start(struct mime *mime)
{
	*mime = (struct mime){.first = true};
	start_part(mime);
}

/* --- decoding of a leaf ------------------------------------------------------------------------------------------ */
static void put(struct mime_news *news, uint8_t c)
{
	if (news->n < sizeof(news->bytes))
		news->bytes[news->n++] = c;
}

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (isdigit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* each digit gives what it completes; bytes outside of the alphabet are passed over (RFC 2045 section 6.8), and after a
 * pad another run may begin */
static void decode_base64(struct mime *mime, uint8_t c, struct mime_news *news)
{
	int digit = base64_digit(c);

	if (c == '=')
		mime->digits = 0;
	if (digit < 0)
		return;
	mime->bits = mime->bits << 6 | (uint32_t)digit;
	if (mime->digits++)
		put(news, (uint8_t)(mime->bits >> (6 - 2 * (mime->digits - 1))));
	mime->digits %= 4;
}

static int hex_value(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

static void give_escape(struct mime *mime, struct mime_news *news)
{
	for (uint8_t i = 0; i < mime->kept; i++)
		put(news, mime->escape[i]);
	mime->kept = 0;
}

static void give_blanks(struct mime *mime, struct mime_news *news)
{
	for (uint8_t i = 0; i < mime->blanks_len; i++)
		put(news, mime->blanks[i]);
	mime->blanks_len = 0;
}

static void plain_quoted(struct mime *mime, uint8_t c, struct mime_news *news)
{
	if ((c == ' ' || c == '\t') && mime->blanks_len < sizeof(mime->blanks)) {
		mime->blanks[mime->blanks_len++] = c;
		return;
	}
	give_blanks(mime, news);
	if (c == '=')
		mime->escape[mime->kept++] = c;
	else
		put(news, c);
}

/* RFC 2045 section 6.7; a broken escape stands for itself */
static void decode_quoted(struct mime *mime, uint8_t c, struct mime_news *news)
{
	if (!mime->kept) {
		plain_quoted(mime, c, news);
	} else if (hex_value(c) < 0) {
		give_escape(mime, news);
		plain_quoted(mime, c, news);
	} else if (mime->kept == 1) {
		mime->escape[mime->kept++] = c;
	} else {
		put(news, (uint8_t)(hex_value(mime->escape[1]) << 4 | hex_value(c)));
		mime->kept = 0;
	}
}

static void decode(struct mime *mime, uint8_t c, struct mime_news *news)
{
	switch (mime->encoding) {
	case MIME_BASE64:
		decode_base64(mime, c, news);
		break;
	case MIME_QUOTED_PRINTABLE:
		decode_quoted(mime, c, news);
		break;
	case MIME_IDENTITY:
		put(news, c);
		break;
	}
}

/* a line's end of quoted-printable: the blanks before it are not the sender's, and "=" before it takes it away */
static void give_quoted_end(struct mime *mime, struct mime_news *news)
{
	bool soft = mime->kept == 1;

	mime->blanks_len = 0;
	if (!soft)
		give_escape(mime, news);
	mime->kept = 0;
	for (uint8_t i = 0; !soft && i < mime->end_len; i++)
		put(news, mime->end[i]);
}

/* the line's end that was waiting for what follows it: no boundary */
static void give_end(struct mime *mime, struct mime_news *news)
{
	if (mime->end_len && mime->encoding == MIME_QUOTED_PRINTABLE)
		give_quoted_end(mime, news);
	else if (mime->encoding == MIME_IDENTITY)
		for (uint8_t i = 0; i < mime->end_len; i++)
			put(news, mime->end[i]);
	mime->end_len = 0;
}

static void give_line(struct mime *mime, struct mime_news *news)
{
	for (size_t i = 0; i < mime->line_len; i++)
		decode(mime, mime->line[i], news);
	mime->line_held = false;
}

/* --- header ------------------------------------------------------------------------------------------------------ */
static void skip_blanks(struct span *s)
{
	while (s->len && (isspace(s->data[0]) || s->data[0] == ';'))
		span_skip(s, 1);
}

static struct span take_token(struct span *s)
{
	struct span token;

	skip_blanks(s);
	for (token = SPAN(s->data, 0); token.len < s->len; token.len++)
		if (isspace(s->data[token.len]) || strchr(";=\"(", s->data[token.len] ? s->data[token.len] : 'x'))
			break;
	span_skip(s, token.len);
	return token;
}

static bool begins_with(struct span s, const char *text)
{
	return s.len >= strlen(text) && !strncasecmp((const char *)s.data, text, strlen(text));
}

static bool is_text(struct span s, const char *text)
{
	return s.len == strlen(text) && begins_with(s, text);
}

/* what stands between quotes, or a token; escapes stay as they are but for their backslash */
static size_t take_value(struct span *s, char *out, size_t size)
{
	bool quoted, escaped = false;
	size_t n = 0;

	while (s->len && isspace(s->data[0]))
		span_skip(s, 1);
	quoted = s->len && s->data[0] == '"';
	span_skip(s, quoted);
	for (; s->len; span_skip(s, 1)) {
		uint8_t c = s->data[0];

		if (!escaped && quoted && c == '\\') {
			escaped = true;
			continue;
		}
		if (!escaped && (quoted ? c == '"' : isspace(c) || c == ';'))
			break;
		escaped = false;
		if (n == size)
			return 0;
		out[n++] = (char)c;
	}
	span_skip(s, quoted && s->len);
	return n;
}

static void read_boundary(struct mime *mime, struct span rest)
{
	char other[MIME_FIELD_MAX];

	while (rest.len) {
		struct span name = take_token(&rest);

		while (rest.len && isspace(rest.data[0]))
			span_skip(&rest, 1);
		if (!rest.len || rest.data[0] != '=') { /* no parameter: a comment, or rubbish */
			span_skip(&rest, rest.len && !name.len);
			continue;
		}
		span_skip(&rest, 1);
		if (is_text(name, "boundary") && !mime->boundary_len)
			mime->boundary_len = (uint8_t)take_value(&rest, mime->boundary, sizeof(mime->boundary));
		else
			take_value(&rest, other, sizeof(other));
	}
}

static void read_type(struct mime *mime, struct span value)
{
	struct span type = take_token(&value);

	mime->multipart = begins_with(type, "multipart/");
	mime->message = is_text(type, "message/rfc822") || is_text(type, "message/global");
	if (mime->multipart)
		read_boundary(mime, value);
}

static void read_encoding(struct mime *mime, struct span value)
{
	struct span name = take_token(&value);

	if (is_text(name, "base64"))
		mime->encoding = MIME_BASE64;
	else if (is_text(name, "quoted-printable"))
		mime->encoding = MIME_QUOTED_PRINTABLE;
	mime->unknown = name.len && !mime->encoding && !is_text(name, "7bit") && !is_text(name, "8bit") &&
			!is_text(name, "binary");
}

static void read_field(struct mime *mime)
{
	struct span field = SPAN(mime->field, mime->field_len), name;
	const uint8_t *colon = field.len ? memchr(field.data, ':', field.len) : NULL;

	mime->field_len = 0;
	if (!colon)
		return;
	name = SPAN(field.data, (size_t)(colon - field.data));
	span_skip(&field, name.len + 1);
	while (name.len && isspace(name.data[name.len - 1]))
		name.len--;
	if (is_text(name, "Content-Type"))
		read_type(mime, field);
	else if (is_text(name, "Content-Transfer-Encoding"))
		read_encoding(mime, field);
}

/* the header has ended: what kind of part is it? */
static void header_ends(struct mime *mime, struct mime_news *news)
{
	bool nested = mime->multipart && mime->boundary_len && mime->depth < MIME_DEPTH_MAX;

	mime->first = false;
	if (nested) {
		mime->boundaries[mime->depth].len = mime->boundary_len;
		memcpy(mime->boundaries[mime->depth++].text, mime->boundary, mime->boundary_len);
		mime->state = MIME_BETWEEN;
	} else if (mime->message && mime->encoding == MIME_IDENTITY) {
		start_part(mime);
	} else {
		news->failed = mime->multipart || mime->unknown;
		if (mime->multipart) /* its parts cannot be told apart */
			mime->encoding = MIME_IDENTITY;
		mime->state = MIME_LEAF;
		news->begins = true;
	}
	mime->line_len = 0;
	mime->line_held = true;
}

/* The first line of all is no header field: a part that was asked for by itself (IMAP), whose header is elsewhere. */
static bool is_headless(const struct mime *mime)
{
	struct span line = SPAN(mime->field, mime->field_len);
	size_t name = 0, at;

	while (name < line.len && line.data[name] != ':' && !isspace(line.data[name]))
		name++;
	for (at = name; at < line.len && isspace(line.data[at]);)
		at++;
	if (name && at < line.len && line.data[at] == ':')
		return false;
	return line.len && !begins_with(line, "From "); /* the line that some mailboxes begin with */
}

static bool looks_like_base64(const struct mime *mime)
{
	if (mime->field_len < SNIFF_MIN || mime->field_len % 4)
		return false;
	for (size_t i = 0; i < mime->field_len; i++)
		if (base64_digit(mime->field[i]) < 0 && mime->field[i] != '=')
			return false;
	return true;
}

static void leaf_byte(struct mime *mime, uint8_t c, struct mime_news *news);

static void begin_headless(struct mime *mime, struct mime_news *news)
{
	size_t n = mime->field_len;

	mime->encoding = looks_like_base64(mime) ? MIME_BASE64 : MIME_IDENTITY;
	mime->multipart = mime->message = mime->unknown = false;
	header_ends(mime, news);
	mime->field_len = 0;
	for (size_t i = 0; i < n; i++)
		leaf_byte(mime, mime->field[i], news);
}

static void header_line_ends(struct mime *mime, struct mime_news *news)
{
	bool cr = mime->field_len && mime->field[mime->field_len - 1] == '\r';

	mime->field_len -= cr;
	if (mime->field_line_empty) {
		read_field(mime);
		header_ends(mime, news);
	} else if (mime->first && is_headless(mime)) {
		begin_headless(mime, news);
		if (cr)
			leaf_byte(mime, '\r', news);
		leaf_byte(mime, '\n', news);
	}
	mime->first = false;
	mime->field_line_empty = true;
}

static void header_byte(struct mime *mime, uint8_t c, struct mime_news *news)
{
	if (c == '\n') {
		header_line_ends(mime, news);
		return;
	}
	if (mime->field_line_empty && c == '\r') /* before an empty line's end */
		return;
	if (mime->field_line_empty && c != ' ' && c != '\t')
		read_field(mime); /* the one before goes on no longer */
	mime->field_line_empty = false;
	if (mime->field_len < MIME_FIELD_MAX)
		mime->field[mime->field_len++] = c;
	if (mime->first && mime->field_len == MIME_FIELD_MAX && is_headless(mime))
		begin_headless(mime, news);
}

/* --- boundaries -------------------------------------------------------------------------------------------------- */
/* the line is that of an enclosing multipart: its index, or -1 */
static int find_boundary(const struct mime *mime, bool *closes)
{
	struct span line = SPAN(mime->line, mime->line_len);

	while (line.len && isspace(line.data[line.len - 1]))
		line.len--;
	for (int i = (int)mime->depth - 1; i >= 0; i--) {
		size_t n = mime->boundaries[i].len;

		if (line.len < 2 + n || memcmp(line.data, "--", 2) ||
			memcmp(line.data + 2, mime->boundaries[i].text, n))
			continue;
		*closes = line.len == n + 4 && !memcmp(line.data + 2 + n, "--", 2);
		if (*closes || line.len == n + 2)
			return i;
	}
	return -1;
}

static void cross_boundary(struct mime *mime, int index, bool closes, struct mime_news *news)
{
	news->ends = mime->state == MIME_LEAF;
	if (news->ends && mime->kept > 1)
		give_escape(mime, news);
	mime->depth = (unsigned int)index + !closes;
	start_part(mime);
	if (closes) {
		mime->state = MIME_BETWEEN;
		mime->line_held = true;
	}
}

/* --- lines of a body --------------------------------------------------------------------------------------------- */
/* the line does not begin as a boundary would */
static bool is_no_boundary(const struct mime *mime)
{
	return !mime->depth || mime->line_len == MIME_LINE_MAX || mime->line[0] != '-' ||
	       (mime->line_len > 1 && mime->line[1] != '-');
}

static void line_ends(struct mime *mime, struct mime_news *news)
{
	bool closes = false;
	int index = mime->line_held && mime->line_len ? find_boundary(mime, &closes) : -1;

	if (index >= 0) {
		cross_boundary(mime, index, closes, news);
		return;
	}
	if (mime->state == MIME_LEAF && mime->line_held) {
		bool cr = mime->line_len && mime->line[mime->line_len - 1] == '\r';

		give_end(mime, news);
		mime->line_len -= cr;
		give_line(mime, news);
		if (cr)
			mime->end[mime->end_len++] = '\r';
	}
	if (mime->state == MIME_LEAF)
		mime->end[mime->end_len++] = '\n';
	mime->line_len = 0;
	mime->line_held = true;
}

static void leaf_byte(struct mime *mime, uint8_t c, struct mime_news *news)
{
	if (c == '\n') {
		line_ends(mime, news);
	} else if (mime->line_held) {
		mime->line[mime->line_len++] = c;
		if (!is_no_boundary(mime))
			return;
		if (mime->line_len == 1 && c == '\r') /* an empty line's end, until the next byte says otherwise */
			return;
		if (mime->state == MIME_LEAF) {
			give_end(mime, news);
			give_line(mime, news);
		}
		mime->line_held = false;
	} else if (mime->state == MIME_LEAF) {
		if (mime->end_len) /* a CR that no LF followed */
			give_end(mime, news);
		if (c == '\r')
			mime->end[mime->end_len++] = c;
		else
			decode(mime, c, news);
	}
}

void mime_byte(struct mime *mime, uint8_t c, struct mime_news *news)
{
	news->begins = news->ends = news->failed = false;
	news->n = 0;
	if (mime->state == MIME_HEADER)
		header_byte(mime, c, news);
	else
		leaf_byte(mime, c, news);
}

void mime_finish(struct mime *mime, struct mime_news *news)
{
	news->begins = news->ends = news->failed = false;
	news->n = 0;
	if (mime->state == MIME_HEADER && mime->first && is_headless(mime))
		begin_headless(mime, news);
	if (mime->state != MIME_LEAF)
		return;
	give_end(mime, news);
	if (mime->line_held)
		give_line(mime, news);
	give_blanks(mime, news);
	give_escape(mime, news);
	news->ends = true;
}
