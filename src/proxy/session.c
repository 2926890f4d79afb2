/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "proxy/alert.h"
#include "proxy/block.h"
#include "proxy/flow_lookup.h"
#include "proxy/hold.h"
#include "proxy/negotiated.h"
#include "proxy/record.h"
#include "proxy/rekey.h"
#include "proxy/splice.h"
#include "proxy/undecryptable.h"
#include "proxy/worker.h"
#include "tls/client_hello.h"

/* a ClientHello in one-byte records takes six bytes a byte */
#define SESSION_HELLO_MAX (128u << 10)
#define SESSION_HELLO_FIRST 2048u
/* a round trip to the server, which is near */
#define SESSION_SETTLE_NS (500 * NSEC_PER_MSEC)
/* in which a server that is spoken to mostly answers: the client's tickets go with the answer, in one packet */
#define SESSION_TICKETS_NS (20 * NSEC_PER_MSEC)

static enum session_step session_step_client_hello(struct session *session);
static enum session_step session_step_server_connect(struct session *session);
static enum session_step session_step_server_handshake(struct session *session);
static enum session_step session_step_server_settle(struct session *session);
static enum session_step session_step_client_handshake(struct session *session);

static const struct step_info {
	enum session_step (*run)(struct session *session);
	size_t timeout; /* offset of its seconds in struct config_limits */
	enum close_reason on_timeout;
} steps[] = {
#define SESSION_STEP(id, step_name, timeout_field, reason) \
	[SESSION_##id] = {session_step_##step_name, offsetof(struct config_limits, timeout_field), CLOSE_##reason},
#include "stats/session_steps.def"
#undef SESSION_STEP
};

void session_count(struct session *session, enum counter_id id, uint64_t n)
{
	stats_add(session->worker->cells, id, n);
	stats_add(session->server_cells, id, n);
}

enum session_step session_fail(struct session *session, enum close_reason reason, const char *detail)
{
	session->reason = reason;
	if (detail)
		snprintf(session->detail, sizeof(session->detail), "%s", detail);
	return SESSION_CLOSED;
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static void session_count_end(struct session *session)
{
	session_count(session, COUNTER_GAUGE_SESSIONS_ACTIVE, -1);
	session->worker->cells->closed[session->reason]++;
	session->server_cells->closed[session->reason]++;
	if (session->reason == CLOSE_BLOCKED)
		session_count(session, COUNTER_SESSIONS_BLOCKED, 1);
}

static void session_free(struct session *session)
{
	struct worker *worker = session->worker;

	loop_timer_disarm(worker->loop, &session->timer);
	loop_timer_disarm(worker->loop, &session->turn);
	rekey_end(session);
	for (enum session_leg leg = 0; leg < LEGS; leg++)
		leg_close(&session->legs[leg],
			close_reason_info[session->reason].reset && !session->legs[leg].alert_sent);
	inspect_stream_free(&session->stream);
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		free(session->pipes[dir].held);
	if (session->table_slot >= 0)
		session_table_release(worker->table, session->table_slot);
	LIST_REMOVE(session, link);
	worker->n_sessions--;
	snapshot_unref(&session->snapshot);
	free(session->hello);
	free(session->sni);
	free(session);
}

static void session_close(struct session *session)
{
	alert_mirror(session);
	record_close(session);
	session_count_end(session);
	session_free(session);
}

void session_abort(struct session *session, enum close_reason reason)
{
	session->reason = reason;
	session_close(session);
}

void session_stop_inspection(struct session *session)
{
	inspect_stream_free(&session->stream);
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		session->pipes[dir].release = session->pipes[dir].received;
	record_row(session);
	session_run(session);
}

static void session_on_timeout(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, timer);

	enum close_reason reason = steps[session->step].on_timeout;

	session_abort(session, reason != CLOSE_NONE ? reason : session->reason);
}

/* --- steps ----------------------------------------------------------------------------------------------------- */

static void session_arm_timer(struct session *session)
{
	const char *limits = (const char *)&session->snapshot->config->limits;
	unsigned int seconds = *(const unsigned int *)(limits + steps[session->step].timeout);

	loop_timer_arm(session->worker->loop, &session->timer, seconds * NSEC_PER_SEC, session_on_timeout);
}

void session_touch(struct session *session)
{
	session_arm_timer(session);
	if (session->table_slot >= 0)
		session_table_write_bytes(
			session->worker->table, session->table_slot, session->pipes[0].sent, session->pipes[1].sent);
}

/* the only place that changes the step */
static void session_enter(struct session *session, enum session_step step)
{
	log_dbg("session %016llx: %s -> %s%s%s", (unsigned long long)session->id, session_step_name(session->step),
		session_step_name(step), step == SESSION_CLOSED ? ": " : "",
		step == SESSION_CLOSED ? close_reason_info[session->reason].name : "");
	session->step = step;
	if (step == SESSION_CLOSED)
		return;
	session_arm_timer(session);
	record_row(session);
}

static void session_on_turn(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, turn);

	if (session->step == SESSION_RELAY)
		leg_send_tickets(&session->legs[LEG_CLIENT]);
	session_run(session);
}

