/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"

/* the text says more than the error number would */
#define refuse(...) (log_err(__VA_ARGS__), -E2BIG)

static __be32 cidr_mask(uint8_t prefix)
{
	return prefix ? htonl(~0u << (32 - prefix)) : 0;
}

static bool cidr_covers(const struct config_cidr *outer, const struct config_cidr *inner)
{
	return outer->prefix <= inner->prefix &&
	       (inner->address.s_addr & cidr_mask(outer->prefix)) == outer->address.s_addr;
}

static struct wire_prefix prefix_of(uint32_t scope, const struct config_cidr *cidr)
{
	return (struct wire_prefix){.prefixlen = WIRE_PREFIX_FIXED + cidr->prefix,
		.scope = scope,
		.address = cidr->address.s_addr & cidr_mask(cidr->prefix)};
}

static int prefix_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wire_prefix));
}

static int plan_copy_cidrs(struct wire_cidr *out, uint8_t *n, const struct config_cidrs *cidrs, const char *segment)
{
	if (cidrs->n > WIRE_CIDRS_MAX)
		return refuse("virtual segment %s: %zu sources or destinations, at most %d each", segment, cidrs->n,
			WIRE_CIDRS_MAX);
	for (size_t i = 0; i < cidrs->n; i++) {
		out[i].mask = cidr_mask(cidrs->items[i].prefix);
		out[i].address = cidrs->items[i].address.s_addr & out[i].mask;
	}
	*n = cidrs->n;
	return 0;
}

static int plan_fill_segment(
	struct wire_virtual_segment *out, const struct config_virtual_segment *vs, uint16_t segment_number)
{
	int err;

	if (vs->vlans.n > WIRE_VLANS_MAX)
		return refuse("virtual segment %s: %zu VLAN ranges, at most %d", vs->name, vs->vlans.n, WIRE_VLANS_MAX);
	*out = (struct wire_virtual_segment){.segment = segment_number,
		.profile_id = vs->profile->id,
		.id = vs->id,
		.side = vs->direction == CONFIG_SIDE_B,
		.n_vlans = vs->vlans.n};
	for (size_t i = 0; i < vs->vlans.n; i++)
		out->vlans[i] = (struct wire_range){vs->vlans.items[i].low, vs->vlans.items[i].high};
	err = plan_copy_cidrs(out->sources, &out->n_sources, &vs->sources, vs->name);
	return err ? err : plan_copy_cidrs(out->destinations, &out->n_destinations, &vs->destinations, vs->name);
}

static int plan_add_segments(struct plan *plan, const struct config *config, const uint16_t *segment_numbers)
{
	size_t n = config->n_virtual_segments;
	int err = 0;

	if (n > WIRE_VIRTUAL_SEGMENTS_MAX)
		return refuse("%zu virtual segments, at most %d", n, WIRE_VIRTUAL_SEGMENTS_MAX);
	plan->virtual_segments = calloc(n ?: 1, sizeof(*plan->virtual_segments));
	if (!plan->virtual_segments)
		return -ENOMEM;
	for (size_t i = 0; i < n && !err; i++) {
		const struct config_virtual_segment *vs = &config->virtual_segments[i];

		err = plan_fill_segment(
			&plan->virtual_segments[i], vs, segment_numbers[vs->segment - config->segments]);
	}
	plan->n_virtual_segments = n;
	return err;
}

static int server_add_ranges(struct wire_server *value, size_t *n, const struct config_ssl_policy *policy,
	const struct config_profile *profile)
{
	const struct config_ssl_server *server = policy->ssl_server;

	for (size_t i = 0; i < server->detection_ports.n; i++, (*n)++) {
		if (*n == WIRE_PORT_RANGES_MAX)
			return refuse(
				"profile %s: more than %d detection port ranges apply to one destination of SSL server "
				"%s",
				profile->name, WIRE_PORT_RANGES_MAX, server->name);
		value->ranges[*n] = (struct wire_detection){
			.low = server->detection_ports.items[i].low,
			.high = server->detection_ports.items[i].high,
			.server_id = server->id,
			.policy_id = policy->id,
			.block_in_crash_loop = server->when_crash_loop == CONFIG_UNAVAILABLE_BLOCK,
			.block_quic = server->quic == CONFIG_QUIC_BLOCK,
			.block_when_unavailable = server->when_unavailable == CONFIG_UNAVAILABLE_BLOCK,
		};
	}
	return 0;
}

/* the policy's narrowest destination that covers cidr; -1 if none does */
static int policy_covering_prefix(const struct config_ssl_policy *policy, const struct config_cidr *cidr)
{
	const struct config_cidrs *destinations = &policy->ssl_server->destinations;
	int best = -1;

	for (size_t i = 0; i < destinations->n; i++)
		if (cidr_covers(&destinations->items[i], cidr))
			best = MAX(best, destinations->items[i].prefix);
	return best;
}

/* A trie finds only the most specific destination: it inherits the ports of all that cover it, narrower ones first. */
static int plan_merge_ranges(
	struct wire_server *value, const struct config_profile *profile, const struct config_cidr *cidr)
{
	size_t n = 0;
	int err = 0;

	for (int prefix = cidr->prefix; prefix >= 0; prefix--)
		for (size_t i = 0; i < profile->n_ssl_policies && !err; i++)
			if (policy_covering_prefix(&profile->ssl_policies[i], cidr) == prefix)
				err = server_add_ranges(value, &n, &profile->ssl_policies[i], profile);
	return err;
}

