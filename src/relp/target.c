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
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "ipc/message.h"
#include "logship/spool.h"
#include "relp/frame.h"
#include "relp/main.h"
#include "relp/sender.h"
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

struct sent { /* sent, and not certainly received */
	struct source *source;
	uint64_t sequence, time_us;
};

struct target {
	int control_fd, spool_fd;
	char name[64], device[256];
	uint64_t boot; /* that sluice-log of this supervisor writes */
	uint32_t logs; /* a bit per enum event_log */
	struct sender *sender;
	LIST_HEAD(, source) sources;
	struct sent window[SENDER_WINDOW]; /* a ring */
	unsigned int first, n;
	uint64_t n_sent, n_received, n_missed;
	uint64_t last_sent_ns, written_ns, reported_ns, scanned_ns, retry_ns, backoff_ns;
	const char *state;
	bool stop;
	char line[EVENT_JSON_MAX];
	char frame[FRAME_MAX];
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
			log_err("cannot write the cursor of log target %s", target->name);
	target->written_ns = clock_now_ns();
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static void target_failed(struct target *target)
{
	sender_close(target->sender);
	target_rewind(target);
	target->backoff_ns =
		target->backoff_ns ? MIN(2 * target->backoff_ns, TARGET_BACKOFF_MAX_NS) : TARGET_BACKOFF_MIN_NS;
	target->retry_ns = clock_now_ns() + target->backoff_ns;
	target->state = "waiting to connect again";
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
	if (sender_connect(target->sender) < 0) {
		target_failed(target);
		return false;
	}
	target->state = "connected";
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
	target_write_cursors(target);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static int target_send(struct target *target, struct source *source, const struct spool_record *record)
{
	size_t len = frame_rfc5424(target->frame, target->device, source->boot, record, target->line);

	if (!target_ready(target)) {
		source_rewind(source);
		source->oldest_us = record->time_us;
		return -EAGAIN;
	}
	if (sender_send(target->sender, target->frame, len) < 0) {
		target_failed(target);
		return -EIO;
	}
	target->backoff_ns = 0;
	target_note_sent(target, source, record);
	return 0;
}

static void target_tick(struct target *target);

/* up to a turn's records; how many were read, or negative when the connection does not take them */
static int target_serve(struct target *target, struct source *source)
{
	struct spool_record record;
	int n = 0, err;

	while (n < TARGET_TURN && source_read(source, &record, target->line) == 1) {
		n++;
		err = target->logs & 1u << record.log ? target_send(target, source, &record) : 0;
		if (err)
			return err;
		target_tick(target);
	}
	target->n_missed += source->missed;
	source->missed = 0;
	target_settle_source(source);
	return n;
}

/* a boot that has ended and is received has no use for its source any more */
static bool target_finish(struct target *target, struct source *source)
{
	if (source->boot == target->boot || source->unconfirmed || spool_boot_is_live(target->spool_fd, source->boot))
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
		bool live = source->boot == target->boot || spool_boot_is_live(target->spool_fd, source->boot);
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
	if (spool_list(target->spool_fd, &list) < 0)
		return;
	for (size_t i = 0; i < list.n; i++) {
		const struct spool_name *name = &list.names[i];
		struct source *source;

		if (name->kind != SPOOL_SEGMENT || target_has_source(target, name->boot) ||
			spool_read_cursor(target->spool_fd, name->boot, target->name).done)
			continue;
		if (!source_new(&source, target->spool_fd, name->boot, target->name))
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
		if (source->boot == target->boot)
			cursor = source->cursor.sequence;
		else
			earlier++;
	}
	target->reported_ns = clock_now_ns();
	message = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:I, s:s}", "message", "state", "state", target->state,
		"sent", (json_int_t)target->n_sent, "received", (json_int_t)target->n_received, "missed",
		(json_int_t)target->n_missed, "cursor", (json_int_t)cursor, "earlier_boots", (int)earlier, "oldest_us",
		(json_int_t)target_oldest_us(target), "error", sender_error(target->sender));
	if (ipc_send(target->control_fd, message, NULL, 0) < 0)
		target->stop = true;
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

/* waits for the supervisor's word, at most so long; it has but one: stop. Its end is ours as well. */
static void target_wait(struct target *target, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = target->control_fd, .events = POLLIN};

	if (poll(&poll_fd, 1, timeout_ms) > 0)
		target->stop = true;
}

static int target_take_start(struct target *target)
{
	json_t *message = NULL;
	int fds[1], err;
	size_t n_fds = ARRAY_SIZE(fds);
	const char *name = NULL, *device = NULL, *host = NULL, *port = NULL;
	json_int_t boot = 0, logs = 0;

	err = ipc_recv(target->control_fd, TARGET_START_TIMEOUT_MS, &message, fds, &n_fds);
	if (err)
		return log_err_r(err, "no start message from the supervisor");
	if (n_fds != 1 || json_unpack(message, "{s:s, s:s, s:s, s:s, s:I, s:I}", "name", &name, "device", &device,
				  "host", &host, "port", &port, "boot", &boot, "logs", &logs) < 0) {
		err = log_err_r(-EPROTO, "malformed start message");
	} else {
		target->spool_fd = TAKE_FD(fds[0]);
		snprintf(target->name, sizeof(target->name), "%s", name);
		snprintf(target->device, sizeof(target->device), "%s", device);
		target->boot = (uint64_t)boot;
		target->logs = (uint32_t)logs;
		err = sender_new(&target->sender, host, port);
	}
	json_decref(message);
	return err;
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
	cleanup_close(&target->spool_fd);
}

static void target_loop(struct target *target)
{
	while (!target->stop) {
		bool any;

		if (clock_now_ns() - target->scanned_ns >= TARGET_REPORT_NS)
			target_scan(target);
		any = target_may_send(target) && target_turn(target);
		if (!any && clock_now_ns() - target->last_sent_ns >= TARGET_SETTLE_NS)
			target_close(target);
		target_tick(target);
		target_wait(target, any ? 0 : TARGET_POLL_MS);
	}
}

int target_run(int control_fd)
{
	static struct target target = {.spool_fd = -1, .state = "idle"};
	int err;

	target.control_fd = control_fd;
	signal(SIGPIPE, SIG_IGN);
	/* the next supervisor starts its own: two of one target would share cursors */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return 1;
	err = target_take_start(&target);
	if (!err)
		target_loop(&target);
	target_end(&target);
	return err ? 1 : 0;
}
