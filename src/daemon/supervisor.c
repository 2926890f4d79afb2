/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor.h"
#include "daemon/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "daemon/asymmetric.h"
#include "daemon/certificate.h"
#include "daemon/boot.h"
#include "daemon/commit.h"
#include "daemon/keeper.h"
#include "daemon/key_source.h"
#include "daemon/keystore.h"
#include "daemon/log_credentials.h"
#include "daemon/orphans.h"
#include "daemon/quic.h"
#include "daemon/replace.h"

#define TICK_NS NSEC_PER_SEC
#define STOP_NS (3 * NSEC_PER_SEC)
/* the worker ends a silent session first (limits.idle_timeout_seconds); this is for what a dead worker left */
#define FLOW_IDLE_SECONDS 7200

void supervisor_commit_event(struct supervisor *supervisor, struct event *event)
{
	if (!supervisor->events)
		return;
	if (event_commit(supervisor->events, event, SUPERVISOR_PRODUCER) < 0)
		stats_add(stats_cells(supervisor->stats, STATS_WRITER_SUPERVISOR), COUNTER_EVENTS_LOST, 1);
	event_ring_flush(supervisor->events);
}

static void supervisor_write_record(
	struct supervisor *supervisor, enum event_log log, const char *severity, const char *user, const char *text)
{
	struct event event;

	log_info("%s", text);
	if (!supervisor->events)
		return;
	event_begin(&event, log);
	event_str(&event, EVENT_SEVERITY, severity);
	event_str(&event, EVENT_COMPONENT, "sluiced");
	event_str(&event, EVENT_MESSAGE, text);
	event_str(&event, EVENT_USER, user);
	if (supervisor->policy)
		event_u64(&event, EVENT_CONFIG_VERSION, supervisor->policy->version);
	supervisor_commit_event(supervisor, &event);
}

void supervisor_record(struct supervisor *supervisor, enum event_log log, const char *severity, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	supervisor_write_record(supervisor, log, severity, NULL, text);
}

void supervisor_audit(struct supervisor *supervisor, const char *severity, const char *user, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	supervisor_write_record(supervisor, EVENT_LOG_AUDIT, severity, user, text);
}

/* --- every second
 * ------------------------------------------------------------------------------------------------------ */

static void supervisor_read_wire(struct supervisor *supervisor)
{
	struct stats_cells *cells = stats_cells(supervisor->stats, STATS_WRITER_SUPERVISOR);
	uint64_t values[COUNTER_N];
	unsigned int n = 0;

	while (n < COUNTER_N && counter_info[n].scope == COUNTER_SCOPE_WIRE)
		n++;
	if (dataplane_read_counters(supervisor->dataplane, values, n) < 0)
		return;
	for (unsigned int i = 0; i < n; i++)
		__atomic_store_n(&cells->counter[i], values[i], __ATOMIC_RELAXED);
}

static int supervisor_owns(void *data, pid_t pid)
{
	const struct supervisor *supervisor = data;

	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (supervisor->workers[i].child.pid == pid)
			return 1;
	return supervisor->keeper.child.pid == pid || supervisor->log.child.pid == pid || targets_own(supervisor, pid);
}

static void supervisor_on_tick(struct loop_timer *timer)
{
	struct supervisor *supervisor = container_of(timer, struct supervisor, tick);
	struct dataplane_reap reap = {0};

	if (dataplane_reap(supervisor->dataplane, FLOW_IDLE_SECONDS, &reap) >= 0)
		supervisor->flows = reap.flows - reap.removed;
	supervisor_read_wire(supervisor);
	graph_tick(supervisor);
	rates_tick(supervisor);
	limits_tick(supervisor);
	quic_tick(supervisor);
	asymmetric_tick(supervisor);
	if (!supervisor->stopping) {
		generation_tick(supervisor);
		fallback_tick(supervisor);
		links_tick(supervisor);
		elders_tick(supervisor);
		targets_tick(supervisor);
		certificate_tick(supervisor);
		keystore_tick(supervisor);
		log_credentials_tick(supervisor);
		keeper_tick(supervisor);
		tickets_tick(supervisor);
		orphans_tick(&supervisor->instance, supervisor_owns, supervisor);
		monitor_tick(supervisor);
	}
	loop_timer_arm(supervisor->loop, timer, TICK_NS, supervisor_on_tick);
}

