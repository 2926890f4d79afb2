/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/commit.h"
#include "daemon/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "daemon/history.h"
#include "daemon/replace.h"
#include "ipc/message.h"
#include "policy/suite.h"

#define COMMIT_DOCUMENT_MAX (4u << 20)
#define COMMIT_COMPILE_NS (600 * NSEC_PER_SEC)
#define COMMIT_WORKERS_NS (20 * NSEC_PER_SEC)
#define COMMIT_VERSIONS_KEPT 20
#define COMMIT_IMAGE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct commit {
	struct supervisor *supervisor;
	bool check_only, boot, sent; /* sent: workers have the candidate */
	commit_done_fn *done;
	void *owner;
	char *document; /* name of the configuration file */
	size_t n_files; /* rule files, each once, in order of first use */
	char **names;
	int *fds;
	struct policy *policy;
	json_t *problems;
	json_t *facts; /* who asked and why (history.h) */
	struct child compiler;
	size_t compiling; /* index of the profile */
	struct loop_timer timer;
};

void policy_free(struct policy **ref)
{
	struct policy *policy = TAKE_PTR(*ref);

	if (!policy)
		return;
	config_unref(&policy->config);
	if (policy->text_fd >= 0)
		close(policy->text_fd);
	for (size_t i = 0; i < policy->n_images; i++)
		if (policy->image_fds[i] >= 0)
			close(policy->image_fds[i]);
	free(policy->image_fds);
	json_decref(policy->certificates);
	json_decref(policy->stats_slots);
	json_decref(policy->filters);
	free(policy);
}

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
static void commit_finish(struct commit *commit, json_t *answer)
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

static void commit_problem(
	struct commit *commit, const char *severity, unsigned int line, unsigned int column, const char *message)
{
	json_array_append_new(
		commit->problems, json_pack("{s:s, s:s, s:i, s:i, s:s}", "severity", severity, "file", commit->document,
					  "line", (int)line, "column", (int)column, "message", message));
}

static unsigned int commit_worker_count(const struct config *config)
{
	if (!config->ssl_inspection || !config->n_ssl_servers)
		return 0;
	return config->workers ? config->workers : (unsigned int)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
}

/* the wire first: it names only workers that are there, and none that are about to leave */
static int commit_set_workers(struct supervisor *supervisor, unsigned int n)
{
	int r = dataplane_set_workers(supervisor->dataplane, supervisor->base, n);

	generation_set_workers(supervisor, n);
	return r;
}

static void commit_reject(struct commit *commit, const char *error)
{
	struct supervisor *supervisor = commit->supervisor;

	if (commit->sent)
		generation_drop_policy(supervisor, commit->policy->version);
	if (commit->policy && !commit->check_only && !commit->boot)
		store_discard_version(&supervisor->store, commit->policy->version);
	if (!commit->check_only)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"configuration rejected: %s; the one in force is unchanged", error);
	if (!commit->check_only && !commit->boot)
		supervisor_audit(supervisor, "error", history_user(commit->facts), "configuration rejected: %s", error);
	if (commit->sent)
		commit_set_workers(supervisor, supervisor->policy ? supervisor->policy->n_workers : 0);
	commit_finish(commit, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static int commit_read_document(int fd, char **text, size_t *len)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > COMMIT_DOCUMENT_MAX)
		return -EFBIG;
	*text = malloc(st.st_size + 1);
	if (!*text)
		return -ENOMEM;
	n = pread(fd, *text, st.st_size, 0);
	if (n < 0)
		return -errno;
	*len = n;
	return 0;
}

static int commit_parse(struct commit *commit, int fd)
{
	struct config_problems problems = {0};
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = commit_read_document(fd, &text, &len);

	if (r < 0)
		return r;
	r = config_parse(text, len, &commit->policy->config, &problems);
	for (size_t i = 0; i < problems.n; i++)
		commit_problem(commit, problems.items[i].severity == CONFIG_ERROR ? "error" : "warning",
			problems.items[i].line, problems.items[i].column, problems.items[i].message);
	config_problems_clear(&problems);
	return r < 0 ? r : shm_create_sealed("sluice-config", text, len, &commit->policy->text_fd);
}

