/* SPDX-License-Identifier: Apache-2.0 */
/* The command line against a fake supervisor: a thread at the other end of a socket pair with canned answers. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

#include "base/common.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/diff.h"
#include "cli/output.h"
#include "ipc/message.h"

#define ANSWERS_MAX 3
#define ARGS_MAX 16

static char directory[] = "/tmp/test_cli.XXXXXX";

struct fake {
	int fd, listener;                 /* fd -1: accept one */
	const char *answers[ANSWERS_MAX]; /* one per request; NULL: hang up */
	char *requests[ANSWERS_MAX];
	char files[ANSWERS_MAX][512]; /* contents of the descriptors, each followed by "|" */
	unsigned int n;
};

static void fake_read_fds(char *out, size_t size, const int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++) {
		size_t used = strlen(out);
		ssize_t n = pread(fds[i], out + used, size - used - 2, 0);

		strcpy(out + used + MAX(n, 0), "|");
		close(fds[i]);
	}
}

static void *fake_run(void *data)
{
	struct fake *fake = data;

	if (fake->fd < 0)
		fake->fd = accept(fake->listener, NULL, NULL);
	while (fake->n < ANSWERS_MAX) {
		json_auto_t *request = NULL, *answer = NULL;
		int fds[IPC_FDS_MAX];
		size_t n_fds = ARRAY_SIZE(fds);

		if (ipc_recv(fake->fd, -1, &request, fds, &n_fds) < 0)
			break;
		fake->requests[fake->n] = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
		fake_read_fds(fake->files[fake->n], sizeof(fake->files[0]), fds, n_fds);
		if (!fake->answers[fake->n])
			break;
		answer = json_loads(fake->answers[fake->n++], 0, NULL);
		if (!answer || ipc_send(fake->fd, answer, NULL, 0) < 0)
			break;
	}
	close(fake->fd);
	return NULL;
}

struct run {
	struct fake fake;
	int status;
	char *out, *err;
	char log_dir[96]; /* empty: the default */
	bool terminal;
};

static void run_release(struct run *run)
{
	free(run->out);
	free(run->err);
	for (unsigned int i = 0; i < ANSWERS_MAX; i++)
		free(run->fake.requests[i]);
}
#define _cleanup_run_ _cleanup_(run_release)

/* runs "sluice LINE"; words are separated by single blanks */
static void run_line(struct run *run, const char *line)
{
	_cleanup_free_ char *copy = strdup(line);
	char *argv[ARGS_MAX] = {(char *)"sluice"}, *rest = copy;
	size_t out_len, err_len;
	struct cli cli = {.out_terminal = run->terminal};
	int argc = 1, pair[2];
	pthread_t thread;

	while (*line && argc < ARGS_MAX && rest)
		argv[argc++] = strsep(&rest, " ");
	assert_int_equal(ipc_pair(pair), 0);
	run->fake.fd = pair[1];
	cli.fd = pair[0];
	cli.out = open_memstream(&run->out, &out_len);
	cli.err = open_memstream(&run->err, &err_len);
	instance_init(&cli.instance, "test");
	if (*run->log_dir)
		memcpy(cli.instance.log_dir, run->log_dir, sizeof(run->log_dir));
	assert_int_equal(pthread_create(&thread, NULL, fake_run, &run->fake), 0);
	run->status = cli_run(&cli, argc, argv);
	cleanup_close(&cli.fd);
	pthread_join(thread, NULL);
	fclose(cli.out);
	fclose(cli.err);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* --- table ---------------------------------------------------------------------------------------------------------
 */

static void test_i1_table_of_commands_is_sound(void **state)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		const struct cli_command *c = &cli_commands[i];

		assert_non_null(c->help);
		assert_true(c->run || (c->request && c->render));
		assert_true(cli_command_n_words(c) <= CLI_WORDS_MAX);
		for (size_t j = 0; j < cli_n_commands; j++) {
			size_t len = strlen(c->words);

			if (i != j && strncmp(cli_commands[j].words, c->words, len) == 0)
				assert_true(cli_commands[j].words[len] != ' ' && cli_commands[j].words[len] != '\0');
		}
		for (unsigned int p = 0; p < CLI_PARAMETERS_MAX && c->parameters[p].metavar; p++)
			assert_non_null(c->parameters[p].help);
	}
}

