/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a commit that waits for the filter compiler, one process per profile. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/fault.h"
#include "base/shm.h"
#include "daemon/commit_internal.h"

#define COMMIT_COMPILE_NS (600 * NSEC_PER_SEC)
#define COMMIT_IMAGE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

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

	if (commit->policy->image_fds[commit->compiling] >= 0 && fault_at(FAULT_COMPILED) >= 0) {
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

/* the configuration's rule variables, as a rule file that is read before the others */
static int commit_write_variables(const struct config *config, int *out_fd)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -errno;
	for (size_t i = 0; i < config->n_rule_variables; i++) {
		const struct config_rule_variable *variable = &config->rule_variables[i];

		fprintf(out, "var %s [", variable->name);
		for (size_t v = 0; v < variable->values.n; v++)
			fprintf(out, "%s%s", v ? "," : "", variable->values.items[v]);
		fputs("]\n", out);
	}
	if (fclose(out))
		return -ENOMEM;
	return shm_create_sealed("sluice-variables", text, len, out_fd);
}

static int commit_compile(struct commit *commit, const struct config_profile *profile)
{
	struct supervisor *supervisor = commit->supervisor;
	_cleanup_free_ int *fds = calloc(profile->filter_packages.n + 1, sizeof(*fds));
	_cleanup_close_ int variables = -1;
	json_t *files = json_pack("[s]", "rule_variables");
	int r = commit_write_variables(commit->policy->config, &variables);

	for (size_t i = 0; fds && i < profile->filter_packages.n; i++) {
		const char *name = profile->filter_packages.items[i];

		fds[1 + i] = commit->fds[commit_find_name(commit, name)];
		json_array_append_new(files, json_string(name));
	}
	if (fds)
		fds[0] = variables;
	if (r >= 0)
		r = fds ? child_spawn(&commit->compiler, supervisor->loop, ROLE_COMPILER, supervisor->bin_dir, -1,
				  commit_on_compiled, commit_on_compiler_exit)
			: -ENOMEM;
	if (r >= 0)
		r = child_send(&commit->compiler, "compile", json_pack("{s:O}", "files", files), fds,
			1 + profile->filter_packages.n);
	json_decref(files);
	loop_timer_arm(supervisor->loop, &commit->timer, COMMIT_COMPILE_NS, commit_on_compile_timeout);
	return r;
}

void commit_compile_next(struct commit *commit)
{
	const struct config *config = commit->policy->config;

	if (commit->compiling < config->n_profiles) {
		if (fault_at(FAULT_COMPILER) < 0 || commit_compile(commit, &config->profiles[commit->compiling]) < 0)
			commit_reject(commit, "the filter compiler cannot be started");
	} else if (commit->check_only) {
		commit_finish(commit, json_pack("{s:b}", "ok", 1));
	} else {
		commit_send(commit);
	}
}