struct suite_owner {
	struct commit *commit;
	unsigned int line;
	bool bad;
};

static void commit_on_suite_report(void *ctx, bool error, const char *text)
{
	struct suite_owner *owner = ctx;

	commit_problem(owner->commit, error ? "error" : "warning", owner->line, 1, text);
	owner->bad |= error;
}

/* D4: what each server selects and the engine cannot do; false: a server is left without a suite */
static bool commit_check_suites(struct commit *commit)
{
	const struct config *config = commit->policy->config;
	bool good = true;

	for (size_t i = 0; i < config->n_ssl_servers; i++) {
		struct suite_owner owner = {.commit = commit, .line = config->ssl_servers[i].line};

		suite_check(&config->ssl_servers[i], commit_on_suite_report, &owner);
		good &= !owner.bad;
	}
	return good;
}

static ssize_t commit_find_name(const struct commit *commit, const char *name)
{
	for (size_t i = 0; i < commit->n_files; i++)
		if (!strcmp(commit->names[i], name))
			return i;
	return -1;
}

/* takes fd over */
static int commit_add_file(struct commit *commit, const char *name, int fd)
{
	char **names = reallocarray(commit->names, commit->n_files + 1, sizeof(*names));
	int *fds = reallocarray(commit->fds, commit->n_files + 1, sizeof(*fds));
	char *copy = strdup(name);

	commit->names = names ? names : commit->names;
	commit->fds = fds ? fds : commit->fds;
	if (!names || !fds || !copy) {
		free(copy);
		close(fd);
		return -ENOMEM;
	}
	commit->names[commit->n_files] = copy;
	commit->fds[commit->n_files++] = fd;
	return 0;
}

/* every rule file that the configuration names, once; its descriptor from the request or the store. Names that have
 * none are collected in *missing. */
static int commit_collect_file(
	struct commit *commit, const struct commit_request *request, const char *name, json_t *missing)
{
	int fd = -1;

	if (commit_find_name(commit, name) >= 0)
		return 0;
	if (request->boot || request->rollback)
		fd = store_open_version_file(&commit->supervisor->store, request->version, commit->n_files);
	for (size_t i = 1; fd < 0 && i < request->n_fds; i++) {
		const char *given = json_string_value(json_array_get(request->files, i));

		if (given && !strcmp(given, name))
			fd = fcntl(request->fds[i], F_DUPFD_CLOEXEC, 0);
	}
	if (fd < 0)
		return json_array_append_new(missing, json_string(name));
	return commit_add_file(commit, name, fd);
}

static json_t *commit_collect_files(struct commit *commit, const struct commit_request *request)
{
	const struct config *config = commit->policy->config;
	json_t *missing = json_array();

	for (size_t i = 0; i < config->n_profiles; i++)
		for (size_t j = 0; j < config->profiles[i].filter_packages.n; j++)
			commit_collect_file(commit, request, config->profiles[i].filter_packages.items[j], missing);
	return missing;
}

/* facts of each certificate the configuration names; a missing one is an error at its server's line */
static bool commit_collect_certificates(struct commit *commit)
{
	const struct config *config = commit->policy->config;
	bool complete = true;

	for (size_t i = 0; i < config->n_ssl_servers; i++) {
		const struct config_ssl_server *server = &config->ssl_servers[i];

		for (size_t j = 0; j < server->certificates.n; j++) {
			const char *name = server->certificates.items[j];
			json_t *facts = store_load_certificate_in_use(&commit->supervisor->store, name);
			char message[512];

			if (facts && !json_array_append_new(commit->policy->certificates, facts))
				continue;
			snprintf(message, sizeof(message),
				"ssl_server %s: certificate \"%s\" is not in the store: import it with "
				"\"sluice certificate import %s --cert FILE --key FILE\"",
				server->name, name, name);
			commit_problem(commit, "error", server->line, 1, message);
			complete = false;
		}
	}
	return complete;
}

/* --- applying ------------------------------------------------------------------------------------------------------
 */

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