static void test_i1_every_command_has_help(void **state)
{
	for (size_t i = 0; i < cli_n_commands; i++) {
		_cleanup_run_ struct run run = {0};
		char line[128];

		snprintf(line, sizeof(line), "%s --help", cli_commands[i].words);
		run_line(&run, line);
		assert_int_equal(run.status, CLI_OK);
		assert_contains(run.out, cli_commands[i].words);
		assert_null(run.fake.requests[0]);
	}
}

static void test_i1_usage_errors(void **state)
{
	static const struct {
		const char *line, *err;
	} table[] = {
		{"", "no command given: say one of check, commit, rollback, history, diff, diagnose, watch, show, "
		     "debug, "
		     "clear, "
		     "certificate, keystore, "
		     "log, fallback, backup, restore, system, stop, version"},
		{"show", "the command is not complete: next comes one of status, sessions, bypasses, counters, "},
		{"show log", "next comes one of system, audit, ssl_inspection, block, alert"},
		{"comit x", "\"comit\" is not known here: did you mean \"commit\"?"},
		{"zebra", "\"zebra\" is not known here: known are check"},
		{"c", "\"c\" is ambiguous: it can be check, commit, clear, certificate"},
		{"show se", "\"se\" is ambiguous: it can be sessions, servers, segments"},
		{"check", "FILE is missing"},
		{"check a b", "\"b\" is one word too many for \"check\""},
		{"show sessions --limt 3", "option --limt is not known: did you mean --limit?"},
		{"show sessions --limit", "option --limit needs a value: --limit N"},
		{"show sessions --limit=0", "\"0\" is not a number from 1 to 1000000"},
		{"show sessions --limit=-1", "\"-1\" is not a number"},
		{"show sessions --limit 1 --limit 2", "option --limit is given twice"},
		{"show sessions --client 1.2.3", "\"1.2.3\" is not an IPv4 address"},
		{"clear sessions client ::1", "\"::1\" is not an IPv4 address"},
		{"stop --json=yes", "option --json takes no value"},
		{"--instance a/b version", "\"a/b\" is not a name"},
		{"certificate import web --key x", "--cert FILE is missing"},
		{"certificate import web --cert x --key y --password", "option --password is ambiguous"},
		{"certificate import web --cert x --key y --password-f z --password-s", "exclude each other"},
		{"check --", "FILE is missing"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_run_ struct run run = {0};

		run_line(&run, table[i].line);
		assert_contains(run.err, table[i].err);
		assert_int_equal(run.status, CLI_USAGE);
		assert_null(run.fake.requests[0]);
	}
}

static void test_requests(void **state)
{
	static const struct {
		const char *line, *request;
	} table[] = {
		{"show status", "{\"command\":\"status\"}"},
		{"sh st", "{\"command\":\"status\"}"},
		{"show sess", "{\"command\":\"sessions\"}"},
		{"show sessions --limit 5 --server web --client 10.0.0.1",
			"{\"client\":\"10.0.0.1\",\"command\":\"sessions\",\"limit\":5,\"server\":\"web\"}"},
		{"show sessions --l=5", "{\"command\":\"sessions\",\"limit\":5}"},
		{"show counters --server web", "{\"command\":\"counters\",\"server\":\"web\"}"},
		{"--instance other show servers", "{\"command\":\"servers\"}"},
		{"show segments --instance other", "{\"command\":\"segments\"}"},
		{"show filters refused", "{\"command\":\"filters_refused\"}"},
		{"show filters top --by hits --limit 5", "{\"by\":\"hits\",\"command\":\"filters_top\",\"limit\":5}"},
		{"clear sessions all", "{\"all\":true,\"command\":\"clear_sessions\"}"},
		{"cl s s web", "{\"command\":\"clear_sessions\",\"server\":\"web\"}"},
		{"clear sessions client 10.0.0.1", "{\"client\":\"10.0.0.1\",\"command\":\"clear_sessions\"}"},
		{"clear sessions id -- -1f", "{\"command\":\"clear_sessions\",\"id\":\"-1f\"}"},
		{"history --limit 3", "{\"command\":\"history\",\"limit\":3}"},
		{"show configuration 7", "{\"command\":\"configuration\",\"version\":7}"},
		{"show conf", "{\"command\":\"configuration\"}"},
		{"cert list", "{\"command\":\"certificate_list\"}"},
		{"stop", "{\"command\":\"stop\"}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_run_ struct run run = {.fake.answers = {"{\"ok\": true}"}};

		run_line(&run, table[i].line);
		assert_string_equal(run.fake.requests[0], table[i].request);
		assert_string_equal(run.err, "");
		assert_int_equal(run.status, CLI_OK);
		assert_true(strlen(run.out) > 0); /* an empty answer is said to be empty */
	}
}

static void write_file(const char *name, const char *text);

/* --- versions ------------------------------------------------------------------------------------------------------
 */

static char *diff_of(const char *from, const char *to, int *hunks)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	*hunks = diff_print(out, "a", from, "b", to, false);
	fclose(out);
	return text;
}

