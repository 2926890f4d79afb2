/* SPDX-License-Identifier: Apache-2.0 */
#include "config/locked.h"

#include <string.h>

static const struct config_ssl_policy *profile_policy(const struct config_profile *profile, const char *name)
{
	for (size_t i = 0; profile && i < profile->n_ssl_policies; i++)
		if (!strcmp(profile->ssl_policies[i].name, name))
			return &profile->ssl_policies[i];
	return NULL;
}

static bool cidrs_have_item(const struct config_cidrs *cidrs, const struct config_cidr *wanted)
{
	for (size_t i = 0; i < cidrs->n; i++)
		if (cidrs->items[i].address.s_addr == wanted->address.s_addr &&
			cidrs->items[i].prefix == wanted->prefix)
			return true;
	return false;
}

/* no list holds an entry twice (load_value.c) */
static bool cidrs_equal(const struct config_cidrs *a, const struct config_cidrs *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!cidrs_have_item(b, &a->items[i]))
			return false;
	return a->n == b->n;
}

/* NULL: the same */
static const char *policy_difference(const struct config_ssl_policy *before, const struct config_ssl_policy *after)
{
	if (!after)
		return "is removed";
	if (strcmp(before->ssl_server->name, after->ssl_server->name))
		return "has another SSL server";
	if (!cidrs_equal(&before->source_address_exceptions, &after->source_address_exceptions))
		return "has other source address exceptions";
	if (before->locked != after->locked)
		return before->locked ? "is unlocked" : "is locked";
	return NULL;
}

struct locked_scan {
	config_locked_fn *fn;
	void *ctx;
	size_t n;
};

static void locked_tell(struct locked_scan *scan, const struct config_profile *profile,
	const struct config_ssl_policy *policy, const char *what, unsigned int line)
{
	const struct config_locked_change change = {profile->name, policy->name, what, line};

	scan->n++;
	if (scan->fn)
		scan->fn(scan->ctx, &change);
}

/* those of the configuration in force */
static void locked_scan_before(
	struct locked_scan *scan, const struct config_profile *before, const struct config_profile *after)
{
	for (size_t i = 0; i < before->n_ssl_policies; i++) {
		const struct config_ssl_policy *policy = &before->ssl_policies[i];
		const struct config_ssl_policy *next = profile_policy(after, policy->name);
		const char *what = policy->locked ? policy_difference(policy, next) : NULL;

		if (what)
			locked_tell(scan, before, policy, what, next ? next->line : after ? after->line : 0);
	}
}

/* what a child puts in the place of a Locked policy of its parent, unless it is in force so already */
static void locked_scan_overrides(
	struct locked_scan *scan, const struct config_profile *before, const struct config_profile *after)
{
	for (size_t i = 0; i < after->n_ssl_policies; i++) {
		const struct config_ssl_policy *policy = &after->ssl_policies[i], *known;

		if (!policy->overrides_locked)
			continue;
		known = profile_policy(before, policy->name);
		/* a change of a Locked one was told already */
		if (known && (known->locked || (known->overrides_locked && !policy_difference(known, policy))))
			continue;
		locked_tell(scan, after, policy, "takes the place of a Locked one of its parent", policy->line);
	}
}

size_t config_locked_changes(const struct config *before, const struct config *after, config_locked_fn *fn, void *ctx)
{
	struct locked_scan scan = {.fn = fn, .ctx = ctx};

	for (size_t i = 0; before && i < before->n_profiles; i++)
		locked_scan_before(&scan, &before->profiles[i], config_find_profile(after, before->profiles[i].name));
	for (size_t i = 0; i < after->n_profiles; i++)
		locked_scan_overrides(&scan, before ? config_find_profile(before, after->profiles[i].name) : NULL,
			&after->profiles[i]);
	return scan.n;
}

void locked_mark_overrides(struct config *config)
{
	for (size_t i = 0; i < config->n_profiles; i++) {
		struct config_profile *profile = &config->profiles[i];

		for (size_t j = 0; profile->parent && j < profile->n_ssl_policies; j++) {
			struct config_ssl_policy *policy = &profile->ssl_policies[j];
			const struct config_ssl_policy *inherited =
				policy->name ? profile_policy(profile->parent, policy->name) : NULL;

			policy->overrides_locked = !policy->origin && inherited && inherited->locked;
		}
	}
}