/* it has come to its end: what is still to be done for its peers */
static enum session_step session_after_end(struct session *session)
{
	enum session_step next = undecryptable_end(session);

	return next == SESSION_CLOSED ? alert_await(session) : next;
}

void session_run(struct session *session)
{
	enum session_step next;

	if (session->running)
		return;
	session->running = true;
	session->again = false;
	worker_beat(session->worker); /* many sessions' turns make one long round of the loop */
	while ((next = steps[session->step].run(session)) != session->step) {
		if (next == SESSION_CLOSED && session->step != SESSION_FAREWELL)
			next = session_after_end(session);
		session_enter(session, next);
		if (next == SESSION_CLOSED) {
			session_close(session);
			return;
		}
	}
	session->running = false;
	if (session->again) /* one nanosecond: in the loop's next round, after everybody else */
		loop_timer_arm(session->worker->loop, &session->turn, 1, session_on_turn);
}

static enum session_step session_fail_leg(struct session *session, enum session_leg side, enum leg_status status)
{
	enum close_reason reason = session_leg_reason(session, side, status);

	if (status == LEG_FAILED)
		return session_fail(session, reason, tls_conn_error_text(session->legs[side].tls));
	return session_fail(session, reason, session->legs[side].error ? strerror(session->legs[side].error) : NULL);
}

static bool session_hello_room(struct session *session)
{
	size_t size = session->hello_size ? session->hello_size * 2 : SESSION_HELLO_FIRST;
	uint8_t *hello;

	if (session->hello_len < session->hello_size)
		return true;
	if (size > SESSION_HELLO_MAX || !(hello = realloc(session->hello, size)))
		return false;
	session->hello = hello;
	session->hello_size = size;
	return true;
}

/* the worker's scratch serves the reassembly: spans of a parsed hello are used before the next session runs */
static enum client_hello_result session_parse_hello(struct session *session, struct client_hello *hello)
{
	return client_hello_read(session->hello, session->hello_len, session->worker->hello_scratch, hello);
}

static enum session_step session_step_client_hello(struct session *session)
{
	struct client_hello hello;
	enum leg_status status;
	size_t n;

	if (leg_is_broken(&session->legs[LEG_SERVER]))
		return session_fail_leg(session, LEG_SERVER, LEG_RESET);
	for (;;) {
		if (!session_hello_room(session))
			return session_fail(session, CLOSE_CLIENT_HELLO_MALFORMED, "too long");
		status = leg_receive(&session->legs[LEG_CLIENT], session->hello + session->hello_len,
			session->hello_size - session->hello_len, &n);
		if (status == LEG_AGAIN)
			return SESSION_CLIENT_HELLO;
		if (status != LEG_OK)
			return session_fail_leg(session, LEG_CLIENT, status);
		session->hello_len += n;
		switch (session_parse_hello(session, &hello)) {
		case CLIENT_HELLO_COMPLETE:
			fingerprint_client(&hello, &session->facts.client);
			if (hello.sni.len && client_hello_sni_is_valid(hello.sni))
				session->sni = strndup((const char *)hello.sni.data, hello.sni.len);
			return undecryptable_is_remembered(session) ? splice_begin(session) : SESSION_SERVER_CONNECT;
		case CLIENT_HELLO_CLEARTEXT:
			return session_fail(session, CLOSE_CLEARTEXT_BEFORE_HELLO, NULL);
		case CLIENT_HELLO_MALFORMED:
			return session_fail(session, CLOSE_CLIENT_HELLO_MALFORMED, NULL);
		case CLIENT_HELLO_NEED_MORE:
			break;
		}
	}
}

/* ALPN towards the server: what the client offers and inspection can read (C4) */
static struct span session_offer_alpn(const struct session *session, const struct client_hello *hello)
{
	static const uint8_t http11[] = "\x08http/1.1";

