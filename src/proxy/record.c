/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/common.h"
#include "events/event.h"
#include "proxy/block.h"
#include "proxy/flow_lookup.h"
#include "proxy/undecryptable.h"
#include "proxy/worker.h"

#define RECORD_DRIFT_NS (3600 * NSEC_PER_SEC)

static const char *const direction_names[INSPECT_DIRS] = {"to_server", "to_client"};
static const char *const severity_names[] = {"info", "notice", "warning", "error"};

static void record_commit(struct worker *worker, struct event *event)
{
	if (event_commit(worker->events, event, worker->slot) < 0)
		stats_add(worker->cells, COUNTER_EVENTS_LOST, 1);
}

/* who talked to whom, under which policy: the head of every session record */
static void record_session(struct event *event, const struct session *session)
{
	const struct config_segment *segment = session->virtual_segment ? session->virtual_segment->segment : NULL;

	event_u64(event, EVENT_SESSION_ID, session->id);
	event_ip4(event, EVENT_CLIENT_IP, session->client_ip);
	event_u64(event, EVENT_CLIENT_PORT, session->client_port);
	event_ip4(event, EVENT_SERVER_IP, session->server_ip);
	event_u64(event, EVENT_SERVER_PORT, session->server_port);
	if (session->flow_context.vlan)
		event_u64(event, EVENT_VLAN, session->flow_context.vlan & 0xfff);
	if (session->flow_context.vlan_inner)
		event_u64(event, EVENT_VLAN_INNER, session->flow_context.vlan_inner & 0xfff);
	if (segment) {
		event_str(event, EVENT_SEGMENT, segment->name);
		event_str(event, EVENT_INTERFACE_IN, segment->port[session->flow_context.side]);
		event_str(event, EVENT_INTERFACE_OUT, segment->port[!session->flow_context.side]);
		event_str(event, EVENT_VIRTUAL_SEGMENT, session->virtual_segment->name);
	}
	if (session->profile)
		event_str(event, EVENT_PROFILE, session->profile->name);
	if (session->policy)
		event_str(event, EVENT_SSL_POLICY, session->policy->name);
	if (session->server)
		event_str(event, EVENT_SSL_SERVER, session->server->config->name);
	event_str(event, EVENT_SNI, session->sni);
	if (session->snapshot)
		event_u64(event, EVENT_CONFIG_VERSION, session->snapshot->version);
}

static void record_filter(struct event *event, const struct inspect_filter *filter)
{
	event_u64(event, EVENT_FILTER_ID, filter->sid);
	event_u64(event, EVENT_FILTER_REVISION, filter->revision);
	event_str(event, EVENT_FILTER_NAME, filter->name);
	event_str(event, EVENT_FILTER_CATEGORY, filter->category);
	event_u64(event, EVENT_FILTER_SEVERITY, filter->severity);
}

/* G3: whom the proxy that speaks to us (src_ip) has its request from: the entry that it has added, the last one. Those
 * before it come from whoever spoke to that proxy. */
static void record_true_client(struct event *event, struct span list)
{
	const uint8_t *comma = list.len ? memrchr(list.data, ',', list.len) : NULL;
	const uint8_t *from = comma ? comma + 1 : list.data, *end = list.data + list.len;
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (!list.len)
		return;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if ((size_t)(end - from) >= sizeof(text))
		return;
	memcpy(text, from, (size_t)(end - from));
	text[end - from] = '\0';
	if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
		event_str(event, EVENT_TRUE_CLIENT, text);
}

static void record_http(struct event *event, const struct inspect_http_facts *http)
{
	event_bytes(event, EVENT_HTTP_METHOD, http->method);
	event_bytes(event, EVENT_HTTP_HOST, http->host);
	event_bytes(event, EVENT_HTTP_URI, http->uri);
	event_bytes(event, EVENT_HTTP_XFF, http->x_forwarded_for);
	record_true_client(event, http->x_forwarded_for);
	if (http->status)
		event_u64(event, EVENT_HTTP_STATUS, http->status);
}

