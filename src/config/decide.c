/* SPDX-License-Identifier: Apache-2.0 */
#include "config/decide.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/common.h"

static bool cidrs_have(const struct config_cidrs *cidrs, struct in_addr address)
{
	for (size_t i = 0; i < cidrs->n; i++) {
		unsigned int prefix = cidrs->items[i].prefix;
		uint32_t mask = prefix ? htonl(~0u << (32 - prefix)) : 0;

		if ((address.s_addr & mask) == cidrs->items[i].address.s_addr)
			return true;
	}
	return false;
}

static bool ranges_have(const struct config_ranges *ranges, unsigned int value)
{
	for (size_t i = 0; i < ranges->n; i++)
		if (value >= ranges->items[i].low && value <= ranges->items[i].high)
			return true;
	return false;
}

static bool server_has_endpoint(const struct config_ssl_server *server, const struct config_flow *flow)
{
	return cidrs_have(&server->destinations, flow->server) && ranges_have(&server->detection_ports, flow->port);
}

enum config_miss config_virtual_segment_miss(
	const struct config_virtual_segment *segment, const struct config_flow *flow)
{
	if (flow->segment && strcmp(segment->segment->name, flow->segment))
		return CONFIG_MISS_SEGMENT;
	if (flow->side >= 0 && segment->direction != (enum config_side)flow->side)
		return CONFIG_MISS_SIDE;
	if (flow->vlan >= 0 && segment->vlans.n && !ranges_have(&segment->vlans, flow->vlan))
		return CONFIG_MISS_VLAN;
	if (segment->sources.n && !cidrs_have(&segment->sources, flow->client))
		return CONFIG_MISS_SOURCE;
	if (segment->destinations.n && !cidrs_have(&segment->destinations, flow->server))
		return CONFIG_MISS_DESTINATION;
	return CONFIG_MISS_NONE;
}

static bool bypass_fits(const struct config_bypass_rule *rule, const struct config_flow *flow)
{
	return (!rule->segment || !flow->segment || !strcmp(rule->segment->name, flow->segment)) &&
	       (rule->direction == CONFIG_DIRECTION_BOTH || flow->side < 0 || (int)rule->direction == flow->side) &&
	       (!rule->protocol || rule->protocol == IPPROTO_TCP) &&
	       (!rule->vlans.n || flow->vlan < 0 || ranges_have(&rule->vlans, flow->vlan)) &&
	       (!rule->ports.n || ranges_have(&rule->ports, flow->port)) &&
	       (!rule->sources.n || cidrs_have(&rule->sources, flow->client)) &&
	       (!rule->destinations.n || cidrs_have(&rule->destinations, flow->server));
}

const struct config_bypass_rule *config_find_bypass_rule(const struct config *config, const struct config_flow *flow)
{
	for (size_t i = 0; i < config->n_bypass_rules; i++)
		if (bypass_fits(&config->bypass_rules[i], flow))
			return &config->bypass_rules[i];
	return NULL;
}

static const struct config_ssl_policy *profile_find_policy(
	const struct config_profile *profile, const struct config_flow *flow)
{
	for (size_t i = 0; i < profile->n_ssl_policies; i++)
		if (server_has_endpoint(profile->ssl_policies[i].ssl_server, flow))
			return &profile->ssl_policies[i];
	return NULL;
}

struct config_decision config_decide(const struct config *config, const struct config_flow *flow)
{
	struct config_decision decision = {0};

	for (size_t i = 0; i < config->n_ssl_servers && !decision.endpoint; i++) {
		const struct config_ssl_server *server = &config->ssl_servers[i];

		if (!decision.address && cidrs_have(&server->destinations, flow->server))
			decision.address = server;
		if (server_has_endpoint(server, flow))
			decision.endpoint = server;
	}
	for (size_t i = 0; i < config->n_virtual_segments && !decision.virtual_segment; i++)
		if (config_virtual_segment_miss(&config->virtual_segments[i], flow) == CONFIG_MISS_NONE)
			decision.virtual_segment = &config->virtual_segments[i];
	if (decision.virtual_segment)
		decision.policy = profile_find_policy(decision.virtual_segment->profile, flow);
	if (decision.policy) {
		decision.endpoint = decision.policy->ssl_server;
		decision.excepted = cidrs_have(&decision.policy->source_address_exceptions, flow->client);
	}
	decision.bypass_rule = config_find_bypass_rule(config, flow);
	decision.inspected = config->ssl_inspection && decision.policy && !decision.excepted && !decision.bypass_rule;
	return decision;
}
