/* SPDX-License-Identifier: Apache-2.0 */
/* One log target (G5, G6): reads every boot of the spool from its cursor on, sends, and moves the cursors behind what
 * is certainly received. One thread without a loop: librelp's calls block anyway. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "ipc/message.h"
#include "logship/spool.h"
#include "relp/frame.h"
#include "relp/main.h"
#include "relp/sender.h"
#include "relp/settings.h"
#include "relp/source.h"

#define TARGET_START_TIMEOUT_MS 30000
#define TARGET_POLL_MS 100                    /* while there is nothing to send */
#define TARGET_TURN 64                        /* records of one boot before the next one's turn */
#define TARGET_WRITE_NS (200 * NSEC_PER_MSEC) /* cursors */
#define TARGET_REPORT_NS (1 * NSEC_PER_SEC)
#define TARGET_SETTLE_NS \
	(1 * NSEC_PER_SEC) /* without a record: the session is closed, to be certain of the last ones */
#define TARGET_BACKOFF_MIN_NS (250 * NSEC_PER_MSEC)
#define TARGET_BACKOFF_MAX_NS (10 * NSEC_PER_SEC)
#define TARGET_STAND_IN_NS                                                                         \
	(60 * NSEC_PER_SEC) /* with a host that stands in, before the preferred one is tried again \
			     */
#define TARGET_ALARM_S 45   /* without a supervisor that watches */

struct sent { /* sent, and not certainly received */
	struct source *source;
	uint64_t sequence, time_us;
};

struct target {
	int control_fd; /* -1: the supervisor is gone */
	struct settings settings;
	struct sender *sender;
	unsigned int host; /* of the settings', to connect to next or connected to */
	LIST_HEAD(, source) sources;
	struct sent window[SENDER_WINDOW]; /* a ring */
	unsigned int first, n;
	uint64_t n_sent, n_received, n_missed;
	uint64_t last_sent_ns, written_ns, reported_ns, scanned_ns, retry_ns, backoff_ns, connected_ns;
	const char *state;
	bool stop;
	char line[EVENT_JSON_MAX];
	struct framer framer;
};

/* --- what is certain ---------------------------------------------------------------------------------------------- */

/* everything that a source has read and sent is received, or not for this target */
static void target_settle_source(struct source *source)
{
	if (!source->unconfirmed && source->position > source->cursor.sequence) {
		source->cursor.sequence = source->position;
		source->oldest_us = 0;
	}
}

static void target_confirm_oldest(struct target *target)
{
	struct sent *sent = &target->window[target->first];

	sent->source->cursor.sequence = sent->sequence + 1;
	sent->source->unconfirmed--;
	sent->source->oldest_us = 0;
	target_settle_source(sent->source);
	target->first = (target->first + 1) % SENDER_WINDOW;
	target->n--;
	target->n_received++;
}

static void target_note_sent(struct target *target, struct source *source, const struct spool_record *record)
{
	source->unconfirmed++;
	/* the send has returned: at most SENDER_WINDOW messages, with this one, are unacknowledged */
	if (target->n == SENDER_WINDOW)
		target_confirm_oldest(target);
	target->window[(target->first + target->n++) % SENDER_WINDOW] =
		(struct sent){source, record->sequence, record->time_us};
	target->n_sent++;
	target->last_sent_ns = clock_now_ns();
}

/* the connection is gone: what was not certain goes again */
static void target_rewind(struct target *target)
{
	struct source *source;

	target->first = target->n = 0;
	LIST_FOREACH (source, &target->sources, link)
		source_rewind(source);
}

