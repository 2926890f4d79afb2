/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"

#define LOOP_BATCH 256
#define LOOP_DELAYS 32
TAILQ_HEAD(timer_list, loop_timer);

/* every timer armed with this delay, the earliest deadline first */
struct delay_class {
	uint64_t delay_ns;
	struct timer_list timers;
};

struct loop {
	int epoll_fd;
	bool stopped;
	int n_ready;
	uint64_t now_ns;
	unsigned int n_delays;
	struct delay_class delays[LOOP_DELAYS];
	void (*idle)(void *);
	void *idle_data;
	struct epoll_event ready[LOOP_BATCH];
};

int loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return -errno;
	}
	loop->now_ns = clock_now_ns();
	*out = loop;
	return 0;
}

void loop_free(struct loop **loop)
{
	if (!*loop)
		return;
	close((*loop)->epoll_fd);
	free(*loop);
	*loop = NULL;
}

int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t events, loop_fn *fn)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	source->fn = fn;
	source->fd = fd;
	source->events = events;
	return 0;
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};

	if (source->events == events)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &ev) < 0)
		return -errno;
	source->events = events;
	return 0;
}

void loop_forget(struct loop *loop, struct loop_source *source)
{
	source->fd = -1;
	for (int i = 0; i < loop->n_ready; i++)
		if (loop->ready[i].data.ptr == source)
			loop->ready[i].data.ptr = NULL;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (source->fd < 0)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	loop_forget(loop, source);
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
	if (!timer->deadline_ns)
		return;
	TAILQ_REMOVE(&loop->delays[timer->delay_class].timers, timer, link);
	timer->deadline_ns = 0;
}

static unsigned int loop_find_class(const struct loop *loop, uint64_t delay_ns)
{
	unsigned int i = 0;

	while (i < loop->n_delays && loop->delays[i].delay_ns != delay_ns)
		i++;
	return i;
}

static unsigned int loop_find_unused_class(const struct loop *loop)
{
	unsigned int i = 0;

	while (i < loop->n_delays && !TAILQ_EMPTY(&loop->delays[i].timers))
		i++;
	return i;
}

/* The class of a delay. Past LOOP_DELAYS different ones that are in use at once, some other's. */
static unsigned int loop_delay_class(struct loop *loop, uint64_t delay_ns)
{
	unsigned int i = loop_find_class(loop, delay_ns);

	if (i < loop->n_delays)
		return i;
	i = loop_find_unused_class(loop);
	if (i == LOOP_DELAYS)
		return LOOP_DELAYS - 1;
	loop->delays[i].delay_ns = delay_ns;
	TAILQ_INIT(&loop->delays[i].timers);
	loop->n_delays = MAX(loop->n_delays, i + 1);
	return i;
}

/* at the end, unless the class holds another delay's timers too */
static void loop_insert_timer(struct timer_list *timers, struct loop_timer *timer)
{
	struct loop_timer *before;

	TAILQ_FOREACH_REVERSE(before, timers, timer_list, link)
	if (before->deadline_ns <= timer->deadline_ns)
		break;
	if (before)
		TAILQ_INSERT_AFTER(timers, before, timer, link);
	else
		TAILQ_INSERT_HEAD(timers, timer, link);
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns, loop_timer_fn *fn)
{
	loop_timer_disarm(loop, timer);
	timer->delay_class = loop_delay_class(loop, delay_ns);
	timer->fn = fn;
	timer->deadline_ns = loop->now_ns + delay_ns;
	loop_insert_timer(&loop->delays[timer->delay_class].timers, timer);
}

void loop_set_idle(struct loop *loop, void (*fn)(void *data), void *data)
{
	loop->idle = fn;
	loop->idle_data = data;
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

static struct loop_timer *loop_next_timer(const struct loop *loop)
{
	struct loop_timer *next = NULL;

	for (unsigned int i = 0; i < loop->n_delays; i++) {
		struct loop_timer *first = TAILQ_FIRST(&loop->delays[i].timers);

		if (first && (!next || first->deadline_ns < next->deadline_ns))
			next = first;
	}
	return next;
}

/* milliseconds to the next deadline, rounded up; -1 without timers */
static int loop_wait_ms(const struct loop *loop)
{
	const struct loop_timer *next = loop_next_timer(loop);
	uint64_t now = clock_now_ns();

	if (!next)
		return -1;
	if (next->deadline_ns <= now)
		return 0;
	return (int)MIN((next->deadline_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, 3600000ull);
}

static void loop_fire_timers(struct loop *loop)
{
	struct loop_timer *timer;

	while ((timer = loop_next_timer(loop)) && timer->deadline_ns <= loop->now_ns) {
		loop_timer_disarm(loop, timer);
		timer->fn(timer);
	}
}

int loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped) {
		int n = epoll_wait(loop->epoll_fd, loop->ready, LOOP_BATCH, loop_wait_ms(loop));

		if (n < 0 && errno != EINTR)
			return -errno;
		loop->now_ns = clock_now_ns();
		loop->n_ready = MAX(n, 0);
		for (int i = 0; i < loop->n_ready; i++) {
			struct loop_source *source = loop->ready[i].data.ptr;

			if (source)
				source->fn(source, loop->ready[i].events);
		}
		loop->n_ready = 0;
		loop_fire_timers(loop);
		if (loop->idle)
			loop->idle(loop->idle_data);
	}
	return 0;
}
