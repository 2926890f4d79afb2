/* SPDX-License-Identifier: Apache-2.0 */
/* The children of one generation: log, key keeper, workers. Each is started, fed what its role needs, watched, and
 * started again when it ends; the wire and the other children never wait for it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "daemon/commit.h"
#include "daemon/keeper.h"
#include "daemon/keystore.h"
#include "daemon/orphans.h"
#include "daemon/replace.h"
#include "daemon/supervisor.h"
#include "daemon/targets.h"
#include "daemon/usage.h"
#include "ipc/keyring.h"

/* a child that ends sooner than this after its start is started again with growing delays */
#define RESPAWN_QUICK_NS (5 * NSEC_PER_SEC)
#define RESPAWN_DELAY_MAX_S 32u
/* a worker is without new connections long before (eBPF looks at its heartbeat at every SYN); this ends it */
#define WATCHDOG_NS (3 * NSEC_PER_SEC)
#define WATCHDOG_START_NS (30 * NSEC_PER_SEC) /* while it loads its first policies */

static void worker_spawn(struct worker_slot *worker);
static void log_spawn(struct supervisor *supervisor);

/* --- starting again ------------------------------------------------------------------------------------------------
 */

/* delay before the next start, from how soon and how often the child has ended */
static uint64_t respawn_delay_ns(const struct child *child, unsigned int *failures)
{
	if (clock_now_ns() - child->started_ns > RESPAWN_QUICK_NS)
		*failures = 0;
	if (!(*failures)++)
		return 1;
	return MIN(1u << MIN(*failures - 2, 5u), RESPAWN_DELAY_MAX_S) * NSEC_PER_SEC;
}

void generation_child_ended(struct supervisor *supervisor, const struct child *child, const char *how)
{
	orphans_forget(&supervisor->instance, child->ended_pid);
	if (!supervisor->stopping)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error", "the %s process %s and is started again",
			role_info[child->role].name, how);
}

void generation_respawn(struct helper_process *helper, loop_timer_fn *fn)
{
	struct supervisor *supervisor = helper->supervisor;

	if (!supervisor->stopping)
		loop_timer_arm(
			supervisor->loop, &helper->respawn, respawn_delay_ns(&helper->child, &helper->failures), fn);
}

/* --- log -------------------------------------------------------------------------------------------------------------
 */

static void log_add_ring(
	struct supervisor *supervisor, unsigned int producer, const char *name, const struct event_ring *ring)
{
	int fds[] = {event_ring_memfd(ring), event_ring_eventfd(ring)};

	child_send(&supervisor->log.child, "ring", json_pack("{s:i, s:s}", "producer", (int)producer, "name", name),
		fds, ARRAY_SIZE(fds));
}

static void log_add_worker_ring(const struct worker_slot *worker)
{
	char name[32];

	snprintf(name, sizeof(name), "sluice-proxy[%u]", worker->slot);
	log_add_ring(worker->supervisor, worker->slot, name, worker->events);
}

static void log_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct supervisor *supervisor = container_of(child, struct helper_process, child)->supervisor;

	if (strcmp(name, "spool_state"))
		return;
	json_decref(supervisor->spool_state);
	supervisor->spool_state = json_incref(message);
}

static void log_respawn(struct loop_timer *timer)
{
	log_spawn(container_of(timer, struct helper_process, respawn)->supervisor);
}

static void log_on_exit(struct child *child, const char *how)
{
	struct helper_process *log = container_of(child, struct helper_process, child);
	struct supervisor *supervisor = log->supervisor;

	generation_child_ended(supervisor, child, how);
	generation_respawn(log, log_respawn);
}

static const char *device_name(const struct supervisor *supervisor)
{
	if (supervisor->policy && supervisor->policy->config->device_name)
		return supervisor->policy->config->device_name;
	return supervisor->instance.name;
}

int generation_half(const struct supervisor *supervisor)
{
	return supervisor->base / SUPERVISOR_GENERATION_SLOTS;
}

static void log_spawn(struct supervisor *supervisor)
{
	struct child *child = &supervisor->log.child;
	_cleanup_close_ int dir = store_open_log_dir(&supervisor->store);
	int fds[] = {dir, stats_page_fd(supervisor->stats)};

	if (child_spawn(child, supervisor->loop, ROLE_LOG, supervisor->bin_dir, -1, log_on_message, log_on_exit) < 0) {
		generation_respawn(&supervisor->log, log_respawn);
		return;
	}
	orphans_note(&supervisor->instance, child->pid, ROLE_LOG);
	child_send(child, "start",
		json_pack("{s:s, s:I, s:i}", "device", device_name(supervisor), "boot",
			(json_int_t)supervisor->log_boot, "half", generation_half(supervisor)),
		fds, ARRAY_SIZE(fds));
	targets_tell_log(supervisor);
	log_add_ring(supervisor, SUPERVISOR_PRODUCER, "sluiced", supervisor->events);
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (supervisor->workers[i].events)
			log_add_worker_ring(&supervisor->workers[i]);
}

