/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that send the logs to the configured log targets (G5, G6): one each, watched from outside, because
 * librelp's calls block and measure their patience by the wall clock. */
#include "daemon/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "config/config.h"
#include "daemon/keystore.h"
#include "daemon/log_credentials.h"
#include "daemon/orphans.h"
#include "daemon/supervisor.h"

/* longer than an honest wait: connect and answer are given 10 seconds each, the end of a session eleven */
#define TARGET_SILENCE_NS (45 * NSEC_PER_SEC)
#define TARGET_DOWN_NS (10 * NSEC_PER_SEC) /* without a record received while it cannot connect: told */
#define TARGET_RESPAWN_NS (1 * NSEC_PER_SEC)

struct log_target {
	struct child child;
	struct supervisor *supervisor;
	char name[CONFIG_NAME_MAX + 1]; /* empty: the slot is free */
	json_t *settings;               /* of its start message; owned */
	char credentials[CONFIG_NAME_MAX + 1];
	bool wanted;
	unsigned int serial; /* of what it is now: an answer for what it was finds nobody */
	char waits[300];     /* why it has no process: its key cannot be had; empty: it does not wait */
	unsigned int kills, restarts;
	uint64_t heard_ns;
	uint64_t trouble_ns; /* since when it cannot connect and receives nothing; 0: it can */
	json_int_t received; /* by its process, when that was looked at last */
	bool down;           /* and that is told */
	json_t *state;       /* its last report; owned */
	struct loop_timer respawn;
};

struct targets {
	struct log_target items[CONFIG_LOG_TARGETS_MAX * 2]; /* those that are ending beside those that begin */
};

static void target_spawn(struct log_target *target);
static void target_respawn(struct loop_timer *timer);

/* H4: a log server that is away, and that is back, once each; one that takes connections and no record is not back */
static void target_judge(struct log_target *target)
{
	const char *state = json_string_value(json_object_get(target->state, "state"));
	const char *error = json_string_value(json_object_get(target->state, "error"));
	const char *host = json_string_value(json_object_get(target->state, "host"));
	json_int_t received = json_integer_value(json_object_get(target->state, "received"));
	bool waits = state && !strcmp(state, "waiting to connect again");
	bool serves = received > target->received || (state && !strcmp(state, "idle, all received"));

	target->received = received;
	if (serves && target->down)
		supervisor_record(target->supervisor, EVENT_LOG_SYSTEM, "notice",
			"log target %s receives records again", target->name);
	if (serves) {
		target->down = false;
		target->trouble_ns = 0;
	} else if (waits && !target->trouble_ns) {
		target->trouble_ns = target->heard_ns;
	}
	if (target->down || !target->trouble_ns || target->heard_ns - target->trouble_ns < TARGET_DOWN_NS)
		return;
	target->down = true;
	supervisor_record(target->supervisor, EVENT_LOG_SYSTEM, "error",
		"log target %s does not receive records (%s: %s): they wait in the spool", target->name,
		host ? host : "", error ? error : "");
}

/* without a process; tried again soon */
static void target_wait(struct log_target *target, const char *why)
{
	struct supervisor *supervisor = target->supervisor;
	uint64_t now = clock_now_ns();

	if (!*target->waits)
		target->trouble_ns = target->heard_ns = now;
	snprintf(target->waits, sizeof(target->waits), "%s", why);
	if (!target->down && now - target->trouble_ns >= TARGET_DOWN_NS) {
		target->down = true;
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"log target %s does not send: the key of its credentials %s cannot be had: %s; records wait in "
			"the spool",
			target->name, target->credentials, why);
	}
	loop_timer_disarm(supervisor->loop, &target->respawn);
	loop_timer_arm(supervisor->loop, &target->respawn, TARGET_RESPAWN_NS, target_respawn);
}

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
	target_judge(target);
}

