/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/limits.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/common.h"
#include "base/log.h"

#define CLEAR_POINTS 5      /* F6: below a threshold until it is cleared */
#define TALLY_SOURCES 1024u /* refused sources that one look can put right */

static int limits_write(struct dataplane *dp, __u32 epoch, __u32 server, const struct wire_server_limits *limits)
{
	const __u32 index = (epoch & 1) * WIRE_SERVERS_MAX + server;
	const struct wire_quota none = {0};

	if (bpf_map_update_elem(dp->map.server_limits, &index, limits, BPF_ANY))
		return -errno;
	if (limits->mark && bpf_map_update_elem(dp->map.server_quotas, &limits->mark, &none, BPF_NOEXIST) &&
		errno != EEXIST)
		return -errno;
	return 0;
}

int limits_publish(struct dataplane *dp, const struct plan *plan, __u32 epoch)
{
	static const struct wire_server_limits none;
	int err = 0;

	for (__u32 i = 0; i < WIRE_SERVERS_MAX && !err; i++)
		err = limits_write(dp, epoch, i, i < plan->n_server_limits ? &plan->server_limits[i] : &none);
	return err;
}

void limits_switch(struct dataplane *dp, const struct config *config)
{
	struct wire_session_limits *limits = dp->session_limits;
	uint64_t max = config->ssl_inspection ? config->limits.max_sessions : 0;
	unsigned int percent = config->limits.critical_threshold_percent;

	limits->block = config->limits.when_max_sessions == CONFIG_UNAVAILABLE_BLOCK;
	limits->block_source = config->limits.when_max_sessions_per_source == CONFIG_UNAVAILABLE_BLOCK;
	limits->clear = max * (percent - CLEAR_POINTS) / 100;
	__atomic_store_n(&limits->per_source, config->limits.max_sessions_per_source, __ATOMIC_RELEASE);
	__atomic_store_n(&limits->critical, max ? MAX(max * percent / 100, 1ull) : 0, __ATOMIC_RELEASE);
}

static bool mark_in_force(struct dataplane *dp, __u32 epoch, __u32 mark)
{
	struct wire_server_limits limits;

	for (__u32 i = 0; i < WIRE_SERVERS_MAX; i++) {
		const __u32 index = (epoch & 1) * WIRE_SERVERS_MAX + i;

		if (bpf_map_lookup_elem(dp->map.server_limits, &index, &limits) == 0 && limits.mark == mark)
			return true;
	}
	return false;
}

/* keys of a map of quotas, at most max */
static size_t quota_keys(int map, __u32 *keys, size_t max)
{
	__u32 *previous = NULL;
	size_t n = 0;

	while (n < max && bpf_map_get_next_key(map, previous, &keys[n]) == 0)
		previous = &keys[n++];
	return n;
}

void limits_purge(struct dataplane *dp, __u32 keep)
{
	_cleanup_free_ __u32 *keys = calloc(WIRE_QUOTAS_MAX, sizeof(*keys));
	size_t n = keys ? quota_keys(dp->map.server_quotas, keys, WIRE_QUOTAS_MAX) : 0;
	struct wire_quota quota;

	for (size_t i = 0; i < n; i++)
		if (!mark_in_force(dp, keep, keys[i]) &&
			bpf_map_lookup_elem(dp->map.server_quotas, &keys[i], &quota) == 0 && !quota.sessions)
			bpf_map_delete_elem(dp->map.server_quotas, &keys[i]);
}

/* --- putting right -------------------------------------------------------------------------------------------------
 */

struct tally_row {
	__u32 key, before, found;
};

struct limits_tally {
	uint64_t before, found;
	size_t n_servers, n_sources;
	struct tally_row servers[WIRE_QUOTAS_MAX], sources[TALLY_SOURCES];
};

