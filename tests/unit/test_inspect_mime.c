/* SPDX-License-Identifier: Apache-2.0 */
/* C3: the parts of mail messages come out decoded. */
#include "inspect/mime.h"
#include "inspect_rig.h"

#define HEAD "From: a@b\r\nMIME-Version: 1.0\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed;\r\n boundary=\"b 1\"\r\n\r\n"

static const struct {
	const char *message;
	const char *parts; /* each with a | behind it */
	unsigned int failed;
} cases[] = {
	{HEAD "\r\nhello\r\nthere\r\n", "hello\r\nthere\r\n|", 0},
	{HEAD "\r\n", "|", 0},
	{"no header at all\r\nmore", "no header at all\r\nmore|", 0},
	{"From x@y Mon\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n", "hi|", 0},
	/* encodings */
	{HEAD "content-transfer-encoding : BASE64\r\n\r\naGVs\r\nbG8h IG!hk\r\naG8=\r\n", "hello! hdho|", 0},
	{HEAD "Content-Transfer-Encoding: base64\r\n\r\naGk=aGk=\r\n", "hihi|", 0},
	{HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\na=20b=\r\nc=3D=zz=4\r\nd  \r\n",
		"a bc==zz=4\r\nd\r\n|", 0},
	{HEAD "Content-Transfer-Encoding: quoted-printable\n\ne=76il\n", "evil\n|", 0},
	{HEAD "Content-Transfer-Encoding: x-uuencode\r\n\r\nabc", "abc|", 1},
	{HEAD "Content-Transfer-Encoding: 8bit\r\n\r\nabc", "abc|", 0},
	/* multiparts */
	{MIXED "preamble\r\n--b 1\r\n\r\none\r\n--b 1\r\nContent-Transfer-Encoding: base64\r\n\r\ndHdv\r\n--b "
	       "1--\r\nepilogue\r\n",
		"one|two|", 0},
	{MIXED "--b 1  \r\n\r\none\r\n\r\n--b 1--\r\n", "one\r\n|", 0},
	{MIXED "--b 1\r\n\r\n--b 12\r\n-- b\r\n--\r\n-\r\n\r\r\n--b 1-\r\n",
		"--b 12\r\n-- b\r\n--\r\n-\r\n\r\r\n--b 1-\r\n|", 0},
	{HEAD "Content-Type: multipart/mixed; (x) charset=a; BOUNDARY=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb--",
		"x\r\n--bb--|", 0},
	{HEAD "Content-Type: multipart/mixed; boundary=\"b\\\"b\"\n\n--b\"b\n\nx\n--b\"b--\n", "x|", 0},
	{HEAD "Content-Type: multipart/mixed\r\nContent-Transfer-Encoding: base64\r\n\r\n--bb\r\naGk=\r\n",
		"--bb\r\naGk=\r\n|", 1},
	/* one inside of another, which ends when the outer one goes on */
	{MIXED "--b 1\r\nContent-Type: multipart/alternative; "
	       "boundary=i\r\n\r\n--i\r\n\r\none\r\n--i\r\n\r\ntwo\r\n--i--\r\n"
	       "lost\r\n--b 1\r\n\r\nthree\r\n--b 1--\r\n",
		"one|two|three|", 0},
	{MIXED "--b 1\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\none\r\n--b "
	       "1\r\n\r\nthree\r\n--b 1--",
		"one|three\r\n--b 1--|", 0},
	/* an attached message */
	{MIXED "--b 1\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Transfer-Encoding: "
	       "base64\r\n\r\naW4=\r\n"
	       "--b 1--\r\n",
		"in|", 0},
	/* a part that is asked for by itself */
	{"VGhpcyBpcyBhIGxvbmcgbGluZSBvZiBiYXNlNjQgdGV4dCE=\r\naGk=\r\n", "This is a long line of base64 text!hi|", 0},
};

struct out {
	size_t n;
	char text[2048];
	unsigned int failed;
};

static void keep(struct out *out, const struct mime_news *news)
{
	out->failed += news->failed;
	memcpy(out->text + out->n, news->bytes, news->n);
	out->n += news->n;
	if (news->ends)
		out->text[out->n++] = '|';
	out->text[out->n] = '\0';
}

static void test_c3_parts_are_decoded(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mime mime;
		struct mime_news news;
		struct out out = {0};

		mime_start(&mime);
		for (const char *at = cases[i].message; *at; at++) {
			mime_byte(&mime, (uint8_t)*at, &news);
			keep(&out, &news);
		}
		mime_finish(&mime, &news);
		keep(&out, &news);
		if (strcmp(out.text, cases[i].parts) || out.failed != cases[i].failed)
			fail_msg("case %zu: \"%s\", failed %u", i, out.text, out.failed);
	}
}

/* deeper multiparts than are followed are one part, and said to be */
static void test_c3_nesting_is_bounded(void **state)
{
	struct mime mime;
	struct mime_news news;
	unsigned int failed = 0;
	char text[256];

	mime_start(&mime);
	for (unsigned int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
		for (const char *at = text; *at; at++) {
			mime_byte(&mime, (uint8_t)*at, &news);
			failed += news.failed;
		}
	}
	assert_int_equal(failed, 1);
	assert_int_equal(mime.depth, MIME_DEPTH_MAX);
}

