/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An epoll loop with timers for one thread. The owner of a loop_source embeds it and keeps it alive while it is
 * registered; a callback may remove or free any source, also its own: events already fetched for it are dropped. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

struct loop;
struct loop_source;

/* events: EPOLLIN, EPOLLOUT, ... as delivered */
typedef void loop_fn(struct loop_source *source, uint32_t events);

struct loop_source {
	loop_fn *fn;
	int fd;          /* borrowed; -1 while not registered */
	uint32_t events; /* what is asked for now */
};

struct loop_timer;
typedef void loop_timer_fn(struct loop_timer *timer);

/* A timer fires once, not before its deadline. Timers of equal delay share one list, which is therefore always in
 * order: arming and disarming are O(1) however many sessions wait. A program uses a handful of different delays. */
struct loop_timer {
	TAILQ_ENTRY(loop_timer) link;
	loop_timer_fn *fn;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0 while not armed */
	unsigned int delay_class;
};

int loop_new(struct loop **out);
void loop_free(struct loop **loop);

int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t events, loop_fn *fn);
/* no system call when the events are those already asked for (ignored for edge-triggered sources) */
int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source);
/* the same without a system call: its descriptor, of which there is no copy, is about to be closed */
void loop_forget(struct loop *loop, struct loop_source *source);

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns, loop_timer_fn *fn);
void loop_timer_disarm(struct loop *loop, struct loop_timer *timer);

/* called once after each round of events, before the loop sleeps again */
void loop_set_idle(struct loop *loop, void (*fn)(void *data), void *data);

/* CLOCK_MONOTONIC of this round, read once per round */
uint64_t loop_now_ns(const struct loop *loop);

/* runs until loop_stop(); -errno on failure of epoll */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
