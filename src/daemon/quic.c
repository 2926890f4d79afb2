/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/quic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/supervisor.h"
#include "dataplane/quic.h"

#define QUIC_KINDS 512          /* client, server and port that are told of one by one */
#define QUIC_PERIOD_SECONDS 60u /* in which further datagrams of a kind are one record */
#define QUIC_RECORDS_MAX 32     /* in one second: more kinds are told with the rest */

struct quic_kind {
	struct dataplane_quic last; /* datagrams: not told of yet */
	uint64_t told_ns;           /* 0: the place is free */
};

struct quic_log {
	struct quic_kind kinds[QUIC_KINDS];
	struct dataplane_quic rows[WIRE_QUIC_MAX];
	uint64_t untold, untold_ns; /* datagrams of kinds that found no place */
};

/* the names in force when it was decided are those of that version: another may have come since */
static void record_names(
	struct event *event, const struct supervisor *supervisor, const struct dataplane_quic *row, bool *logging)
{
	const struct policy *policy = supervisor->policy;
	const struct config *config = policy && policy->version == row->seen.config_version ? policy->config : NULL;
	const struct config_profile *profile = NULL;
	const struct config_ssl_policy *ssl_policy;

	*logging = false;
	if (!config || row->seen.ssl_server_id >= config->n_ssl_servers)
		return;
	*logging = config->ssl_servers[row->seen.ssl_server_id].logging;
	event_str(event, EVENT_SSL_SERVER, config->ssl_servers[row->seen.ssl_server_id].name);
	ssl_policy = config_find_ssl_policy(config, row->seen.ssl_policy_id, &profile);
	event_str(event, EVENT_SSL_POLICY, ssl_policy ? ssl_policy->name : NULL);
	event_str(event, EVENT_PROFILE, profile ? profile->name : NULL);
	if (row->seen.virtual_segment_id < config->n_virtual_segments) {
		const struct config_virtual_segment *vs = &config->virtual_segments[row->seen.virtual_segment_id];

		event_str(event, EVENT_VIRTUAL_SEGMENT, vs->name);
		event_str(event, EVENT_SEGMENT, vs->segment->name);
	}
}

static void quic_record(struct supervisor *supervisor, const struct dataplane_quic *row, unsigned int period)
{
	bool blocked = row->key.blocked, logging;
	struct event event;

	event_begin(&event, blocked ? EVENT_LOG_BLOCK : EVENT_LOG_SSL_INSPECTION);
	event_str(&event, EVENT_COMPONENT, "sluiced");
	event_str(&event, EVENT_ACTION, blocked ? "block" : "not_decrypted");
	event_str(&event, EVENT_DETAIL, "QUIC");
	event_str(&event, EVENT_MESSAGE,
		blocked ? "QUIC to an SSL server dropped: the client is told to use TCP"
			: "QUIC to an SSL server passes undecrypted");
	event_ip4(&event, EVENT_CLIENT_IP, (struct in_addr){row->key.client});
	event_ip4(&event, EVENT_SERVER_IP, (struct in_addr){row->key.server});
	event_u64(&event, EVENT_SERVER_PORT, ntohs(row->key.port));
	if (row->key.vlan & FLOW_VLAN_PRESENT)
		event_u64(&event, EVENT_VLAN, row->key.vlan & 0xfff);
	if (blocked)
		event_u64(&event, EVENT_SSL_INSPECT, false);
	event_u64(&event, EVENT_HITS, row->seen.datagrams);
	if (period)
		event_u64(&event, EVENT_AGGREGATION_SECONDS, period);
	event_u64(&event, EVENT_CONFIG_VERSION, row->seen.config_version);
	record_names(&event, supervisor, row, &logging);
	if (blocked || logging)
		supervisor_commit_event(supervisor, &event);
}

/* of that key, or a free place; NULL: there is none */
static struct quic_kind *kind_of(struct quic_log *log, const struct wire_quic_key *key)
{
	struct quic_kind *free_place = NULL;

	for (size_t i = 0; i < QUIC_KINDS; i++) {
		struct quic_kind *kind = &log->kinds[i];

		if (kind->told_ns && !memcmp(&kind->last.key, key, sizeof(*key)))
			return kind;
		if (!kind->told_ns && !free_place)
			free_place = kind;
	}
	return free_place;
}

/* true: told at once */
static bool quic_take(struct supervisor *supervisor, struct quic_log *log, const struct dataplane_quic *row,
	uint64_t now, bool may_tell)
{
	struct quic_kind *kind = kind_of(log, &row->key);

	if (kind && kind->told_ns) {
		uint64_t waiting = kind->last.seen.datagrams;

		kind->last = *row;
		kind->last.seen.datagrams += waiting;
		return false;
	}
	if (!kind || !may_tell) {
		log->untold_ns = log->untold ? log->untold_ns : now;
		log->untold += row->seen.datagrams;
		return false;
	}
	quic_record(supervisor, row, 0);
	*kind = (struct quic_kind){.last = *row, .told_ns = now};
	kind->last.seen.datagrams = 0;
	return true;
}

static bool is_due(uint64_t since_ns, uint64_t now)
{
	return now - since_ns >= QUIC_PERIOD_SECONDS * NSEC_PER_SEC;
}

/* what a minute has brought; a kind that it brought nothing of gives its place up */
static void quic_tell_due(struct supervisor *supervisor, struct quic_log *log, uint64_t now)
{
	for (size_t i = 0; i < QUIC_KINDS; i++) {
		struct quic_kind *kind = &log->kinds[i];

		if (!kind->told_ns || !is_due(kind->told_ns, now))
			continue;
		kind->told_ns = kind->last.seen.datagrams ? now : 0;
		if (kind->last.seen.datagrams)
			quic_record(supervisor, &kind->last, QUIC_PERIOD_SECONDS);
		kind->last.seen.datagrams = 0;
	}
	if (log->untold && is_due(log->untold_ns, now)) {
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "warning",
			"QUIC to SSL servers from more clients than are told of one by one: %llu further datagrams "
			"within "
			"%u s",
			(unsigned long long)log->untold, QUIC_PERIOD_SECONDS);
		log->untold = 0;
	}
}

void quic_tick(struct supervisor *supervisor)
{
	struct quic_log *log = supervisor->quic_log ?: calloc(1, sizeof(*log));
	uint64_t now = clock_now_ns();
	int n, told = 0;

	supervisor->quic_log = log;
	n = log ? dataplane_take_quic(supervisor->dataplane, log->rows, ARRAY_SIZE(log->rows)) : -ENOMEM;
	for (int i = 0; i < n; i++)
		told += quic_take(supervisor, log, &log->rows[i], now, told < QUIC_RECORDS_MAX);
	if (log)
		quic_tell_due(supervisor, log, now);
}

void quic_close(struct supervisor *supervisor)
{
	free(TAKE_PTR(supervisor->quic_log));
}