static int row_compare(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* the quotas with at least that many sessions, in the order of their keys */
static size_t rows_read(struct tally_row *rows, size_t max, int map, __u32 least)
{
	_cleanup_free_ __u32 *keys = calloc(WIRE_SOURCES_MAX, sizeof(*keys));
	size_t n_keys = keys ? quota_keys(map, keys, WIRE_SOURCES_MAX) : 0, n = 0;
	struct wire_quota quota;

	for (size_t i = 0; i < n_keys && n < max; i++)
		if (bpf_map_lookup_elem(map, &keys[i], &quota) == 0 && quota.sessions >= least)
			rows[n++] = (struct tally_row){.key = keys[i], .before = quota.sessions};
	qsort(rows, n, sizeof(*rows), row_compare);
	return n;
}

static void rows_count(struct tally_row *rows, size_t n, __u32 key)
{
	const struct tally_row wanted = {.key = key};
	struct tally_row *row = n ? bsearch(&wanted, rows, n, sizeof(*rows), row_compare) : NULL;

	if (row)
		row->found++;
}

/* only downwards, and only where nothing has moved meanwhile: what is too low is found by no one to his harm */
static void rows_correct(const struct tally_row *rows, size_t n, int map)
{
	struct wire_quota quota;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].found >= rows[i].before || bpf_map_lookup_elem(map, &rows[i].key, &quota) ||
			quota.sessions != rows[i].before)
			continue;
		quota.sessions = rows[i].found;
		bpf_map_update_elem(map, &rows[i].key, &quota, BPF_EXIST);
	}
}

int limits_tally_new(struct limits_tally **out, struct dataplane *dp)
{
	struct limits_tally *tally = calloc(1, sizeof(*tally));

	if (!tally)
		return -ENOMEM;
	tally->before = __atomic_load_n(&dp->session_limits->sessions, __ATOMIC_RELAXED);
	tally->n_servers = rows_read(tally->servers, ARRAY_SIZE(tally->servers), dp->map.server_quotas, 1);
	if (dp->session_limits->per_source)
		tally->n_sources = rows_read(tally->sources, ARRAY_SIZE(tally->sources), dp->map.source_quotas,
			dp->session_limits->per_source);
	*out = tally;
	return 0;
}

void limits_tally_count(struct limits_tally *tally, const struct flow_key *key, const struct flow *flow)
{
	if (!flow_is_session(flow->flags))
		return;
	tally->found++;
	if (flow->server_mark)
		rows_count(tally->servers, tally->n_servers, flow->server_mark);
	rows_count(tally->sources, tally->n_sources, key->client_ip);
}

/* The device's figure: what two looks in a row find, by the smaller of the two; sessions that come and go while one is
 * taken look like drift once. */
static void device_correct(struct dataplane *dp, int64_t drift)
{
	int64_t last = dp->session_drift, step = llabs(drift) < llabs(last) ? drift : last;

	dp->session_drift = drift;
	if (!drift || !last || (drift > 0) != (last > 0))
		return;
	__atomic_fetch_add(&dp->session_limits->sessions, step, __ATOMIC_RELAXED);
	dp->session_drift = 0;
}

void limits_tally_end(struct limits_tally **ref, struct dataplane *dp)
{
	_cleanup_free_ struct limits_tally *tally = TAKE_PTR(*ref);

	if (!tally)
		return;
	device_correct(dp, (int64_t)(tally->found - tally->before));
	rows_correct(tally->servers, tally->n_servers, dp->map.server_quotas);
	rows_correct(tally->sources, tally->n_sources, dp->map.source_quotas);
}

void dataplane_read_sessions(struct dataplane *dp, struct dataplane_sessions *out)
{
	struct wire_session_limits *limits = dp->session_limits;

	out->now = __atomic_load_n(&limits->sessions, __ATOMIC_RELAXED);
	out->peak = MAX(__atomic_exchange_n(&limits->peak, out->now, __ATOMIC_RELAXED), out->now);
	/* the programs look at it with the next SYN only */
	if (limits->over && out->now <= limits->clear)
		__atomic_store_n(&limits->over, 0, __ATOMIC_RELAXED);
	out->over = __atomic_load_n(&limits->over, __ATOMIC_RELAXED);
	out->entered = __atomic_load_n(&limits->entered, __ATOMIC_RELAXED);
}
