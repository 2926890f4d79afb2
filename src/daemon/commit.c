/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/commit.h"

#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "daemon/commit_internal.h"
#include "daemon/history.h"
#include "daemon/keystore.h"

static void commit_free(struct commit *commit)
{
	struct supervisor *supervisor = commit->supervisor;

	loop_timer_disarm(supervisor->loop, &commit->timer);
	child_end(&commit->compiler);
	for (size_t i = 0; i < commit->n_files; i++) {
		free(commit->names[i]);
		close(commit->fds[i]);
	}
	free(commit->names);
	free(commit->fds);
	free(commit->document);
	policy_free(&commit->policy);
	json_decref(commit->problems);
	json_decref(commit->facts);
	if (supervisor->commit == commit)
		supervisor->commit = NULL;
	free(commit);
}

/* answers and ends the commit */
void commit_finish(struct commit *commit, json_t *answer)
{
	if (answer && commit->problems)
		json_object_set(answer, "problems", commit->problems);
	if (answer && commit->policy && commit->policy->filters)
		json_object_set(answer, "filters", commit->policy->filters);
	if (commit->done)
		commit->done(commit->owner, answer);
	else
		json_decref(answer);
	commit_free(commit);
}

/* with the first error in the document, where there is one */
static json_t *commit_rejection(const struct commit *commit, const char *error)
{
	const json_t *problem;
	size_t i;

	json_array_foreach(commit->problems, i, problem)
	{
		const char *severity = json_string_value(json_object_get(problem, "severity"));
		const char *message = json_string_value(json_object_get(problem, "message"));

		if (severity && message && !strcmp(severity, "error"))
			return json_sprintf("%s: line %d: %s", error,
				(int)json_integer_value(json_object_get(problem, "line")), message);
	}
	return json_string(error);
}

void commit_reject(struct commit *commit, const char *error)
{
	struct supervisor *supervisor = commit->supervisor;

	if (commit->sent)
		generation_drop_policy(supervisor, commit->policy->version);
	if (commit->policy && !commit->check_only && !commit->boot)
		store_discard_version(&supervisor->store, commit->policy->version);
	if (!commit->check_only) {
		supervisor->rejected.n++;
		json_decref(supervisor->rejected.error);
		supervisor->rejected.error = commit_rejection(commit, error);
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"configuration rejected: %s; the one in force is unchanged", error);
	}
	if (!commit->check_only && !commit->boot)
		supervisor_audit(supervisor, "error", history_user(commit->facts), "configuration rejected: %s", error);
	if (commit->sent)
		commit_set_workers(supervisor, supervisor->policy ? supervisor->policy->n_workers : 0);
	commit_finish(commit, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

static uint32_t commit_next_version(const struct supervisor *supervisor)
{
	uint32_t stored = store_newest_version(&supervisor->store);

	return MAX(MAX(stored, supervisor->last_version), supervisor->policy ? supervisor->policy->version : 0) + 1;
}

static void commit_refuse(const struct commit_request *request, const char *error)
{
	json_decref(request->facts);
	request->done(request->owner, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

void commit_begin(struct supervisor *supervisor, const struct commit_request *request)
{
	const char *name = json_string_value(json_array_get(request->files, 0));
	struct commit *commit;

	if (supervisor->stopping) {
		commit_refuse(request, "the supervisor is stopping");
		return;
	}
	if (supervisor->replace) {
		commit_refuse(request, "a certificate is being replaced: try again when it has ended");
		return;
	}
	if (keystore_busy(supervisor)) {
		commit_refuse(request, keystore_busy(supervisor));
		return;
	}
	if (supervisor->commit) {
		commit_refuse(request, "another commit is in progress: try again when it has ended");
		return;
	}
	if (!request->n_fds || json_array_size(request->files) != request->n_fds || !name) {
		commit_refuse(request, "malformed request: one name and one descriptor per file");
		return;
	}
	commit = calloc(1, sizeof(*commit));
	if (!commit) {
		commit_refuse(request, "out of memory");
		return;
	}
	commit->supervisor = supervisor;
	supervisor->commit = commit;
	commit->check_only = request->check_only;
	commit->boot = request->boot;
	commit->override_locked = request->override_locked;
	commit->done = request->done;
	commit->progress = request->progress;
	commit->owner = request->owner;
	commit->facts = request->facts ? request->facts : json_object();
	commit->document = strdup(name);
	commit->problems = json_array();
	commit->policy = policy_new(request->boot ? request->version : commit_next_version(supervisor));
	if (!commit->policy || !commit->document) {
		commit_finish(commit, json_pack("{s:b, s:s}", "ok", 0, "error", "out of memory"));
		return;
	}
	if (!commit_validate(commit, request))
		return;
	/* at boot the wire has the policy before the first worker: servers' own choice while inspection is not up (A8)
	 */
	if (commit->boot && dataplane_apply(supervisor->dataplane, commit->policy->config, request->version) < 0) {
		commit_reject(commit, "the data plane refuses the stored configuration (see sluiced's own messages)");
		return;
	}
	commit_compile_next(commit);
}

void commit_forget_owner(struct supervisor *supervisor, const void *owner)
{
	if (supervisor->commit && supervisor->commit->owner == owner) {
		supervisor->commit->done = NULL;
		supervisor->commit->progress = NULL;
	}
}

void commit_cancel(struct supervisor *supervisor, const char *why)
{
	if (supervisor->commit)
		commit_reject(supervisor->commit, why);
}
