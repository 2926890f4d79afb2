/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a commit that needs no other process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/fault.h"
#include "base/shm.h"
#include "config/locked.h"
#include "daemon/certificate.h"
#include "daemon/commit_internal.h"
#include "daemon/history.h"
#include "policy/suite.h"

#define COMMIT_DOCUMENT_MAX (4u << 20)

void commit_problem(
	struct commit *commit, const char *severity, unsigned int line, unsigned int column, const char *message)
{
	json_array_append_new(
		commit->problems, json_pack("{s:s, s:s, s:i, s:i, s:s}", "severity", severity, "file", commit->document,
					  "line", (int)line, "column", (int)column, "message", message));
}

int commit_read_document(int fd, char **text, size_t *len)
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

ssize_t commit_find_name(const struct commit *commit, const char *name)
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

static void commit_on_locked_change(void *ctx, const struct config_locked_change *change)
{
	struct commit *commit = ctx;
	const char *severity = commit->override_locked || commit->check_only ? "warning" : "error";
	char message[512];

	snprintf(message, sizeof(message), "profile %s: Locked SSL policy %s %s%s", change->profile, change->policy,
		change->what,
		commit->override_locked ? "" : ": a commit needs --override-locked, which the Audit log records");
	commit_problem(commit, severity, MAX(change->line, 1u), 1, message);
}

/* F2. At boot nothing is changed: what is stored was committed. */
static bool commit_check_locked(struct commit *commit)
{
	const struct policy *before = commit->supervisor->policy;
	size_t changes;

	if (commit->boot)
		return true;
	changes = config_locked_changes(
		before ? before->config : NULL, commit->policy->config, commit_on_locked_change, commit);
	return !changes || commit->override_locked || commit->check_only;
}

/* at boot nobody reads it, and the System log has it already (E4) */
static void commit_warn_expired(struct commit *commit, const struct config_ssl_server *server, const json_t *facts)
{
	const char *name = json_string_value(json_object_get(facts, "name"));
	char message[512];

	if (commit->boot || expiry_days_left(facts, (int64_t)(clock_wall_us() / 1000000)) >= 0)
		return;
	snprintf(message, sizeof(message),
		"ssl_server %s: certificate %s has expired at %s: bring another with \"sluice certificate replace %s "
		"--cert FILE --key FILE\"",
		server->name, name, json_string_value(json_object_get(facts, "not_after")), name);
	commit_problem(commit, "warning", server->line, 1, message);
}

static void commit_refuse_certificate(struct commit *commit, const struct config_ssl_server *server, const char *name)
{
	char missing[CERTIFICATE_MISSING], message[512];
	bool asks = strchr(certificate_missing(commit->supervisor, name, missing), '?');

	snprintf(message, sizeof(message),
		"ssl_server %s: %s%s import it with \"sluice certificate import %s --cert FILE --key FILE\"",
		server->name, missing, asks ? " If not," : ";", name);
	commit_problem(commit, "error", server->line, 1, message);
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

			if (facts)
				commit_warn_expired(commit, server, facts);
			if (facts && !json_array_append_new(commit->policy->certificates, facts))
				continue;
			commit_refuse_certificate(commit, server, name);
			complete = false;
		}
	}
	return complete;
}

static bool commit_check_log_credentials(struct commit *commit)
{
	const struct config *config = commit->policy->config;
	bool complete = true;

	for (size_t i = 0; i < config->n_log_targets; i++) {
		const struct config_log_target *target = &config->log_targets[i];
		char message[512];

		if (!config_log_target_has_tls(target) ||
			store_log_credentials_stamp(&commit->supervisor->store, target->credentials))
			continue;
		snprintf(message, sizeof(message),
			"log target %s: there are no credentials \"%s\": import them with \"sluice log credentials "
			"import %s --ca FILE --cert FILE --key FILE\"",
			target->name, target->credentials, target->credentials);
		commit_problem(commit, "error", target->line, 1, message);
		complete = false;
	}
	return complete;
}

static unsigned int commit_worker_count(const struct supervisor *supervisor, const struct config *config)
{
	if (!config->ssl_inspection || !config->n_ssl_servers || health_refusal(&supervisor->health))
		return 0;
	return config->workers ? config->workers : (unsigned int)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
}

/* J2: it is in force as a cable, and says so */
static void commit_warn_refused(struct commit *commit)
{
	const struct health_check *refusal = health_refusal(&commit->supervisor->health);
	char message[512];

	if (!refusal || !commit->policy->config->ssl_inspection)
		return;
	snprintf(message, sizeof(message),
		"SSL inspection is refused on this machine, and filter packages are not read: %s: %s", refusal->title,
		refusal->cost);
	commit_problem(commit, "warning", 1, 1, message);
}

/* validation: everything that needs no other process. true: go on */
bool commit_validate(struct commit *commit, const struct commit_request *request)
{
	json_t *missing;

	if (commit_parse(commit, request->fds[0]) < 0 || fault_at(FAULT_DOCUMENT) < 0) {
		commit_reject(commit, json_array_size(commit->problems) ? "the configuration has errors"
									: "the configuration cannot be read");
		return false;
	}
	missing = commit_collect_files(commit, request);
	if (json_array_size(missing) || fault_at(FAULT_RULE_FILES) < 0) {
		commit_finish(commit, json_pack("{s:b, s:s, s:o}", "ok", 0, "error", "rule files are missing",
					      "need_files", missing));
		return false;
	}
	json_decref(missing);
	if (!commit_check_suites(commit) || !commit_collect_certificates(commit) ||
		!commit_check_log_credentials(commit) || fault_at(FAULT_CERTIFICATES) < 0) {
		commit_reject(commit, "the configuration has errors");
		return false;
	}
	commit_warn_refused(commit);
	if (!commit_check_locked(commit)) {
		commit_reject(commit, "Locked SSL policies would change");
		return false;
	}
	if (commit->policy->config->n_profiles >= IPC_FDS_MAX || !policy_make_images(commit->policy)) {
		commit_reject(commit, "there are too many profiles");
		return false;
	}
	commit->policy->n_workers = commit_worker_count(commit->supervisor, commit->policy->config);
	if (!commit->check_only)
		commit->policy->stats_slots = stats_slots_assign(&commit->supervisor->stats_slots,
			commit->policy->config, commit->supervisor->policy ? commit->supervisor->policy->config : NULL);
	return true;
}
