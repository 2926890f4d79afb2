/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a commit that waits for the filter compiler, one process per profile. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/shm.h"
#include "daemon/commit_internal.h"

#define COMMIT_COMPILE_NS (600 * NSEC_PER_SEC)
#define COMMIT_IMAGE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void commit_count_filters(struct commit *commit, json_t *compiled)
{
	static const char *const sums[] = {"loaded", "disabled"};
	bool cached = json_is_true(json_object_get(compiled, "cached"));
	json_t *filters = commit->policy->filters;

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		json_object_set_new(filters, sums[i],
			json_integer(json_integer_value(json_object_get(filters, sums[i])) +
				     json_integer_value(json_object_get(compiled, sums[i]))));
	if (cached)
		json_object_set_new(filters, "profiles_from_cache",
			json_integer(json_integer_value(json_object_get(filters, "profiles_from_cache")) + 1));
	json_array_extend(json_object_get(filters, "refused"), json_object_get(compiled, "refused"));
}

/* B11: an override that can have no effect is most likely a typing error */
static void commit_warn_missing(struct commit *commit, const json_t *missing)
{
	const struct config_profile *profile = &commit->policy->config->profiles[commit->compiling];
	const json_t *sid;
	size_t at;

	json_array_foreach(missing, at, sid)
	{
		for (size_t i = 0; i < profile->n_filter_overrides; i++) {
			const struct config_filter_override *override = &profile->filter_overrides[i];
			char message[256];

			if ((json_int_t)strtoul(override->filter, NULL, 10) != json_integer_value(sid))
				continue;
			snprintf(message, sizeof(message),
				"profile %s: no filter package of it holds the filter %s that an override is for",
				profile->name, override->filter);
			commit_problem(commit, "warning", override->line, 1, message);
		}
	}
}

/* the asker, if it is still there and wants to know */
static void commit_tell_progress(struct commit *commit, const json_t *message)
{
	json_t *progress;

	if (!commit->progress)
		return;
	progress = json_pack("{s:s, s:s, s:O?, s:O?, s:O?}", "step", "compile", "profile",
		commit->policy->config->profiles[commit->compiling].name, "what", json_object_get(message, "what"),
		"done", json_object_get(message, "done"), "total", json_object_get(message, "total"));
	if (progress)
		commit->progress(commit->owner, progress);
}

static void commit_keep_compiled(struct commit *commit, const json_t *message)
{
	const struct store *store = &commit->supervisor->store;

	if (json_is_true(json_object_get(message, "cached")))
		store_touch_cached(store, commit->cache_key);
	if (!json_is_true(json_object_get(message, "kept")))
		store_discard_cached(store);
	else if (store_keep_cached(store, commit->cache_key) < 0)
		log_warn("compiled filters cannot be kept in the cache");
}

static void commit_on_compiled(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct commit *commit = container_of(child, struct commit, compiler);

	if (!strcmp(name, "progress"))
		commit_tell_progress(commit, message);
	if (strcmp(name, "compiled") || n_fds != 1 || commit->policy->image_fds[commit->compiling] >= 0)
		return; /* its exit reports the failure */
	/* workers map it: nobody may change it under them */
	if ((fcntl(fds[0], F_GET_SEALS) & COMMIT_IMAGE_SEALS) != COMMIT_IMAGE_SEALS)
		return;
	commit->policy->image_fds[commit->compiling] = TAKE_FD(fds[0]);
	commit_keep_compiled(commit, message);
	commit_count_filters(commit, message);
	commit_warn_missing(commit, json_object_get(message, "missing"));
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

/* --- the cache's key ------------------------------------------------------------------------------------------------
 */
#define KEY_BUFFER 65536

struct key { /* two FNV-1a with different beginnings: against chance, rule files are the operator's own */
	uint64_t a, b;
};

static void key_add(struct key *key, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++) {
		key->a = (key->a ^ bytes[i]) * 0x100000001b3ull;
		key->b = (key->b ^ bytes[i]) * 0x9e3779b97f4a7c15ull;
	}
}

static int key_add_file(struct key *key, int fd)
{
	uint8_t buffer[KEY_BUFFER];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		key_add(key, buffer, (size_t)n);
		at += n;
	}
	key_add(key, &at, sizeof(at));
	return n < 0 ? -errno : 0;
}