static void test_f4_diff_is_unified(void **state)
{
	static const struct {
		const char *from, *to, *diff;
		int hunks;
	} table[] = {
		{"", "", "", 0},
		{"a\nb\n", "a\nb\n", "", 0},
		{"", "a\n", "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+a\n", 1},
		{"a\n", "", "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-a\n", 1},
		{"1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\nx\n5\n6\n7\n",
			"--- a\n+++ b\n@@ -1,7 +1,7 @@\n 1\n 2\n 3\n-4\n+x\n 5\n 6\n 7\n", 1},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
			"--- a\n+++ b\n@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -7,3 +8,4 @@\n 7\n 8\n 9\n+10\n", 2},
		{"a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
			"--- a\n+++ b\n@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n", 1},
		{"\033[31m\n", "x\n", "--- a\n+++ b\n@@ -1,1 +1,1 @@\n-?[31m\n+x\n", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int hunks;
		_cleanup_free_ char *text = diff_of(table[i].from, table[i].to, &hunks);

		assert_string_equal(text, table[i].diff);
		assert_int_equal(hunks, table[i].hunks);
	}
}

/* more edits than are searched for: longer than need be, but still from the one to the other */
static void test_f4_diff_of_texts_without_a_common_line(void **state)
{
	_cleanup_free_ char *from = NULL, *to = NULL;
	size_t n;
	FILE *a = open_memstream(&from, &n), *b = open_memstream(&to, &n);
	int hunks, removed = 0, added = 0;

	for (int i = 0; i < 3000; i++) {
		fprintf(a, "old %d\n", i);
		fprintf(b, "new %d\n", i);
	}
	fclose(a);
	fclose(b);
	_cleanup_free_ char *text = diff_of(from, to, &hunks);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		removed += line[0] == '-' && line[1] != '-';
		added += line[0] == '+' && line[1] != '+';
	}
	assert_int_equal(hunks, 1);
	assert_int_equal(removed, 3000);
	assert_int_equal(added, 3000);
}

static void test_f4_diff_asks_for_versions(void **state)
{
	static const char before[] = "{\"ok\": true, \"version\": 3, \"text\": \"a\\n\", \"files\": "
				     "[{\"name\": \"x.rules\", \"digest\": \"1\"}]}",
			  now[] = "{\"ok\": true, \"version\": 4, \"text\": \"b\\n\", \"files\": "
				  "[{\"name\": \"x.rules\", \"digest\": \"2\"}]}";
	_cleanup_run_ struct run two = {.fake.answers = {before, now}},
				 none = {.fake.answers =
						 {"{\"ok\": true, \"versions\": [{\"version\": 4}, {\"version\": 3}]}",
							 before, now}},
				 file = {.fake.answers = {now}};
	char line[128], expected[256];

	run_line(&two, "diff 3 4");
	assert_string_equal(two.fake.requests[0], "{\"command\":\"configuration\",\"version\":3}");
	assert_string_equal(two.fake.requests[1], "{\"command\":\"configuration\",\"version\":4}");
	assert_string_equal(two.out, "--- version 3\n+++ version 4\n@@ -1,1 +1,1 @@\n-a\n+b\n"
				     "The contents of rule file x.rules differ.\n");
	run_line(&none, "diff");
	assert_string_equal(none.fake.requests[1], "{\"command\":\"configuration\",\"version\":3}");
	assert_string_equal(none.fake.requests[2], "{\"command\":\"configuration\"}");
	write_file("s.yaml", "b\nc\n");
	snprintf(line, sizeof(line), "diff %s/s.yaml", directory);
	run_line(&file, line);
	snprintf(expected, sizeof(expected), "--- version 4\n+++ %s/s.yaml\n@@ -1,1 +1,2 @@\n b\n+c\n", directory);
	assert_string_equal(file.out, expected);
}