/* --- workers
 * ----------------------------------------------------------------------------------------------------------- */

static void worker_send_policy(struct worker_slot *worker, const struct policy *policy)
{
	int *fds = calloc(1 + policy->n_images, sizeof(*fds));

	if (!fds)
		return;
	fds[0] = policy->text_fd;
	memcpy(fds + 1, policy->image_fds, policy->n_images * sizeof(*fds));
	int r = child_send(&worker->child, "policy",
		json_pack("{s:I, s:i, s:O, s:O}", "version", (json_int_t)policy->version, "workers",
			(int)policy->n_workers, "certificates", policy->certificates, "stats_slots",
			policy->stats_slots),
		fds, 1 + policy->n_images);

	worker->policies_sent += r >= 0;
	free(fds);
}

static bool worker_may_have(const struct supervisor *supervisor, uint32_t version)
{
	const struct policy *candidate = commit_candidate(supervisor);

	return (supervisor->policy && supervisor->policy->version == version) ||
	       (candidate && candidate->version == version);
}

static void worker_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct worker_slot *worker = container_of(child, struct worker_slot, child);
	struct supervisor *supervisor = worker->supervisor;
	uint32_t version = json_integer_value(json_object_get(message, "version"));
	bool answers_policy = !strcmp(name, "policy_ok") || !strcmp(name, "policy_error");

	if (answers_policy && worker->policies_sent)
		worker->policies_sent--;
	if (!strcmp(name, "listener") && n_fds == 1) {
		worker->listening = dataplane_add_listener(supervisor->dataplane, worker->slot, TAKE_FD(fds[0])) >= 0;
		worker->draining = false;
	} else if (!strcmp(name, "policy_ok")) {
		/* a late answer for a candidate that was dropped says nothing of what the worker has in force */
		if (worker_may_have(supervisor, version))
			worker->policy_version = version;
	} else if (!strcmp(name, "filter_usage")) {
		usage_on_answer(supervisor, worker->slot, message);
	} else if (!strcmp(name, "policy_error")) {
		const char *error = json_string_value(json_object_get(message, "error"));

		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"a worker refused configuration version %u: %s", version, error ? error : "no reason given");
		commit_on_refusal(supervisor, version, error);
	}
	commit_on_progress(supervisor);
}

static void worker_respawn(struct loop_timer *timer)
{
	worker_spawn(container_of(timer, struct worker_slot, respawn));
}

/* what a worker leaves behind when it ends: a last drain of its records, its rows, its gauges */
static void worker_clean_up(struct worker_slot *worker)
{
	struct supervisor *supervisor = worker->supervisor;

	dataplane_remove_listener(supervisor->dataplane, worker->slot);
	child_send(&supervisor->keeper.child, "unring", json_pack("{s:i}", "worker", (int)worker->slot), NULL, 0);
	child_send(&supervisor->log.child, "unring", json_pack("{s:i}", "producer", (int)worker->slot), NULL, 0);
	keyring_close(worker);
	event_ring_free(&worker->events);
	session_table_free(&worker->table);
	stats_clear_gauges(supervisor->stats, worker->stats_writer);
	worker->listening = worker->draining = false;
	worker->policy_version = 0;
	worker->policies_sent = 0;
}

static void worker_on_exit(struct child *child, const char *how)
{
	struct worker_slot *worker = container_of(child, struct worker_slot, child);
	struct supervisor *supervisor = worker->supervisor;
	bool expected = worker->draining;

	worker_clean_up(worker);
	if (!worker->wanted || supervisor->stopping) {
		orphans_forget(&supervisor->instance, child->ended_pid);
		return;
	}
	if (expected) { /* wanted again while it was leaving */
		orphans_forget(&supervisor->instance, child->ended_pid);
		worker_spawn(worker);
		return;
	}
	fallback_on_worker_end(supervisor);
	generation_child_ended(supervisor, child, how);
	loop_timer_arm(supervisor->loop, &worker->respawn, respawn_delay_ns(child, &worker->failures), worker_respawn);
	commit_on_progress(supervisor);
}

static int worker_make_shared(struct worker_slot *worker)
{
	int r = session_table_create(&worker->table);

	return r < 0 ? r : event_ring_create(&worker->events);
}