/* G3: what is configured, and what was done */
static void record_actions(struct event *event, const struct session *session, const struct inspect_hit *hit)
{
	static const char *const actions[] = {
		[INSPECT_NOTIFY] = "permit", [INSPECT_TRUST] = "trust", [INSPECT_BLOCK] = "block"};
	static const enum inspect_action of_set[] = {[CONFIG_ACTION_PERMIT] = INSPECT_NOTIFY,
		[CONFIG_ACTION_TRUST] = INSPECT_TRUST,
		[CONFIG_ACTION_BLOCK] = INSPECT_BLOCK};
	const struct config_action_set *set = hit->filter->treatment;

	event_str(event, EVENT_ACTION, actions[hit->filter->action]);
	event_str(event, EVENT_ACTION_CONFIGURED, actions[set ? of_set[set->action] : hit->filter->own]);
	event_str(event, EVENT_ACTION_SET, set ? set->name : hit->filter->sid ? "recommended" : "exception_policies");
	if (hit->filter->action == INSPECT_BLOCK)
		event_str(event, EVENT_TCP_RESET,
			block_reset_name(block_reset(session->server->config, hit->filter, hit->dir)));
}

static void record_emit(void *owner, struct event *event)
{
	record_commit(owner, event);
}

/* G3: repeated matches of one kind become one record with a count, where the configuration asks for it */
static void record_or_count(struct session *session, const struct inspect_hit *hit, struct event *event)
{
	struct worker *worker = session->worker;
	uint64_t period_ns = session->snapshot->config->limits.log_aggregation_seconds * NSEC_PER_SEC;
	struct event_kind kind = {.filter = hit->filter->sid,
		.client = session->client_ip.s_addr,
		.server = session->server_ip.s_addr,
		.port = session->server_port,
		.log = (uint8_t)((const struct event_header *)event->bytes)->log,
		.action = (uint8_t)hit->filter->action};

	if (period_ns && !worker->aggregate && event_aggregate_new(&worker->aggregate, record_emit, worker) < 0)
		period_ns = 0;
	if (period_ns || worker->aggregate)
		event_aggregate_add(worker->aggregate, event, &kind, loop_now_ns(worker->loop), period_ns);
	else
		record_commit(worker, event);
}

void record_tick(struct worker *worker)
{
	uint64_t now = loop_now_ns(worker->loop);

	if (!worker->aggregate || now - worker->aggregate_ns < NSEC_PER_SEC)
		return;
	worker->aggregate_ns = now;
	event_aggregate_tick(worker->aggregate, now);
	stats_add(worker->cells, COUNTER_EVENTS_AGGREGATE_FULL, event_aggregate_overflows(worker->aggregate));
}

void record_end(struct worker *worker)
{
	if (worker->aggregate)
		event_aggregate_flush(worker->aggregate);
	event_aggregate_free(&worker->aggregate);
}

void record_hit(void *owner, const struct inspect_hit *hit)
{
	const struct config_action_set *set = hit->filter->treatment;
	struct session *session = owner;
	struct event event;

	session_count(session, COUNTER_FILTER_HITS, 1);
	if (set && !(set->notify & 1u << CONFIG_NOTIFY_LOG))
		return;
	event_begin(&event, hit->filter->action == INSPECT_BLOCK ? EVENT_LOG_BLOCK : EVENT_LOG_ALERT);
	record_session(&event, session);
	event_u64(&event, EVENT_SSL_INSPECT, true);
	record_filter(&event, hit->filter);
	record_actions(&event, session, hit);
	event_str(&event, EVENT_DIRECTION, direction_names[hit->dir]);
	if (hit->http)
		record_http(&event, hit->http);
	record_or_count(session, hit, &event);
}