	if (session->server->config->decrypted_service != CONFIG_SERVICE_HTTP)
		return hello->alpn;
	if (client_hello_offers_alpn(hello, "http/1.1"))
		return SPAN(http11, sizeof(http11) - 1);
	return SPAN(NULL, 0);
}

/* C4: gRPC and others that offer nothing else than what no decoder reads */
static bool session_can_inspect_alpn(const struct session *session, const struct client_hello *hello)
{
	return session->server->config->decrypted_service != CONFIG_SERVICE_HTTP || !hello->alpn.len ||
	       client_hello_offers_alpn(hello, "http/1.1") || client_hello_offers_alpn(hello, "http/1.0");
}

/* FNV-1a over what makes a server session the same: address, port, name */
static uint64_t session_cache_key(const struct session *session)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	uint8_t head[6];

	memcpy(head, &session->server_ip, 4);
	memcpy(head + 4, &session->server_port, 2);
	for (size_t i = 0; i < sizeof(head); i++)
		hash = (hash ^ head[i]) * 0x100000001b3ull;
	for (const char *c = session->sni; c && *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3ull;
	return hash ? hash : 1;
}

static enum session_step session_begin_server_handshake(struct session *session)
{
	struct leg *leg = &session->legs[LEG_SERVER];
	struct client_hello hello;
	struct tls_connect_options options = {0};

	if (session_parse_hello(session, &hello) != CLIENT_HELLO_COMPLETE)
		return session_fail(session, CLOSE_INTERNAL, "held ClientHello lost");
	options.protocol_min = MAX(hello.version_min, session->server->config->protocol_min);
	options.protocol_max = MIN(hello.version_max, session->server->config->protocol_max);
	if (!hello.version_max || options.protocol_min > options.protocol_max)
		return session_fail(session, CLOSE_CLIENT_VERSION_OTHER, NULL);
	if (!session_can_inspect_alpn(session, &hello))
		return session_fail(session, CLOSE_CLIENT_ALPN_OTHER, NULL);
	if (session->sni)
		options.sni = SPAN(session->sni, strlen(session->sni));
	options.alpn = session_offer_alpn(session, &hello);
	options.cipher_suites = hello.cipher_suites;
	options.groups = hello.groups;
	options.key_shares = hello.key_shares;
	options.signature_algorithms = hello.signature_algorithms;
	options.staple = hello.status_request;
	session->handshake_ns = loop_now_ns(session->worker->loop);
	options.session_cache_key = session_cache_key(session);
	if (tls_connect(&leg->tls, session->server->connector, &options, &leg_tls_callbacks, leg) < 0)
		return session_fail(session, CLOSE_INTERNAL, "server leg");
	return SESSION_SERVER_HANDSHAKE;
}

static enum session_step session_step_server_connect(struct session *session)
{
	const struct leg *leg = &session->legs[LEG_SERVER];

	if (leg_is_broken(leg))
		return session_fail_leg(session, LEG_SERVER, LEG_RESET);
	if (leg_is_broken(&session->legs[LEG_CLIENT]))
		return session_fail_leg(session, LEG_CLIENT, LEG_RESET);
	return leg->connected ? session_begin_server_handshake(session) : SESSION_SERVER_CONNECT;
}

/* what the handshake of that leg agreed on */
static void session_note_facts(struct session *session, enum session_leg side)
{
	struct session_facts *facts = &session->facts;
	struct tls_facts tls;

	tls_conn_facts(session->legs[side].tls, &tls);
	facts->version[side] = tls.version;
	facts->version_name[side] = tls.version_name;
	facts->cipher_id[side] = tls.cipher_id;
	facts->cipher[side] = tls.cipher;
	facts->group_id[side] = tls.group_id;
	facts->group[side] = tls.group;
	facts->resumed[side] = tls.resumed;
	facts->ticket_offered[side] = tls.ticket_offered;
	facts->signature_id[side] = tls.signature_algorithm;
	facts->signature[side] = tls.signature;
	facts->handshake_ms[side] = (loop_now_ns(session->worker->loop) - session->handshake_ns) / NSEC_PER_MSEC;
	session->handshake_ns = loop_now_ns(session->worker->loop);
	if (side == LEG_CLIENT)
		facts->certificate = tls.certificate;
	snprintf(facts->alpn, sizeof(facts->alpn), "%.*s", SPAN_FMT(tls.alpn));
}

/* the client leg gets the held bytes and the protocol that the server chose */
static enum session_step session_begin_client_handshake(struct session *session)
{
	struct leg *leg = &session->legs[LEG_CLIENT];

