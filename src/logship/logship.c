/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "ipc/message.h"
#include "logship/confine.h"
#include "logship/log_file.h"
#include "logship/main.h"
#include "logship/producer.h"
#include "stats/stats.h"

#define LOGSHIP_START_TIMEOUT_MS 30000
#define LOGSHIP_SYNC_NS (200 * NSEC_PER_MSEC) /* G6: the group-fsync interval */
#define LOGSHIP_CHECK_NS (60 * NSEC_PER_SEC)
#define LOGSHIP_BUDGET 256      /* records of one ring before the next ring's turn */
#define LOGSHIP_DRAIN_MAX 65536 /* more than a ring holds: a producer that goes on cannot keep us from ending */
#define LOGSHIP_PRODUCERS_MAX 64
#define LOGSHIP_SELF UINT16_MAX /* our own records' producer */
#define LOGSHIP_FDS_MAX 2

struct logship {
	struct loop *loop;
	int control_fd, dir_fd, signal_fd;
	struct loop_source control, signals;
	struct loop_timer again; /* armed while records wait: the loop must not sleep */
	struct loop_timer sync;  /* armed while something is not on disk */
	struct loop_timer check; /* headless */
	uint64_t last_record_ns, own_sequence;
	char device[256];
	struct stats_page *stats;
	struct stats_cells *cells;
	LIST_HEAD(, producer) producers;
	unsigned int n_producers;
	struct log_file files[EVENT_LOG_N];
	uint8_t record[EVENT_MAX];
	char line[EVENT_JSON_MAX];
};

struct logship_message {
	json_t *json;
	int fds[LOGSHIP_FDS_MAX];
	size_t n_fds;
};

static void logship_message_clear(struct logship_message *message)
{
	json_decref(message->json);
	for (size_t i = 0; i < message->n_fds; i++)
		cleanup_close(&message->fds[i]);
}

static const char *message_text(const struct logship_message *message, const char *key)
{
	const char *text = json_string_value(json_object_get(message->json, key));

	return text ? text : "";
}

/* --- records ---------------------------------------------------------------------------------------------------- */

static void logship_sync(struct loop_timer *timer);

static void logship_flush(struct logship *ship, struct log_file *file)
{
	struct log_file_result result = log_file_flush(file);

	stats_add(ship->cells, COUNTER_LOG_RECORDS, result.lines);
	stats_add(ship->cells, COUNTER_LOG_BYTES, result.bytes);
	stats_add(ship->cells, COUNTER_LOG_DROPPED, result.dropped);
	if (file->dirty && !ship->sync.deadline_ns)
		loop_timer_arm(ship->loop, &ship->sync, LOGSHIP_SYNC_NS, logship_sync);
}

static void logship_flush_all(struct logship *ship)
{
	for (unsigned int i = 0; i < EVENT_LOG_N; i++)
		logship_flush(ship, &ship->files[i]);
}

static void logship_write(struct logship *ship, const uint8_t *record)
{
	const struct event_header *header = (const struct event_header *)record;
	struct log_file *file = &ship->files[header->log];
	int len = event_encode_json(record, ship->device, ship->line, sizeof(ship->line));

	if (len < 0) {
		stats_add(ship->cells, COUNTER_LOG_DROPPED, 1);
		return;
	}
	if (!log_file_add(file, ship->line, (size_t)len)) {
		logship_flush(ship, file);
		log_file_add(file, ship->line, (size_t)len);
	}
}

static void logship_say(struct logship *ship, const char *severity, const char *text)
{
	static struct event event;
	struct event_header *header = (struct event_header *)event.bytes;

	event_begin(&event, EVENT_LOG_SYSTEM);
	event_str(&event, EVENT_SEVERITY, severity);
	event_str(&event, EVENT_COMPONENT, "sluice-log");
	event_str(&event, EVENT_MESSAGE, text);
	header->len = event.used;
	header->producer = LOGSHIP_SELF;
	header->sequence = ship->own_sequence++;
	logship_write(ship, event.bytes);
}

/* up to budget records of one ring; how many there were */
static unsigned int logship_read(struct logship *ship, struct producer *producer, unsigned int budget)
{
	unsigned int n = 0;

	while (n < budget && producer_read(producer, ship->record) > 0) {
		logship_write(ship, ship->record);
		n++;
	}
	if (n)
		ship->last_record_ns = loop_now_ns(ship->loop);
	return n;
}

