/* SPDX-License-Identifier: Apache-2.0 */
/* The relay: plaintext from one leg, through the stages of inspection, to the other. Symmetric over the directions;
 * back-pressure is "stop reading while the sink is blocked", so a session holds at most one read of released data
 * plus what inspection holds back. */
#include <string.h>

#include "base/common.h"
#include "proxy/block.h"
#include "proxy/record.h"
#include "proxy/rekey.h"
#include "proxy/session.h"
#include "proxy/stage.h"
#include "proxy/worker.h"

/* reads per pump and direction before other sessions get their turn */
#define RELAY_BUDGET 64
/* inspection holds a request head and a body window; anything near this is a fault */
#define RELAY_HELD_MAX (8u << 20)

enum pump { PUMP_WAIT, PUMP_AGAIN, PUMP_ENDED, PUMP_FAILED };

static enum session_leg relay_source_side(enum inspect_dir dir)
{
	return dir == INSPECT_TO_SERVER ? LEG_CLIENT : LEG_SERVER;
}

static enum session_leg relay_sink_side(enum inspect_dir dir)
{
	return dir == INSPECT_TO_SERVER ? LEG_SERVER : LEG_CLIENT;
}

static size_t pipe_held(const struct pipe_state *pipe)
{
	return pipe->received - pipe->sent;
}

static bool pipe_hold(struct pipe_state *pipe, const uint8_t *data, size_t len, size_t already_held)
{
	size_t used = pipe->held_at + already_held;

	if (!len)
		return true;
	if (already_held + len > RELAY_HELD_MAX)
		return false;
	if (used + len > pipe->held_size) {
		size_t size = already_held + len + 4096;
		uint8_t *held = malloc(size);

		if (!held)
			return false;
		if (already_held)
			memcpy(held, pipe->held + pipe->held_at, already_held);
		free(pipe->held);
		pipe->held = held;
		pipe->held_size = size;
		pipe->held_at = 0;
		used = already_held;
	}
	memcpy(pipe->held + used, data, len);
	return true;
}

static void pipe_drop_empty(struct pipe_state *pipe)
{
	if (pipe_held(pipe) || !pipe->held)
		return;
	free(pipe->held);
	pipe->held = NULL;
	pipe->held_size = pipe->held_at = 0;
}

static void relay_count(struct session *session, enum inspect_dir dir, size_t n)
{
	session->pipes[dir].sent += n;
	session_count(session, dir == INSPECT_TO_SERVER ? COUNTER_BYTES_TO_SERVER : COUNTER_BYTES_TO_CLIENT, n);
}

enum leg_status relay_flush(struct session *session, enum inspect_dir dir)
{
	struct pipe_state *pipe = &session->pipes[dir];
	struct leg *sink = session_sink(session, dir);
	enum leg_status status = LEG_OK;
	size_t n = 0;

	if (pipe->release > pipe->sent) {
		status = leg_write(sink, pipe->held + pipe->held_at, pipe->release - pipe->sent, &n);
		pipe->held_at += n;
		relay_count(session, dir, n);
		pipe_drop_empty(pipe);
	}
	return status == LEG_OK && sink->backlog ? leg_flush(sink) : status;
}

/* what one side says may end the wait of the other: a 101 makes what follows the request a raw stream (C4) */
static enum close_reason relay_judge_other(struct session *session, enum inspect_dir dir)
{
	enum inspect_dir other = dir == INSPECT_TO_SERVER ? INSPECT_TO_CLIENT : INSPECT_TO_SERVER;
	struct pipe_state *pipe = &session->pipes[other];
	uint64_t release = pipe->received;

	if (pipe->release == pipe->received || pipe->judged_end)
		return CLOSE_NONE;
	if (!stages_data(session, other, SPAN(NULL, 0), &release))
		return CLOSE_BLOCKED;
	session->again |= release > pipe->release;
	pipe->release = release;
	return CLOSE_NONE;
}

/* new plaintext: judge it, send what is released, hold the rest */
static enum close_reason relay_deliver(struct session *session, enum inspect_dir dir, const uint8_t *data, size_t len)
{
	struct pipe_state *pipe = &session->pipes[dir];
	size_t held = pipe_held(pipe), n = 0;
	uint64_t release = pipe->received + len;
	enum leg_status status = LEG_OK;

	if (!stages_data(session, dir, SPAN(data, len), &release))
		return CLOSE_BLOCKED;
	if (!held && release > pipe->received) {
		status = leg_write(session_sink(session, dir), data, release - pipe->received, &n);
		if (status == LEG_RESET || status == LEG_FAILED)
			return session_leg_reason(session, relay_sink_side(dir), status);
		relay_count(session, dir, n);
	}
	if (!pipe_hold(pipe, data + n, len - n, held))
		return CLOSE_INTERNAL;
	pipe->received += len;
	pipe->release = release;
	return relay_judge_other(session, dir);
}