static void target_write_cursors(struct target *target)
{
	struct source *source;

	LIST_FOREACH (source, &target->sources, link)
		if (cursor_write(&source->cursor) < 0)
			log_err("cannot write the cursor of log target %s", target->settings.name);
	target->written_ns = clock_now_ns();
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static void target_failed(struct target *target)
{
	sender_close(target->sender);
	target_rewind(target);
	target->host = (target->host + 1) % target->settings.n_hosts;
	target->state = "waiting to connect again";
	if (target->host) /* the next one stands in at once; the pause is between rounds */
		return;
	target->backoff_ns =
		target->backoff_ns ? MIN(2 * target->backoff_ns, TARGET_BACKOFF_MAX_NS) : TARGET_BACKOFF_MIN_NS;
	target->retry_ns = clock_now_ns() + target->backoff_ns;
}

/* false in the pause before the next attempt to connect: the spool need not be read */
static bool target_may_send(const struct target *target)
{
	return sender_connected(target->sender) || clock_now_ns() >= target->retry_ns;
}

/* true when records may be sent now */
static bool target_ready(struct target *target)
{
	if (sender_connected(target->sender))
		return true;
	if (sender_connect(target->sender, target->settings.hosts[target->host]) < 0) {
		target_failed(target);
		return false;
	}
	target->state = "connected";
	target->connected_ns = clock_now_ns();
	return true;
}

static void target_close(struct target *target)
{
	if (!sender_connected(target->sender))
		return;
	if (sender_close(target->sender) < 0) {
		target_failed(target);
		return;
	}
	while (target->n)
		target_confirm_oldest(target);
	target->state = "idle, all received";
	target->host = 0;
	target_write_cursors(target);
}

/* one that stands in does so for a while */
static void target_prefer(struct target *target)
{
	if (target->host && sender_connected(target->sender) &&
		clock_now_ns() - target->connected_ns >= TARGET_STAND_IN_NS)
		target_close(target);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static int target_send(struct target *target, struct source *source, const struct spool_record *record)
{
	int len;

	if (!target_ready(target)) {
		source_rewind(source);
		source->oldest_us = record->time_us;
		return -EAGAIN;
	}
	len = frame_make(&target->framer, record, target->line);
	if (len < 0) { /* a line that is none, with the right checksum: nobody could read it */
		target->n_missed++;
		return 0;
	}
	if (sender_send(target->sender, target->framer.message, (size_t)len) < 0) {
		target_failed(target);
		return -EIO;
	}
	target->backoff_ns = 0;
	target_note_sent(target, source, record);
	return 0;
}

static void target_tick(struct target *target);

static bool target_wants(const struct target *target, const struct spool_record *record)
{
	return target->settings.logs & 1u << record->log && record->severity <= target->settings.severity;
}

/* up to a turn's records; how many were read, or negative when the connection does not take them */
static int target_serve(struct target *target, struct source *source)
{
	struct spool_record record;
	int n = 0, err;

	while (n < TARGET_TURN && source_read(source, &record, target->line) == 1) {
		n++;
		err = target_wants(target, &record) ? target_send(target, source, &record) : 0;
		if (err)
			return err;
		target_tick(target);
	}
	target->n_missed += source->missed;
	source->missed = 0;
	target_settle_source(source);
	return n;
}

/* whether more may come; of the supervisor's own boot sluice-log is started again */
static bool target_boot_is_live(const struct target *target, uint64_t boot)
{
	return (boot == target->settings.boot && target->control_fd >= 0) ||
	       spool_boot_is_live(target->settings.spool_fd, boot);
}

/* a boot that has ended and is received has no use for its source any more */
static bool target_finish(struct target *target, struct source *source)
{
	if (source->unconfirmed || target_boot_is_live(target, source->boot))
		return false;
	source->cursor.done = true;
	LIST_REMOVE(source, link);
	source_free(&source);
	return true;
}

/* one turn for every boot; whether there was anything to send */
static bool target_turn(struct target *target)
{
	struct source *source = LIST_FIRST(&target->sources);
	bool any = false;

	while (source) {
		struct source *next = LIST_NEXT(source, link);
		bool live = target_boot_is_live(target, source->boot);
		int n = target_serve(target, source);

		if (n < 0)
			return false;
		any |= n > 0;
		if (!n && !live)
			target_finish(target, source);
		source = next;
	}
	return any;
}

static bool target_has_source(const struct target *target, uint64_t boot)
{
	const struct source *source;

	LIST_FOREACH (source, &target->sources, link)
		if (source->boot == boot)
			return true;
	return false;
}

static void target_scan(struct target *target)
{
	struct spool_list list;

	target->scanned_ns = clock_now_ns();
	if (spool_list(target->settings.spool_fd, &list) < 0)
		return;
	for (size_t i = 0; i < list.n; i++) {
		const struct spool_name *name = &list.names[i];
		struct source *source;

		if (name->kind != SPOOL_SEGMENT || target_has_source(target, name->boot) ||
			spool_read_cursor(target->settings.spool_fd, name->boot, target->settings.name).done)
			continue;
		if (!source_new(&source, target->settings.spool_fd, name->boot, target->settings.name))
			LIST_INSERT_HEAD(&target->sources, source, link);
	}
	spool_list_free(&list);
}

/* --- the supervisor ----------------------------------------------------------------------------------------------- */

static uint64_t target_oldest_us(const struct target *target)
{
	const struct source *source;
	uint64_t oldest = target->n ? target->window[target->first].time_us : 0;

	LIST_FOREACH (source, &target->sources, link)
		if (source->oldest_us && (!oldest || source->oldest_us < oldest))
			oldest = source->oldest_us;
	return oldest;
}

static void target_report(struct target *target)
{
	uint64_t cursor = 1;
	unsigned int earlier = 0;
	const struct source *source;
	json_t *message;

	LIST_FOREACH (source, &target->sources, link) {
		if (source->boot == target->settings.boot)
			cursor = source->cursor.sequence;
		else
			earlier++;
	}
	target->reported_ns = clock_now_ns();
	if (target->control_fd < 0) {
		alarm(TARGET_ALARM_S);
		return;
	}
	message = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:I, s:s}", "message", "state", "state",
		target->state, "host", target->settings.hosts[target->host], "sent", (json_int_t)target->n_sent,
		"received", (json_int_t)target->n_received, "missed", (json_int_t)target->n_missed, "cursor",
		(json_int_t)cursor, "earlier_boots", (int)earlier, "oldest_us", (json_int_t)target_oldest_us(target),
		"error", sender_error(target->sender));
	/* its end is seen where its words are waited for */
	ipc_send(target->control_fd, message, NULL, 0);
	json_decref(message);
}