/* gathers a producer's losses of an interval into one record each */
static void logship_report(struct logship *ship, struct producer *producer)
{
	char text[192];

	if (producer->lost) {
		snprintf(text, sizeof(text), "%llu log records of %s were lost: its event ring was full",
			(unsigned long long)producer->lost, producer->name);
		logship_say(ship, "warning", text);
	}
	if (producer->refused) {
		snprintf(text, sizeof(text), "%s wrote %llu log records that are malformed or not its to write",
			producer->name, (unsigned long long)producer->refused);
		logship_say(ship, "error", text);
		stats_add(ship->cells, COUNTER_LOG_DROPPED, producer->refused);
	}
	producer->lost = producer->refused = 0;
}

static void logship_sync(struct loop_timer *timer)
{
	struct logship *ship = container_of(timer, struct logship, sync);
	struct producer *producer;

	LIST_FOREACH (producer, &ship->producers, link)
		logship_report(ship, producer);
	for (unsigned int i = 0; i < EVENT_LOG_N; i++)
		log_file_sync(&ship->files[i]);
	/* what has just been said waits for the next interval */
	logship_flush_all(ship);
}

static void logship_go_on(struct loop_timer *timer)
{
	(void)timer;
}

/* after each round of the loop: a turn for every ring, one write per log, then back to the supervisor's messages */
static void logship_idle(void *data)
{
	struct logship *ship = data;
	struct producer *producer;
	bool pending = false, unsaid = false;

	LIST_FOREACH (producer, &ship->producers, link) {
		pending |= logship_read(ship, producer, LOGSHIP_BUDGET) == LOGSHIP_BUDGET;
		unsaid |= producer->lost || producer->refused;
	}
	logship_flush_all(ship);
	if (unsaid && !ship->sync.deadline_ns)
		loop_timer_arm(ship->loop, &ship->sync, LOGSHIP_SYNC_NS, logship_sync);
	if (pending)
		loop_timer_arm(ship->loop, &ship->again, 0, logship_go_on);
}

/* --- rings ------------------------------------------------------------------------------------------------------ */

static struct producer *logship_find(struct logship *ship, int64_t number)
{
	struct producer *producer;

	LIST_FOREACH (producer, &ship->producers, link)
		if (producer->number == number)
			return producer;
	return NULL;
}

/* nothing of a ring is left behind when it goes */
static void logship_drop(struct logship *ship, struct producer *producer)
{
	logship_read(ship, producer, LOGSHIP_DRAIN_MAX);
	logship_report(ship, producer);
	logship_flush_all(ship);
	loop_remove(ship->loop, &producer->source);
	LIST_REMOVE(producer, link);
	ship->n_producers--;
	producer_free(&producer);
}

/* Nothing to read: the sources are edge-triggered, since a producer could make a read of its eventfd wait. The idle
 * hook looks at every ring. */
static void logship_ring_rang(struct loop_source *source, uint32_t events)
{
	(void)source;
	(void)events;
}

static int logship_add(struct logship *ship, int64_t number, const char *name, const int *fds)
{
	struct producer *producer;
	int err = number < 0 || number >= LOGSHIP_SELF ? -EINVAL : 0;

	if (!err && ship->n_producers >= LOGSHIP_PRODUCERS_MAX)
		err = -ENOSPC;
	if (!err)
		err = producer_new(&producer, number, name, fds[0], fds[1]);
	if (err)
		return err;
	err = loop_add(ship->loop, &producer->source, event_ring_eventfd(producer->ring), EPOLLIN | EPOLLET,
		logship_ring_rang);
	if (err) {
		producer_free(&producer);
		return err;
	}
	LIST_INSERT_HEAD(&ship->producers, producer, link);
	ship->n_producers++;
	return 0;
}

static void logship_on_ring(struct logship *ship, struct logship_message *message)
{
	int64_t number = json_integer_value(json_object_get(message->json, "producer"));
	const char *name = message_text(message, "name");
	struct producer *old = logship_find(ship, number);
	int err = message->n_fds == 2 ? 0 : -EPROTO;

	if (old)
		logship_drop(ship, old);
	if (!err)
		err = logship_add(ship, number, name, message->fds);
	if (err)
		log_err_r(err, "cannot read the event ring of %s", name);
}

static void logship_on_unring(struct logship *ship, struct logship_message *message)
{
	struct producer *producer = logship_find(ship, json_integer_value(json_object_get(message->json, "producer")));

	if (producer)
		logship_drop(ship, producer);
}

/* --- control ---------------------------------------------------------------------------------------------------- */

static void logship_on_stop(struct logship *ship, struct logship_message *message)
{
	(void)message;
	loop_stop(ship->loop);
}

static const struct {
	const char *name;
	void (*fn)(struct logship *ship, struct logship_message *message);
} logship_handlers[] = {
	{"ring", logship_on_ring},
	{"unring", logship_on_unring},
	{"stop", logship_on_stop},
};