/* --- the end
 * ------------------------------------------------------------------------------------------------------------- */

static void supervisor_on_stop(struct loop_timer *timer)
{
	struct supervisor *supervisor = container_of(timer, struct supervisor, tick);
	bool late = clock_now_ns() > supervisor->stop_deadline_ns;

	if (late)
		for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
			child_kill(&supervisor->workers[i].child, SIGKILL);
	if (late)
		child_kill(&supervisor->keeper.child, SIGKILL);
	if (late)
		monitor_kill(supervisor);
	/* the log last: it drains what the others have said */
	if (generation_stopped(supervisor))
		child_send(&supervisor->log.child, "stop", json_object(), NULL, 0);
	if (late && clock_now_ns() > supervisor->stop_deadline_ns + STOP_NS)
		child_kill(&supervisor->log.child, SIGKILL);
	if (generation_stopped(supervisor) && monitor_stopped(supervisor) && !child_running(&supervisor->log.child)) {
		loop_stop(supervisor->loop);
		return;
	}
	loop_timer_arm(supervisor->loop, timer, 20 * NSEC_PER_MSEC, supervisor_on_stop);
}

void supervisor_stop(struct supervisor *supervisor)
{
	if (supervisor->stopping)
		return;
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice", "stopping: the wire stays up without inspection");
	supervisor->stopping = true;
	commit_cancel(supervisor, "the supervisor is stopping");
	replace_cancel(supervisor, "the supervisor is stopping");
	supervisor->stop_deadline_ns = clock_now_ns() + STOP_NS;
	generation_stop(supervisor);
	monitor_stop(supervisor);
	graph_save(supervisor);
	links_release(supervisor);
	loop_timer_arm(supervisor->loop, &supervisor->tick, 1, supervisor_on_stop);
}

static void supervisor_on_signal(struct loop_source *source, uint32_t events)
{
	struct supervisor *supervisor = container_of(source, struct supervisor, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) == sizeof(info))
		supervisor_stop(supervisor);
}

/* a start that failed half-way leaves no process behind */
static void supervisor_give_up(struct supervisor *supervisor)
{
	struct child *children[] = {&supervisor->keeper.child, &supervisor->log.child};

	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		child_kill(children[i], SIGKILL);
		if (child_running(children[i]))
			orphans_forget(&supervisor->instance, children[i]->pid);
	}
}

static void supervisor_free(struct supervisor *supervisor)
{
	operator_close(supervisor);
	policy_free(&supervisor->policy);
	json_decref(supervisor->key_states);
	boot_free(supervisor);
	json_decref(supervisor->rejected.error);
	elders_free(supervisor);
	key_source_free(supervisor);
	keystore_free(supervisor);
	json_decref(supervisor->key_engine);
	json_decref(supervisor->keyless);
	targets_free(supervisor);
	links_close(supervisor);
	quic_close(supervisor);
	asymmetric_close(supervisor);
	expiry_clear(&supervisor->expiry);
	if (supervisor->dataplane)
		dataplane_close(&supervisor->dataplane);
	event_ring_free(&supervisor->events);
	stats_slots_clear(&supervisor->stats_slots);
	stats_page_free(&supervisor->stats);
	bypass_table_free(&supervisor->bypasses);
	tickets_close(supervisor);
	store_close(&supervisor->store);
	loop_free(&supervisor->loop);
	free(supervisor);
}

/* --- the beginning
 * -------------------------------------------------------------------------------------------------------- */

static int supervisor_watch_signals(struct supervisor *supervisor)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	return loop_add(supervisor->loop, &supervisor->signals, fd, EPOLLIN, supervisor_on_signal);
}