	if (tls_accept(&leg->tls, session->server->acceptor, &leg_tls_callbacks, leg) < 0)
		return session_fail(session, CLOSE_INTERNAL, "client leg");
	tls_conn_follow(leg->tls, session->legs[LEG_SERVER].tls);
	tls_conn_pass_staple(leg->tls, session->legs[LEG_SERVER].tls);
	tls_conn_select_alpn(leg->tls, SPAN(session->facts.alpn, strlen(session->facts.alpn)));
	if (tls_conn_feed(leg->tls, session->hello, session->hello_len) < 0 || leg_park(leg) < 0)
		return session_fail(session, CLOSE_INTERNAL, "out of memory");
	return SESSION_CLIENT_HANDSHAKE;
}

static enum session_step session_step_server_handshake(struct session *session)
{
	enum leg_status status = leg_handshake(&session->legs[LEG_SERVER]);

	if (leg_is_broken(&session->legs[LEG_CLIENT]))
		return session_fail_leg(session, LEG_CLIENT, LEG_RESET);
	if (status == LEG_AGAIN)
		return SESSION_SERVER_HANDSHAKE;
	if (status != LEG_OK)
		return session_fail_leg(session, LEG_SERVER, status);
	session_note_facts(session, LEG_SERVER);
	record_drift(session);
	if (!undecryptable_awaits_certificate_verdict(session))
		return session_begin_client_handshake(session);
	session->settle_until_ns = loop_now_ns(session->worker->loop) + SESSION_SETTLE_NS;
	loop_timer_arm(session->worker->loop, &session->turn, SESSION_SETTLE_NS, session_on_turn);
	return SESSION_SERVER_SETTLE;
}

/* A TLS 1.3 server says after the handshake whether it goes on without a client certificate (RFC 8446 section 4.4.2.4).
 * Once the client has heard from us its session cannot be bypassed: so the server is given a moment to refuse, issue a
 * ticket or speak. */
static enum session_step session_step_server_settle(struct session *session)
{
	struct leg *server = &session->legs[LEG_SERVER];
	enum leg_status status = leg_peek(server);

	if (leg_is_broken(&session->legs[LEG_CLIENT]))
		return session_fail_leg(session, LEG_CLIENT, LEG_RESET);
	if (status != LEG_OK && status != LEG_AGAIN)
		return session_fail_leg(session, LEG_SERVER, status);
	if (status == LEG_AGAIN && !tls_conn_got_ticket(server->tls) &&
		loop_now_ns(session->worker->loop) < session->settle_until_ns)
		return SESSION_SERVER_SETTLE;
	return session_begin_client_handshake(session);
}

static enum inspect_service session_service(enum config_service service)
{
	static const enum inspect_service services[CONFIG_SERVICE_N] = {
		[CONFIG_SERVICE_HTTP] = INSPECT_HTTP,
		[CONFIG_SERVICE_IMAP] = INSPECT_IMAP,
		[CONFIG_SERVICE_POP3] = INSPECT_POP3,
		[CONFIG_SERVICE_SMTP] = INSPECT_SMTP,
		[CONFIG_SERVICE_ANY] = INSPECT_RAW,
		[CONFIG_SERVICE_OTHER] = INSPECT_NONE,
	};

	return services[service];
}

/* as Suricata's tls.version has it */
static const char *session_tls_version(uint16_t version)
{
	static const char *const names[] = {"1.0", "1.1", "1.2", "1.3"};

	return version >= 0x0301 && version <= 0x0304 ? names[version - 0x0301] : NULL;
}

/* B12; a profile that only watches ends no session */
static void session_set_exceptions(const struct session *session, struct inspect_stream_options *options)
{
	static const enum inspect_on_limit policies[] = {[CONFIG_EXCEPTION_BYPASS] = INSPECT_ON_LIMIT_BYPASS,
		[CONFIG_EXCEPTION_BLOCK] = INSPECT_ON_LIMIT_BLOCK,
		[CONFIG_EXCEPTION_RESET] = INSPECT_ON_LIMIT_RESET};

	_Static_assert((int)CONFIG_EXCEPTION_N == (int)INSPECT_LIMITS, "one key for each limit, in the same order");
	for (unsigned int limit = 0; limit < INSPECT_LIMITS && !session->profile->monitor_only; limit++)
		options->on_limit[limit] = policies[session->snapshot->config->exceptions[limit]];
}

