/* SPDX-License-Identifier: Apache-2.0 */
/* C3: commands that ask for TLS inside TLS are found, and the same words in a message are not. */
#include "inspect/mail.h"
#include "inspect_rig.h"

static const struct {
	enum mail_protocol protocol;
	const char *client; /* '|' stands where the server speaks */
	const char *server[3];
	unsigned int found;
} dialogues[] = {
	{MAIL_SMTP, "EHLO a\r\n|STARTTLS\r\n", {"250 b\r\n"}, 1},
	{MAIL_SMTP, "starttls\n", {NULL}, 1},
	{MAIL_SMTP, "  StartTLS \r\n", {NULL}, 1},
	{MAIL_SMTP, "STARTTLSX\r\nXSTARTTLS\r\nNOOP STARTTLS\r\n", {NULL}, 0},
	{MAIL_SMTP, "DATA\r\n|STARTTLS\r\n.\r\nNOOP\r\n", {"354 go on\r\n"}, 0},
	{MAIL_SMTP, "DATA\r\n|..\r\n.x\r\nSTARTTLS\r\n.\r\nSTARTTLS\r\n", {"354 go on\r\n"}, 1},
	{MAIL_SMTP, "DATA\r\n|STARTTLS\r\n", {"503 no\r\n"}, 1},
	{MAIL_SMTP, "NOOP\r\nDATA\r\n|STARTTLS\r\n.\r\n", {"250 ok\r\n354 go on\r\n"}, 0}, /* RFC 2920 */
	{MAIL_SMTP, "EHLO a\r\n|MAIL\r\nRCPT\r\nDATA\r\n|STARTTLS\r\n.\r\nSTARTTLS\r\n",
		{"220 hello\r\n250-b\r\n250 c\r\n", "250 ok\r\n250 ok\r\n354 go on\r\n"}, 1},
	{MAIL_SMTP, "MAIL\r\nDATA\r\n|STARTTLS\r\n", {"220 hello\r\n550 no\r\n503 no\r\n"}, 1},
	{MAIL_SMTP, "BDAT 10\r\nSTARTTLS\r\nSTARTTLS\r\n", {NULL}, 1},
	{MAIL_SMTP, "BDAT 12 LAST\r\nx\nSTARTTLS\r\nNOOP\r\n", {NULL}, 0},
	{MAIL_IMAP, "a1 STARTTLS\r\n", {NULL}, 1},
	{MAIL_IMAP, "STARTTLS\r\na STARTTL\r\na XSTARTTLS\r\n", {NULL}, 0},
	{MAIL_IMAP, "a APPEND x {14}\r\n|x STARTTLS\r\nyz\r\nb starttls\r\n", {"+ go on\r\n"}, 1},
	{MAIL_IMAP, "a APPEND x {12+}\r\nx STARTTLS\r\n\r\nb NOOP\r\n", {NULL}, 0},
	{MAIL_IMAP, "a APPEND x {12} \r\nx STARTTLS\r\n", {NULL}, 1},
	{MAIL_IMAP, "a X {9{2}\r\nabc STARTTLS\r\n", {NULL}, 1},
	{MAIL_POP3, "USER a\r\nSTLS\r\n", {NULL}, 1},
	{MAIL_POP3, "USER STLS\r\nSTARTTLS\r\n", {NULL}, 0},
};

static unsigned int converse(size_t i, size_t cut)
{
	struct mail mail;
	struct mail_news news;
	const char *at = dialogues[i].client;
	unsigned int found = 0, reply = 0;

	mail_init(&mail, dialogues[i].protocol);
	while (*at) {
		size_t n = strcspn(at, "|");

		while (n) {
			size_t taken = mail_client(&mail, SPAN(at, n < cut ? n : cut), &news);

			assert_in_range(taken, 1, n);
			found += news.starttls;
			at += taken;
			n -= taken;
		}
		if (*at != '|')
			continue;
		at++;
		for (const char *c = dialogues[i].server[reply++]; *c; c++)
			mail_server(&mail, SPAN(c, 1), &news);
	}
	return found;
}

static void test_c3_starttls_is_told_from_messages(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(dialogues); i++)
		for (size_t cut = 1; cut < 40; cut++)
			if (converse(i, cut) != dialogues[i].found)
				fail_msg("dialogue %zu, cut %zu: %u", i, cut, converse(i, cut));
}

/* the end of the command's line is not released where the policy says no */
static void test_b12_starttls_policy(void **state)
{
	static const char text[] = "EHLO evil\r\nSTARTTLS\r\n\x16\x03\x01";

	for (int policy = INSPECT_ON_LIMIT_BYPASS; policy <= INSPECT_ON_LIMIT_RESET; policy++) {
		struct rig rig;

		rig_open(&rig, "alert smtp any any -> any 25 (flow:to_server; content:\"evil\"; sid:1;)\n");
		rig.options.service = INSPECT_SMTP;
		rig.options.on_limit[INSPECT_LIMIT_STARTTLS] = policy;
		for (uint32_t seed = 1; seed < 30; seed++) {
			rig_stream(&rig);
			rig_data_cut(&rig, INSPECT_TO_SERVER, text, strlen(text), seed);
			assert_true(rig_has_hit(&rig, 1));
			assert_int_equal(inspect_scratch_stats(rig.scratch)->mail_starttls, seed);
			assert_int_equal(rig.verdict[0].block != NULL, policy != INSPECT_ON_LIMIT_BYPASS);
			assert_int_equal(rig.verdict[0].release, rig.verdict[0].block ? 20 : strlen(text));
		}
		rig_close(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c3_starttls_is_told_from_messages),
		cmocka_unit_test(test_b12_starttls_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
