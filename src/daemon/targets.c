/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that send the logs to the configured log targets (G5, G6): one each, watched from outside, because
 * librelp's calls block and measure their patience by the wall clock. */
#include "daemon/targets.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "config/config.h"
#include "daemon/orphans.h"
#include "daemon/supervisor.h"

/* longer than an honest wait: connect and answer are given 10 seconds each, the end of a session eleven */
#define TARGET_SILENCE_NS (45 * NSEC_PER_SEC)
#define TARGET_RESPAWN_NS (1 * NSEC_PER_SEC)

struct log_target {
	struct child child;
	struct supervisor *supervisor;
	char name[CONFIG_NAME_MAX + 1];   /* empty: the slot is free */
	char device[CONFIG_NAME_MAX + 1]; /* under which it sends */
	char host[CONFIG_NAME_MAX + 1], port[8];
	uint32_t logs;
	bool wanted;
	unsigned int kills, restarts;
	uint64_t heard_ns;
	json_t *state; /* its last report; owned */
	struct loop_timer respawn;
};

struct targets {
	struct log_target items[CONFIG_LOG_TARGETS_MAX * 2]; /* those that are ending beside those that begin */
};

static void target_spawn(struct log_target *target);

static void target_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct log_target *target = container_of(child, struct log_target, child);

	(void)fds;
	(void)n_fds;
	if (strcmp(name, "state"))
		return;
	target->heard_ns = clock_now_ns();
	json_decref(target->state);
	target->state = json_incref(message);
}

static void target_free_slot(struct log_target *target)
{
	loop_timer_disarm(target->supervisor->loop, &target->respawn);
	json_decref(target->state);
	target->state = NULL;
	target->name[0] = '\0';
}

static void target_respawn(struct loop_timer *timer)
{
	target_spawn(container_of(timer, struct log_target, respawn));
}

static void target_on_exit(struct child *child, const char *how)
{
	struct log_target *target = container_of(child, struct log_target, child);
	struct supervisor *supervisor = target->supervisor;

	orphans_forget(&supervisor->instance, child->ended_pid);
	if (!target->wanted || supervisor->stopping) {
		target_free_slot(target);
		return;
	}
	target->restarts++;
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error", "the process of log target %s %s and is started again",
		target->name, how);
	loop_timer_arm(supervisor->loop, &target->respawn, TARGET_RESPAWN_NS, target_respawn);
}

static void target_spawn(struct log_target *target)
{
	struct supervisor *supervisor = target->supervisor;
	_cleanup_close_ int spool = store_open_spool(&supervisor->store);
	json_t *start;

	/* sluice-log makes the spool; it may have been started a moment ago */
	if (spool < 0 || child_spawn(&target->child, supervisor->loop, ROLE_TARGET, supervisor->bin_dir, -1,
				 target_on_message, target_on_exit) < 0) {
		loop_timer_arm(supervisor->loop, &target->respawn, TARGET_RESPAWN_NS, target_respawn);
		return;
	}
	orphans_note(&supervisor->instance, target->child.pid, ROLE_TARGET);
	target->heard_ns = clock_now_ns();
	start = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "name", target->name, "device", target->device, "host",
		target->host, "port", target->port, "boot", (json_int_t)supervisor->log_boot, "logs",
		(json_int_t)target->logs);
	child_send(&target->child, "start", start, &spool, 1);
}

static struct log_target *targets_find(struct supervisor *supervisor, const char *name)
{
	struct targets *targets = supervisor->targets;

	for (size_t i = 0; i < ARRAY_SIZE(targets->items); i++)
		if (targets->items[i].wanted == !!*name && !strcmp(targets->items[i].name, name))
			return &targets->items[i];
	return NULL;
}

static const char *device_of(const struct log_target *target)
{
	return target->supervisor->policy->config->device_name;
}

static bool target_is_as(const struct log_target *target, const struct config_log_target *wanted)
{
	return !strcmp(target->device, device_of(target)) && !strcmp(target->host, wanted->host) &&
	       (unsigned int)atoi(target->port) == wanted->port && target->logs == config_log_target_mask(wanted);
}

/* it closes its session in an orderly way and ends */
static void target_end(struct log_target *target)
{
	target->wanted = false;
	if (child_running(&target->child))
		child_send(&target->child, "stop", json_object(), NULL, 0);
	else
		target_free_slot(target);
}

static void target_set(struct log_target *target, const struct config_log_target *wanted)
{
	target->wanted = true;
	snprintf(target->name, sizeof(target->name), "%s", wanted->name);
	snprintf(target->device, sizeof(target->device), "%s", device_of(target));
	snprintf(target->host, sizeof(target->host), "%s", wanted->host);
	snprintf(target->port, sizeof(target->port), "%u", wanted->port);
	target->logs = config_log_target_mask(wanted);
}

static struct log_target *targets_find_ending(struct supervisor *supervisor, const char *name)
{
	struct targets *targets = supervisor->targets;

	for (size_t i = 0; i < ARRAY_SIZE(targets->items); i++)
		if (!targets->items[i].wanted && !strcmp(targets->items[i].name, name))
			return &targets->items[i];
	return NULL;
}

static void target_begin(struct supervisor *supervisor, const struct config_log_target *wanted)
{
	struct log_target *target = targets_find_ending(supervisor, wanted->name);

	if (target) { /* it is started again when it has ended: one process of a name at a time */
		target_set(target, wanted);
		return;
	}
	target = targets_find(supervisor, "");
	if (!target) {
		log_err("no room for log target %s while others are ending", wanted->name);
		return;
	}
	*target = (struct log_target){.supervisor = supervisor};
	target->child.control.fd = target->child.end.fd = -1;
	target_set(target, wanted);
	target_spawn(target);
}