static void test_f4_rollback_is_signed(void **state)
{
	_cleanup_run_ struct run run = {.fake.answers = {"{\"ok\": true, \"config_version\": 9}"}};

	run_line(&run, "rollback 3 --comment because");
	assert_contains(run.fake.requests[0], "{\"command\":\"rollback\",\"comment\":\"because\",\"from\":\"");
	assert_contains(run.fake.requests[0], ",\"version\":3}");
	assert_string_equal(run.out, "Configuration version 9 is in force.\n");
}

/* --- answers -------------------------------------------------------------------------------------------------------
 */

static void test_status(void **state)
{
	_cleanup_run_ struct run run = {
		.fake.answers = {
			"{\"ok\": true, \"version\": \"0.1.0\", \"instance\": \"test\", \"device\": \"sluice-1\","
			"\"started\": \"2026-01-02T03:04:05Z\", \"config_version\": 7, \"inspection\": \"on\","
			"\"workers\": [{\"slot\": 0, \"pid\": 4711, \"generation\": 1, \"state\": \"running\", "
			"\"sessions\": 12}],"
			"\"keeper\": {\"pid\": 99, \"state\": \"running\", \"keys\": {\"web\": \"available\", "
			"\"mail\": \"locked\"}}, \"log\": {\"pid\": 0, "
			"\"state\": \"down\"},"
			"\"flows\": 24, \"segments\": []}"}};

	run_line(&run, "show status");
	assert_int_equal(run.status, CLI_OK);
	assert_contains(run.out, "Device           sluice-1\n");
	assert_contains(run.out, "Configuration    version 7\n");
	assert_contains(run.out, "Key keeper       running, pid 99, 2 keys, mail: locked\n");
	assert_contains(run.out, "Log process      down\n");
	assert_contains(run.out, "WORKER   PID  GENERATION  SESSIONS  STATE\n");
	assert_contains(run.out, "     0  4711           1        12  running\n");
	assert_contains(run.out, "No segment: Sluice has no port yet.");
}

static const char sessions_answer[] =
	"{\"ok\": true, \"total\": 9, \"sessions\": ["
	"{\"id\": \"00000000000000ff\", \"started\": 1, \"client_ip\": \"10.0.0.1\", \"client_port\": 40000,"
	" \"server_ip\": \"10.9.0.2\", \"server_port\": 443, \"ssl_server\": \"web\", \"step\": \"relay\","
	" \"client_version\": 772, \"server_version\": \"TLS 1.2\", \"client_cipher\": \"AES\","
	" \"bytes_to_server\": 1023, \"bytes_to_client\": 1572864, \"inspected\": true,"
	" \"sni\": \"a\\u001b[31mb\\u009b\\u202ec\\u00e4\\nx\"}]}";