static void worker_send_start(struct worker_slot *worker)
{
	struct supervisor *supervisor = worker->supervisor;
	struct in_addr listen = {htonl(DATAPLANE_LISTEN_NET + worker->slot + 1)};
	_cleanup_close_ int flow_events = dataplane_new_events(supervisor->dataplane, worker->slot);
	int fds[] = {stats_page_fd(supervisor->stats), session_table_fd(worker->table),
		event_ring_memfd(worker->events), event_ring_eventfd(worker->events),
		dataplane_flow_map_fd(supervisor->dataplane), dataplane_heartbeat_fd(supervisor->dataplane),
		supervisor->ticket_keys_fd, bypass_table_fd(supervisor->bypasses), flow_events};

	child_send(&worker->child, "start",
		json_pack("{s:i, s:i, s:s, s:s, s:i, s:I}", "slot", (int)worker->slot, "stats_writer",
			(int)worker->stats_writer, "instance", supervisor->instance.name, "listen_ip",
			inet_ntoa(listen), "listen_port",
			DATAPLANE_LISTEN_PORT + (int)(supervisor->boot_id % DATAPLANE_LISTEN_PORTS), "boot_id",
			(json_int_t)supervisor->boot_id),
		fds, ARRAY_SIZE(fds));
}

static void worker_send_policies(struct worker_slot *worker)
{
	const struct supervisor *supervisor = worker->supervisor;

	if (supervisor->policy)
		worker_send_policy(worker, supervisor->policy);
	if (commit_candidate(supervisor))
		worker_send_policy(worker, commit_candidate(supervisor));
}

static bool worker_runs(const struct supervisor *supervisor, pid_t pid)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (supervisor->workers[i].child.pid == pid)
			return true;
	return elders_have(supervisor, pid);
}

/* Figures have one writer: a block in which no worker that runs counts, of whatever generation. What is in it stays,
 * and is added to, but for the gauges of whoever left without clearing them. */
static void worker_take_block(struct worker_slot *worker)
{
	struct supervisor *supervisor = worker->supervisor;
	unsigned int block = 0;

	while (block < STATS_WORKER_BLOCKS - 1 && stats_owner(supervisor->stats, block) &&
		worker_runs(supervisor, (pid_t)stats_owner(supervisor->stats, block)))
		block++;
	worker->stats_writer = block;
	stats_clear_gauges(supervisor->stats, block);
}

static void worker_spawn(struct worker_slot *worker)
{
	struct supervisor *supervisor = worker->supervisor;
	int r;

	if (!worker->wanted || supervisor->stopping)
		return;
	supervisor->cells[worker->slot].retire = 0;
	worker_take_block(worker);
	r = worker_make_shared(worker);
	if (r >= 0)
		r = child_spawn(&worker->child, supervisor->loop, ROLE_WORKER, supervisor->bin_dir,
			dataplane_inspect_netns_fd(supervisor->dataplane), worker_on_message, worker_on_exit);
	if (r < 0) {
		worker_clean_up(worker);
		loop_timer_arm(supervisor->loop, &worker->respawn, respawn_delay_ns(&worker->child, &worker->failures),
			worker_respawn);
		return;
	}
	stats_set_owner(supervisor->stats, worker->stats_writer, worker->child.pid);
	orphans_note(&supervisor->instance, worker->child.pid, ROLE_WORKER);
	log_add_worker_ring(worker);
	worker_send_start(worker);
	keyring_connect(worker);
	worker_send_policies(worker);
}

/* it was told to drain, and is wanted again before its last session closed */
static void worker_recall(struct worker_slot *worker)
{
	worker->listening = false;
	child_send(&worker->child, "serve", json_object(), NULL, 0);
	worker_send_policies(worker);
}

void generation_send_policy(struct supervisor *supervisor, const struct policy *policy)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (child_running(&supervisor->workers[i].child) && supervisor->workers[i].wanted)
			worker_send_policy(&supervisor->workers[i], policy);
}

void generation_tell_in_force(struct supervisor *supervisor, uint32_t version)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (child_running(&supervisor->workers[i].child))
			child_send(&supervisor->workers[i].child, "in_force",
				json_pack("{s:I}", "version", (json_int_t)version), NULL, 0);
}

void generation_drop_policy(struct supervisor *supervisor, uint32_t version)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (child_running(&supervisor->workers[i].child)) {
			child_send(&supervisor->workers[i].child, "policy_drop",
				json_pack("{s:I}", "version", (json_int_t)version), NULL, 0);
			if (supervisor->workers[i].policy_version == version)
				supervisor->workers[i].policy_version =
					supervisor->policy ? supervisor->policy->version : 0;
		}
}

bool generation_ready(const struct supervisor *supervisor, uint32_t version)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++) {
		const struct worker_slot *worker = &supervisor->workers[i];

		if (worker->wanted &&
			(!worker->listening || worker->policy_version != version || worker->policies_sent))
			return false;
	}
	return true;
}