static void target_free_slot(struct log_target *target)
{
	loop_timer_disarm(target->supervisor->loop, &target->respawn);
	json_decref(target->state);
	json_decref(target->settings);
	target->state = target->settings = NULL;
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

/* --- credentials: files for librelp and GnuTLS, which read no other -------------------------------------------------
 */

static int chain_memfd(const json_t *chain)
{
	const json_t *certificate;
	_cleanup_free_ char *pem = NULL;
	size_t len = 0, i;
	FILE *out = open_memstream(&pem, &len);
	int fd = -1, r;

	if (!out)
		return -ENOMEM;
	json_array_foreach(chain, i, certificate)
	{
		base64_write_pem(out, json_string_value(certificate) ?: "");
	}
	fclose(out);
	r = shm_create_sealed("sluice-log-certificate", pem, len, &fd);
	return r < 0 ? r : fd;
}

struct target_files {
	int fds[4]; /* the spool, then those of words */
	size_t n;
	json_t *words;
};

/* takes the descriptor; one that is none is left out */
static void files_add(struct target_files *files, const char *word, int fd)
{
	if (fd < 0)
		return;
	files->fds[files->n++] = fd;
	if (word)
		json_array_append_new(files->words, json_string(word));
}

static int ca_memfd(const json_t *ca)
{
	int fd = -1;

	return json_is_string(ca) && shm_create_sealed(
					     "sluice-log-ca", json_string_value(ca), json_string_length(ca), &fd) >= 0
		       ? fd
		       : -1;
}

/* key: borrowed; -1: none */
static void target_send_start(struct log_target *target, const json_t *credentials, int key)
{
	struct target_files files = {.words = json_array()};
	json_t *start = json_deep_copy(target->settings);

	json_object_set_new(start, "boot", json_integer((json_int_t)target->supervisor->log_boot));
	files_add(&files, NULL, store_open_spool(&target->supervisor->store));
	files_add(&files, "ca", ca_memfd(json_object_get(credentials, "ca")));
	if (key >= 0) {
		files_add(&files, "certificate", chain_memfd(json_object_get(credentials, "chain")));
		files_add(&files, "key", fcntl(key, F_DUPFD_CLOEXEC, 0));
	}
	json_object_set_new(start, "credentials", files.words);
	child_send(&target->child, "start", start, files.fds, files.n);
	for (size_t i = 0; i < files.n; i++)
		close(files.fds[i]);
}

static void target_start(struct log_target *target, const json_t *credentials, int key)
{
	struct supervisor *supervisor = target->supervisor;
	_cleanup_close_ int spool = store_open_spool(&supervisor->store);

	/* sluice-log makes the spool; it may have been started a moment ago */
	if (spool < 0 || child_spawn(&target->child, supervisor->loop, ROLE_TARGET, supervisor->bin_dir, -1,
				 target_on_message, target_on_exit) < 0) {
		loop_timer_arm(supervisor->loop, &target->respawn, TARGET_RESPAWN_NS, target_respawn);
		return;
	}
	orphans_note(&supervisor->instance, target->child.pid, ROLE_TARGET);
	target->heard_ns = clock_now_ns();
	target->waits[0] = '\0';
	target_send_start(target, credentials, key);
}

/* what was asked for, and for which target as it was then */
struct key_wanted {
	unsigned int serial;
	json_t *credentials;
};

static struct log_target *targets_find_serial(struct supervisor *supervisor, unsigned int serial)
{
	struct targets *targets = supervisor->targets;

	for (size_t i = 0; i < ARRAY_SIZE(targets->items); i++)
		if (targets->items[i].wanted && targets->items[i].serial == serial)
			return &targets->items[i];
	return NULL;
}

static void target_on_key(
	struct supervisor *supervisor, void *data, json_t *answer, const int *fds, size_t n_fds, const char *error)
{
	struct key_wanted *wanted = data;
	struct log_target *target = targets_find_serial(supervisor, wanted->serial);

	(void)answer;
	if (target && !child_running(&target->child) && !supervisor->stopping) {
		if (n_fds == 1)
			target_start(target, wanted->credentials, fds[0]);
		else
			target_wait(target, error ? error : "no reason given");
	}
	json_decref(wanted->credentials);
	free(wanted);
}

static unsigned int target_renew(struct log_target *target)
{
	static unsigned int serial;

	return target->serial = ++serial;
}

/* takes the reference */
static void target_ask_key(struct log_target *target, json_t *credentials)
{
	struct key_wanted *wanted = calloc(1, sizeof(*wanted));

	if (!wanted) {
		json_decref(credentials);
		target_wait(target, "out of memory");
		return;
	}
	*wanted = (struct key_wanted){target_renew(target), credentials};
	log_credentials_open_key(target->supervisor, target->credentials, credentials, target_on_key, wanted);
}

static void target_spawn(struct log_target *target)
{
	json_auto_t *credentials = *target->credentials
					   ? store_load_log_credentials(&target->supervisor->store, target->credentials)
					   : NULL;
	char why[256];

	loop_timer_disarm(target->supervisor->loop, &target->respawn);
	if (store_log_credentials_are_open(credentials)) {
		target_wait(target, "it is being sealed");
	} else if (!json_object_get(credentials, "key_id")) {
		target_start(target, credentials, -1);
	} else if (keystore_is_locked(target->supervisor)) {
		keystore_lock_text(target->supervisor, why, sizeof(why));
		target_wait(target, why);
	} else {
		target_ask_key(target, json_incref(credentials));
	}
}

static struct log_target *targets_find(struct supervisor *supervisor, const char *name)
{
	struct targets *targets = supervisor->targets;

	for (size_t i = 0; i < ARRAY_SIZE(targets->items); i++)
		if (targets->items[i].wanted == !!*name && !strcmp(targets->items[i].name, name))
			return &targets->items[i];
	return NULL;
}

static json_t *target_hosts(const struct config_log_target *wanted)
{
	json_t *hosts = json_pack("[s]", wanted->host);

	for (size_t i = 0; i < wanted->standby_hosts.n; i++)
		json_array_append_new(hosts, json_string(wanted->standby_hosts.items[i]));
	return hosts;
}

/* everything that makes its process another one; a new reference */
static json_t *target_settings(struct supervisor *supervisor, const struct config_log_target *wanted)
{
	const struct config *config = supervisor->policy->config;
	char port[8];

	snprintf(port, sizeof(port), "%u", wanted->port);
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:I, s:I}", "name", wanted->name,
		"device", config->device_name, "hosts", target_hosts(wanted), "port", port, "protocol",
		config_log_protocol_name(wanted->protocol), "format", config_log_format_name(wanted->format), "peer",
		wanted->certificate_name ? wanted->certificate_name : "", "logs",
		(json_int_t)config_log_target_mask(wanted), "severity", (int)wanted->severity, "mask",
		(int)wanted->mask, "omit", (int)wanted->omit, "enterprise", (json_int_t)config->enterprise_number,
		"credentials_stamp", (json_int_t)store_log_credentials_stamp(&supervisor->store, wanted->credentials));
}

