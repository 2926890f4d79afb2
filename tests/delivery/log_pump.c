/* SPDX-License-Identifier: Apache-2.0 */
/* log-pump BINDIR DIR HOST PORT COUNT [PKI]: stands for the supervisor and one producer. Writes COUNT numbered events
 * into a real event ring (waiting while it is full: none may be lost), with sluice-log and sluice-relp as its children,
 * which it starts again whenever they end, or say nothing for long. With PKI, a directory, it is RELP over TLS;
 * $PUMP_FORMAT is the log target's format. Prints "pids LOG RELP" at every start, "produced" when all are in the ring,
 * and "received" when the target's cursor is behind the last of them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/common.h"
#include "events/event.h"
#include "ipc/message.h"
#include "stats/stats.h"

#define BOOT 0x1234
#define PUMP_BURST 12
#define PUMP_LONG_EVERY 1000
#define RELP_RESTART_NS (200 * NSEC_PER_MSEC)
#define RELP_SILENCE_NS (25 * NSEC_PER_SEC) /* the supervisor has more patience */
#define PUMP_LOG_BYTES (10 << 20)           /* the disk may be small */

struct part {
	const char *program;
	pid_t pid;
	int control;
};

static struct {
	const char *bin_dir, *host, *port, *pki;
	uint64_t heard_ns;
	int dir_fd;
	struct event_ring *ring;
	struct stats_page *stats;
	struct part log, relp;
	json_int_t cursor;
} pump;

/* text of the kind a client would try: each would forge a record or a field if it were let through */
static const char *const hostile[] = {
	"\"]} <13>1 2026-01-01T00:00:00Z forged forged - forged - forged",
	"line\n<13>1 2026-01-01T00:00:00Z forged forged - forged - forged\r\n",
	"\",\"sequence\":1,\"log\":\"forged\",\"x\":\"",
	"[sluice@32473 device=\\\"forged\\\"] pipe|equals=backslash\\",
	"\xff\xfe\xc0\xaf invalid \xed\xa0\x80 \x1b[2J \xe2\x80\xa8 separator",
};