/* the last steps, which cannot wait: wire, store, in force */
static void commit_apply(struct commit *commit)
{
	struct supervisor *supervisor = commit->supervisor;
	struct policy *policy = commit->policy, *before = supervisor->policy;
	uint32_t version = policy->version;
	/* until it is in force there are as many as it or the one before wants */
	int r = dataplane_set_workers(supervisor->dataplane, supervisor->base, supervisor->n_workers);

	if (r >= 0 && !commit->boot)
		r = dataplane_apply(supervisor->dataplane, policy->config, version);
	if (r < 0) {
		char error[600];

		snprintf(error, sizeof(error), "the data plane refuses it: %s", log_last_error());
		commit_reject(commit, error);
		return;
	}
	if (!commit->boot)
		r = history_write(&supervisor->store, version, commit->facts, commit->names, commit->n_files);
	if (r >= 0 && !commit->boot)
		r = store_publish_version(&supervisor->store, version);
	if (r < 0) {
		if (before)
			dataplane_apply(supervisor->dataplane, before->config, before->version);
		commit_reject(commit, "the state directory cannot be written");
		return;
	}
	supervisor->policy = policy;
	commit_set_workers(supervisor, policy->n_workers);
	store_prune_versions(&supervisor->store, COMMIT_VERSIONS_KEPT);
	commit_record(commit, version);
	targets_apply(supervisor);
	json_t *answer = json_pack("{s:b, s:I}", "ok", 1, "config_version", (json_int_t)version);

	if (answer && policy->filters)
		json_object_set(answer, "filters", policy->filters);
	commit->policy = NULL;
	policy_free(&before);
	commit_finish(commit, answer);
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

static void commit_send(struct commit *commit)
{
	struct supervisor *supervisor = commit->supervisor;
	struct policy *policy = commit->policy;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = 0;

	if (!commit->boot)
		r = commit_read_document(policy->text_fd, &text, &len);
	if (r >= 0 && !commit->boot)
		r = store_write_version(&supervisor->store, policy->version, text, len, commit->fds, commit->n_files);
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
	generation_set_workers(supervisor, MAX(supervisor->n_workers, policy->n_workers));
	commit_on_progress(supervisor);
}

/* --- compiling -----------------------------------------------------------------------------------------------------
 */

static void commit_compile_next(struct commit *commit);

static void commit_count_filters(struct commit *commit, json_t *compiled)
{
	static const char *const sums[] = {"loaded", "disabled"};
	json_t *filters = commit->policy->filters;

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		json_object_set_new(filters, sums[i],
			json_integer(json_integer_value(json_object_get(filters, sums[i])) +
				     json_integer_value(json_object_get(compiled, sums[i]))));
	json_array_extend(json_object_get(filters, "refused"), json_object_get(compiled, "refused"));
}

static void commit_on_compiled(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct commit *commit = container_of(child, struct commit, compiler);

	if (strcmp(name, "compiled") || n_fds != 1 || commit->policy->image_fds[commit->compiling] >= 0)
		return; /* its exit reports the failure */
	/* workers map it: nobody may change it under them */
	if ((fcntl(fds[0], F_GET_SEALS) & COMMIT_IMAGE_SEALS) != COMMIT_IMAGE_SEALS)
		return;
	commit->policy->image_fds[commit->compiling] = TAKE_FD(fds[0]);
	commit_count_filters(commit, message);
}

static void commit_on_compiler_exit(struct child *child, const char *how)
{
	struct commit *commit = container_of(child, struct commit, compiler);
	char error[256];

	if (commit->policy->image_fds[commit->compiling] >= 0) {
		commit->compiling++;
		commit_compile_next(commit);
		return;
	}
	snprintf(error, sizeof(error), "the filter packages of profile %s cannot be compiled: the compiler %s",
		commit->policy->config->profiles[commit->compiling].name, how);
	commit_reject(commit, error);
}

static void commit_on_compile_timeout(struct loop_timer *timer)
{
	struct commit *commit = container_of(timer, struct commit, timer);
	char error[256];

	snprintf(error, sizeof(error), "the filter packages of profile %s cannot be compiled: no end after %llu s",
		commit->policy->config->profiles[commit->compiling].name, COMMIT_COMPILE_NS / NSEC_PER_SEC);
	commit_reject(commit, error);
}

static int commit_compile(struct commit *commit, const struct config_profile *profile)
{
	struct supervisor *supervisor = commit->supervisor;
	_cleanup_free_ int *fds = calloc(profile->filter_packages.n + 1, sizeof(*fds));
	json_t *files = json_array();
	int r;

	for (size_t i = 0; fds && i < profile->filter_packages.n; i++) {
		const char *name = profile->filter_packages.items[i];

		fds[i] = commit->fds[commit_find_name(commit, name)];
		json_array_append_new(files, json_string(name));
	}
	r = fds ? child_spawn(&commit->compiler, supervisor->loop, ROLE_COMPILER, supervisor->bin_dir, -1,
			  commit_on_compiled, commit_on_compiler_exit)
		: -ENOMEM;
	if (r >= 0)
		r = child_send(&commit->compiler, "compile", json_pack("{s:O}", "files", files), fds,
			profile->filter_packages.n);
	json_decref(files);
	loop_timer_arm(supervisor->loop, &commit->timer, COMMIT_COMPILE_NS, commit_on_compile_timeout);
	return r;
}

static void commit_compile_next(struct commit *commit)
{
	const struct config *config = commit->policy->config;

	if (commit->compiling < config->n_profiles) {
		if (commit_compile(commit, &config->profiles[commit->compiling]) < 0)
			commit_reject(commit, "the filter compiler cannot be started");
	} else if (commit->check_only) {
		commit_finish(commit, json_pack("{s:b}", "ok", 1));
	} else {
		commit_send(commit);
	}
}

/* --- beginning ------------------------------------------------------------------------------------------------------
 */

static struct policy *commit_new_policy(uint32_t version)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return NULL;
	policy->version = version;
	policy->text_fd = -1;
	policy->certificates = json_array();
	policy->filters = json_pack("{s:i, s:i, s:[]}", "loaded", 0, "disabled", 0, "refused");
	return policy;
}

