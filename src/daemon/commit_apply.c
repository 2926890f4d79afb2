/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a commit that touches what runs: written beside, workers, wire, store, in force. */
#include <stdio.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/fault.h"
#include "base/log.h"
#include "config/locked.h"
#include "daemon/commit_internal.h"
#include "daemon/history.h"
#include "daemon/keeper.h"
#include "daemon/key_source.h"
#include "daemon/ports.h"
#include "daemon/replace.h"
#include "daemon/targets.h"

#define COMMIT_WORKERS_NS (20 * NSEC_PER_SEC)
#define COMMIT_VERSIONS_KEPT 20

/* the wire first: it names only workers that are there, and none that are about to leave */
int commit_set_workers(struct supervisor *supervisor, unsigned int n)
{
	int r = dataplane_set_workers(supervisor->dataplane, supervisor->base, n);

	generation_set_workers(supervisor, n);
	return r;
}

static void commit_record(const struct commit *commit, uint32_t version)
{
	const struct config *config = commit->policy->config;
	const char *from = json_string_value(json_object_get(commit->facts, "from"));
	const char *comment = json_string_value(json_object_get(commit->facts, "comment"));
	uint32_t back_to = json_integer_value(json_object_get(commit->facts, "rollback_of"));
	char origin[32] = "";

	if (back_to)
		snprintf(origin, sizeof(origin), ", a copy of version %u,", back_to);
	if (commit->boot)
		supervisor_record(commit->supervisor, EVENT_LOG_SYSTEM, "notice",
			"configuration version %u is in force: %zu SSL servers, %zu profiles", version,
			config->n_ssl_servers, config->n_profiles);
	else
		supervisor_audit(commit->supervisor, "notice", history_user(commit->facts),
			"configuration version %u%s is in force: %zu SSL servers, %zu profiles%s%s%s%s", version,
			origin, config->n_ssl_servers, config->n_profiles, from ? "; from " : "", from ? from : "",
			comment ? "; comment: " : "", comment ? comment : "");
}

static void commit_record_override(void *ctx, const struct config_locked_change *change)
{
	const struct commit *commit = ctx;

	supervisor_audit(commit->supervisor, "warning", history_user(commit->facts),
		"lock overridden with version %u: profile %s: SSL policy %s %s", commit->policy->version,
		change->profile, change->policy, change->what);
}

/* all that may fail; on failure nothing of it is left and *error says which */
static int commit_prepare(struct commit *commit, struct dataplane_change **change, char *error, size_t size)
{
	struct supervisor *supervisor = commit->supervisor;
	uint32_t version = commit->policy->version;
	/* until it is in force there are as many as it or the one before wants */
	int r = fault_at(FAULT_WORKERS_READY) ?: fault_at(FAULT_WIRE_WORKERS)
			?: dataplane_set_workers(supervisor->dataplane, supervisor->base, supervisor->n_workers);

	if (commit->boot && r >= 0)
		return 0; /* the wire has it, and the store */
	if (r >= 0)
		r = keeper_tell_wire(supervisor, commit->policy->config, true);
	if (r >= 0)
		r = dataplane_prepare(supervisor->dataplane, commit->policy->config, version, change)
			    ?: fault_at(FAULT_WIRE_READY);
	snprintf(error, size, "the data plane refuses it: %s", log_last_error());
	if (r < 0)
		return r;
	snprintf(error, size, "the state directory cannot be written");
	r = history_write(&supervisor->store, version, commit->facts, commit->names, commit->n_files)
		    ?: fault_at(FAULT_FACTS);
	return r < 0 ? r : fault_at(FAULT_PUBLISH) ?: store_publish_version(&supervisor->store, version);
}

static void commit_answer_in_force(struct commit *commit)
{
	json_t *answer = json_pack("{s:b, s:I}", "ok", 1, "config_version", (json_int_t)commit->policy->version);

	if (answer && commit->policy->filters)
		json_object_set(answer, "filters", commit->policy->filters);
	commit->policy = NULL; /* the supervisor's now */
	commit_finish(commit, answer);
}

/* the last steps, which cannot wait: wire, store, in force */
static void commit_apply(struct commit *commit)
{
	struct supervisor *supervisor = commit->supervisor;
	struct policy *policy = commit->policy, *before = supervisor->policy;
	struct dataplane_change *change = NULL;
	char error[600];

	if (commit_prepare(commit, &change, error, sizeof(error)) < 0) {
		dataplane_cancel(supervisor->dataplane, &change);
		commit_reject(commit, error);
		return;
	}
	fault_at(FAULT_PUBLISHED);
	if (change)
		dataplane_publish(supervisor->dataplane, &change);
	fault_at(FAULT_IN_FORCE);
	supervisor->policy = policy;
	keeper_tell_wire(supervisor, policy->config, false);
	generation_tell_in_force(supervisor, policy->version);
	fault_at(FAULT_WORKERS_SET);
	commit_set_workers(supervisor, policy->n_workers);
	key_source_apply(supervisor);
	store_prune_versions(&supervisor->store, COMMIT_VERSIONS_KEPT);
	if (!commit->boot)
		boot_clear_problem(supervisor);
	commit_record(commit, policy->version);
	links_apply(supervisor);
	ports_record(supervisor);
	if (commit->override_locked)
		config_locked_changes(before ? before->config : NULL, policy->config, commit_record_override, commit);
	fault_at(FAULT_TARGETS);
	targets_apply(supervisor);
	policy_free(&before);
	commit_answer_in_force(commit);
}

static void commit_on_timeout(struct loop_timer *timer)
{
	struct commit *commit = container_of(timer, struct commit, timer);

	commit_reject(commit, "the workers did not take it in time (see the System log)");
}

void commit_on_progress(struct supervisor *supervisor)
{
	struct commit *commit = supervisor->commit;

	if (commit && commit->sent && generation_ready(supervisor, commit->policy->version))
		commit_apply(commit);
	else
		replace_on_progress(supervisor);
}

void commit_on_refusal(struct supervisor *supervisor, uint32_t version, const char *error)
{
	struct commit *commit = supervisor->commit;

	if (commit && commit->sent && commit->policy->version == version)
		commit_reject(commit, error ? error : "a worker refused it");
	else
		replace_on_refusal(supervisor, error);
}

const struct policy *commit_candidate(const struct supervisor *supervisor)
{
	return supervisor->commit && supervisor->commit->sent ? supervisor->commit->policy
							      : replace_candidate(supervisor);
}

void commit_send(struct commit *commit)
{
	struct supervisor *supervisor = commit->supervisor;
	struct policy *policy = commit->policy;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = 0;

	if (!commit->boot)
		r = commit_read_document(policy->text_fd, &text, &len);
	if (r >= 0 && !commit->boot)
		r = store_write_version(&supervisor->store, policy->version, text, len, commit->fds, commit->n_files)
			    ?: fault_at(FAULT_STORE_WRITE);
	if (r < 0) {
		commit_reject(commit, "the state directory cannot be written");
		return;
	}
	loop_timer_arm(supervisor->loop, &commit->timer, COMMIT_WORKERS_NS, commit_on_timeout);
	/* those that run get it now, those that are started now get it with their start; none leaves before it is in
	 * force */
	supervisor->last_version = policy->version;
	generation_send_policy(supervisor, policy);
	commit->sent = true;
	if (fault_at(FAULT_WORKERS_TOLD) < 0) {
		commit_reject(commit, log_last_error());
		return;
	}
	generation_set_workers(supervisor, MAX(supervisor->n_workers, policy->n_workers));
	commit_on_progress(supervisor);
}