static int supervisor_make_boot_id(struct supervisor *supervisor)
{
	if (getrandom(&supervisor->boot_id, sizeof(supervisor->boot_id), 0) != sizeof(supervisor->boot_id))
		return -EIO;
	supervisor->boot_id &= 0xffff;
	supervisor->log_boot = supervisor->started_us / 1000 << 16 | supervisor->boot_id;
	return tickets_open(supervisor);
}

static int supervisor_map_cells(struct supervisor *supervisor)
{
	void *cells = mmap(NULL, sizeof(struct worker_cell) * FLOW_WORKERS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED,
		dataplane_heartbeat_fd(supervisor->dataplane), 0);

	if (cells == MAP_FAILED)
		return -errno;
	supervisor->cells = cells;
	return 0;
}

/* counters go on where an earlier generation still counts */
static int supervisor_open_stats(struct supervisor *supervisor)
{
	int r = elders_find_stats(&supervisor->instance, &supervisor->stats);

	if (r == -EPROTO)
		log_warn("the counters begin at 0: those that run on are of another version");
	if (r < 0)
		r = stats_page_create(&supervisor->stats);
	supervisor->stats_slots.page = supervisor->stats;
	if (r >= 0)
		stats_slots_adopt(&supervisor->stats_slots);
	return r;
}

static int supervisor_open(struct supervisor *supervisor)
{
	uid_t uid;
	gid_t gid;
	int r = loop_new(&supervisor->loop);

	role_ids(ROLE_LOG, &uid, &gid);
	if (r >= 0)
		r = supervisor_watch_signals(supervisor);
	if (r >= 0)
		r = operator_open(supervisor);
	if (r >= 0)
		r = store_open(&supervisor->store, &supervisor->instance, uid, gid);
	if (r >= 0)
		store_clean(&supervisor->store);
	if (r >= 0)
		store_recover_keys(&supervisor->store);
	store_clean_certificates(&supervisor->store);
	expiry_init(&supervisor->expiry, store_load_told(&supervisor->store));
	if (r >= 0)
		r = supervisor_open_stats(supervisor);
	if (r >= 0)
		r = bypass_table_create(&supervisor->bypasses);
	if (r >= 0)
		r = event_ring_create(&supervisor->events);
	if (r >= 0)
		r = supervisor_make_boot_id(supervisor);
	/* the wire before everything else (A8) */
	if (r >= 0)
		r = dataplane_open(&supervisor->dataplane, &supervisor->instance);
	if (r >= 0)
		r = links_open(supervisor);
	if (r >= 0)
		r = supervisor_map_cells(supervisor);
	if (r >= 0)
		elders_find(supervisor);
	if (r >= 0) {
		/* the wire's counters go on while no supervisor runs */
		supervisor_read_wire(supervisor);
		graph_load(supervisor);
	}
	health_find(&supervisor->health);
	return r;
}

/* commits of many profiles and rule files hold a descriptor for each */
static void supervisor_raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int supervisor_main(const struct instance *instance, const char *bin_dir, const char *config_path)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	int r;

	if (!supervisor)
		return EXIT_FAILURE;
	supervisor_raise_limits();
	supervisor->instance = *instance;
	supervisor->store.dir_fd = supervisor->control.fd = supervisor->signals.fd = supervisor->links.watch.fd =
		supervisor->lock_fd = -1;
	supervisor->started_us = clock_wall_us();
	snprintf(supervisor->bin_dir, sizeof(supervisor->bin_dir), "%s", bin_dir);
	r = supervisor_open(supervisor);
	if (r >= 0)
		r = generation_start(supervisor);
	if (r >= 0)
		r = boot_begin(supervisor, config_path);
	if (r >= 0) {
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice", "Sluice %s started, instance %s",
			SLUICE_VERSION, instance->name);
		health_record(supervisor);
		puts("ready");
		fflush(stdout);
		loop_timer_arm(supervisor->loop, &supervisor->tick, 1, supervisor_on_tick);
		r = loop_run(supervisor->loop);
	}
	if (r < 0)
		supervisor_give_up(supervisor);
	supervisor_free(supervisor);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