static int plan_add_destination(struct plan *plan, const struct config_profile *profile, const struct config_cidr *cidr)
{
	struct plan_server *entry = &plan->servers[plan->n_servers];

	entry->key = prefix_of(profile->id, cidr);
	plan->destinations[plan->n_destinations++] = prefix_of(0, cidr);
	plan->n_servers++;
	return plan_merge_ranges(&entry->value, profile, cidr);
}

static int plan_add_policy(
	struct plan *plan, const struct config_profile *profile, const struct config_ssl_policy *policy)
{
	const struct config_cidrs *destinations = &policy->ssl_server->destinations;
	const struct config_cidrs *exceptions = &policy->source_address_exceptions;
	int err = 0;

	for (size_t i = 0; i < destinations->n && !err; i++)
		err = plan_add_destination(plan, profile, &destinations->items[i]);
	for (size_t i = 0; i < exceptions->n; i++)
		plan->exceptions[plan->n_exceptions++] = prefix_of(policy->id, &exceptions->items[i]);
	return err;
}

static int plan_alloc_policies(struct plan *plan, const struct config *config)
{
	size_t destinations = 0, exceptions = 0;

	for (size_t p = 0; p < config->n_profiles; p++) {
		for (size_t i = 0; i < config->profiles[p].n_ssl_policies; i++) {
			const struct config_ssl_policy *policy = &config->profiles[p].ssl_policies[i];

			destinations += policy->ssl_server->destinations.n;
			exceptions += policy->source_address_exceptions.n;
		}
	}
	if (destinations > WIRE_DESTINATIONS_MAX)
		return refuse("%zu destinations of SSL servers over all profiles, at most %d", destinations,
			WIRE_DESTINATIONS_MAX);
	if (exceptions > WIRE_EXCEPTIONS_MAX)
		return refuse("%zu source address exceptions, at most %d", exceptions, WIRE_EXCEPTIONS_MAX);
	plan->servers = calloc(destinations ?: 1, sizeof(*plan->servers));
	plan->destinations = calloc(destinations ?: 1, sizeof(*plan->destinations));
	plan->exceptions = calloc(exceptions ?: 1, sizeof(*plan->exceptions));
	return plan->servers && plan->destinations && plan->exceptions ? 0 : -ENOMEM;
}

static size_t prefixes_unique(struct wire_prefix *prefixes, size_t n)
{
	size_t kept = 0;

	qsort(prefixes, n, sizeof(*prefixes), prefix_compare);
	for (size_t i = 0; i < n; i++)
		if (!kept || prefix_compare(&prefixes[kept - 1], &prefixes[i]))
			prefixes[kept++] = prefixes[i];
	return kept;
}

/* FNV-1a, never 0 */
static __u32 server_mark(const char *name)
{
	__u32 hash = 0x811c9dc5u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x01000193u;
	return hash ?: 1;
}

static bool mark_is_taken(const struct plan *plan, size_t n, __u32 mark)
{
	for (size_t i = 0; i < n; i++)
		if (plan->server_limits[i].mark == mark)
			return true;
	return false;
}

/* Of its name, so that it is the same in the next version; of two names with one hash the later one takes the next. */
static __u32 plan_mark(const struct plan *plan, size_t server, const char *name)
{
	__u32 mark = server_mark(name);

	while (!mark || mark_is_taken(plan, server, mark))
		mark++;
	return mark;
}

static int plan_add_limits(struct plan *plan, const struct config *config)
{
	if (config->n_ssl_servers > WIRE_SERVERS_MAX)
		return refuse("%zu SSL servers, at most %d", config->n_ssl_servers, WIRE_SERVERS_MAX);
	for (size_t i = 0; i < config->n_ssl_servers; i++) {
		const struct config_ssl_server *server = &config->ssl_servers[i];

		plan->server_limits[i] = (struct wire_server_limits){.sessions = server->max_sessions,
			.new_per_second = server->max_new_sessions_per_second,
			.block = server->when_limited == CONFIG_UNAVAILABLE_BLOCK,
			.asymmetric_seconds = server->asymmetric_bypass_seconds};
		if (server->max_sessions || server->max_new_sessions_per_second)
			plan->server_limits[i].mark = plan_mark(plan, i, server->name);
	}
	plan->n_server_limits = config->n_ssl_servers;
	return 0;
}

static int plan_fill(struct plan *plan, const struct config *config, const uint16_t *segment_numbers)
{
	int err = plan_alloc_policies(plan, config);

	if (err || !config->ssl_inspection)
		return err;
	err = plan_add_segments(plan, config, segment_numbers);
	if (!err)
		err = plan_add_limits(plan, config);
	if (!err)
		err = plan_bypass_fill(&plan->bypass, config, segment_numbers);
	for (size_t p = 0; p < config->n_profiles && !err; p++)
		for (size_t i = 0; i < config->profiles[p].n_ssl_policies && !err; i++)
			err = plan_add_policy(plan, &config->profiles[p], &config->profiles[p].ssl_policies[i]);
	plan->n_destinations = prefixes_unique(plan->destinations, plan->n_destinations);
	plan->n_exceptions = prefixes_unique(plan->exceptions, plan->n_exceptions);
	return err;
}

int plan_new(struct plan **out, const struct config *config, const uint16_t *segment_numbers)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int err;

	if (!plan)
		return -ENOMEM;
	err = plan_fill(plan, config, segment_numbers);
	if (err) {
		plan_free(&plan);
		return err;
	}
	*out = plan;
	return 0;
}

void plan_free(struct plan **plan)
{
	if (!*plan)
		return;
	free((*plan)->virtual_segments);
	free((*plan)->destinations);
	free((*plan)->servers);
	free((*plan)->exceptions);
	plan_bypass_clear(&(*plan)->bypass);
	free(*plan);
	*plan = NULL;
}