static bool target_is_as(const struct log_target *target, const struct config_log_target *wanted)
{
	json_t *settings = target_settings(target->supervisor, wanted);
	bool same = json_equal(settings, target->settings) &&
		    !strcmp(target->credentials, wanted->credentials ? wanted->credentials : "");

	json_decref(settings);
	return same;
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
	snprintf(
		target->credentials, sizeof(target->credentials), "%s", wanted->credentials ? wanted->credentials : "");
	json_decref(target->settings);
	target->settings = target_settings(target->supervisor, wanted);
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
	target_renew(target);
	/* it is started again with the new values */
	if (child_running(&target->child))
		child_send(&target->child, "stop", json_object(), NULL, 0);
	else
		target_spawn(target);
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
		json_pack("{s:s, s:o, s:I, s:I, s:I, s:I}", "device", config->device_name, "targets", names,
			"max_bytes", (json_int_t)config->limits.log_spool_megabytes << 20, "max_age_seconds",
			(json_int_t)config->limits.log_spool_hours * 3600, "log_bytes",
			(json_int_t)config->limits.log_megabytes << 20, "log_age_seconds",
			(json_int_t)config->limits.log_days * 86400),
		NULL, 0);
}

int targets_apply(struct supervisor *supervisor)
{
	const struct config *config = supervisor->policy->config;

	if (!supervisor->targets) {
		/* what an earlier supervisor left sends on, and would share cursors with ours */
		orphans_kill_role(&supervisor->instance, ROLE_TARGET);
		supervisor->targets = calloc(1, sizeof(*supervisor->targets));
	}
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
	for (size_t i = 0; supervisor->targets && i < ARRAY_SIZE(supervisor->targets->items); i++) {
		/* what it has not sent is in the spool */
		child_end(&supervisor->targets->items[i].child);
		json_decref(supervisor->targets->items[i].state);
		json_decref(supervisor->targets->items[i].settings);
	}
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
	const char *host = json_string_value(json_object_get(target->state, "host"));
	const json_t *settings = target->settings;
	bool waits = *target->waits;
	json_int_t next = state_int(target->supervisor->spool_state, "next_sequence");
	json_int_t lag = MAX(next - MAX(state_int(target->state, "cursor"), 1), 0);
	json_int_t oldest = state_int(target->state, "oldest_us"), now = (json_int_t)clock_wall_us();
	json_int_t heard = (json_int_t)((clock_now_ns() - target->heard_ns) / NSEC_PER_SEC);
	bool silent = heard > (json_int_t)(TARGET_SILENCE_NS / NSEC_PER_SEC / 3);
	/* a process that says nothing does not say since when */
	json_int_t lag_seconds = oldest ? MAX(now - oldest, 0) / 1000000 : heard;

	return json_pack("{s:s, s:b, s:s, s:i, s:O, s:O, s:i, s:s, s:I, s:I, s:i, s:I, s:I, s:I, s:i, s:s}", "name",
		target->name, "down", target->down, "host",
		host ? host : json_string_value(json_array_get(json_object_get(settings, "hosts"), 0)), "port",
		atoi(json_string_value(json_object_get(settings, "port")) ?: "0"), "protocol",
		json_object_get(settings, "protocol"), "format", json_object_get(settings, "format"), "pid",
		(int)target->child.pid, "state",
		waits                            ? "waiting for its key"
		: !child_running(&target->child) ? "restarting"
		: silent                         ? "no progress"
		: state                          ? state
						 : "starting",
		"lag_records", lag, "lag_seconds", lag ? lag_seconds : (json_int_t)0, "earlier_boots",
		(int)state_int(target->state, "earlier_boots"), "sent", state_int(target->state, "sent"), "received",
		state_int(target->state, "received"), "missed", state_int(target->state, "missed"), "restarts",
		(int)target->restarts, "error",
		waits   ? target->waits
		: error ? error
			: "");
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