static void logship_handle(struct logship *ship, struct logship_message *message)
{
	const char *name = message_text(message, "message");

	for (size_t i = 0; i < ARRAY_SIZE(logship_handlers); i++) {
		if (!strcmp(name, logship_handlers[i].name)) {
			logship_handlers[i].fn(ship, message);
			return;
		}
	}
	log_warn("unknown message \"%s\" from the supervisor", name);
}

static void logship_check_use(struct loop_timer *timer)
{
	struct logship *ship = container_of(timer, struct logship, check);

	if (!ship->n_producers || loop_now_ns(ship->loop) - ship->last_record_ns >= LOGSHIP_QUIET_S * NSEC_PER_SEC)
		loop_stop(ship->loop);
	else
		loop_timer_arm(ship->loop, timer, LOGSHIP_CHECK_NS, logship_check_use);
}

static void logship_lost_supervisor(struct logship *ship)
{
	log_warn("the supervisor is gone; logging on for %u producers", ship->n_producers);
	loop_remove(ship->loop, &ship->control);
	ship->last_record_ns = loop_now_ns(ship->loop);
	logship_check_use(&ship->check);
}

static void logship_control(struct loop_source *source, uint32_t events)
{
	struct logship *ship = container_of(source, struct logship, control);
	_cleanup_(logship_message_clear) struct logship_message message = {.n_fds = LOGSHIP_FDS_MAX};
	int err = ipc_recv(ship->control_fd, 0, &message.json, message.fds, &message.n_fds);

	(void)events;
	if (!err)
		logship_handle(ship, &message);
	else if (err != -ETIMEDOUT)
		logship_lost_supervisor(ship);
}

static void logship_signal(struct loop_source *source, uint32_t events)
{
	(void)events;
	loop_stop(container_of(source, struct logship, signals)->loop);
}

/* --- start and end ---------------------------------------------------------------------------------------------- */

static int logship_take_start(struct logship *ship)
{
	_cleanup_(logship_message_clear) struct logship_message message = {.n_fds = LOGSHIP_FDS_MAX};
	int err = ipc_recv(ship->control_fd, LOGSHIP_START_TIMEOUT_MS, &message.json, message.fds, &message.n_fds);

	if (err)
		return log_err_r(err, "no start message from the supervisor");
	if (strcmp(message_text(&message, "message"), "start") || message.n_fds != 2)
		return log_err_r(-EPROTO, "malformed start message");
	snprintf(ship->device, sizeof(ship->device), "%s", message_text(&message, "device"));
	err = stats_page_map(&ship->stats, message.fds[1], true);
	if (err)
		return log_err_r(err, "cannot map the stats page");
	ship->cells = stats_cells(ship->stats, STATS_WRITER_LOG);
	ship->dir_fd = TAKE_FD(message.fds[0]);
	for (unsigned int i = 0; i < EVENT_LOG_N && !err; i++)
		err = log_file_init(&ship->files[i], ship->dir_fd, event_log_name(i));
	return err;
}

static int logship_watch_signals(struct logship *ship)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	ship->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (ship->signal_fd < 0)
		return -errno;
	return loop_add(ship->loop, &ship->signals, ship->signal_fd, EPOLLIN, logship_signal);
}

static int logship_start(struct logship *ship)
{
	int err = logship_take_start(ship);

	if (!err)
		err = loop_new(&ship->loop);
	if (!err)
		err = logship_watch_signals(ship);
	if (!err)
		err = loop_add(ship->loop, &ship->control, ship->control_fd, EPOLLIN, logship_control);
	if (err)
		return err;
	loop_set_idle(ship->loop, logship_idle, ship);
	return logship_confine(ship->dir_fd);
}

static void logship_end(struct logship *ship)
{
	while (!LIST_EMPTY(&ship->producers))
		logship_drop(ship, LIST_FIRST(&ship->producers));
	for (unsigned int i = 0; i < EVENT_LOG_N; i++)
		if (ship->files[i].buffer)
			log_file_close(&ship->files[i]);
	loop_free(&ship->loop);
	stats_page_free(&ship->stats);
	cleanup_close(&ship->signal_fd);
	cleanup_close(&ship->dir_fd);
}

int logship_run(int control_fd)
{
	static struct logship ship = {.dir_fd = -1, .signal_fd = -1, .control = {.fd = -1}, .signals = {.fd = -1}};
	int err;

	ship.control_fd = control_fd;
	err = logship_start(&ship);
	if (!err)
		err = loop_run(ship.loop);
	logship_end(&ship);
	return err ? (log_err_r(err, "the log process ends"), 1) : 0;
}