/* --- through the engine ------------------------------------------------------------------------------------------- */
#define ATTACHED                                                                                                       \
	MIXED "--b 1\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--b 1\r\nContent-Type: application/x-dosexec\r\n" \
	      "Content-Disposition: attachment; filename=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\n"           \
	      "TVqQAAMAAAAEAAAAZXZpbCBwYXlsb2Fk\r\n--b 1--\r\n" /* MZ... "evil payload" */

static const char rules[] =
	"drop smtp any any -> any 25 (flow:to_server; file.data; content:\"MZ\"; startswith; content:\"evil\"; "
	"distance:4; sid:1;)\n"
	"drop tcp any any -> any 25 (flow:to_server; file.data; content:\"see below\"; bsize:9; content:\"MZ\"; "
	"sid:2;)\n"
	"alert tcp any any -> any 25 (flow:to_server; file.data; content:\"see below\"; bsize:9; sid:3;)\n"
	"alert imap any any -> any any (flow:to_client; file.data; content:\"evil payload\"; sid:4;)\n"
	"alert tcp any [$HTTP_PORTS,110] -> any any (flow:to_client; file.data; content:\"evil payload\"; endswith; "
	"sid:5;)\n"
	"alert http any any -> any any (flow:to_client; file.data; content:\"evil payload\"; sid:6;)\n"
	"alert imap any any -> any any (flow:to_server; file.data; content:\"evil payload\"; sid:7;)\n";

struct step {
	enum inspect_dir dir;
	const char *text;
};

static void converse(struct rig *rig, enum inspect_service service, const struct step *steps, uint32_t seed)
{
	rig->options.service = service;
	rig_stream(rig);
	for (; steps->text && !rig->verdict[0].block; steps++)
		rig_data_cut(rig, steps->dir, steps->text, strlen(steps->text), seed);
}

static void test_c3_attachments_are_inspected(void **state)
{
	static const struct step smtp[] = {{INSPECT_TO_SERVER, "EHLO a\r\nDATA\r\n"},
		{INSPECT_TO_CLIENT, "250 b\r\n354 go on\r\n"}, {INSPECT_TO_SERVER, ATTACHED ".\r\nQUIT\r\n"}, {0}};
	static const struct step chunks[] = {
		{INSPECT_TO_SERVER, "BDAT 28\r\nContent-Type: text/plain\r\n\r\nBDAT 9 LAST\r\nsee below"}, {0}};
	static const struct step imap[] = {{INSPECT_TO_SERVER, "a FETCH 1 BODY[2]\r\n"},
		{INSPECT_TO_CLIENT,
			"* 1 FETCH (BODY[2] {50}\r\nTVqQAAMAAAAEAAAAZXZpbCBwYXlsb2FkZXZpbCBwYXlsb2Fk\r\n)\r\na OK\r\n"},
		{0}};
	static const struct step append[] = {
		{INSPECT_TO_SERVER, "a APPEND x {71+}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
				    "TVqQAAMAAAAEAAAAZXZpbCBwYXlsb2Fk\r\n\r\n"},
		{0}};
	static const struct step pop3[] = {{INSPECT_TO_CLIENT, "+OK hello\r\n"},
		{INSPECT_TO_SERVER, "LIST\r\nRETR 1\r\n"},
		{INSPECT_TO_CLIENT, "+OK list\r\n1 200\r\n.\r\n+OK\r\n" ATTACHED ".\r\n"},
		{INSPECT_TO_SERVER, "QUIT\r\n"}, {0}};
	struct rig rig;

	rig_open(&rig, rules);
	assert_int_equal(rig.report.n_refused, 0);
	for (uint32_t seed = 0; seed < 60; seed++) {
		const char *evil = strstr(ATTACHED, "ZXZpbC");

		converse(&rig, INSPECT_SMTP, smtp, seed);
		assert_true(rig_has_hit(&rig, 3) && rig_has_hit(&rig, 1) && !rig_has_hit(&rig, 2));
		assert_int_equal(rig.verdict[0].block->sid, 1);
		/* "evil" is complete with the sixth digit of its line */
		assert_int_equal(rig.verdict[0].release, strlen("EHLO a\r\nDATA\r\n") + (size_t)(evil - ATTACHED) + 5);
		converse(&rig, INSPECT_SMTP, chunks, seed);
		assert_true(rig_has_hit(&rig, 3) && rig.n_hits == 1);
		converse(&rig, INSPECT_IMAP, imap, seed);
		assert_true(rig_has_hit(&rig, 4) && rig.n_hits == 1);
		converse(&rig, INSPECT_IMAP, append, seed);
		assert_true(rig_has_hit(&rig, 7) && rig.n_hits == 1);
		converse(&rig, INSPECT_POP3, pop3, seed);
		assert_true(rig_has_hit(&rig, 5) && rig.n_hits == 1);
	}
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c3_parts_are_decoded),
		cmocka_unit_test(test_c3_nesting_is_bounded),
		cmocka_unit_test(test_c3_attachments_are_inspected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
