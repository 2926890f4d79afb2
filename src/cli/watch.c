/* SPDX-License-Identifier: Apache-2.0 */
/* watch: what happens now, once a second: on a terminal as a screen (80x24 is enough), as text, or one JSON object per
 * line. It asks for status, counters and the filters that match most, and keeps the counters of before. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"

#define WATCH_REASONS 4
#define WATCH_FILTERS 2
#define WATCH_PERIOD_MS 1000

static const struct {
	const char *counter, *name, *label;
	bool bytes;
} watch_rates[] = {
	{"sessions_new", "new_sessions", "New sessions", false},
	{"sessions_established", "established", "Handshakes completed", false},
	{"sessions_blocked", "blocked", "Sessions blocked", false},
	{"filter_hits", "filter_hits", "Filter matches", false},
	{"bytes_to_server", "bytes_to_server", "Decrypted to servers", true},
	{"bytes_to_client", "bytes_to_client", "Decrypted to clients", true},
	{"wire_to_inspect", "frames_to_inspect", "Frames to inspection", false},
	{"wire_forwarded", "frames_forwarded", "Frames forwarded", false},
};

static volatile sig_atomic_t watch_ended;

static void watch_on_signal(int number)
{
	watch_ended = number;
}

/* --- samples --------------------------------------------------------------------------------------------------------
 */

/* {name: value} */
static int watch_ask_counters(struct cli *cli, json_t **values)
{
	json_auto_t *answer = NULL;
	const json_t *row;
	size_t i;
	int status = client_ask(cli, json_pack("{s:s}", "command", "counters"), NULL, 0, CLIENT_PATIENCE_S, &answer);

	if (status != CLI_OK)
		return status;
	*values = json_object();
	json_array_foreach(json_object_get(answer, "counters"), i, row) json_object_set(
		*values, json_string_value(json_object_get(row, "name")) ?: "", json_object_get(row, "value"));
	return CLI_OK;
}

/* the filters that match most; fewer where fewer have matched at all (C6) */
static int watch_ask_filters(struct cli *cli, json_t **top)
{
	json_auto_t *answer = NULL;
	const json_t *row;
	size_t i;
	int status = client_ask(cli,
		json_pack("{s:s, s:s, s:i}", "command", "filters_top", "by", "hits", "limit", WATCH_FILTERS), NULL, 0,
		CLIENT_PATIENCE_S, &answer);

	if (status != CLI_OK)
		return status;
	*top = json_array();
	json_array_foreach(json_object_get(answer, "filters"), i, row)
	{
		if (json_integer_value(json_object_get(row, "hits")))
			json_array_append_new(
				*top, json_pack("{s:O?, s:O?, s:O?, s:O?}", "sid", json_object_get(row, "sid"), "name",
					      json_object_get(row, "name"), "hits", json_object_get(row, "hits"),
					      "blocks", json_object_get(row, "blocks")));
	}
	return CLI_OK;
}

static json_int_t watch_value(const json_t *values, const char *name)
{
	return json_integer_value(json_object_get(values, name));
}

static double watch_rate(const json_t *before, const json_t *now, const char *name, double seconds)
{
	json_int_t growth = watch_value(now, name) - watch_value(before, name);

	/* a supervisor that was started again counts from zero */
	return before && seconds > 0 && growth > 0 ? growth / seconds : 0;
}

static int watch_compare_reasons(const void *a, const void *b)
{
	json_t *const *x = a, *const *y = b;
	json_int_t vx = watch_value(*x, "total"), vy = watch_value(*y, "total");

	return vx < vy ? 1 : vx > vy ? -1 : 0;
}

static json_t *watch_reasons(const json_t *before, const json_t *now, double seconds)
{
	json_t *rows[64], *top = json_array(), *value;
	const char *name;
	size_t n = 0;

	json_object_foreach((json_t *)now, name, value)
	{
		if (strncmp(name, "closed_", 7) != 0 || !json_integer_value(value) || n == ARRAY_SIZE(rows))
			continue;
		rows[n++] = json_pack("{s:s, s:O, s:f}", "reason", name + 7, "total", value, "per_second",
			watch_rate(before, now, name, seconds));
	}
	qsort(rows, n, sizeof(rows[0]), watch_compare_reasons);
	for (size_t i = 0; i < n; i++) {
		if (i < WATCH_REASONS)
			json_array_append(top, rows[i]);
		json_decref(rows[i]);
	}
	return top;
}

static void watch_complain(json_t *health, const char *what, const char *state)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", what, state);
	json_array_append_new(health, json_string(text));
}

static void watch_link(json_t *health, const json_t *segment, const char *port, const char *link)
{
	const char *state = json_string_value(json_object_get(segment, link));
	char what[64];

	if (!state || !strcmp(state, "up"))
		return;
	snprintf(what, sizeof(what), "port %s", json_string_value(json_object_get(segment, port)) ?: "?");
	watch_complain(health, what, strcmp(state, "down") ? state : "no link");
}