static bool session_begin_inspection(struct session *session)
{
	const struct inspect_engine *engine = session->snapshot->engines[session->profile->id];
	struct inspect_stream_options options = {.service = session_service(session->server->config->decrypted_service),
		.tls = {.sni = session->sni,
			.ja3 = *session->facts.client.ja3 ? session->facts.client.ja3 : NULL,
			.ja4 = *session->facts.client.ja4 ? session->facts.client.ja4 : NULL,
			.version = session_tls_version(session->facts.version[LEG_CLIENT])},
		.client_ip = session->client_ip.s_addr,
		.server_ip = session->server_ip.s_addr,
		.client_port = session->client_port,
		.server_port = session->server_port,
		.inspect_response = session->profile->inspect_server_response,
		.body_hold_bytes = session->snapshot->config->limits.request_body_hold_bytes,
		.on_hit = record_hit,
		.owner = session};

	session_set_exceptions(session, &options);
	if (options.service == INSPECT_NONE || !inspect_engine_filters(engine))
		return true;
	return inspect_stream_new(&session->stream, engine, session->worker->scratch, &options) >= 0;
}

static void session_count_established(struct session *session)
{
	const struct session_facts *facts = &session->facts;

	session_count(session, COUNTER_SESSIONS_ESTABLISHED, 1);
	session_count(session, COUNTER_SESSIONS_RESUMED_CLIENT, facts->resumed[LEG_CLIENT]);
	session_count(session, COUNTER_SESSIONS_RESUMED_SERVER, facts->resumed[LEG_SERVER]);
	session_count(session, COUNTER_SESSIONS_UNRESUMED_CLIENT,
		facts->ticket_offered[LEG_CLIENT] && !facts->resumed[LEG_CLIENT]);
	session_count(session, COUNTER_SESSIONS_UNRESUMED_SERVER,
		facts->ticket_offered[LEG_SERVER] && !facts->resumed[LEG_SERVER]);
	negotiated_count(session);
}

/* the server leg broke while the client's handshake went on: an alert in front of the reset says why (TLS 1.3 asks for
 * client certificates so, RFC 8446 section 4.4.2.4) */
static enum session_step session_fail_server_meanwhile(struct session *session)
{
	size_t n;
	enum leg_status status = leg_read(&session->legs[LEG_SERVER], session->worker->plain, WORKER_PLAIN_SIZE, &n);

	return session_fail_leg(session, LEG_SERVER, status == LEG_FAILED ? LEG_FAILED : LEG_RESET);
}

static enum session_step session_step_client_handshake(struct session *session)
{
	enum leg_status status = leg_handshake(&session->legs[LEG_CLIENT]);

	if (leg_is_broken(&session->legs[LEG_SERVER]))
		return session_fail_server_meanwhile(session);
	if (status == LEG_AGAIN)
		return SESSION_CLIENT_HANDSHAKE;
	if (status != LEG_OK)
		return session_fail_leg(session, LEG_CLIENT, status);
	session_note_facts(session, LEG_CLIENT);
	free(TAKE_PTR(session->hello));
	session->established_ns = loop_now_ns(session->worker->loop);
	loop_timer_arm(session->worker->loop, &session->turn, SESSION_TICKETS_NS, session_on_turn);
	session_count_established(session);
	rekey_begin(session);
	if (!session_begin_inspection(session))
		return session_fail(session, CLOSE_INTERNAL, "no memory for inspection");
	return SESSION_RELAY;
}

/* --- the beginning --------------------------------------------------------------------------------------------- */

/* the connection that waits since the client's SYN was held (A1), or a new one */
static int session_open_server(struct session *session)
{
	bool connected = false;
	int fd = hold_take(session->worker->holds, &session->flow_key, &connected);

	if (fd < 0)
		fd = leg_socket_connect(&session->flow_key);
	if (fd < 0)
		return fd;
	return leg_open(&session->legs[LEG_SERVER], &session->worker->io, session, fd, connected);
}

int session_reconnect_server(struct session *session)
{
	struct leg *leg = &session->legs[LEG_SERVER];

	leg_close(leg, true);
	*leg = (struct leg){.source.fd = -1};
	return session_open_server(session);
}