/* the source has said close_notify, FIN, or both: pass on the same once everything before it is sent */
static enum pump relay_end(struct session *session, enum inspect_dir dir, enum close_reason *reason)
{
	struct pipe_state *pipe = &session->pipes[dir];
	struct leg *source = session_source(session, dir), *sink = session_sink(session, dir);
	enum leg_status status;

	if (!pipe->judged_end) {
		uint64_t release = pipe->received;

		pipe->judged_end = true;
		if (!stages_end(session, dir, &release)) {
			*reason = CLOSE_BLOCKED;
			return PUMP_FAILED;
		}
		pipe->release = pipe->received;
	}
	if (source->notify_received && !source->fin_received && !leg_discard_input(source))
		session->again = true;
	if (source->error) {
		*reason = session_leg_reason(session, relay_source_side(dir), LEG_RESET);
		return PUMP_FAILED;
	}
	status = relay_flush(session, dir);
	if (status == LEG_OK)
		status = leg_send_end(sink, source->notify_received, source->fin_received);
	if (status == LEG_RESET || status == LEG_FAILED) {
		*reason = session_leg_reason(session, relay_sink_side(dir), status);
		return PUMP_FAILED;
	}
	return sink->fin_sent ? PUMP_ENDED : PUMP_WAIT;
}

/* reads until the source is empty, the sink is blocked or the turn is over */
static enum pump relay_pump(struct session *session, enum inspect_dir dir, enum close_reason *reason)
{
	struct leg *source = session_source(session, dir);
	uint8_t *plain = session->worker->plain;
	enum leg_status status;
	size_t n;

	for (unsigned int turn = 0; turn < RELAY_BUDGET; turn++) {
		status = relay_flush(session, dir);
		if (status == LEG_AGAIN && leg_is_broken(source)) {
			*reason = session_leg_reason(session, relay_source_side(dir), LEG_RESET);
			return PUMP_FAILED;
		}
		if (status == LEG_AGAIN)
			return PUMP_WAIT;
		if (status != LEG_OK) {
			*reason = session_leg_reason(session, relay_sink_side(dir), status);
			return PUMP_FAILED;
		}
		if (source->notify_received || source->fin_received)
			return relay_end(session, dir, reason);
		status = leg_read(source, plain, WORKER_PLAIN_SIZE, &n);
		if (status == LEG_AGAIN)
			return PUMP_WAIT;
		if (status == LEG_CLOSED || status == LEG_FIN)
			continue;
		*reason = status == LEG_OK ? relay_deliver(session, dir, plain, n)
					   : session_leg_reason(session, relay_source_side(dir), status);
		if (*reason != CLOSE_NONE)
			return PUMP_FAILED;
	}
	return PUMP_AGAIN;
}

static uint64_t relay_progress(const struct session *session)
{
	const struct pipe_state *pipes = session->pipes;

	return pipes[0].received + pipes[0].sent + pipes[1].received + pipes[1].sent;
}

/* both directions; returns the step that follows */
static enum session_step relay_both(struct session *session)
{
	uint64_t before = relay_progress(session);
	enum pump pumps[INSPECT_DIRS];

	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
		enum close_reason reason = CLOSE_NONE;

		pumps[dir] = relay_pump(session, dir, &reason);
		if (pumps[dir] == PUMP_FAILED && reason == CLOSE_BLOCKED)
			return block_begin(session);
		if (pumps[dir] == PUMP_FAILED) {
			/* what came in front of a reset goes out in front of it */
			leg_flush(session_sink(session, dir));
			return session_fail(session, reason, NULL);
		}
		if (leg_park(session_source(session, dir)) < 0)
			return session_fail(session, CLOSE_INTERNAL, "out of memory");
		/* the source too: reading may have made its engine answer (key update, renegotiation) */
		leg_flush(session_sink(session, dir));
		leg_flush(session_source(session, dir));
		if (pumps[dir] == PUMP_AGAIN)
			session->again = true;
	}
	rekey_note(session);
	if (relay_progress(session) != before)
		session_touch(session);
	if (pumps[0] == PUMP_ENDED && pumps[1] == PUMP_ENDED)
		return session_fail(session, CLOSE_DONE, NULL);
	return pumps[0] == PUMP_ENDED || pumps[1] == PUMP_ENDED ? SESSION_DRAIN : session->step;
}

enum session_step session_step_relay(struct session *session)
{
	return relay_both(session);
}

/* one direction has ended: the other may go on for as long as it moves (half-close) */
enum session_step session_step_drain(struct session *session)
{
	return relay_both(session);
}