void generation_set_workers(struct supervisor *supervisor, unsigned int n)
{
	n = MIN(n, SUPERVISOR_GENERATION_SLOTS);
	supervisor->n_workers = n;
	for (unsigned int i = 0; i < SUPERVISOR_GENERATION_SLOTS; i++) {
		struct worker_slot *worker = &supervisor->workers[supervisor->base + i];
		bool wanted = i < n;

		if (wanted == worker->wanted)
			continue;
		worker->wanted = wanted;
		loop_timer_disarm(supervisor->loop, &worker->respawn);
		if (!wanted && child_running(&worker->child)) {
			worker->draining = true;
			child_send(&worker->child, "drain", json_pack("{s:i}", "seconds", 300), NULL, 0);
		}
		if (wanted && child_running(&worker->child))
			worker_recall(worker);
		else if (wanted)
			worker_spawn(worker);
	}
}

/* --- the generation --------------------------------------------------------------------------------------------------
 */

static bool slot_occupied(const struct worker_cell *cell)
{
	return clock_now_ns() - __atomic_load_n(&cell->heartbeat_ns, __ATOMIC_RELAXED) <= WATCHDOG_NS;
}

/* The half of the slots that no earlier generation's worker beats in. When two still run, that of the one that the wire
 * does not name: it has no new sessions, learns from the cells that its slots are taken, and drains. */
static void generation_pick_slots(struct supervisor *supervisor)
{
	bool occupied[2] = {false, false};

	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		occupied[i / SUPERVISOR_GENERATION_SLOTS] |= slot_occupied(&supervisor->cells[i]);
	if (!occupied[0] || !occupied[1])
		supervisor->base = occupied[0] ? SUPERVISOR_GENERATION_SLOTS : 0;
	else
		supervisor->base = dataplane_workers_base(supervisor->dataplane) ? 0 : SUPERVISOR_GENERATION_SLOTS;
	for (unsigned int i = 0; i < SUPERVISOR_GENERATION_SLOTS; i++)
		supervisor->cells[supervisor->base + i].pid = 0; /* whoever was there has lost it */
}

/* from the first policy on, the earlier generation takes no new sessions and leaves when its last one closes */
static void generation_retire_others(struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (!supervisor->workers[i].wanted && !child_running(&supervisor->workers[i].child))
			__atomic_store_n(&supervisor->cells[i].retire, 300, __ATOMIC_RELAXED);
}

int generation_start(struct supervisor *supervisor)
{
	generation_pick_slots(supervisor);
	supervisor->key_states = json_object();
	keystore_init(supervisor);
	supervisor->key_engine = json_object();
	supervisor->keyless = json_object();
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++) {
		struct worker_slot *worker = &supervisor->workers[i];

		worker->supervisor = supervisor;
		worker->slot = i;
		worker->child.control.fd = worker->child.end.fd = -1;
		memset(worker->keyring_fds, -1, sizeof(worker->keyring_fds));
	}
	supervisor->keeper.supervisor = supervisor->log.supervisor = supervisor;
	log_spawn(supervisor);
	keeper_spawn(supervisor);
	return child_running(&supervisor->log.child) && child_running(&supervisor->keeper.child) ? 0 : -EIO;
}

static void generation_watch(struct supervisor *supervisor, struct worker_slot *worker)
{
	uint64_t beat = __atomic_load_n(&supervisor->cells[worker->slot].heartbeat_ns, __ATOMIC_RELAXED);
	uint64_t now = clock_now_ns();
	uint64_t limit = worker->listening ? WATCHDOG_NS : WATCHDOG_START_NS;

	if (!child_running(&worker->child) || beat + limit > now || worker->child.started_ns + 2 * limit > now)
		return;
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
		"worker %u has hung for %llu ms and is killed: its sessions are reset", worker->slot,
		(unsigned long long)((now - beat) / NSEC_PER_MSEC));
	child_kill(&worker->child, SIGKILL);
}

void generation_tick(struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		generation_watch(supervisor, &supervisor->workers[i]);
	if (supervisor->policy && generation_ready(supervisor, supervisor->policy->version))
		generation_retire_others(supervisor);
}

void generation_stop(struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++) {
		loop_timer_disarm(supervisor->loop, &supervisor->workers[i].respawn);
		child_send(&supervisor->workers[i].child, "stop", json_object(), NULL, 0);
	}
	child_send(&supervisor->keeper.child, "stop", json_object(), NULL, 0);
	targets_stop(supervisor);
}

bool generation_stopped(const struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (child_running(&supervisor->workers[i].child))
			return false;
	return !child_running(&supervisor->keeper.child);
}