/* what an operator should look at; empty: all is well */
static json_t *watch_health(const json_t *status, const json_t *before, const json_t *now)
{
	static const char *const growing[] = {"events_lost", "key_failures", "wire_errors", "wire_bypassed_no_worker",
		"wire_blocked_no_worker", "sessions_refused_limit"};
	const char *inspection = json_string_value(json_object_get(status, "inspection")) ?: "unknown", *name;
	json_t *health = json_array(), *row, *state;
	size_t i;

	if (strcmp(inspection, "on") != 0)
		watch_complain(health, "SSL inspection", inspection);
	if (json_object_get(status, "configuration_problem"))
		watch_complain(health, "configuration", "the newest version cannot be used (sluice show status)");
	json_array_foreach(json_object_get(status, "workers"), i, row)
	{
		const char *s = json_string_value(json_object_get(row, "state")) ?: "unknown";
		char worker[32];

		snprintf(worker, sizeof(worker), "worker %" JSON_INTEGER_FORMAT, watch_value(row, "slot"));
		if (strcmp(s, "live") != 0)
			watch_complain(health, worker, s);
	}
	json_object_foreach(json_object_get(json_object_get(status, "keeper"), "keys"), name, state)
	{
		if (strcmp(json_string_value(state) ?: "unknown", "available") != 0)
			watch_complain(health, name, json_string_value(state) ?: "unknown");
	}
	json_array_foreach(json_object_get(status, "segments"), i, row)
	{
		watch_link(health, row, "port_a", "link_a");
		watch_link(health, row, "port_b", "link_b");
	}
	for (i = 0; i < ARRAY_SIZE(growing); i++)
		if (before && watch_value(now, growing[i]) > watch_value(before, growing[i]))
			watch_complain(health, growing[i], "is growing");
	return health;
}

static json_t *watch_sample(
	const json_t *status, const json_t *before, const json_t *now, const json_t *filters, double seconds)
{
	json_t *rates = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(watch_rates); i++)
		json_object_set_new(rates, watch_rates[i].name,
			json_real(watch_rate(before, now, watch_rates[i].counter, seconds)));
	return json_pack("{s:b, s:I, s:O, s:O, s:O, s:O, s:o, s:o, s:O, s:o}", "ok", 1, "time",
		(json_int_t)clock_wall_us(), "instance", json_object_get(status, "instance"), "config_version",
		json_object_get(status, "config_version"), "inspection", json_object_get(status, "inspection"),
		"sessions", json_object_get(status, "sessions"), "rates", rates, "close_reasons",
		watch_reasons(before, now, seconds), "top_filters", filters, "health",
		watch_health(status, before, now));
}

/* --- the screen -----------------------------------------------------------------------------------------------------
 */

static void watch_write(FILE *out, const json_t *sample)
{
	static const struct output_column time_column = {.key = "time", .format = OUTPUT_TIME};
	const json_t *rates = json_object_get(sample, "rates"), *row;
	char text[64];
	size_t i;

	output_cell(sample, &time_column, text, sizeof(text));
	fprintf(out, "Sluice %s, configuration version %" JSON_INTEGER_FORMAT "  %s  q quits\n\n",
		json_string_value(json_object_get(sample, "instance")) ?: "", watch_value(sample, "config_version"),
		text);
	fprintf(out, "SSL inspection %-10s  sessions open %" JSON_INTEGER_FORMAT "\n\n",
		json_string_value(json_object_get(sample, "inspection")) ?: "", watch_value(sample, "sessions"));
	for (i = 0; i < ARRAY_SIZE(watch_rates); i++) {
		double rate = json_real_value(json_object_get(rates, watch_rates[i].name));

		fprintf(out, "  %-22s %12.1f %s\n", watch_rates[i].label, watch_rates[i].bytes ? rate * 8 / 1e6 : rate,
			watch_rates[i].bytes ? "Mbit/s" : "/s");
	}
	fputs("\nSessions ended                    total        /s\n", out);
	json_array_foreach(json_object_get(sample, "close_reasons"), i, row) fprintf(out,
		"  %-28s %8" JSON_INTEGER_FORMAT " %9.1f\n", json_string_value(json_object_get(row, "reason")) ?: "",
		watch_value(row, "total"), json_real_value(json_object_get(row, "per_second")));
	if (json_array_size(json_object_get(sample, "top_filters")))
		fputs("Filters                                hits   blocks\n", out);
	json_array_foreach(json_object_get(sample, "top_filters"), i, row)
	{
		fprintf(out, "  %-10" JSON_INTEGER_FORMAT " %26" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT "  ",
			watch_value(row, "sid"), watch_value(row, "hits"), watch_value(row, "blocks"));
		snprintf(text, sizeof(text), "%.26s", json_string_value(json_object_get(row, "name")) ?: "");
		output_text(out, text);
		fputc('\n', out);
	}
	fputs("\nHealth: ", out);
	if (!json_array_size(json_object_get(sample, "health")))
		fputs("all is well", out);
	json_array_foreach(json_object_get(sample, "health"), i, row)
	{
		fputs(i ? "; " : "", out);
		output_text(out, json_string_value(row) ?: "");
	}
	fputc('\n', out);
}