static void record_leg(struct event *event, const struct session_facts *facts, enum session_leg leg)
{
	static const enum event_field fields[LEGS][6] = {
		[LEG_CLIENT] = {EVENT_CLIENT_VERSION, EVENT_CLIENT_CIPHER, EVENT_CLIENT_GROUP, EVENT_CLIENT_RESUMED,
			EVENT_CLIENT_SIGNATURE, EVENT_CLIENT_HANDSHAKE_MS},
		[LEG_SERVER] = {EVENT_SERVER_VERSION, EVENT_SERVER_CIPHER, EVENT_SERVER_GROUP, EVENT_SERVER_RESUMED,
			EVENT_SERVER_SIGNATURE, EVENT_SERVER_HANDSHAKE_MS}};

	if (!facts->version[leg])
		return;
	event_str(event, fields[leg][0], facts->version_name[leg]);
	event_str(event, fields[leg][1], facts->cipher[leg]);
	event_str(event, fields[leg][2], facts->group[leg] && *facts->group[leg] ? facts->group[leg] : NULL);
	event_u64(event, fields[leg][3], facts->resumed[leg]);
	event_str(event, fields[leg][4], facts->signature[leg]);
	event_u64(event, fields[leg][5], facts->handshake_ms[leg]);
}

/* G2: what went over the wire on each leg, by the kernel's own count; the plaintext's is another */
static void record_leg_bytes(struct event *event, const struct session *session)
{
	static const enum event_field fields[LEGS][2] = {
		[LEG_CLIENT] = {EVENT_CLIENT_LEG_RECEIVED, EVENT_CLIENT_LEG_SENT},
		[LEG_SERVER] = {EVENT_SERVER_LEG_RECEIVED, EVENT_SERVER_LEG_SENT}};

	for (enum session_leg leg = 0; leg < LEGS; leg++) {
		struct tcp_info info = {0};
		socklen_t len = sizeof(info);

		if (session->legs[leg].source.fd < 0 ||
			getsockopt(session->legs[leg].source.fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
			continue;
		event_u64(event, fields[leg][0], info.tcpi_bytes_received);
		event_u64(event, fields[leg][1], info.tcpi_bytes_sent - info.tcpi_bytes_retrans);
	}
}

/* "gre 192.0.2.1 192.0.2.2 key 7": the ends on the client's and on the server's side */
static void record_tunnel(struct event *event, const struct flow_context *context)
{
	static const char *const kinds[] = {
		[FLOW_ENCAP_IPIP] = "ipip", [FLOW_ENCAP_GRE] = "gre", [FLOW_ENCAP_GRE_KEY] = "gre"};
	char text[96], client[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];
	int n;

	if (context->encap == FLOW_ENCAP_NONE || context->encap >= ARRAY_SIZE(kinds))
		return;
	n = snprintf(text, sizeof(text), "%s %s %s", kinds[context->encap],
		inet_ntop(AF_INET, &context->tunnel_client, client, sizeof(client)),
		inet_ntop(AF_INET, &context->tunnel_server, server, sizeof(server)));
	if (context->encap == FLOW_ENCAP_GRE_KEY)
		snprintf(text + n, sizeof(text) - (size_t)n, " key %u", ntohl(context->gre_key));
	event_str(event, EVENT_TUNNEL, text);
}

/* the source MAC of each side's frames, as the flow map has learned them */
static void record_macs(struct event *event, const struct session *session)
{
	struct flow flow;

	if (flow_lookup(session->worker->flow_map_fd, &session->flow_key, &flow) < 0)
		return;
	event_mac(event, EVENT_CLIENT_MAC, flow.header[FLOW_TO_SERVER].mac + 6);
	event_mac(event, EVENT_SERVER_MAC, flow.header[FLOW_TO_CLIENT].mac + 6);
}

/* what became of it, in the terms of G2 */
static const char *record_action(const struct session *session)
{
	switch (session->reason) {
	case CLOSE_CLIENT_VERSION_OTHER:
	case CLOSE_CLIENT_CIPHER_OTHER:
	case CLOSE_CLIENT_ALPN_OTHER:
	case CLOSE_SERVER_VERSION_OTHER:
	case CLOSE_SERVER_CIPHER_OTHER:
	case CLOSE_SERVER_CERTIFICATE_DRIFT:
	case CLOSE_CLEARTEXT_BEFORE_HELLO:
		return "refused";
	default:
		return session->established_ns ? "decrypted" : "not_decrypted";
	}
}

static void record_ssl_inspection(struct session *session)
{
	const struct session_facts *facts = &session->facts;
	uint64_t now = clock_now_ns();
	struct event event;

	event_begin(&event, EVENT_LOG_SSL_INSPECTION);
	event_str(&event, EVENT_ACTION, record_action(session));
	event_str(&event, EVENT_CLOSE_REASON, close_reason_info[session->reason].name);
	event_str(&event, EVENT_DETAIL, *session->detail ? session->detail : NULL);
	if (session->bypass) {
		event_str(&event, EVENT_BYPASS_CAUSE, undecryptable_bypass_cause(session));
		event_u64(&event, EVENT_BYPASS_REMEMBERED, session->bypass == BYPASS_REMEMBERED);
	}
	record_session(&event, session);
	record_macs(&event, session);
	record_tunnel(&event, &session->flow_context);
	record_leg_bytes(&event, session);
	event_str(&event, EVENT_CERTIFICATE, facts->certificate);
	event_str(&event, EVENT_JA3, *facts->client.ja3 ? facts->client.ja3 : NULL);
	event_str(&event, EVENT_JA4, *facts->client.ja4 ? facts->client.ja4 : NULL);
	event_str(&event, EVENT_ALPN, *facts->alpn ? facts->alpn : NULL);
	record_leg(&event, facts, LEG_CLIENT);
	record_leg(&event, facts, LEG_SERVER);
	event_u64(&event, EVENT_BYTES_TO_SERVER, session->pipes[INSPECT_TO_SERVER].sent);
	event_u64(&event, EVENT_BYTES_TO_CLIENT, session->pipes[INSPECT_TO_CLIENT].sent);
	event_u64(&event, EVENT_STARTED, session->started_us);
	event_u64(&event, EVENT_DURATION_MS, (now - session->started_ns) / NSEC_PER_MSEC);
	if (session->established_ns)
		event_u64(&event, EVENT_HANDSHAKE_MS, (session->established_ns - session->started_ns) / NSEC_PER_MSEC);
	record_commit(session->worker, &event);
}

void record_system(struct worker *worker, const char *severity, const char *fmt, ...)
{
	char text[512];
	struct event event;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	event_begin(&event, EVENT_LOG_SYSTEM);
	event_str(&event, EVENT_SEVERITY, severity);
	event_str(&event, EVENT_COMPONENT, "sluice-proxy");
	event_str(&event, EVENT_MESSAGE, text);
	record_commit(worker, &event);
}

/* one per second and worker: a peer that fails a thousand times a second must not fill the System log */
static bool record_system_allowed(struct worker *worker)
{
	uint64_t now = loop_now_ns(worker->loop);

	if (worker->system_record_ns && now - worker->system_record_ns < NSEC_PER_SEC)
		return false;
	worker->system_record_ns = now;
	return true;
}

void record_bypass_learned(struct session *session, const char *cause, bool one_client, unsigned int seconds)
{
	char server[INET_ADDRSTRLEN];

	if (!record_system_allowed(session->worker))
		return;
	record_system(session->worker, "warning",
		"SSL server %s, %s port %u, SNI %s: %s; sessions of %s pass undecrypted for %u seconds (sluice show "
		"bypasses)",
		session->server->config->name, inet_ntop(AF_INET, &session->server_ip, server, sizeof(server)),
		session->server_port, session->sni ? session->sni : "none", cause,
		one_client ? "this client's program" : "all clients", seconds);
}

/* counted for every session; told once an hour and server */
void record_drift(struct session *session)
{
	struct snapshot_server *server = &session->snapshot->servers[session->server->config->id];
	uint64_t now = loop_now_ns(session->worker->loop);
	struct tls_facts facts;
	char address[INET_ADDRSTRLEN];

	tls_conn_facts(session->legs[LEG_SERVER].tls, &facts);
	if (!facts.drifted)
		return;
	session_count(session, COUNTER_CERTIFICATE_DRIFTS, 1);
	if (server->config->certificate_drift != CONFIG_DRIFT_VERIFY ||
		(server->drift_told_ns && now - server->drift_told_ns < RECORD_DRIFT_NS))
		return;
	server->drift_told_ns = now;
	record_system(session->worker, "warning",
		"SSL server %s, %s port %u, SNI %s: the server shows a new certificate of the same CA, which is taken: "
		"import it "
		"(sluice certificate replace) before the one held expires",
		server->config->name, inet_ntop(AF_INET, &session->server_ip, address, sizeof(address)),
		session->server_port, session->sni ? session->sni : "none");
}

void record_rekey_missed(struct session *session)
{
	const struct config_ssl_server *config = session->server->config;

	if (record_system_allowed(session->worker))
		record_system(session->worker, "warning",
			"SSL server %s: no renegotiation or key update within twice the rekey interval of %u seconds, "
			"session "
			"%016llx",
			config->name, config->rekey_interval_seconds, (unsigned long long)session->id);
}

void record_close(struct session *session)
{
	const struct close_reason_info *info = &close_reason_info[session->reason];
	char server[INET_ADDRSTRLEN];

	if (info->severity == CLOSE_SEVERITY_ERROR && record_system_allowed(session->worker))
		record_system(session->worker, severity_names[info->severity], "SSL server %s, %s port %u: %s (%s)%s%s",
			session->server ? session->server->config->name : "unknown",
			inet_ntop(AF_INET, &session->server_ip, server, sizeof(server)), session->server_port,
			info->text, info->name, *session->detail ? ": " : "", session->detail);
	/* blocked sessions have their own log (G2) */
	if (session->server && session->server->config->logging && session->reason != CLOSE_BLOCKED)
		record_ssl_inspection(session);
}

void record_row(const struct session *session)
{
	const struct session_facts *facts = &session->facts;
	struct session_row row = {.id = session->id,
		.started_us = session->started_us,
		.bytes = {session->pipes[0].sent, session->pipes[1].sent},
		.client = session->client_ip,
		.server = session->server_ip,
		.client_port = session->client_port,
		.server_port = session->server_port,
		.vlan = session->flow_context.vlan & 0xfff,
		.version_client = facts->version[LEG_CLIENT],
		.version_server = facts->version[LEG_SERVER],
		.group = {facts->group_id[LEG_CLIENT], facts->group_id[LEG_SERVER]},
		.signature = {facts->signature_id[LEG_CLIENT], facts->signature_id[LEG_SERVER]},
		.handshake_ms = {facts->handshake_ms[LEG_CLIENT], facts->handshake_ms[LEG_SERVER]},
		.worker = session->worker->slot,
		.step = session->step,
		.inspected = session->stream != NULL,
		.resumed = facts->resumed[LEG_CLIENT] | facts->resumed[LEG_SERVER] << 1};

	if (session->table_slot < 0)
		return;
	if (session->server) {
		row.server_id = session->server->config->id;
		snprintf(row.ssl_server, sizeof(row.ssl_server), "%s", session->server->config->name);
	}
	snprintf(row.policy, sizeof(row.policy), "%s", session->policy ? session->policy->name : "");
	snprintf(row.virtual_segment, sizeof(row.virtual_segment), "%s",
		session->virtual_segment ? session->virtual_segment->name : "");
	snprintf(row.sni, sizeof(row.sni), "%s", session->sni ? session->sni : "");
	snprintf(row.cipher_client, sizeof(row.cipher_client), "%s",
		facts->cipher[LEG_CLIENT] ? facts->cipher[LEG_CLIENT] : "");
	snprintf(row.cipher_server, sizeof(row.cipher_server), "%s",
		facts->cipher[LEG_SERVER] ? facts->cipher[LEG_SERVER] : "");
	snprintf(row.alpn, sizeof(row.alpn), "%s", facts->alpn);
	snprintf(row.ja4, sizeof(row.ja4), "%s", facts->client.ja4);
	session_table_write(session->worker->table, session->table_slot, &row);
}
