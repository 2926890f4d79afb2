/* SPDX-License-Identifier: Apache-2.0 */
/* The flow table for operators: one walk over it, of which a page is kept. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/supervisor.h"
#include "dataplane/abi.h"

#define FLOWS_DEFAULT 50
#define FLOWS_PAGE_MAX 1000 /* in one answer */

struct flows_page {
	const struct supervisor *supervisor;
	in_addr_t client, server; /* 0: any */
	int vlan;                 /* -1: any; 0: untagged */
	const char *segment, *state;
	size_t skip, max, matched, total;
	uint64_t now;
	json_t *rows;
};

static const char *flow_state(const struct flow *flow)
{
	static const char *const held[] = {
		[FLOW_HELD] = "held", [FLOW_ANSWERED] = "answered", [FLOW_REFUSED] = "refused"};

	if (flow->flags & FLOW_RST)
		return "reset";
	if (flow_client_leg_over(flow->flags) || flow_server_leg_over(flow->flags))
		return "closing";
	if (flow->flags & FLOW_ESTABLISHED)
		return "established";
	return flow->hold == FLOW_OPEN || flow->hold >= ARRAY_SIZE(held) ? "opening" : held[flow->hold];
}

/* of the configuration in force, by the wire's own number; "": its configuration is gone */
static const char *segment_name(const struct supervisor *supervisor, uint16_t number)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;

	for (size_t i = 0; config && i < config->n_segments; i++)
		if (dataplane_segment_number(supervisor->dataplane, config, i) == number)
			return config->segments[i].name;
	return "";
}

static void tunnel_text(char text[96], const struct flow_context *context)
{
	static const char *const kinds[] = {
		[FLOW_ENCAP_IPIP] = "ipip", [FLOW_ENCAP_GRE] = "gre", [FLOW_ENCAP_GRE_KEY] = "gre"};
	char client[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];
	int n;

	*text = '\0';
	if (context->encap == FLOW_ENCAP_NONE || context->encap >= ARRAY_SIZE(kinds))
		return;
	inet_ntop(AF_INET, &context->tunnel_client, client, sizeof(client));
	inet_ntop(AF_INET, &context->tunnel_server, server, sizeof(server));
	n = snprintf(text, 96, "%s %s %s", kinds[context->encap], client, server);
	if (context->encap == FLOW_ENCAP_GRE_KEY)
		snprintf(text + n, 96 - (size_t)n, " key %u", ntohl(context->gre_key));
}

/* names only where they are those of the configuration that decided it */
static void row_add_names(json_t *row, const struct supervisor *supervisor, const struct flow *flow)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;

	if (!config || supervisor->policy->version != flow->config_version)
		return;
	if (flow->ssl_server_id < config->n_ssl_servers)
		json_object_set_new(row, "ssl_server", json_string(config->ssl_servers[flow->ssl_server_id].name));
	if (flow->virtual_segment_id < config->n_virtual_segments)
		json_object_set_new(
			row, "virtual_segment", json_string(config->virtual_segments[flow->virtual_segment_id].name));
}

static uint64_t seconds_since(uint64_t now, uint64_t then)
{
	return now > then ? (now - then) / NSEC_PER_SEC : 0;
}

static json_t *flow_json(const struct flows_page *page, const struct flow_key *key, const struct flow *flow)
{
	char client[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN], tunnel[96];
	json_t *row;

	inet_ntop(AF_INET, &key->client_ip, client, sizeof(client));
	inet_ntop(AF_INET, &key->server_ip, server, sizeof(server));
	tunnel_text(tunnel, &flow->context);
	row = json_pack("{s:s, s:i, s:s, s:i, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "client_ip",
		client, "client_port", (int)ntohs(flow->client_port), "server_ip", server, "server_port",
		(int)ntohs(key->server_port), "state", flow_state(flow), "segment",
		segment_name(page->supervisor, flow->context.segment), "side", flow->context.side ? "b" : "a", "worker",
		(int)flow->worker, "age_seconds", (json_int_t)seconds_since(page->now, flow->created_ns),
		"idle_seconds", (json_int_t)seconds_since(page->now, flow->last_ns), "frames_to_server",
		(json_int_t)flow->packets[FLOW_TO_SERVER], "frames_to_client",
		(json_int_t)flow->packets[FLOW_TO_CLIENT], "bytes_to_server", (json_int_t)flow->bytes[FLOW_TO_SERVER],
		"bytes_to_client", (json_int_t)flow->bytes[FLOW_TO_CLIENT], "config_version",
		(json_int_t)flow->config_version, "tunnel", tunnel);
	if (flow->context.vlan)
		json_object_set_new(row, "vlan", json_integer(flow->context.vlan & 0xfff));
	if (flow->context.vlan_inner)
		json_object_set_new(row, "vlan_inner", json_integer(flow->context.vlan_inner & 0xfff));
	row_add_names(row, page->supervisor, flow);
	return row;
}

static bool flow_matches(const struct flows_page *page, const struct flow_key *key, const struct flow *flow)
{
	int vlan = flow->context.vlan ? flow->context.vlan & 0xfff : 0;

	return (!page->client || page->client == key->client_ip) && (!page->server || page->server == key->server_ip) &&
	       (page->vlan < 0 || page->vlan == vlan) && (!page->state || !strcmp(page->state, flow_state(flow))) &&
	       (!page->segment || !strcmp(page->segment, segment_name(page->supervisor, flow->context.segment)));
}

static void page_add(const struct flow_key *key, const struct flow *flow, void *data)
{
	struct flows_page *page = data;

	page->total++;
	if (!flow_matches(page, key, flow) || page->matched++ < page->skip || json_array_size(page->rows) >= page->max)
		return;
	json_array_append_new(page->rows, flow_json(page, key, flow));
}

static in_addr_t address_of(const json_t *request, const char *key)
{
	const char *text = json_string_value(json_object_get(request, key));

	return text ? inet_addr(text) : 0;
}

static size_t number_of(const json_t *request, const char *key, size_t otherwise)
{
	const json_t *number = json_object_get(request, key);

	return json_is_integer(number) ? (size_t)MAX(json_integer_value(number), 0) : otherwise;
}

json_t *report_flows(struct supervisor *supervisor, const json_t *request)
{
	struct flows_page page = {
		.supervisor = supervisor,
		.client = address_of(request, "client"),
		.server = address_of(request, "address"),
		.vlan = (int)number_of(request, "vlan", (size_t)-1),
		.segment = json_string_value(json_object_get(request, "segment")),
		.state = json_string_value(json_object_get(request, "state")),
		.skip = number_of(request, "skip", 0),
		.max = MIN(number_of(request, "limit", FLOWS_DEFAULT), (size_t)FLOWS_PAGE_MAX),
		.now = clock_now_ns(),
		.rows = json_array(),
	};

	dataplane_each_flow(supervisor->dataplane, page_add, &page);
	return json_pack("{s:b, s:I, s:I, s:i, s:o}", "ok", 1, "total", (json_int_t)page.total, "matched",
		(json_int_t)page.matched, "max_flows", WIRE_FLOWS_MAX, "flows", page.rows);
}