/* between two records as between two turns: the supervisor ends a process that says nothing for long */
static void target_tick(struct target *target)
{
	uint64_t now = clock_now_ns();

	if (now - target->written_ns >= TARGET_WRITE_NS)
		target_write_cursors(target);
	if (now - target->reported_ns >= TARGET_REPORT_NS)
		target_report(target);
}

/* It goes on by itself, and is ended by the next supervisor: two of one target would share cursors. Nobody else watches
 * librelp meanwhile. */
static void target_lost_supervisor(struct target *target)
{
	log_warn("the supervisor is gone; sending on to log target %s", target->settings.name);
	target->control_fd = -1;
	alarm(TARGET_ALARM_S);
}

/* waits for the supervisor's word, at most so long; it has but one: stop */
static void target_wait(struct target *target, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = target->control_fd, .events = POLLIN};
	json_t *message = NULL;

	if (poll(&poll_fd, 1, timeout_ms) <= 0)
		return;
	if (ipc_recv(target->control_fd, TARGET_START_TIMEOUT_MS, &message, NULL, NULL) < 0)
		target_lost_supervisor(target);
	else
		target->stop = true;
	json_decref(message);
}

static int target_take_start(struct target *target)
{
	int fds[SETTINGS_FDS_MAX], err;
	size_t n_fds = ARRAY_SIZE(fds);
	json_t *message = NULL;

	err = ipc_recv(target->control_fd, TARGET_START_TIMEOUT_MS, &message, fds, &n_fds);
	if (err)
		return log_err_r(err, "no start message from the supervisor");
	err = settings_take(&target->settings, message, fds, n_fds);
	json_decref(message);
	for (size_t i = 0; i < n_fds; i++)
		cleanup_close(&fds[i]);
	if (err)
		return log_err_r(err, "malformed start message");
	target->framer.format = target->settings.format;
	target->framer.masks = target->settings.masks;
	target->framer.enterprise = target->settings.enterprise;
	return sender_new(&target->sender, &target->settings.sender);
}

static void target_end(struct target *target)
{
	struct source *source;

	if (target->sender)
		target_close(target);
	while ((source = LIST_FIRST(&target->sources))) {
		LIST_REMOVE(source, link);
		source_free(&source);
	}
	if (target->sender)
		sender_free(&target->sender);
	settings_free(&target->settings);
}

/* without a supervisor: nothing is written any more, and all is received */
static bool target_is_over(const struct target *target)
{
	return target->control_fd < 0 && LIST_EMPTY(&target->sources) && !target->n;
}

static void target_loop(struct target *target)
{
	while (!target->stop) {
		bool any;

		if (clock_now_ns() - target->scanned_ns >= TARGET_REPORT_NS)
			target_scan(target);
		any = target_may_send(target) && target_turn(target);
		target_prefer(target);
		if (!any && clock_now_ns() - target->last_sent_ns >= TARGET_SETTLE_NS)
			target_close(target);
		target_tick(target);
		target_wait(target, any ? 0 : TARGET_POLL_MS);
		if (!any && target_is_over(target))
			break;
	}
}

int target_run(int control_fd)
{
	static struct target target = {.settings = {.spool_fd = -1, .credential_fds = {-1, -1, -1}}, .state = "idle"};
	int err;

	target.control_fd = control_fd;
	signal(SIGPIPE, SIG_IGN);
	err = target_take_start(&target);
	if (!err)
		target_loop(&target);
	target_end(&target);
	return err ? 1 : 0;
}
