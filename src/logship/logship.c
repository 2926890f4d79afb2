/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "ipc/message.h"
#include "logship/confine.h"
#include "logship/log_file.h"
#include "logship/main.h"
#include "logship/producer.h"
#include "logship/spool.h"
#include "stats/stats.h"

#define LOGSHIP_START_TIMEOUT_MS 30000
#define LOGSHIP_SYNC_NS (200 * NSEC_PER_MSEC) /* G6: the group-fsync interval */
#define LOGSHIP_CHECK_NS (60 * NSEC_PER_SEC)
#define LOGSHIP_BUDGET 256      /* records of one ring before the next ring's turn */
#define LOGSHIP_DRAIN_MAX 65536 /* more than a ring holds: a producer that goes on cannot keep us from ending */
#define LOGSHIP_PRODUCERS_MAX 64
#define LOGSHIP_SELF UINT16_MAX /* our own records' producer */
#define LOGSHIP_FDS_MAX 2
#define LOGSHIP_EXPIRE_NS (60 * NSEC_PER_SEC)
#define LOGSHIP_KEEP_NS (1 * NSEC_PER_SEC) /* what the targets have received is removed, what waits reported */

struct logship {
	struct loop *loop;
	int control_fd, dir_fd, spool_fd, signal_fd;
	struct loop_source control, signals;
	struct loop_timer again; /* armed while records wait: the loop must not sleep */
	struct loop_timer sync;  /* armed while something is not on disk */
	struct loop_timer check; /* headless */
	struct loop_timer keep;
	struct loop_timer retry; /* armed while the spool cannot be written */
	uint64_t last_record_ns, own_sequence, own_ring;
	char device[256];
	struct stats_page *stats;
	struct stats_cells *cells;
	LIST_HEAD(, producer) producers;
	unsigned int n_producers;
	struct log_file files[EVENT_LOG_N];
	struct spool spool;
	struct spool_bounds bounds; /* max_bytes 0: not yet told */
	uint64_t spool_dropped;
	uint64_t log_age_s, expired_ns; /* 0: not yet told */
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

/* ring: where the record comes from. The spool has room. */
static void logship_write(struct logship *ship, const uint8_t *record, uint64_t ring)
{
	const struct event_origin origin = {ship->device, ship->spool.boot, ship->spool.next_sequence};
	const struct event_header *header = (const struct event_header *)record;
	struct log_file *file = &ship->files[header->log];
	int len = event_encode_json(record, &origin, ship->line, sizeof(ship->line));

	if (len < 0) {
		stats_add(ship->cells, COUNTER_LOG_DROPPED, 1);
		return;
	}
	if (!log_file_add(file, ship->line, (size_t)len)) {
		logship_flush(ship, file);
		log_file_add(file, ship->line, (size_t)len);
	}
	spool_add(&ship->spool,
		(struct spool_record){.log = (uint8_t)header->log,
			.severity = (uint8_t)event_severity(record),
			.time_us = header->time_us,
			.ring = ring,
			.ring_sequence = header->sequence},
		ship->line, (size_t)len);
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
	if (!spool_has_room(&ship->spool)) /* the disk is full and what waits in memory too */
		stats_add(ship->cells, COUNTER_LOG_DROPPED, 1);
	else
		logship_write(ship, event.bytes, ship->own_ring);
}

static void logship_go_on(struct loop_timer *timer)
{
	(void)timer;
}

/* The local files first: what is in them twice after a kill harms nobody, what the spool has is not read again. Only
 * then is the rings' room given back. */
static int logship_store(struct logship *ship)
{
	struct producer *producer;
	int err;

	logship_flush_all(ship);
	err = spool_flush(&ship->spool);
	if (err) {
		if (!ship->retry.deadline_ns)
			loop_timer_arm(ship->loop, &ship->retry, LOGSHIP_SYNC_NS, logship_go_on);
		return err;
	}
	if (ship->spool.dirty && !ship->sync.deadline_ns)
		loop_timer_arm(ship->loop, &ship->sync, LOGSHIP_SYNC_NS, logship_sync);
	LIST_FOREACH (producer, &ship->producers, link)
		event_ring_release(producer->ring);
	return 0;
}

/* up to budget records of one ring; how many there were. Stops as well when the spool can take no more. */
static unsigned int logship_read(struct logship *ship, struct producer *producer, unsigned int budget)
{
	uint64_t ring = event_ring_id(producer->ring);
	unsigned int n = 0;

	while (n < budget && (spool_has_room(&ship->spool) || !logship_store(ship)) &&
		producer_read(producer, ship->record) > 0) {
		logship_write(ship, ship->record, ring);
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
	spool_sync(&ship->spool);
	/* what has just been said waits for the next interval */
	logship_store(ship);
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
	logship_store(ship);
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
	logship_store(ship);
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
	uint64_t spooled;
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
	if (spool_find_ring(&ship->spool, event_ring_id(producer->ring), &spooled))
		producer_skip_through(producer, spooled);
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

/* --- the spool's bounds ------------------------------------------------------------------------------------------- */

static void logship_tell_supervisor(struct logship *ship, const struct spool_usage *usage)
{
	json_t *message;

	if (ship->control.fd < 0)
		return;
	message = json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}", "message", "spool_state", "bytes",
		(json_int_t)usage->bytes, "next_sequence", (json_int_t)ship->spool.next_sequence, "dropped",
		(json_int_t)ship->spool_dropped, "oldest", (json_int_t)usage->oldest_s, "failing", ship->spool.failing);
	ipc_send(ship->control_fd, message, NULL, 0);
	json_decref(message);
}

static void logship_expire(struct logship *ship)
{
	if (!ship->log_age_s || loop_now_ns(ship->loop) - ship->expired_ns < LOGSHIP_EXPIRE_NS)
		return;
	ship->expired_ns = loop_now_ns(ship->loop);
	for (unsigned int i = 0; i < EVENT_LOG_N; i++)
		log_file_expire(&ship->files[i], spool_now_s(), ship->log_age_s);
}

static void logship_keep(struct loop_timer *timer)
{
	struct logship *ship = container_of(timer, struct logship, keep);
	struct spool_usage usage = {0};
	char text[160];

	loop_timer_arm(ship->loop, timer, LOGSHIP_KEEP_NS, logship_keep);
	logship_expire(ship);
	if (!ship->bounds.max_bytes || spool_keep(&ship->spool, &ship->bounds, &usage) < 0)
		return;
	if (usage.dropped) {
		ship->spool_dropped += usage.dropped;
		stats_add(ship->cells, COUNTER_LOG_SPOOL_DROPPED, usage.dropped);
		snprintf(text, sizeof(text),
			"%llu log records left the spool by its bounds before every log target had received them",
			(unsigned long long)usage.dropped);
		logship_say(ship, "error", text);
	}
	logship_tell_supervisor(ship, &usage);
}

/* the configuration in force: who must have received a record before it goes */
static void logship_on_targets(struct logship *ship, struct logship_message *message)
{
	const json_t *name;
	size_t i;

	if (*message_text(message, "device"))
		snprintf(ship->device, sizeof(ship->device), "%s", message_text(message, "device"));
	ship->bounds.n_targets = 0;
	json_array_foreach(json_object_get(message->json, "targets"), i, name)
	{
		if (ship->bounds.n_targets < SPOOL_TARGETS_MAX && json_is_string(name))
			snprintf(ship->bounds.targets[ship->bounds.n_targets++], sizeof(ship->bounds.targets[0]), "%s",
				json_string_value(name));
	}
	ship->bounds.max_bytes = (uint64_t)json_integer_value(json_object_get(message->json, "max_bytes"));
	ship->bounds.max_age_s = (uint64_t)json_integer_value(json_object_get(message->json, "max_age_seconds"));
	ship->log_age_s = (uint64_t)json_integer_value(json_object_get(message->json, "log_age_seconds"));
	for (i = 0; i < EVENT_LOG_N && json_is_integer(json_object_get(message->json, "log_bytes")); i++)
		ship->files[i].max_size =
			(uint64_t)json_integer_value(json_object_get(message->json, "log_bytes")) / (LOG_FILE_KEEP + 1);
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
	{"targets", logship_on_targets},
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

static int logship_open_spool(struct logship *ship, uint64_t boot)
{
	if (!boot)
		return -EPROTO;
	if (mkdirat(ship->dir_fd, "spool", 0750) < 0 && errno != EEXIST)
		return -errno;
	ship->spool_fd = openat(ship->dir_fd, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (ship->spool_fd < 0 || getrandom(&ship->own_ring, sizeof(ship->own_ring), 0) < 0)
		return -errno;
	return spool_open(&ship->spool, ship->spool_fd, boot);
}

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
	ship->cells = stats_cells(ship->stats,
		stats_helper_writer(STATS_WRITER_LOG, json_integer_value(json_object_get(message.json, "half"))));
	ship->dir_fd = TAKE_FD(message.fds[0]);
	err = logship_open_spool(ship, (uint64_t)json_integer_value(json_object_get(message.json, "boot")));
	if (err)
		return log_err_r(err, "cannot open the spool");
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
	loop_timer_arm(ship->loop, &ship->keep, LOGSHIP_KEEP_NS, logship_keep);
	return logship_confine(ship->dir_fd, ship->spool_fd);
}

static void logship_end(struct logship *ship)
{
	while (!LIST_EMPTY(&ship->producers))
		logship_drop(ship, LIST_FIRST(&ship->producers));
	for (unsigned int i = 0; i < EVENT_LOG_N; i++)
		if (ship->files[i].buffer)
			log_file_close(&ship->files[i]);
	if (ship->spool.buffer)
		spool_close(&ship->spool);
	loop_free(&ship->loop);
	stats_page_free(&ship->stats);
	cleanup_close(&ship->signal_fd);
	cleanup_close(&ship->spool_fd);
	cleanup_close(&ship->dir_fd);
}

int logship_run(int control_fd)
{
	static struct logship ship = {
		.dir_fd = -1, .spool_fd = -1, .signal_fd = -1, .control = {.fd = -1}, .signals = {.fd = -1}};
	int err;

	ship.control_fd = control_fd;
	err = logship_start(&ship);
	if (!err)
		err = loop_run(ship.loop);
	logship_end(&ship);
	return err ? (log_err_r(err, "the log process ends"), 1) : 0;
}