/* as much as fits: nothing wraps, nothing scrolls */
static void watch_draw(struct cli *cli, const char *text)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	unsigned int rows;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	fputs("\033[H", cli->out);
	for (rows = 1; *text && rows < size.ws_row; rows++) {
		size_t len = strcspn(text, "\n");

		fprintf(cli->out, "%.*s\033[K\r\n", (int)MIN(len, (size_t)size.ws_col - 1), text);
		text += len + (text[len] == '\n');
	}
	fputs("\033[J", cli->out);
}

static void watch_show(struct cli *cli, const json_t *sample, bool screen)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out;

	if (cli->json) {
		json_dumpf(sample, cli->out, JSON_COMPACT | JSON_REAL_PRECISION(6));
		fputc('\n', cli->out);
		fflush(cli->out);
		return;
	}
	out = open_memstream(&text, &len);
	if (!out)
		return;
	watch_write(out, sample);
	fclose(out);
	if (screen)
		watch_draw(cli, text);
	else
		fprintf(cli->out, "%s\n", text);
	fflush(cli->out);
}

/* --- the loop -------------------------------------------------------------------------------------------------------
 */

struct watch_terminal {
	bool screen, keys;
	struct termios before;
};

static void watch_open(struct cli *cli, struct watch_terminal *terminal)
{
	struct termios raw;

	terminal->screen = cli->out_terminal && !cli->json;
	terminal->keys = terminal->screen && tcgetattr(STDIN_FILENO, &terminal->before) == 0;
	if (terminal->keys) {
		raw = terminal->before;
		raw.c_lflag &= ~(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	if (terminal->screen)
		fputs("\033[?1049h\033[?25l", cli->out);
}

static void watch_close(struct cli *cli, const struct watch_terminal *terminal)
{
	if (terminal->screen)
		fputs("\033[?25h\033[?1049l", cli->out);
	if (terminal->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
	fflush(cli->out);
}

/* a second, or until the end is asked for: true */
static bool watch_wait(const struct watch_terminal *terminal)
{
	struct pollfd key = {.fd = terminal->keys ? STDIN_FILENO : -1, .events = POLLIN};
	uint64_t end = clock_now_ns() + WATCH_PERIOD_MS * NSEC_PER_MSEC, now;
	char c;

	while (!watch_ended && (now = clock_now_ns()) < end) {
		if (poll(&key, 1, (int)((end - now) / NSEC_PER_MSEC) + 1) <= 0)
			continue;
		if (read(STDIN_FILENO, &c, 1) != 1 || c == 'q' || c == 'Q')
			return true;
	}
	return watch_ended;
}

static int watch_loop(struct cli *cli, const struct watch_terminal *terminal, unsigned int count)
{
	json_auto_t *before = NULL;
	uint64_t last = 0;

	for (unsigned int i = 0; !count || i < count; i++) {
		json_auto_t *status = NULL, *now = NULL, *filters = NULL, *sample = NULL;
		uint64_t at = clock_now_ns();
		int r = client_ask(cli, json_pack("{s:s}", "command", "status"), NULL, 0, CLIENT_PATIENCE_S, &status);

		if (r == CLI_OK)
			r = watch_ask_counters(cli, &now);
		if (r == CLI_OK)
			r = watch_ask_filters(cli, &filters);
		if (r != CLI_OK)
			return watch_ended ? CLI_OK : r;
		sample = watch_sample(status, before, now, filters, (at - last) / (double)NSEC_PER_SEC);
		watch_show(cli, sample, terminal->screen);
		json_decref(before);
		before = json_incref(now);
		last = at;
		if ((!count || i + 1 < count) && watch_wait(terminal))
			break;
	}
	return CLI_OK;
}

int cli_run_watch(struct cli *cli, const struct cli_call *call)
{
	const char *count = cli_call_value(call, "N");
	struct sigaction action = {.sa_handler = watch_on_signal}, before[2];
	struct watch_terminal terminal;
	int status;

	watch_ended = 0;
	sigaction(SIGINT, &action, &before[0]);
	sigaction(SIGTERM, &action, &before[1]);
	watch_open(cli, &terminal);
	status = watch_loop(cli, &terminal, count ? atoi(count) : 0);
	watch_close(cli, &terminal);
	sigaction(SIGINT, &before[0], NULL);
	sigaction(SIGTERM, &before[1], NULL);
	return status;
}
