/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to the operator's questions, from shared pages and the supervisor's own state: no worker is asked. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/certificate.h"
#include "daemon/keeper.h"
#include "daemon/supervisor.h"
#include "stats/session_step.h"
#include "stats/tls_name.h"

#define REPORT_SESSIONS_DEFAULT 50 /* H1 */

static json_t *json_new(const char *key, json_t *value)
{
	return json_pack("{s:b, s:o}", "ok", 1, key, value);
}

/* --- status ----------------------------------------------------------------------------------------------------------
 */

const char *report_worker_state(const struct supervisor *supervisor, const struct worker_slot *worker)
{
	uint64_t beat = __atomic_load_n(&supervisor->cells[worker->slot].heartbeat_ns, __ATOMIC_RELAXED);

	if (!child_running(&worker->child))
		return "restarting";
	if (!worker->listening)
		return "starting";
	if (clock_now_ns() - beat > NSEC_PER_SEC)
		return "hung";
	return worker->wanted ? "live" : "draining";
}

static json_t *status_workers(const struct supervisor *supervisor)
{
	json_t *workers = json_array();

	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++) {
		const struct worker_slot *worker = &supervisor->workers[i];
		unsigned int sessions = 0;

		if (!worker->wanted && !child_running(&worker->child))
			continue;
		if (worker->table)
			session_table_read(worker->table, NULL, 0, &sessions);
		json_array_append_new(workers,
			json_pack("{s:i, s:i, s:s, s:s, s:i, s:i}", "slot", (int)i, "pid", (int)worker->child.pid,
				"state", report_worker_state(supervisor, worker), "generation", "this", "sessions",
				(int)sessions, "config_version", (int)worker->policy_version));
	}
	for (size_t i = 0; i < supervisor->elders.n; i++) {
		const struct elder *elder = &supervisor->elders.items[i];
		unsigned int sessions = 0;

		if (elder->table)
			session_table_read(elder->table, NULL, 0, &sessions);
		json_array_append_new(workers,
			json_pack("{s:i, s:i, s:s, s:s, s:i}", "slot", (int)elder->slot, "pid", (int)elder->pid,
				"state", "draining", "generation", "earlier", "sessions", (int)sessions));
	}
	return workers;
}

/* of inspection as a whole: what an operator asks first */
static const char *status_inspection(const struct supervisor *supervisor)
{
	const struct policy *policy = supervisor->policy;

	if (!policy)
		return "no configuration";
	if (!policy->config->ssl_inspection)
		return "off";
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (supervisor->workers[i].wanted &&
			!strcmp(report_worker_state(supervisor, &supervisor->workers[i]), "live"))
			return "on";
	return policy->config->n_ssl_servers ? "fallback" : "on";
}

static const char *port_link(const struct supervisor *supervisor, const char *port)
{
	int link = dataplane_port_link(supervisor->dataplane, port);

	return link < 0 ? "missing" : link ? "up" : "down";
}

/* "fallback" with its cause, or what inspection as a whole is */
static void segment_add_state(struct supervisor *supervisor, size_t segment, json_t *object)
{
	const char *cause = fallback_cause(supervisor, segment);

	json_object_set_new(object, "state", json_string(cause ? "fallback" : status_inspection(supervisor)));
	if (cause)
		json_object_set_new(object, "cause", json_string(cause));
}

static json_t *segment_json(struct supervisor *supervisor, size_t index)
{
	const struct config_segment *segment = &supervisor->policy->config->segments[index];
	const char *a = segment->port[CONFIG_SIDE_A], *b = segment->port[CONFIG_SIDE_B];
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", segment->name, "port_a", a, "link_a",
		port_link(supervisor, a), "port_b", b, "link_b", port_link(supervisor, b));

	segment_add_state(supervisor, index, object);
	if (links_held(supervisor, segment) >= 0)
		json_object_set_new(
			object, "held", json_string(links_held(supervisor, segment) == CONFIG_SIDE_A ? "a" : "b"));
	return object;
}

