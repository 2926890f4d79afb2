/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/certificate.h"
#include "daemon/keeper.h"
#include "daemon/key_source.h"

#define REPLACE_NS (20 * NSEC_PER_SEC)

struct replace {
	struct supervisor *supervisor;
	commit_done_fn *done;
	void *owner;
	char name[STORE_CERTIFICATE_NAME], replaced[STORE_CERTIFICATE_NAME];
	json_t *facts;
	struct policy *policy; /* with the new certificate; NULL before the key is loaded, and when no server uses it */
	struct loop_timer timer;
};

static void replace_finish(struct replace *replace, json_t *answer)
{
	struct supervisor *supervisor = replace->supervisor;

	loop_timer_disarm(supervisor->loop, &replace->timer);
	supervisor->replace = NULL;
	if (replace->done)
		replace->done(replace->owner, answer);
	else
		json_decref(answer);
	policy_free(&replace->policy);
	json_decref(replace->facts);
	free(replace);
}

static void replace_fail(struct replace *replace, const char *error)
{
	struct supervisor *supervisor = replace->supervisor;
	const char *key_id = json_string_value(json_object_get(replace->facts, "key_id"));
	char text[512];

	snprintf(text, sizeof(text), "certificate %s is not replaced: %s; the one before is in force", replace->name,
		error);
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error", "%s", text);
	supervisor_record(supervisor, EVENT_LOG_AUDIT, "warning", "%s", text);
	store_discard_replacement(&supervisor->store, replace->name, replace->replaced, replace->facts);
	/* workers that took the new certificate take the old one back */
	if (replace->policy)
		generation_send_policy(supervisor, supervisor->policy);
	certificate_unload_key(supervisor, key_id);
	keeper_load_key(supervisor, replace->name);
	replace_finish(replace, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

static void replace_on_timeout(struct loop_timer *timer)
{
	struct replace *replace = container_of(timer, struct replace, timer);

	replace_fail(
		replace, replace->policy ? "the workers did not take it in time" : "the key keeper does not answer");
}

/* --- the policy in force, with other certificates ------------------------------------------------------------------
 */

/* facts as workers get them: with the leaf before, which the real server may still show (D9) */
static json_t *replace_certificates(const struct replace *replace, const json_t *before)
{
	json_t *array = json_array(), *facts;
	size_t i;

	json_array_foreach(before, i, facts)
	{
		const char *name = json_string_value(json_object_get(facts, "name"));
		json_t *leaf = json_array_get(json_object_get(facts, "chain"), 0), *new;

		if (!name || strcmp(name, replace->name)) {
			json_array_append(array, facts);
			continue;
		}
		new = json_deep_copy(replace->facts);
		json_object_set(new, "previous_leaf", leaf);
		json_array_append_new(array, new);
	}
	return array;
}

static int replace_copy_fds(struct policy *policy, const struct policy *from)
{
	policy->text_fd = fcntl(from->text_fd, F_DUPFD_CLOEXEC, 0);
	policy->image_fds = calloc(from->n_images + 1, sizeof(int));
	if (policy->text_fd < 0 || !policy->image_fds)
		return -ENOMEM;
	for (; policy->n_images < from->n_images; policy->n_images++) {
		int fd = fcntl(from->image_fds[policy->n_images], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		policy->image_fds[policy->n_images] = fd;
	}
	return 0;
}

static struct policy *replace_policy(const struct replace *replace)
{
	const struct policy *from = replace->supervisor->policy;
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return NULL;
	policy->version = from->version;
	policy->n_workers = from->n_workers;
	policy->config = config_ref(from->config);
	policy->certificates = replace_certificates(replace, from->certificates);
	policy->stats_slots = json_incref(from->stats_slots);
	policy->filters = json_incref(from->filters);
	if (replace_copy_fds(policy, from) < 0)
		policy_free(&policy);
	return policy;
}

/* --- steps ---------------------------------------------------------------------------------------------------------
 */

static void replace_publish(struct replace *replace)
{
	struct supervisor *supervisor = replace->supervisor;
	int r = store_publish_replacement(&supervisor->store, replace->name);
	json_t *shown;

	if (r < 0) {
		replace_fail(replace, "the state directory cannot be written");
		return;
	}
	if (replace->policy) {
		struct policy *before = supervisor->policy;

		supervisor->policy = TAKE_PTR(replace->policy);
		policy_free(&before);
	}
	keeper_load_key(supervisor, replace->replaced);
	supervisor->expiry_checked_ns = 0;
	supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice",
		"certificate %s is replaced for new sessions; the one before is %s", replace->name, replace->replaced);
	shown = json_deep_copy(replace->facts);
	json_object_del(shown, "chain");
	replace_finish(
		replace, json_pack("{s:b, s:o, s:s}", "ok", 1, "certificate", shown, "replaced", replace->replaced));
}

static void replace_send(struct replace *replace)
{
	struct supervisor *supervisor = replace->supervisor;

	if (!certificate_is_used(supervisor, replace->name)) {
		replace_publish(replace);
		return;
	}
	replace->policy = replace_policy(replace);
	if (!replace->policy) {
		replace_fail(replace, "out of memory or descriptors");
		return;
	}
	generation_send_policy(supervisor, replace->policy);
	replace_on_progress(supervisor);
}

void replace_on_key(struct supervisor *supervisor, const char *name, const char *key_id, const char *error)
{
	struct replace *replace = supervisor->replace;
	const char *wanted = replace ? json_string_value(json_object_get(replace->facts, "key_id")) : NULL;

	if (!wanted || replace->policy || strcmp(replace->name, name))
		return;
	if (error)
		replace_fail(replace, error);
	else if (key_id && !strcmp(key_id, wanted))
		replace_send(replace);
}

void replace_on_progress(struct supervisor *supervisor)
{
	struct replace *replace = supervisor->replace;

	if (replace && replace->policy && generation_ready(supervisor, replace->policy->version))
		replace_publish(replace);
}

void replace_on_refusal(struct supervisor *supervisor, const char *error)
{
	if (supervisor->replace && supervisor->replace->policy)
		replace_fail(supervisor->replace, error ? error : "a worker refused it");
}

void replace_cancel(struct supervisor *supervisor, const char *why)
{
	if (supervisor->replace)
		replace_fail(supervisor->replace, why);
}

const struct policy *replace_candidate(const struct supervisor *supervisor)
{
	return supervisor->replace ? supervisor->replace->policy : NULL;
}

/* --- beginning -----------------------------------------------------------------------------------------------------
 */

static int replace_stage(struct replace *replace, int sealed_key_fd)
{
	struct supervisor *supervisor = replace->supervisor;
	int r = store_replaced_name(&supervisor->store, replace->name, replace->replaced);

	if (r >= 0)
		r = key_source_keep(supervisor, replace->facts, replace->name, &sealed_key_fd);
	if (r < 0)
		return r;
	return store_stage_replacement(
		&supervisor->store, replace->name, replace->replaced, replace->facts, sealed_key_fd);
}

static void replace_refuse(struct supervisor *supervisor, const char *name, commit_done_fn *done, void *owner,
	json_t *facts, const char *error)
{
	supervisor_record(supervisor, EVENT_LOG_AUDIT, "warning", "certificate %s not replaced: %s", name, error);
	json_decref(facts);
	if (done)
		done(owner, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

void replace_begin(struct supervisor *supervisor, const char *name, json_t *facts, int sealed_key_fd,
	commit_done_fn *done, void *owner)
{
	const char *key_id = json_string_value(json_object_get(facts, "key_id"));
	const char *busy = supervisor->commit || supervisor->replace
				   ? "a commit or another replacement is in progress: try again when it has ended"
				   : NULL;
	struct replace *replace = busy || !key_id ? NULL : calloc(1, sizeof(*replace));

	if (!busy && !child_running(&supervisor->keeper.child))
		busy = "the key keeper is not running: try again";
	if (busy || !replace) {
		free(replace);
		replace_refuse(supervisor, name, done, owner, facts, busy ? busy : "out of memory");
		return;
	}
	*replace = (struct replace){.supervisor = supervisor, .done = done, .owner = owner, .facts = facts};
	snprintf(replace->name, sizeof(replace->name), "%s", name);
	if (replace_stage(replace, sealed_key_fd) < 0) {
		free(replace);
		replace_refuse(supervisor, name, done, owner, facts,
			"the state directory cannot be written; nothing is replaced");
		return;
	}
	supervisor->replace = replace;
	loop_timer_arm(supervisor->loop, &replace->timer, REPLACE_NS, replace_on_timeout);
	child_send(&supervisor->keeper.child, "load", json_pack("{s:s, s:s}", "name", name, "key_id", key_id),
		&sealed_key_fd, 1);
}

void replace_forget_owner(struct supervisor *supervisor, const void *owner)
{
	if (supervisor->replace && supervisor->replace->owner == owner)
		supervisor->replace->done = NULL;
}