static void part_spawn(struct part *part)
{
	char path[4096];
	int pair[2];

	if (ipc_pair(pair) < 0)
		exit(1);
	snprintf(path, sizeof(path), "%s/%s", pump.bin_dir, part->program);
	part->pid = fork();
	if (!part->pid) {
		int fd = fcntl(pair[1], F_DUPFD, 10);

		dup2(fd, 3);
		close(fd);
		execl(path, part->program, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	part->control = pair[0];
}

static void part_send(struct part *part, json_t *message, const int *fds, size_t n)
{
	ipc_send(part->control, message, fds, n);
	json_decref(message);
}

static void log_start(void)
{
	part_spawn(&pump.log);
	part_send(&pump.log, json_pack("{s:s, s:s, s:i}", "message", "start", "device", "pump", "boot", BOOT),
		(int[]){pump.dir_fd, stats_page_fd(pump.stats)}, 2);
	part_send(&pump.log,
		json_pack("{s:s, s:[s], s:i, s:i, s:i, s:i}", "message", "targets", "targets", "siem", "max_bytes",
			1 << 30, "max_age_seconds", 3600, "log_bytes", PUMP_LOG_BYTES, "log_age_seconds", 3600),
		NULL, 0);
	part_send(&pump.log, json_pack("{s:s, s:i, s:s}", "message", "ring", "producer", 1, "name", "pump"),
		(int[]){event_ring_memfd(pump.ring), event_ring_eventfd(pump.ring)}, 2);
}

static int pki_open(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", pump.pki, name);
	return open(path, O_RDONLY);
}

static void relp_start(void)
{
	int fds[] = {openat(pump.dir_fd, "spool", O_RDONLY | O_DIRECTORY), -1, -1, -1};
	json_t *start = json_pack("{s:s, s:s, s:[s], s:s, s:i}", "message", "start", "name", "siem", "hosts", pump.host,
		"port", pump.port, "boot", BOOT);

	if (fds[0] < 0) { /* sluice-log has not made it yet */
		json_decref(start);
		return;
	}
	if (getenv("PUMP_FORMAT"))
		json_object_set_new(start, "format", json_string(getenv("PUMP_FORMAT")));
	if (pump.pki) {
		json_object_update_new(
			start, json_pack("{s:s, s:s, s:[s, s, s]}", "protocol", "relp_tls", "peer",
				       "logs.sluice.example.net", "credentials", "ca", "certificate", "key"));
		fds[1] = pki_open("ca.pem");
		fds[2] = pki_open("appliance.pem");
		fds[3] = pki_open("appliance.key");
	}
	part_spawn(&pump.relp);
	part_send(&pump.relp, start, fds, pump.pki ? 4 : 1);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pump.heard_ns = clock_now_ns();
}

static void part_check(struct part *part, void (*start)(void))
{
	static uint64_t last_ns;

	if (part->pid > 0) {
		if (waitpid(part->pid, NULL, WNOHANG) != part->pid)
			return;
		close(part->control);
		part->pid = 0;
	}
	if (part == &pump.relp && clock_now_ns() - last_ns < RELP_RESTART_NS)
		return;
	start();
	if (part == &pump.relp)
		last_ns = clock_now_ns();
	printf("pids %d %d\n", (int)pump.log.pid, (int)pump.relp.pid);
	fflush(stdout);
}

static void part_hear(struct part *part)
{
	struct pollfd poll_fd = {.fd = part->control, .events = POLLIN};

	while (part->pid > 0 && poll(&poll_fd, 1, 0) > 0) {
		json_t *message;

		if (ipc_recv(part->control, 0, &message, NULL, NULL) < 0)
			return;
		if (part == &pump.relp)
			pump.heard_ns = clock_now_ns();
		if (part == &pump.relp)
			pump.cursor = json_integer_value(json_object_get(message, "cursor"));
		json_decref(message);
	}
}

static void pump_tend(void)
{
	part_check(&pump.log, log_start);
	part_check(&pump.relp, relp_start);
	part_hear(&pump.log);
	part_hear(&pump.relp);
	if (pump.relp.pid > 0 && clock_now_ns() - pump.heard_ns > RELP_SILENCE_NS) {
		puts("watchdog");
		kill(pump.relp.pid, SIGKILL);
		pump.heard_ns = clock_now_ns();
	}
}

/* a host name as long as a field can be, of everything that must not get through */
static struct span long_host(void)
{
	static char host[EVENT_STR_MAX];
	size_t n = 0;

	for (size_t i = 0; n < sizeof(host); i++) {
		const char *part = hostile[i % ARRAY_SIZE(hostile)];
		size_t len = MIN(strlen(part), sizeof(host) - n);

		memcpy(host + n, part, len);
		n += len;
	}
	return SPAN(host, sizeof(host));
}

static void produce(uint64_t number)
{
	struct event event;

	event_begin(&event, EVENT_LOG_BLOCK);
	event_u64(&event, EVENT_SESSION_ID, number);
	event_str(&event, EVENT_HTTP_URI, hostile[number % ARRAY_SIZE(hostile)]);
	event_bytes(&event, EVENT_DETAIL, SPAN("nul\0after", 9));
	if (number % PUMP_LONG_EVERY == 0)
		event_bytes(&event, EVENT_HTTP_HOST, long_host());
	event_commit(pump.ring, &event, 1);
	event_ring_flush(pump.ring);
}

static void part_stop(struct part *part)
{
	if (part->pid <= 0)
		return;
	part_send(part, json_pack("{s:s}", "message", "stop"), NULL, 0);
	waitpid(part->pid, NULL, 0);
}

int main(int argc, char **argv)
{
	uint64_t count, last_tend = 0;

	if (argc != 6 && argc != 7)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	pump.bin_dir = argv[1];
	pump.host = argv[3];
	pump.port = argv[4];
	pump.pki = argv[6];
	count = strtoull(argv[5], NULL, 10);
	pump.log.program = "sluice-log";
	pump.relp.program = "sluice-relp";
	pump.dir_fd = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (pump.dir_fd < 0 || stats_page_create(&pump.stats) < 0 || event_ring_create(&pump.ring) < 0)
		return 1;
	pump_tend();
	for (uint64_t number = 1; number <= count; number++) {
		while (event_ring_room(pump.ring) < EVENT_MAX) {
			pump_tend();
			poll(NULL, 0, 1);
		}
		produce(number);
		if (number % PUMP_BURST == 0) /* so that there is load while something is being killed */
			poll(NULL, 0, 1);
		if (clock_now_ns() - last_tend > 10 * NSEC_PER_MSEC) {
			pump_tend();
			last_tend = clock_now_ns();
		}
	}
	puts("produced");
	fflush(stdout);
	while ((uint64_t)pump.cursor <= count) {
		pump_tend();
		poll(NULL, 0, 20);
	}
	puts("received");
	fflush(stdout);
	part_stop(&pump.relp);
	part_stop(&pump.log);
	return 0;
}