static json_t *status_segments(struct supervisor *supervisor)
{
	json_t *segments = json_array();

	for (size_t i = 0; supervisor->policy && i < supervisor->policy->config->n_segments; i++)
		json_array_append_new(segments, segment_json(supervisor, i));
	return segments;
}

/* B1: what acts, in its order */
static json_t *status_stages(const struct supervisor *supervisor)
{
	static const struct {
		const char *name, *acts_on, *help;
		bool built;
		enum counter_id acted;
	} precedence[] = {
#define PRECEDENCE(id, name, acts_on, built, acted, help) {name, acts_on, help, built, acted},
#include "stats/precedence.def"
#undef PRECEDENCE
	};
	json_t *stages = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(precedence); i++)
		json_array_append_new(stages,
			json_pack("{s:i, s:s, s:s, s:b, s:I, s:s}", "place", (int)i + 1, "name", precedence[i].name,
				"acts_on", precedence[i].acts_on, "built", precedence[i].built, "acted",
				precedence[i].built ? (json_int_t)stats_sum(supervisor->stats, precedence[i].acted) : 0,
				"help", precedence[i].help));
	return stages;
}

json_t *report_status(struct supervisor *supervisor, const json_t *request)
{
	const struct policy *policy = supervisor->policy;
	const char *device = policy && policy->config->device_name ? policy->config->device_name : "";

	json_t *status = json_pack(
		"{s:b, s:s, s:s, s:s, s:I, s:i, s:i, s:s, s:o, s:{s:i, s:s, s:O}, s:{s:i, s:s}, s:i, s:I, s:o, s:I}",
		"ok", 1, "version", SLUICE_VERSION, "instance", supervisor->instance.name, "device", device, "started",
		(json_int_t)supervisor->started_us, "pid", (int)getpid(), "config_version",
		policy ? (int)policy->version : 0, "inspection", status_inspection(supervisor), "workers",
		status_workers(supervisor), "keeper", "pid", (int)supervisor->keeper.child.pid, "state",
		child_running(&supervisor->keeper.child) ? "live" : "restarting", "keys", supervisor->key_states, "log",
		"pid", (int)supervisor->log.child.pid, "state",
		child_running(&supervisor->log.child) ? "live" : "restarting", "flows", (int)supervisor->flows,
		"sessions", (json_int_t)stats_sum(supervisor->stats, COUNTER_GAUGE_SESSIONS_ACTIVE), "segments",
		status_segments(supervisor), "max_sessions",
		policy ? (json_int_t)policy->config->limits.max_sessions : 0);

	if (supervisor->boot.problem)
		json_object_set(status, "configuration_problem", supervisor->boot.problem);
	json_object_set(json_object_get(status, "keeper"), "engine", json_object_get(supervisor->key_engine, "engine"));
	json_object_set(
		json_object_get(status, "keeper"), "engine_reason", json_object_get(supervisor->key_engine, "reason"));
	json_object_set_new(status, "stages", status_stages(supervisor));
	json_object_set_new(status, "limits", limits_report(supervisor));
	json_object_set_new(status, "fallback", fallback_report(supervisor));
	json_object_set_new(status, "snmp", monitor_report(supervisor, ROLE_SNMP));
	return status;
}

/* --- counters --------------------------------------------------------------------------------------------------------
 */

static void counter_add(json_t *array, const char *name, uint64_t value, const char *unit, const char *meaning)
{
	json_array_append_new(array, json_pack("{s:s, s:I, s:s, s:s}", "name", name, "value", (json_int_t)value, "unit",
					     unit, "meaning", meaning));
}

static void counters_add_closed(
	json_t *array, const struct supervisor *supervisor, const struct config_ssl_server *server)
{
	unsigned int slot = server ? stats_slots_find(&supervisor->stats_slots, server->name) : 0;

	for (enum close_reason reason = CLOSE_NONE + 1; reason < CLOSE_REASON_N; reason++) {
		char name[64];
		uint64_t value = server ? stats_server_sum_closed(supervisor->stats, slot, reason)
					: stats_sum_closed(supervisor->stats, reason);

		snprintf(name, sizeof(name), "closed_%s", close_reason_info[reason].name);
		counter_add(array, name, value, "sessions", close_reason_info[reason].text);
	}
}