/* of one name there is one process at a time: they would share cursors */
static void target_change(struct log_target *target, const struct config_log_target *wanted)
{
	target_set(target, wanted);
	/* it is started again with the new values */
	child_send(&target->child, "stop", json_object(), NULL, 0);
}

static const struct config_log_target *config_find_target(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_log_targets; i++)
		if (!strcmp(config->log_targets[i].name, name))
			return &config->log_targets[i];
	return NULL;
}

void targets_tell_log(struct supervisor *supervisor)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	json_t *names = json_array();

	if (!config) {
		json_decref(names);
		return;
	}
	for (size_t i = 0; i < config->n_log_targets; i++)
		json_array_append_new(names, json_string(config->log_targets[i].name));
	child_send(&supervisor->log.child, "targets",
		json_pack("{s:s, s:o, s:I, s:I}", "device", config->device_name, "targets", names, "max_bytes",
			(json_int_t)config->limits.log_spool_megabytes << 20, "max_age_seconds",
			(json_int_t)config->limits.log_spool_hours * 3600),
		NULL, 0);
}

int targets_apply(struct supervisor *supervisor)
{
	const struct config *config = supervisor->policy->config;

	if (!supervisor->targets)
		supervisor->targets = calloc(1, sizeof(*supervisor->targets));
	if (!supervisor->targets)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(supervisor->targets->items); i++) {
		struct log_target *target = &supervisor->targets->items[i];

		if (target->wanted && !config_find_target(config, target->name))
			target_end(target);
	}
	for (size_t i = 0; i < config->n_log_targets; i++) {
		struct log_target *target = targets_find(supervisor, config->log_targets[i].name);

		if (!target)
			target_begin(supervisor, &config->log_targets[i]);
		else if (!target_is_as(target, &config->log_targets[i]))
			target_change(target, &config->log_targets[i]);
	}
	targets_tell_log(supervisor);
	return 0;
}

void targets_tick(struct supervisor *supervisor)
{
	uint64_t now = clock_now_ns();

	for (size_t i = 0; supervisor->targets && i < ARRAY_SIZE(supervisor->targets->items); i++) {
		struct log_target *target = &supervisor->targets->items[i];

		if (!*target->name || !child_running(&target->child) || now - target->heard_ns < TARGET_SILENCE_NS)
			continue;
		target->kills++;
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"the process of log target %s has made no progress for %llu seconds and is killed",
			target->name, (unsigned long long)((now - target->heard_ns) / NSEC_PER_SEC));
		child_kill(&target->child, SIGKILL);
	}
}

void targets_stop(struct supervisor *supervisor)
{
	for (size_t i = 0; supervisor->targets && i < ARRAY_SIZE(supervisor->targets->items); i++)
		if (supervisor->targets->items[i].wanted)
			target_end(&supervisor->targets->items[i]);
}

void targets_free(struct supervisor *supervisor)
{
	for (size_t i = 0; supervisor->targets && i < ARRAY_SIZE(supervisor->targets->items); i++)
		json_decref(supervisor->targets->items[i].state);
	json_decref(supervisor->spool_state);
	free(supervisor->targets);
}

bool targets_own(const struct supervisor *supervisor, pid_t pid)
{
	for (size_t i = 0; supervisor->targets && i < ARRAY_SIZE(supervisor->targets->items); i++)
		if (supervisor->targets->items[i].child.pid == pid)
			return true;
	return false;
}

static json_int_t state_int(const json_t *state, const char *key)
{
	return json_integer_value(json_object_get(state, key));
}

static json_t *target_report(const struct log_target *target)
{
	const char *state = json_string_value(json_object_get(target->state, "state"));
	const char *error = json_string_value(json_object_get(target->state, "error"));
	json_int_t next = state_int(target->supervisor->spool_state, "next_sequence");
	json_int_t lag = MAX(next - MAX(state_int(target->state, "cursor"), 1), 0);
	json_int_t oldest = state_int(target->state, "oldest_us"), now = (json_int_t)clock_wall_us();
	json_int_t heard = (json_int_t)((clock_now_ns() - target->heard_ns) / NSEC_PER_SEC);
	bool silent = heard > (json_int_t)(TARGET_SILENCE_NS / NSEC_PER_SEC / 3);
	/* a process that says nothing does not say since when */
	json_int_t lag_seconds = oldest ? MAX(now - oldest, 0) / 1000000 : heard;

	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:I, s:i, s:I, s:I, s:I, s:i, s:s}", "name", target->name,
		"host", target->host, "port", target->port, "pid", (int)target->child.pid, "state",
		!child_running(&target->child) ? "restarting"
		: silent                       ? "no progress"
		: state                        ? state
					       : "starting",
		"lag_records", lag, "lag_seconds", lag ? lag_seconds : (json_int_t)0, "earlier_boots",
		(int)state_int(target->state, "earlier_boots"), "sent", state_int(target->state, "sent"), "received",
		state_int(target->state, "received"), "missed", state_int(target->state, "missed"), "restarts",
		(int)target->restarts, "error", error ? error : "");
}

json_t *targets_report(struct supervisor *supervisor)
{
	const json_t *spool = supervisor->spool_state;
	json_t *list = json_array();

	for (size_t i = 0; supervisor->targets && i < ARRAY_SIZE(supervisor->targets->items); i++)
		if (supervisor->targets->items[i].wanted)
			json_array_append_new(list, target_report(&supervisor->targets->items[i]));
	return json_pack("{s:b, s:{s:I, s:I, s:I, s:b}, s:o}", "ok", 1, "spool", "bytes", state_int(spool, "bytes"),
		"next_sequence", state_int(spool, "next_sequence"), "dropped", state_int(spool, "dropped"), "failing",
		json_is_true(json_object_get(spool, "failing")), "targets", list);
}