static bool commit_make_images(struct policy *policy)
{
	policy->image_fds = calloc(policy->config->n_profiles + 1, sizeof(int));
	if (!policy->image_fds)
		return false;
	policy->n_images = policy->config->n_profiles;
	memset(policy->image_fds, -1, policy->n_images * sizeof(int));
	return true;
}

static uint32_t commit_next_version(const struct supervisor *supervisor)
{
	uint32_t stored = store_newest_version(&supervisor->store);

	return MAX(MAX(stored, supervisor->last_version), supervisor->policy ? supervisor->policy->version : 0) + 1;
}

/* validation: everything that needs no other process. true: go on */
static bool commit_validate(struct commit *commit, const struct commit_request *request)
{
	json_t *missing;

	if (commit_parse(commit, request->fds[0]) < 0) {
		commit_reject(commit, json_array_size(commit->problems) ? "the configuration has errors"
									: "the configuration cannot be read");
		return false;
	}
	missing = commit_collect_files(commit, request);
	if (json_array_size(missing)) {
		commit_finish(commit, json_pack("{s:b, s:s, s:o}", "ok", 0, "error", "rule files are missing",
					      "need_files", missing));
		return false;
	}
	json_decref(missing);
	if (!commit_check_suites(commit) || !commit_collect_certificates(commit)) {
		commit_reject(commit, "the configuration has errors");
		return false;
	}
	if (commit->policy->config->n_profiles >= IPC_FDS_MAX || !commit_make_images(commit->policy)) {
		commit_reject(commit, "there are too many profiles");
		return false;
	}
	commit->policy->n_workers = commit_worker_count(commit->policy->config);
	if (!commit->check_only)
		commit->policy->stats_slots = stats_slots_assign(&commit->supervisor->stats_slots,
			commit->policy->config, commit->supervisor->policy ? commit->supervisor->policy->config : NULL);
	return true;
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
	commit->done = request->done;
	commit->owner = request->owner;
	commit->facts = request->facts ? request->facts : json_object();
	commit->document = strdup(name);
	commit->problems = json_array();
	commit->policy = commit_new_policy(request->boot ? request->version : commit_next_version(supervisor));
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
	if (supervisor->commit && supervisor->commit->owner == owner)
		supervisor->commit->done = NULL;
}

void commit_cancel(struct supervisor *supervisor, const char *why)
{
	if (supervisor->commit)
		commit_reject(supervisor->commit, why);
}