/* one SSL server by name; NULL when the request names none. false: it names one that does not exist */
static bool report_find_server(
	const struct supervisor *supervisor, const json_t *request, const struct config_ssl_server **server)
{
	const char *name = json_string_value(json_object_get(request, "server"));

	*server = name && supervisor->policy ? config_find_ssl_server(supervisor->policy->config, name) : NULL;
	return !name || *server;
}

json_t *report_no_server(void)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error",
		"there is no SSL server of that name in the configuration in force: see \"sluice show servers\"");
}

json_t *report_counters(struct supervisor *supervisor, const json_t *request)
{
	const struct config_ssl_server *server;
	unsigned int slot = 0;
	json_t *array;

	if (!report_find_server(supervisor, request, &server))
		return report_no_server();
	if (server)
		slot = stats_slots_find(&supervisor->stats_slots, server->name);
	array = json_array();
	for (enum counter_id id = 0; id < COUNTER_N; id++) {
		const struct counter_info *info = &counter_info[id];

		if (server && info->scope == COUNTER_SCOPE_SERVER)
			counter_add(array, info->name, stats_server_sum(supervisor->stats, slot, id), info->unit,
				info->meaning);
		else if (!server)
			counter_add(array, info->name, stats_sum(supervisor->stats, id), info->unit, info->meaning);
	}
	counters_add_closed(array, supervisor, server);
	return json_pack("{s:b, s:I, s:o}", "ok", 1, "since", (json_int_t)stats_page_since_us(supervisor->stats),
		"counters", array);
}

/* --- servers and segments
 * ---------------------------------------------------------------------------------------------- */