/* of the compiler, too: another program may make something else of the same files */
static int key_of(const char *bin_dir, const json_t *names, const int *fds, char out[static 40])
{
	struct key key = {0xcbf29ce484222325ull, 0x6c62272e07bb0142ull};
	char program[4200];
	struct stat st = {0};
	json_t *name;
	size_t i;

	snprintf(program, sizeof(program), "%s/sluice-proxy", bin_dir);
	if (stat(program, &st) < 0)
		return -errno;
	key_add(&key, &st.st_size, sizeof(st.st_size));
	key_add(&key, &st.st_mtim, sizeof(st.st_mtim));
	json_array_foreach((json_t *)names, i, name)
	{
		int r = key_add_file(&key, fds[i]);

		if (r < 0)
			return r;
		key_add(&key, json_string_value(name), json_string_length(name) + 1);
	}
	snprintf(out, 40, "%016llx%016llx", (unsigned long long)key.a, (unsigned long long)key.b);
	return 0;
}

/* --- one profile
 * ------------------------------------------------------------------------------------------------------
 */
#define COMMIT_CACHE_FDS 2

/* the descriptors of the profile's rule files and their names, the variables first */
static json_t *commit_sources(
	const struct commit *commit, const struct config_profile *profile, int variables, int *fds)
{
	json_t *names = json_pack("[s]", "rule_variables");

	fds[0] = variables;
	for (size_t i = 0; i < profile->filter_packages.n; i++) {
		const char *name = profile->filter_packages.items[i];

		fds[1 + i] = commit->fds[commit_find_name(commit, name)];
		json_array_append_new(names, json_string(name));
	}
	return names;
}

/* asks the compiler, with what the cache has and a file to keep the result in */
static int commit_send_compile(struct commit *commit, const struct config_profile *profile, json_t *names, int *fds)
{
	json_t *overrides = json_array();
	const struct store *store = &commit->supervisor->store;
	size_t n = json_array_size(names);
	_cleanup_close_ int cached = -1, keep = -1;

	if (key_of(commit->supervisor->bin_dir, names, fds, commit->cache_key) == 0) {
		cached = store_open_cached(store, commit->cache_key);
		keep = store_begin_cached(store);
	}
	for (size_t i = 0; i < profile->n_filter_overrides; i++)
		json_array_append_new(
			overrides, json_integer((json_int_t)strtoul(profile->filter_overrides[i].filter, NULL, 10)));
	if (cached >= 0)
		fds[n++] = cached;
	if (keep >= 0)
		fds[n++] = keep;
	return child_send(&commit->compiler, "compile",
		json_pack("{s:O, s:b, s:b, s:o}", "files", names, "cached", cached >= 0, "keep", keep >= 0, "overrides",
			overrides),
		fds, n);
}

static int commit_compile(struct commit *commit, const struct config_profile *profile)
{
	struct supervisor *supervisor = commit->supervisor;
	_cleanup_free_ int *fds = calloc(1 + profile->filter_packages.n + COMMIT_CACHE_FDS, sizeof(*fds));
	_cleanup_close_ int variables = -1;
	json_t *names;
	int r = fds ? commit_write_variables(commit->policy->config, &variables) : -ENOMEM;

	if (r >= 0)
		r = child_spawn(&commit->compiler, supervisor->loop, ROLE_COMPILER, supervisor->bin_dir, -1,
			commit_on_compiled, commit_on_compiler_exit);
	if (r < 0)
		return r;
	names = commit_sources(commit, profile, variables, fds);
	r = commit_send_compile(commit, profile, names, fds);
	json_decref(names);
	loop_timer_arm(supervisor->loop, &commit->timer, COMMIT_COMPILE_NS, commit_on_compile_timeout);
	return r;
}

void commit_compile_next(struct commit *commit)
{
	const struct config *config = commit->policy->config;

	/* J2: where inspection is refused nobody needs them, and the compiler may lack what it needs as well */
	bool needed = !health_refusal(&commit->supervisor->health);

	if (needed && commit->compiling < config->n_profiles) {
		if (fault_at(FAULT_COMPILER) < 0 || commit_compile(commit, &config->profiles[commit->compiling]) < 0)
			commit_reject(commit, "the filter compiler cannot be started");
	} else if (commit->check_only) {
		commit_finish(commit, json_pack("{s:b}", "ok", 1));
	} else {
		commit_send(commit);
	}
}