static void complete_line(struct run *run, const char *line, char *out, size_t size)
{
	char text[128];

	snprintf(text, sizeof(text), "--complete %s", line);
	run_line(run, text);
	snprintf(out, size, "%s", run->out);
	for (char *c = out; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
}

/* a blank at the end: the next word is completed */
static void test_i1_completion(void **state)
{
	static const struct {
		const char *line, *answer, *words;
	} table[] = {
		{"sho", NULL, "show "},
		{"c", NULL, "check commit clear certificate "},
		{"show s", NULL, "status sessions servers segments "},
		{"sh sess --", NULL, "--limit --server --client --json "},
		{"show sessions --limit 5 --", NULL, "--server --client --json "},
		{"debug np stats show npS", NULL, "npSslInspStats npSslInspProtocolStats "},
		{"show sessions --server w",
			"{\"ok\": true, \"servers\": [{\"name\": \"web\"}, {\"name\": \"mail\"}, {\"name\": \"www\"}]}",
			"web www "},
		{"clear sessions id 0", "{\"ok\": true, \"sessions\": [{\"id\": \"0a\"}, {\"id\": \"1b\"}]}", "0a "},
		{"clear sessions client ",
			"{\"ok\": true, \"sessions\": [{\"client_ip\": \"10.0.0.1\"}, {\"client_ip\": \"10.0.0.1\"}]}",
			"10.0.0.1 "},
		{"rollback ", "{\"ok\": true, \"versions\": [{\"version\": 12}]}",
			"12 --comment --override-locked --json "},
		{"clear sessions server ", NULL, ""}, /* no answer: no candidates, and no noise */
		{"nonsense ", NULL, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_run_ struct run run = {.fake.answers = {table[i].answer}};
		char words[256];

		complete_line(&run, table[i].line, words, sizeof(words));
		assert_string_equal(words, table[i].words);
		assert_string_equal(run.err, "");
	}
}

static const char counters_answer[] =
	"{\"ok\": true, \"counters\": [{\"name\": \"wire_new_flows\", \"value\": 0, \"unit\": \"flows\"},"
	"{\"name\": \"closed_server_refused\", \"value\": 3, \"unit\": \"sessions\"},"
	"{\"name\": \"closed_server_unreachable\", \"value\": 4, \"unit\": \"sessions\"}]}";

static void test_i1_figures_say_what_they_mean(void **state)
{
	_cleanup_run_ struct run proxy = {.fake.answers = {counters_answer}},
				 protocol = {.fake.answers = {counters_answer}},
				 json = {.fake.answers = {counters_answer}};

	run_line(&proxy, "debug np stats show npTcpProxyStats");
	assert_string_equal(proxy.fake.requests[0], "{\"command\":\"counters\"}");
	assert_contains(proxy.out, "All zero: no matching traffic.");
	assert_null(strstr(proxy.out, "bypassed:"));
	run_line(&protocol, "debug np stats show npSslInspP");
	assert_contains(protocol.out, "serverConnectionFailures          7  sessions");
	assert_contains(protocol.out, "serverConnectionFailures: servers refused");
	assert_null(strstr(protocol.out, "All zero"));
	assert_null(strstr(protocol.out, "clientCipherOther:"));
	run_line(&json, "show connections refused --json");
	assert_contains(json.out,
		"{\"name\":\"byServer\",\"value\":3,\"unit\":\"sessions\",\"counters\":[\"closed_server_refused\"]}");
}

static void test_h1_sessions(void **state)
{
	_cleanup_run_ struct run run = {.fake.answers = {sessions_answer}};

	run_line(&run, "show sessions");
	assert_int_equal(run.status, CLI_OK);
	assert_contains(run.out, "10.0.0.1:40000  10.9.0.2:443  web");
	assert_contains(run.out, "TLS 1.3");
	assert_contains(run.out, "TLS 1.2");
	assert_contains(run.out, " 1023 B");
	assert_contains(run.out, "1.5 MiB");
	assert_contains(run.out, "1 of 9 sessions, newest first; more with --limit N\n");
}

/* G5: what a client chose as its SNI commands no terminal and forges no line */
static void test_g5_hostile_text_stays_text(void **state)
{
	_cleanup_run_ struct run run = {.fake.answers = {sessions_answer}};

	run_line(&run, "show sessions");
	assert_contains(run.out, "a?[31mb??c\xc3\xa4?x\n");
	assert_null(strchr(run.out, '\033'));
}

static void test_columns_align_with_wide_text(void **state)
{
	static const struct output_column columns[] = {
		{"A", "a", OUTPUT_TEXT}, {"N", "n", OUTPUT_NUMBER}, {"B", "b", OUTPUT_TEXT}};
	json_auto_t *rows = json_loads(
		"[{\"a\": \"\\u00e4\\u00e4\\u00e4\", \"n\": 5, \"b\": [\"x\", \"y\"]}, {\"a\": \"z\", \"n\": 100}]", 0,
		NULL);
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	output_table(out, rows, columns, ARRAY_SIZE(columns), "none");
	fclose(out);
	assert_string_equal(text, "A      N  B\n"
				  "\xc3\xa4\xc3\xa4\xc3\xa4    5  x, y\n"
				  "z    100  -\n");
}

static void test_json_is_the_answer_as_it_is(void **state)
{
	_cleanup_run_ struct run run = {.fake.answers = {"{\"ok\": true, \"cleared\": 3}"}};
	_cleanup_run_ struct run refused = {.fake.answers = {"{\"ok\": false, \"error\": \"no\"}"}};
	_cleanup_run_ struct run pretty = {.fake.answers = {"{\"ok\": true, \"cleared\": 3}"}, .terminal = true};
	_cleanup_run_ struct run usage = {0};

	run_line(&run, "--json clear sessions all");
	assert_string_equal(run.out, "{\"ok\":true,\"cleared\":3}\n");
	run_line(&refused, "clear sessions all --json");
	assert_string_equal(refused.out, "{\"ok\":false,\"error\":\"no\"}\n");
	assert_string_equal(refused.err, "");
	assert_int_equal(refused.status, CLI_FAILED);
	run_line(&pretty, "clear sessions all --json");
	assert_string_equal(pretty.out, "{\n  \"ok\": true,\n  \"cleared\": 3\n}\n");
	run_line(&usage, "shwo --json");
	assert_string_equal(
		usage.out, "{\"ok\":false,\"error\":\"\\\"shwo\\\" is not known here: did you mean \\\"show\\\"?\"}\n");
	assert_int_equal(usage.status, CLI_USAGE);
}

static void test_refusal(void **state)
{
	_cleanup_run_ struct run run = {.fake.answers = {"{\"ok\": false, \"error\": \"no such SSL server: x\"}"}};

	run_line(&run, "clear sessions server x");
	assert_string_equal(run.err, "sluice: no such SSL server: x\n");
	assert_string_equal(run.out, "");
	assert_int_equal(run.status, CLI_FAILED);
}

static void test_supervisor_that_hangs_up(void **state)
{
	_cleanup_run_ struct run run = {0};

	run_line(&run, "show status");
	assert_contains(run.err, "ended before it answered");
	assert_int_equal(run.status, CLI_NO_SUPERVISOR);
}

static void test_no_supervisor(void **state)
{
	_cleanup_free_ char *out = NULL, *err = NULL;
	size_t out_len, err_len;
	struct cli cli = {.fd = -1, .out = open_memstream(&out, &out_len), .err = open_memstream(&err, &err_len)};
	char *argv[] = {(char *)"sluice", (char *)"--instance", (char *)"no-such-instance", (char *)"stop"};

	assert_int_equal(cli_run(&cli, ARRAY_SIZE(argv), argv), CLI_NO_SUPERVISOR);
	fclose(cli.out);
	fclose(cli.err);
	assert_string_equal(err, "sluice: no supervisor is running for instance no-such-instance "
				 "(/run/sluice/no-such-instance/control): "
				 "start it with sluiced --instance no-such-instance\n");
}

/* the way through connect(): everything else here has its socket from a pair */
static void test_connects_to_the_control_socket(void **state)
{
	struct fake fake = {.answers = {"{\"ok\": true}"}};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_free_ char *out = NULL, *err = NULL;
	size_t out_len, err_len;
	struct cli cli = {.fd = -1, .out = open_memstream(&out, &out_len), .err = open_memstream(&err, &err_len)};
	char *argv[] = {(char *)"sluice", (char *)"stop"};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t thread;

	instance_init(&cli.instance, "test");
	snprintf(cli.instance.control_path, sizeof(cli.instance.control_path), "%s/control", directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", cli.instance.control_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	fake.fd = -1;
	fake.listener = listener;
	assert_int_equal(pthread_create(&thread, NULL, fake_run, &fake), 0);
	assert_int_equal(cli_run(&cli, ARRAY_SIZE(argv), argv), CLI_OK);
	cleanup_close(&cli.fd);
	pthread_join(thread, NULL);
	fclose(cli.out);
	fclose(cli.err);
	assert_string_equal(fake.requests[0], "{\"command\":\"stop\"}");
	assert_string_equal(err, "");
	free(fake.requests[0]);
	close(listener);
	remove(address.sun_path);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static int make_directory(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = {"s.yaml", "a.rules", "rules/b.rules", "rules", "c.pem", "k.pem", "e.pem",
		"pw", "system.json", "alert.json"};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		remove(path);
	}
	return remove(directory);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_f4_check_passes_the_files_that_are_needed(void **state)
{
	_cleanup_run_ struct run run = {
		.fake.answers = {"{\"ok\": false, \"need_files\": [\"a.rules\", \"rules/b.rules\", \"a.rules\"]}",
			"{\"ok\": true, \"problems\": [{\"severity\": \"warning\", \"file\": \"s.yaml\", \"line\": 3, "
			"\"column\": 7,"
			" \"message\": \"unused\"}], \"filters\": {\"loaded\": 2, \"refused\": [{\"file\": "
			"\"a.rules\", \"line\": 1,"
			" \"sid\": 5, \"reason\": \"lua\"}]}}"}};
	char line[128], expected[256];

	write_file("s.yaml", "device: {}");
	write_file("a.rules", "alert a");
	snprintf(line, sizeof(line), "%s/rules", directory);
	mkdir(line, 0700);
	write_file("rules/b.rules", "alert b");
	snprintf(line, sizeof(line), "check %s/s.yaml", directory);
	run_line(&run, line);
	snprintf(expected, sizeof(expected), "{\"command\":\"check\",\"files\":[\"%s/s.yaml\"]}", directory);
	assert_string_equal(run.fake.requests[0], expected);
	assert_string_equal(run.fake.files[0], "device: {}|");
	snprintf(expected, sizeof(expected),
		"{\"command\":\"check\",\"files\":[\"%s/s.yaml\",\"a.rules\",\"rules/b.rules\"]}", directory);
	assert_string_equal(run.fake.requests[1], expected);
	assert_string_equal(run.fake.files[1], "device: {}|alert a|alert b|");
	assert_string_equal(run.err, "s.yaml:3:7: warning: unused\n");
	assert_contains(run.out, "The configuration is good.");
	assert_contains(run.out, "2 filters load, 1 refused\n");
	assert_contains(run.out, "a.rules     1    5  lua\n");
	assert_int_equal(run.status, CLI_OK);
}

static void test_missing_rule_files_are_all_named(void **state)
{
	_cleanup_run_ struct run run = {
		.fake.answers = {"{\"ok\": false, \"need_files\": [\"x.rules\", \"/no/y.rules\"]}"}};
	char line[128], expected[512];

	write_file("s.yaml", "device: {}");
	snprintf(line, sizeof(line), "commit %s/s.yaml", directory);
	run_line(&run, line);
	snprintf(expected, sizeof(expected),
		"%s/s.yaml: error: the rule file \"x.rules\" cannot be opened (%s/x.rules): No such file or directory\n"
		"%s/s.yaml: error: the rule file \"/no/y.rules\" cannot be opened (/no/y.rules): No such file or "
		"directory\n"
		"sluice: rule files are missing\n",
		directory, directory, directory);
	assert_string_equal(run.err, expected);
	assert_int_equal(run.status, CLI_FAILED);
	assert_null(run.fake.requests[1]);
}

static void test_commit_problems(void **state)
{
	_cleanup_run_ struct run run = {
		.fake.answers = {
			"{\"ok\": false, \"error\": \"the configuration has errors\", \"problems\": [{\"severity\": "
			"\"error\", \"file\": \"s.yaml\", \"line\": 2, \"column\": 1, \"message\": \"bad\"}]}"}};
	_cleanup_run_ struct run good = {.fake.answers = {"{\"ok\": true, \"config_version\": 8}"}};
	_cleanup_run_ struct run loop = {.fake.answers = {"{\"ok\": false, \"need_files\": [\"s.yaml\"]}",
						 "{\"ok\": false, \"need_files\": [\"s.yaml\"]}"}};
	_cleanup_run_ struct run dir = {0};
	char line[128];

	write_file("s.yaml", "device: {}");
	snprintf(line, sizeof(line), "commit %s/s.yaml", directory);
	run_line(&run, line);
	assert_string_equal(run.err, "s.yaml:2:1: error: bad\nsluice: the configuration has errors\n");
	assert_int_equal(run.status, CLI_FAILED);
	run_line(&good, line);
	assert_string_equal(good.out, "Configuration version 8 is in force.\n");
	run_line(&loop, line);
	assert_contains(loop.err, "asks for files that it was given");
	assert_int_equal(loop.status, CLI_FAILED);
	snprintf(line, sizeof(line), "commit %s", directory);
	run_line(&dir, line);
	assert_contains(dir.err, "Is a directory");
	assert_int_equal(dir.status, CLI_FAILED);
}

static void test_e2_certificate_import(void **state)
{
	static const char answer[] =
		"{\"ok\": true, \"certificate\": {\"name\": \"web\", \"subject\": \"CN=web\", \"sans\": "
		"[\"a.example\", \"b.example\"], \"key_type\": \"RSA\", \"key_bits\": 2048}}";
	_cleanup_run_ struct run plain = {.fake.answers = {answer}}, password = {.fake.answers = {answer}}, none = {0};
	_cleanup_run_ struct run one_file = {.fake.answers = {answer}};
	char line[512];

	write_file("c.pem", "CERT");
	write_file("k.pem", "KEY");
	write_file("pw", "se cret\r\nnot this");
	snprintf(line, sizeof(line), "certificate import web --cert %s/c.pem --key %s/k.pem", directory, directory);
	run_line(&plain, line);
	assert_string_equal(
		plain.fake.requests[0], "{\"command\":\"certificate_import\",\"name\":\"web\",\"password_fd\":false}");
	assert_string_equal(plain.fake.files[0], "CERT|KEY|");
	assert_contains(plain.out, "Names            a.example, b.example\n");
	assert_contains(plain.out, "Key              RSA 2048 bits\n");
	snprintf(line, sizeof(line), "certificate import web --cert %s/c.pem --key %s/k.pem --password-file %s/pw",
		directory, directory, directory);
	run_line(&password, line);
	assert_string_equal(password.fake.requests[0],
		"{\"command\":\"certificate_import\",\"name\":\"web\",\"password_fd\":true}");
	assert_string_equal(password.fake.files[0], "CERT|KEY|se cret|");
	snprintf(line, sizeof(line), "certificate import web --cert %s/c.pem", directory);
	run_line(&one_file, line);
	assert_string_equal(one_file.fake.requests[0],
		"{\"command\":\"certificate_import\",\"key_fd\":false,\"name\":\"web\",\"password_fd\":false}");
	assert_string_equal(one_file.fake.files[0], "CERT|");
	snprintf(line, sizeof(line), "certificate import web --cert %s/c.pem --key %s/none.pem", directory, directory);
	run_line(&none, line);
	assert_contains(none.err, "cannot open the private key");
	assert_int_equal(none.status, CLI_FAILED);
}

static void test_g7_log(void **state)
{
	_cleanup_run_ struct run two = {0}, json = {0}, empty = {0};

	write_file("system.json",
		"{\"timestamp\": \"2026-01-02T03:04:05.000000+0000\", \"severity\": \"info\", \"message\": \"first\"}\n"
		"{\"timestamp\": \"2026-01-02T03:04:06.000000+0000\", \"severity\": \"error\", \"message\": "
		"\"second\"}\n"
		"{\"timestamp\": \"2026-01-02T03:04:07.000000+0000\", \"severity\": \"info\", \"message\": \"third\"}\n"
		"{\"timestamp\": \"2026-01-02T03:04:08.0");
	snprintf(two.log_dir, sizeof(two.log_dir), "%s", directory);
	memcpy(json.log_dir, two.log_dir, sizeof(two.log_dir));
	memcpy(empty.log_dir, two.log_dir, sizeof(two.log_dir));
	run_line(&two, "show log system --limit 2");
	assert_null(strstr(two.out, "first"));
	assert_contains(two.out, "error     second\n");
	assert_contains(two.out, "info      third\n");
	run_line(&json, "show log system --limit 1 --json");
	assert_string_equal(json.out,
		"{\"ok\":true,\"log\":\"system\",\"records\":[{\"timestamp\":\"2026-01-02T03:04:07.000000+0000\","
		"\"severity\":\"info\",\"message\":\"third\"}]}\n");
	run_line(&empty, "show log alert");
	assert_contains(empty.out, "The Alert log is empty: no signature filter has alerted (/tmp/test_cli.");
	assert_int_equal(empty.status, CLI_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_i1_table_of_commands_is_sound),
		cmocka_unit_test(test_i1_every_command_has_help),
		cmocka_unit_test(test_i1_usage_errors),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_f4_diff_is_unified),
		cmocka_unit_test(test_f4_diff_of_texts_without_a_common_line),
		cmocka_unit_test(test_f4_diff_asks_for_versions),
		cmocka_unit_test(test_f4_rollback_is_signed),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_i1_completion),
		cmocka_unit_test(test_i1_figures_say_what_they_mean),
		cmocka_unit_test(test_h1_sessions),
		cmocka_unit_test(test_g5_hostile_text_stays_text),
		cmocka_unit_test(test_columns_align_with_wide_text),
		cmocka_unit_test(test_json_is_the_answer_as_it_is),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_supervisor_that_hangs_up),
		cmocka_unit_test(test_no_supervisor),
		cmocka_unit_test(test_connects_to_the_control_socket),
		cmocka_unit_test(test_f4_check_passes_the_files_that_are_needed),
		cmocka_unit_test(test_missing_rule_files_are_all_named),
		cmocka_unit_test(test_commit_problems),
		cmocka_unit_test(test_e2_certificate_import),
		cmocka_unit_test(test_g7_log),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