static json_t *cidrs_json(const struct config_cidrs *cidrs)
{
	json_t *array = json_array();

	for (size_t i = 0; i < cidrs->n; i++) {
		char text[INET_ADDRSTRLEN + 4];

		inet_ntop(AF_INET, &cidrs->items[i].address, text, INET_ADDRSTRLEN);
		if (cidrs->items[i].prefix < 32)
			snprintf(text + strlen(text), 4, "/%u", cidrs->items[i].prefix);
		json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *ranges_json(const struct config_ranges *ranges)
{
	json_t *array = json_array();

	for (size_t i = 0; i < ranges->n; i++) {
		const struct config_range *range = &ranges->items[i];
		char text[16];

		snprintf(text, sizeof(text), range->low == range->high ? "%u" : "%u-%u", range->low, range->high);
		json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *server_json(const struct supervisor *supervisor, const struct config_ssl_server *server)
{
	unsigned int slot = stats_slots_find(&supervisor->stats_slots, server->name);
	json_t *certificates = json_array();

	for (size_t i = 0; i < server->certificates.n; i++)
		json_array_append_new(certificates, json_string(server->certificates.items[i]));
	return json_pack("{s:s, s:i, s:o, s:o, s:o, s:s, s:s, s:s, s:b, s:I, s:I, s:I}", "name", server->name,
		"stats_slot", (int)slot, "destinations", cidrs_json(&server->destinations), "detection_ports",
		ranges_json(&server->detection_ports), "certificates", certificates, "decrypted_service",
		config_service_name(server->decrypted_service), "key_state", keeper_server_state(supervisor, server),
		"without_key", keeper_server_choice(server), "logging", server->logging, "sessions",
		(json_int_t)stats_server_sum(supervisor->stats, slot, COUNTER_GAUGE_SESSIONS_ACTIVE), "new",
		(json_int_t)stats_server_sum(supervisor->stats, slot, COUNTER_SESSIONS_NEW), "blocked",
		(json_int_t)stats_server_sum(supervisor->stats, slot, COUNTER_SESSIONS_BLOCKED));
}

json_t *report_servers(struct supervisor *supervisor, const json_t *request)
{
	json_t *array = json_array();

	for (size_t i = 0; supervisor->policy && i < supervisor->policy->config->n_ssl_servers; i++)
		json_array_append_new(array, server_json(supervisor, &supervisor->policy->config->ssl_servers[i]));
	return json_new("servers", array);
}

json_t *report_bypass_rules(struct supervisor *supervisor, const json_t *request)
{
	static const char *const directions[] = {"a_to_b", "b_to_a", "both"};
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	size_t n = config ? config->n_bypass_rules : 0;
	_cleanup_free_ uint64_t *hits = calloc(n ?: 1, sizeof(*hits));
	json_t *rules = json_array();

	if (hits)
		dataplane_read_bypass_hits(supervisor->dataplane, hits, n);
	for (size_t i = 0; hits && i < n; i++) {
		const struct config_bypass_rule *rule = &config->bypass_rules[i];

		json_array_append_new(rules,
			json_pack("{s:s, s:s?, s:s, s:i, s:o, s:o, s:o, s:o, s:I}", "name", rule->name, "segment",
				rule->segment ? rule->segment->name : NULL, "direction", directions[rule->direction],
				"protocol", (int)rule->protocol, "sources", cidrs_json(&rule->sources), "destinations",
				cidrs_json(&rule->destinations), "ports", ranges_json(&rule->ports), "vlans",
				ranges_json(&rule->vlans), "flows", (json_int_t)hits[i]));
	}
	return json_new("bypass_rules", rules);
}

json_t *report_segments(struct supervisor *supervisor, const json_t *request)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	json_t *segments = json_array(), *virtual_segments = json_array();

	for (size_t i = 0; config && i < config->n_segments; i++) {
		json_array_append_new(segments, segment_json(supervisor, i));
	}
	for (size_t i = 0; config && i < config->n_virtual_segments; i++) {
		const struct config_virtual_segment *segment = &config->virtual_segments[i];

		json_array_append_new(virtual_segments,
			json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "name", segment->name, "segment",
				segment->segment->name, "direction",
				segment->direction == CONFIG_SIDE_A ? "a_to_b" : "b_to_a", "vlans",
				ranges_json(&segment->vlans), "sources", cidrs_json(&segment->sources), "destinations",
				cidrs_json(&segment->destinations), "profile", segment->profile->name));
	}
	return json_pack("{s:b, s:o, s:o}", "ok", 1, "segments", segments, "virtual_segments", virtual_segments);
}

/* --- sessions
 * ---------------------------------------------------------------------------------------------------------- */

static const char *version_name(uint16_t version)
{
	static const char *const names[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

	return version >= 0x0301 && version <= 0x0304 ? names[version - 0x0301] : "";
}

/* what a leg has negotiated; before its handshake is complete nothing (D11) */
static void session_add_leg(json_t *session, const struct session_row *row, unsigned int leg)
{
	static const char *const keys[2][4] = {
		{"client_group", "client_signature", "client_resumed", "client_handshake_ms"},
		{"server_group", "server_signature", "server_resumed", "server_handshake_ms"}};

	if (!(leg ? row->version_server : row->version_client))
		return;
	json_object_set_new(session, keys[leg][0], json_string(tls_name_of_group(row->group[leg])));
	json_object_set_new(session, keys[leg][1], json_string(tls_name_of_signature(row->signature[leg])));
	json_object_set_new(session, keys[leg][2], json_boolean(row->resumed >> leg & 1));
	json_object_set_new(session, keys[leg][3], json_integer(row->handshake_ms[leg]));
}

static json_t *session_json(const struct session_row *row)
{
	json_t *session;
	char id[20], client[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)row->id);
	inet_ntop(AF_INET, &row->client, client, sizeof(client));
	inet_ntop(AF_INET, &row->server, server, sizeof(server));
	session = json_pack(
		"{s:s, s:I, s:s, s:i, s:s, s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, "
		"s:I, s:I, s:i}",
		"id", id, "started", (json_int_t)row->started_us, "client_ip", client, "client_port",
		(int)row->client_port, "server_ip", server, "server_port", (int)row->server_port, "vlan",
		(int)row->vlan, "step", session_step_name(row->step), "ssl_server", row->ssl_server, "policy",
		row->policy, "virtual_segment", row->virtual_segment, "sni", row->sni, "client_version",
		version_name(row->version_client), "client_cipher", row->cipher_client, "server_version",
		version_name(row->version_server), "server_cipher", row->cipher_server, "alpn", row->alpn, "ja4",
		row->ja4, "inspected", row->inspected, "bytes_to_server", (json_int_t)row->bytes[0], "bytes_to_client",
		(json_int_t)row->bytes[1], "worker", (int)row->worker);
	for (unsigned int leg = 0; session && leg < 2; leg++)
		session_add_leg(session, row, leg);
	return session;
}

static bool session_matches(const struct session_row *row, const json_t *request)
{
	const char *server = json_string_value(json_object_get(request, "server"));
	const char *client = json_string_value(json_object_get(request, "client"));
	const char *id = json_string_value(json_object_get(request, "id"));

	return (!server || !strcmp(row->ssl_server, server)) && (!client || inet_addr(client) == row->client.s_addr) &&
	       (!id || strtoull(id, NULL, 16) == row->id);
}

static int session_newer(const void *a, const void *b)
{
	const struct session_row *x = a, *y = b;

	return x->started_us < y->started_us ? 1 : x->started_us > y->started_us ? -1 : 0;
}

/* the n-th table of this generation's workers, then of earlier ones'; NULL: that worker has none */
static const struct session_table *sessions_table(const struct supervisor *supervisor, size_t i)
{
	return i < FLOW_WORKERS_MAX ? supervisor->workers[i].table
				    : supervisor->elders.items[i - FLOW_WORKERS_MAX].table;
}

/* all rows of all workers; the caller frees */
static struct session_row *sessions_read(const struct supervisor *supervisor, unsigned int *n)
{
	const size_t tables = FLOW_WORKERS_MAX + supervisor->elders.n;
	unsigned int total = 0, used;
	struct session_row *rows;

	*n = 0;
	for (size_t i = 0; i < tables; i++) {
		if (!sessions_table(supervisor, i))
			continue;
		session_table_read(sessions_table(supervisor, i), NULL, 0, &used);
		total += used + 64; /* more may come meanwhile */
	}
	rows = calloc(total + 1, sizeof(*rows));
	for (size_t i = 0; rows && i < tables; i++)
		if (sessions_table(supervisor, i))
			*n += session_table_read(sessions_table(supervisor, i), rows + *n, total - *n, NULL);
	if (rows)
		qsort(rows, *n, sizeof(*rows), session_newer);
	return rows;
}

unsigned int report_count_sessions(struct supervisor *supervisor, const json_t *request)
{
	unsigned int n, matched = 0;
	_cleanup_free_ struct session_row *rows = sessions_read(supervisor, &n);

	for (unsigned int i = 0; rows && i < n; i++)
		matched += session_matches(&rows[i], request);
	return matched;
}

json_t *report_sessions(struct supervisor *supervisor, const json_t *request)
{
	const json_t *limit = json_object_get(request, "limit");
	size_t max = json_is_integer(limit) ? (size_t)MAX(json_integer_value(limit), 0) : REPORT_SESSIONS_DEFAULT;
	unsigned int n;
	_cleanup_free_ struct session_row *rows = sessions_read(supervisor, &n);
	json_t *array = json_array();

	for (unsigned int i = 0; rows && i < n && json_array_size(array) < max; i++)
		if (session_matches(&rows[i], request))
			json_array_append_new(array, session_json(&rows[i]));
	return json_pack("{s:b, s:i, s:o}", "ok", 1, "total", (int)n, "sessions", array);
}

/* --- the rest
 * ------------------------------------------------------------------------------------------------------------ */

json_t *report_filters_refused(struct supervisor *supervisor, const json_t *request)
{
	json_t *refused = supervisor->policy ? json_object_get(supervisor->policy->filters, "refused") : NULL;

	return json_new("refused", refused ? json_incref(refused) : json_array());
}
