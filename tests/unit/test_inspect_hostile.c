/* SPDX-License-Identifier: Apache-2.0 */
/* C2: no regular expression and no input stalls a worker. Patterns that are known to make engines backtrack without
 * end, against the inputs that make them do so, whole and in small pieces: every call ends within a bound of CPU time.
 */
#include "inspect_rig.h"

#define BODY_LEN 65000
#define CALL_MS_MAX 150 /* a call of 16 KB is 10 to 30 ms at worst; sanitizers and shared machines take their share */
#define PIECES_MAX 400  /* of one body, when it comes in pieces */

/* each would match only after what the inputs do not have */
static const char *const patterns[] = {
	"(a+)+$",
	"(a|aa)+z",
	"(a|a?)+z",
	"(.*)*z",
	"(.*a){12}z",
	"([a-z]+)*\\d",
	"a.*a.*a.*a.*a.*z",
	"(?:a+b?)+c{3}",
	"(a?){30}a{30}z",
	"^(([a-z])+.)+[A-Z]([a-z])+$",
	"(x+x+)+y",
	"\\s+z",
	"(?=(a+))a*b\\1z",
	"((a*)*)*z",
	"(\\w+\\s?)+!",
	"(?i)(a|b|ab)*c{2}",
	"(a{1,100}){1,100}z",
	"[^q]*[^q]*[^q]*[^q]*q!",
	"(?<=a)(a+)+z",
	"(.)(.)(.)\\3\\2\\1z",
};

static char bodies[6][BODY_LEN];

static void make_bodies(void)
{
	for (size_t i = 0; i < BODY_LEN; i++) {
		bodies[0][i] = 'a';
		bodies[1][i] = "ab"[i % 2];
		bodies[2][i] = ' ';
		bodies[3][i] = (char)('a' + i % 26);
		bodies[4][i] = "xa"[i % 1000 == 0];
		bodies[5][i] = "aaaa a"[i % 6];
	}
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) /* or PCRE2 sees at once that what it needs is nowhere */
		memcpy(bodies[i] + BODY_LEN - 16, "-z!-3-Z-y-cc-q-\n", 16);
}

static uint64_t cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* the longest of the calls that give the body in pieces, the last piece being all that is left */
static uint64_t slowest(struct rig *rig, const char *body, size_t piece)
{
	static const char head[] = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\n";
	uint64_t worst = 0;
	size_t calls = 0;

	rig_stream(rig);
	rig_text(rig, INSPECT_TO_SERVER, head);
	for (size_t at = 0, n; at < BODY_LEN; at += n) {
		uint64_t before = cpu_ms();

		n = ++calls < PIECES_MAX ? MIN(piece, BODY_LEN - at) : BODY_LEN - at;
		rig_data(rig, INSPECT_TO_SERVER, body + at, n);
		worst = MAX(worst, cpu_ms() - before);
	}
	return worst;
}

static void try_all(const char *rule)
{
	static const size_t pieces[] = {BODY_LEN, 1400, 1};
	struct rig rig;

	rig_open(&rig, rule);
	if (rig.report.n_loaded != 1)
		fail_msg("%s refused: %s", rule, rig.report.refused[0].reason);
	rig.options.body_hold_bytes = 0;
	for (size_t b = 0; b < ARRAY_SIZE(bodies); b++)
		for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
			uint64_t ms = slowest(&rig, bodies[b], pieces[p]);

			if (ms > CALL_MS_MAX)
				fail_msg("%s on body %zu in pieces of %zu: %llu ms", rule, b, pieces[p],
					(unsigned long long)ms);
		}
	rig_close(&rig);
}

static void test_c2_no_pattern_stalls_a_worker(void **state)
{
	char rule[512];

	make_bodies();
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		snprintf(rule, sizeof(rule),
			"alert http any any -> any any (flow:to_server; http.request_body; pcre:\"/%s/\"; sid:1;)\n",
			patterns[i]);
		try_all(rule);
	}
}

static void test_c2_no_pattern_stalls_a_worker_from_each_of_many_matches(void **state)
{
	char rule[512];

	make_bodies();
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		snprintf(rule, sizeof(rule),
			"alert http any any -> any any (flow:to_server; http.request_body; content:\"a\"; "
			"pcre:\"/%s/R\"; "
			"content:\"ZZ\"; distance:0; sid:1;)\n",
			patterns[i]);
		try_all(rule);
	}
}

/* positions that depend on one another multiply: each content occurs thousands of times */
static void test_c2_no_chain_of_contents_stalls_a_worker(void **state)
{
	make_bodies();
	try_all("alert http any any -> any any (flow:to_server; http.request_body; content:\"a\"; content:\"a\"; "
		"distance:1; "
		"content:\"a\"; distance:1; content:\"a\"; distance:1; content:\"Q\"; distance:1; within:9; sid:1;)\n");
	try_all("alert http any any -> any any (flow:to_server; http.request_body; content:\"a\"; "
		"byte_extract:1,0,n,relative; "
		"content:\"a\"; distance:n; content:\"a\"; distance:n; content:\"QQ\"; distance:n; sid:1;)\n");
	try_all("alert http any any -> any any (flow:to_server; http.request_body; content:\"a\"; "
		"base64_decode:relative; "
		"base64_data; content:\"a\"; content:\"a\"; distance:0; content:\"QQQ\"; distance:0; sid:1;)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c2_no_pattern_stalls_a_worker),
		cmocka_unit_test(test_c2_no_pattern_stalls_a_worker_from_each_of_many_matches),
		cmocka_unit_test(test_c2_no_chain_of_contents_stalls_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
