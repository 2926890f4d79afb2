/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/undecryptable.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "proxy/record.h"
#include "proxy/splice.h"
#include "proxy/worker.h"
#include "stats/bypass_table.h"

#define NO_CAUSE CONFIG_UNDECRYPTABLE_N

enum scope { SCOPE_SERVER, SCOPE_CLIENT };

static const struct cause {
	const char *word, *text;
	enum scope scope;
	uint8_t alert;
	enum counter_id counter;
} causes[CONFIG_UNDECRYPTABLE_N] = {
#define UNDECRYPTABLE(id, word, scope, alert, text) \
	[CONFIG_UNDECRYPTABLE_##id] = {word, text, SCOPE_##scope, alert, COUNTER_BYPASSED_##id},
#include "config/undecryptable.def"
#undef UNDECRYPTABLE
};

static enum config_undecryptable cause_of(enum close_reason reason)
{
	switch (reason) {
	case CLOSE_SERVER_WANTS_CLIENT_CERT:
		return CONFIG_UNDECRYPTABLE_CLIENT_CERTIFICATE;
	case CLOSE_CLIENT_VERSION_OTHER:
		return CONFIG_UNDECRYPTABLE_CLIENT_VERSION;
	case CLOSE_CLIENT_CIPHER_OTHER:
		return CONFIG_UNDECRYPTABLE_CLIENT_CIPHER;
	case CLOSE_CLIENT_ALPN_OTHER:
		return CONFIG_UNDECRYPTABLE_CLIENT_ALPN;
	case CLOSE_CLIENT_HELLO_MALFORMED:
		return CONFIG_UNDECRYPTABLE_CLIENT_HELLO;
	case CLOSE_SERVER_VERSION_OTHER:
		return CONFIG_UNDECRYPTABLE_SERVER_VERSION;
	case CLOSE_SERVER_CIPHER_OTHER:
		return CONFIG_UNDECRYPTABLE_SERVER_CIPHER;
	case CLOSE_SERVER_CERTIFICATE_DRIFT:
		return CONFIG_UNDECRYPTABLE_SERVER_CERTIFICATE;
	case CLOSE_KEY_UNAVAILABLE:
		return CONFIG_UNDECRYPTABLE_KEY_UNAVAILABLE;
	default:
		return NO_CAUSE;
	}
}

static enum config_undecryptable_action action_for(const struct session *session, enum config_undecryptable cause)
{
	const struct config_ssl_server *config = session->server->config;

	if (cause != CONFIG_UNDECRYPTABLE_KEY_UNAVAILABLE)
		return config->undecryptable[cause];
	return config_blocks_without_key(config) ? CONFIG_UNDECRYPTABLE_BLOCK : CONFIG_UNDECRYPTABLE_BYPASS;
}

/* --- remembering ------------------------------------------------------------------------------------------------ */

static struct bypass_key bypass_key_of(const struct session *session, enum scope scope)
{
	struct bypass_key key = {.server = session->server_ip,
		.server_port = session->server_port,
		.vlan = session->flow_context.vlan,
		.segment = session->flow_context.segment};

	snprintf(key.ssl_server, sizeof(key.ssl_server), "%s", session->server->config->name);
	snprintf(key.sni, sizeof(key.sni), "%s", session->sni ? session->sni : "");
	if (scope == SCOPE_CLIENT) {
		key.client = session->client_ip;
		snprintf(key.ja4, sizeof(key.ja4), "%s", session->facts.client.ja4);
	}
	return key;
}

static void undecryptable_learn(struct session *session, enum config_undecryptable cause)
{
	struct worker *worker = session->worker;
	uint64_t now = clock_now_ns();
	unsigned int seconds = session->server->config->bypass_seconds;
	struct bypass_row row = {.key = bypass_key_of(session, causes[cause].scope),
		.learned_us = clock_wall_us(),
		.expires_ns = now + seconds * NSEC_PER_SEC,
		.cause = cause};

	if (bypass_table_learn(worker->bypasses, &row, now))
		stats_add(worker->cells, COUNTER_BYPASSES_FORGOTTEN, 1);
	record_bypass_learned(session, causes[cause].text, causes[cause].scope == SCOPE_CLIENT, seconds);
}

bool undecryptable_is_remembered(struct session *session)
{
	if (bypass_table_is_empty(session->worker->bypasses, clock_now_ns()))
		return false;
	for (enum scope scope = SCOPE_SERVER; scope <= SCOPE_CLIENT; scope++) {
		struct bypass_key key = bypass_key_of(session, scope);
		uint32_t cause;

		if (!bypass_table_find(session->worker->bypasses, &key, clock_now_ns(), &cause) || cause >= NO_CAUSE)
			continue;
		/* the option may have been changed since */
		if (action_for(session, cause) != CONFIG_UNDECRYPTABLE_REMEMBER)
			continue;
		session->bypass = BYPASS_REMEMBERED;
		session->bypass_cause = cause;
		session_count(session, causes[cause].counter, 1);
		session_count(session, COUNTER_BYPASSED_REMEMBERED, 1);
		return true;
	}
	return false;
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

/* as long as the client has heard nothing, the server can be asked anew in the client's own words */
static bool undecryptable_can_splice(const struct session *session)
{
	return session->hello && !session->legs[LEG_CLIENT].spoke && !leg_is_broken(&session->legs[LEG_CLIENT]);
}

enum session_step undecryptable_end(struct session *session)
{
	enum config_undecryptable cause = session->bypass ? NO_CAUSE : cause_of(session->reason);
	enum config_undecryptable_action action;

	if (cause == NO_CAUSE)
		return SESSION_CLOSED;
	action = action_for(session, cause);
	if (action == CONFIG_UNDECRYPTABLE_REMEMBER)
		undecryptable_learn(session, cause);
	if (action == CONFIG_UNDECRYPTABLE_RESET)
		session->silent = true;
	if (action < CONFIG_UNDECRYPTABLE_BYPASS || !undecryptable_can_splice(session))
		return SESSION_CLOSED;
	session->bypass = BYPASS_THIS;
	session->bypass_cause = cause;
	session_count(session, causes[cause].counter, 1);
	return splice_begin(session);
}

bool undecryptable_awaits_certificate_verdict(const struct session *session)
{
	return action_for(session, CONFIG_UNDECRYPTABLE_CLIENT_CERTIFICATE) >= CONFIG_UNDECRYPTABLE_BYPASS &&
	       tls_conn_asked_client_certificate(session->legs[LEG_SERVER].tls) &&
	       session->facts.version[LEG_SERVER] >= 0x0304;
}

int undecryptable_alert(const struct session *session)
{
	enum config_undecryptable cause = session->bypass ? NO_CAUSE : cause_of(session->reason);

	return cause == NO_CAUSE ? -1 : causes[cause].alert;
}

const char *undecryptable_bypass_cause(const struct session *session)
{
	return session->bypass ? causes[session->bypass_cause].word : NULL;
}
