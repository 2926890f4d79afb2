/* SPDX-License-Identifier: Apache-2.0 */
/* At most one port of a segment is held down, and the other one is watched: its link decides. So what Sluice itself
 * took down can never keep the segment down, and each change needs one outside. */
#include "daemon/links.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/supervisor.h"
#include "dataplane/links.h"

#define LOST_NS (100 * NSEC_PER_MSEC) /* without a link for so long before it is carried on: a bond looks as often */
#define HELD_NS (1 * NSEC_PER_SEC)    /* at least, so that both ends notice, and a link that flaps does so slowly */
#define RAISE_NS (5 * NSEC_PER_SEC)   /* that a port may take to find its link after it was let up */

static const char side_names[CONFIG_SIDE_N] = {'A', 'B'};

static void links_on_timer(struct loop_timer *timer);

static void hold(struct supervisor *supervisor, struct link_state *state, int side, uint64_t now)
{
	if (dataplane_hold_port(supervisor->dataplane, state->port[side], true))
		return;
	state->held = side;
	state->held_ns = now;
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "warning",
		"segment %s: port %c (%s) has no link: port %c (%s) is taken down too", state->segment,
		side_names[!side], state->port[!side], side_names[side], state->port[side]);
}

static void raise_port(struct supervisor *supervisor, struct link_state *state, uint64_t now, const char *why)
{
	int side = state->held;

	state->held = -1;
	state->raised_ns[side] = now;
	state->lost_ns[side] = 0;
	dataplane_hold_port(supervisor->dataplane, state->port[side], false);
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice", "segment %s: port %c (%s) is up again: %s",
		state->segment, side_names[side], state->port[side], why);
}

static bool has_link(struct supervisor *supervisor, const struct link_state *state, int side)
{
	return dataplane_port_link(supervisor->dataplane, state->port[side]) == 1;
}

static bool is_lost(const struct link_state *state, int side, uint64_t now)
{
	return state->lost_ns[side] && now - state->lost_ns[side] >= LOST_NS &&
	       now - state->raised_ns[side] >= RAISE_NS;
}

/* true: time alone will change something */
static bool step_held(struct supervisor *supervisor, struct link_state *state, uint64_t now)
{
	if (!has_link(supervisor, state, !state->held))
		return false;
	if (now - state->held_ns < HELD_NS)
		return true;
	state->lost_ns[!state->held] = 0;
	raise_port(supervisor, state, now, "the other port has its link back");
	return false;
}

static bool step_open(struct supervisor *supervisor, struct link_state *state, uint64_t now)
{
	bool lost[CONFIG_SIDE_N], waiting = false;

	for (int side = 0; side < CONFIG_SIDE_N; side++) {
		bool link = has_link(supervisor, state, side);

		state->lost_ns[side] = link ? 0 : state->lost_ns[side] ?: now;
		state->raised_ns[side] = link ? 0 : state->raised_ns[side];
		lost[side] = is_lost(state, side, now);
		waiting |= state->lost_ns[side] && !lost[side];
	}
	/* both: there is nothing to carry, and one that comes back is held then */
	if (lost[CONFIG_SIDE_A] != lost[CONFIG_SIDE_B] &&
		!(state->lost_ns[CONFIG_SIDE_A] && state->lost_ns[CONFIG_SIDE_B]))
		hold(supervisor, state, lost[CONFIG_SIDE_A] ? CONFIG_SIDE_B : CONFIG_SIDE_A, now);
	return waiting;
}

static void links_look(struct supervisor *supervisor)
{
	struct links *links = &supervisor->links;
	uint64_t now = clock_now_ns();
	bool waiting = false;

	for (size_t i = 0; i < ARRAY_SIZE(links->states); i++) {
		struct link_state *state = &links->states[i];

		if (state->wanted)
			waiting |= state->held >= 0 ? step_held(supervisor, state, now)
						    : step_open(supervisor, state, now);
	}
	if (waiting)
		loop_timer_arm(supervisor->loop, &links->timer, LOST_NS, links_on_timer);
}

static void links_on_timer(struct loop_timer *timer)
{
	links_look(container_of(timer, struct supervisor, links.timer));
}

static void links_on_event(struct loop_source *source, uint32_t events)
{
	dataplane_drain_links(source->fd);
	links_look(container_of(source, struct supervisor, links.watch));
}

void links_tick(struct supervisor *supervisor)
{
	links_look(supervisor);
}

/* by name and ports: a segment with other ports is another one */
static struct link_state *state_of(const struct links *links, const struct config_segment *segment)
{
	for (size_t i = 0; i < ARRAY_SIZE(links->states); i++) {
		const struct link_state *state = &links->states[i];

		if (!strcmp(state->segment, segment->name) &&
			!strcmp(state->port[CONFIG_SIDE_A], segment->port[CONFIG_SIDE_A]) &&
			!strcmp(state->port[CONFIG_SIDE_B], segment->port[CONFIG_SIDE_B]))
			return (struct link_state *)state;
	}
	return NULL;
}

static void state_add(struct links *links, const struct config_segment *segment)
{
	for (size_t i = 0; i < ARRAY_SIZE(links->states); i++) {
		struct link_state *state = &links->states[i];

		if (*state->segment)
			continue;
		*state = (struct link_state){.held = -1, .wanted = true};
		snprintf(state->segment, sizeof(state->segment), "%s", segment->name);
		for (int side = 0; side < CONFIG_SIDE_N; side++)
			snprintf(state->port[side], sizeof(state->port[side]), "%s", segment->port[side]);
		return;
	}
}

void links_apply(struct supervisor *supervisor)
{
	const struct config *config = supervisor->policy->config;
	struct links *links = &supervisor->links;
	uint64_t now = clock_now_ns();

	for (size_t i = 0; i < ARRAY_SIZE(links->states); i++)
		links->states[i].wanted = false;
	for (size_t i = 0; i < config->n_segments; i++) {
		struct link_state *state = state_of(links, &config->segments[i]);

		if (config->segments[i].link_propagation && state)
			state->wanted = true;
		else if (config->segments[i].link_propagation)
			state_add(links, &config->segments[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links->states); i++) {
		struct link_state *state = &links->states[i];

		if (state->wanted || !*state->segment)
			continue;
		if (state->held >= 0)
			raise_port(supervisor, state, now, "its segment carries no link state any more");
		*state->segment = '\0';
	}
	links_look(supervisor);
}

int links_held(const struct supervisor *supervisor, const struct config_segment *segment)
{
	const struct link_state *state = state_of(&supervisor->links, segment);

	return state ? state->held : -1;
}

void links_release(struct supervisor *supervisor)
{
	struct links *links = &supervisor->links;

	for (size_t i = 0; i < ARRAY_SIZE(links->states); i++) {
		if (links->states[i].wanted && links->states[i].held >= 0)
			raise_port(supervisor, &links->states[i], clock_now_ns(), "the supervisor is stopping");
		links->states[i].wanted = false;
	}
}

int links_open(struct supervisor *supervisor)
{
	int fd = dataplane_watch_links(supervisor->dataplane);

	return fd < 0 ? fd : loop_add(supervisor->loop, &supervisor->links.watch, fd, EPOLLIN, links_on_event);
}

void links_close(struct supervisor *supervisor)
{
	if (supervisor->links.watch.fd < 0)
		return;
	close(supervisor->links.watch.fd);
	supervisor->links.watch.fd = -1;
}