/* what the eBPF programs decided at the SYN */
static int session_find_policy(struct session *session)
{
	struct worker *worker = session->worker;
	const struct config *config;
	struct flow flow;
	int r = flow_lookup(worker->flow_map_fd, &session->flow_key, &flow);

	if (r < 0)
		return r;
	session->flow_context = flow.context;
	session->client_port = ntohs(flow.client_port);
	session->snapshot = worker_find_snapshot(worker, flow.config_version);
	if (!session->snapshot)
		return -ENOENT;
	config = session->snapshot->config;
	if (flow.ssl_server_id >= config->n_ssl_servers || flow.profile_id >= config->n_profiles ||
		flow.virtual_segment_id >= config->n_virtual_segments)
		return -ENOENT;
	session->server = &session->snapshot->servers[flow.ssl_server_id];
	session->virtual_segment = &config->virtual_segments[flow.virtual_segment_id];
	session->profile = &config->profiles[flow.profile_id];
	session->policy = config_find_ssl_policy(config, flow.ssl_policy_id, NULL);
	session->server_cells = stats_server_cells(worker->stats, worker->stats_writer, session->server->stats_slot);
	if (!session->server_cells)
		session->server_cells = &worker->no_server;
	return session->policy ? 0 : -ENOENT;
}

static int session_new(struct session **out, struct worker *worker, const struct flow_key *key)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	session->worker = worker;
	session->legs[LEG_CLIENT].source.fd = session->legs[LEG_SERVER].source.fd = -1;
	session->client_ip.s_addr = key->client_ip;
	session->server_ip.s_addr = key->server_ip;
	session->server_port = ntohs(key->server_port);
	session->flow_key = *key;
	session->id = worker_next_session_id(worker);
	session->started_us = clock_wall_us();
	session->started_ns = loop_now_ns(worker->loop);
	session->table_slot = -1;
	LIST_INSERT_HEAD(&worker->sessions, session, link);
	worker->n_sessions++;
	*out = session;
	return 0;
}

/* without a policy there is nothing to log or count per server */
static void session_refuse(struct worker *worker, int fd, enum close_reason reason)
{
	close(fd); /* SO_LINGER {1, 0} from the listener: a reset */
	worker->cells->closed[reason]++;
}

static void session_start(struct session *session, int fd)
{
	int r = leg_open(&session->legs[LEG_CLIENT], &session->worker->io, session, fd, true);

	if (r >= 0)
		r = session_open_server(session);
	session->table_slot = session_table_take(session->worker->table);
	session_count(session, COUNTER_SESSIONS_NEW, 1);
	session_count(session, COUNTER_GAUGE_SESSIONS_ACTIVE, 1);
	session->legs[LEG_CLIENT].readable = true; /* the ClientHello may be here already */
	session_enter(session, SESSION_CLIENT_HELLO);
	if (r < 0) {
		snprintf(session->detail, sizeof(session->detail), "server leg: %s", strerror(-r));
		session_abort(session, CLOSE_SERVER_UNREACHABLE);
		return;
	}
	session_run(session);
}

void session_record_refused(struct worker *worker, const struct flow_key *key, int error)
{
	struct session *session;

	if (session_new(&session, worker, key) < 0)
		return;
	if (session_find_policy(session) >= 0) {
		session->reason = error == ECONNREFUSED ? CLOSE_SERVER_REFUSED : CLOSE_SERVER_UNREACHABLE;
		snprintf(session->detail, sizeof(session->detail), "%s", strerror(error));
		worker->cells->closed[session->reason]++;
		session->server_cells->closed[session->reason]++;
		record_close(session);
	}
	session_free(session);
}

void session_accept(struct worker *worker, int fd, const struct sockaddr_in *client)
{
	struct sockaddr_in server;
	socklen_t len = sizeof(server);
	struct session *session;
	struct flow_key key;

	if (getsockname(fd, (struct sockaddr *)&server, &len) < 0) {
		session_refuse(worker, fd, CLOSE_INTERNAL);
		return;
	}
	key = (struct flow_key){.client_ip = client->sin_addr.s_addr,
		.server_ip = server.sin_addr.s_addr,
		.client_port = client->sin_port,
		.server_port = server.sin_port};
	if (session_new(&session, worker, &key) < 0) {
		session_refuse(worker, fd, CLOSE_INTERNAL);
		return;
	}
	if (session_find_policy(session) < 0) {
		session_free(session);
		session_refuse(worker, fd, CLOSE_NO_POLICY);
		return;
	}
	if (worker->n_sessions > worker_max_sessions(worker, session->snapshot)) {
		session_free(session);
		session_refuse(worker, fd, CLOSE_LIMIT);
		stats_add(worker->cells, COUNTER_SESSIONS_REFUSED_LIMIT, 1);
		return;
	}
	session_start(session, fd);
}
