/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/flows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "dataplane/limits.h"

#define FLOWS_BATCH 4096
#define LINGER_NS (2 * NSEC_PER_SEC)      /* retransmissions of the last segments */
#define EMBRYONIC_NS (30 * NSEC_PER_SEC)  /* since the SYN, until the client answers our SYN-ACK */
#define HALF_RESET_NS (30 * NSEC_PER_SEC) /* one leg reset: the other is silent, or never began */

bool flow_is_over(const struct flow *flow, uint64_t now_ns, uint64_t idle_ns)
{
	/* the kernel may have touched it since now_ns was read */
	uint64_t quiet = now_ns > flow->last_ns ? now_ns - flow->last_ns : 0;
	uint64_t age = now_ns > flow->created_ns ? now_ns - flow->created_ns : 0;

	if (flow_client_leg_over(flow->flags) && flow_server_leg_over(flow->flags))
		return quiet > LINGER_NS;
	if (flow->flags & FLOW_RST)
		return quiet > MIN(HALF_RESET_NS, idle_ns);
	if (flow->hold == FLOW_REFUSED)
		return quiet > LINGER_NS;
	if (!(flow->flags & FLOW_ESTABLISHED))
		return age > EMBRYONIC_NS;
	return quiet > idle_ns;
}

typedef bool flows_fn(const struct flow *flow, void *data);

/* Takes flow out with its alias, if it still is what fn wants: a SYN may have made a new one of it in between. */
static bool flow_remove(struct dataplane *dp, const struct flow_key *key, flows_fn *fn, void *data)
{
	struct wire_alias alias;
	struct flow flow;

	if (bpf_map_lookup_elem(dp->map.flows, key, &flow) || !fn(&flow, data) ||
		bpf_map_delete_elem(dp->map.flows, key))
		return false;
	__atomic_fetch_sub(&dp->control->flows, 1, __ATOMIC_RELAXED);
	if (flow.client_port == key->client_port)
		return true;
	alias = (struct wire_alias){.key = *key, .context = flow.context};
	alias.key.client_port = flow.client_port;
	if (bpf_map_delete_elem(dp->map.aliases, &alias) == 0)
		__atomic_fetch_sub(&dp->control->aliases, 1, __ATOMIC_RELAXED);
	return true;
}

/* looks at every flow and removes those that fn wants removed; the others go into the tally, if there is one */
static int flows_sweep(
	struct dataplane *dp, flows_fn *fn, void *data, struct limits_tally *tally, struct dataplane_reap *out)
{
	_cleanup_free_ struct flow_key *keys = calloc(FLOWS_BATCH, sizeof(*keys));
	_cleanup_free_ struct flow *flows = calloc(FLOWS_BATCH, sizeof(*flows));
	__u32 token, *from = NULL, n;
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (!keys || !flows)
		return -ENOMEM;
	while (!err) {
		n = FLOWS_BATCH;
		err = bpf_map_lookup_batch(dp->map.flows, from, &token, keys, flows, &n, NULL);
		if (err && err != -ENOENT)
			return log_err_r(err, "cannot read the flow table");
		for (__u32 i = 0; i < n; i++) {
			if (fn(&flows[i], data) && flow_remove(dp, &keys[i], fn, data))
				out->removed++;
			else if (tally)
				limits_tally_count(tally, &keys[i], &flows[i]);
		}
		out->flows += n;
		from = &token;
	}
	out->flows -= out->removed;
	return 0;
}

int dataplane_each_flow(struct dataplane *dp, dataplane_flow_fn *fn, void *data)
{
	_cleanup_free_ struct flow_key *keys = calloc(FLOWS_BATCH, sizeof(*keys));
	_cleanup_free_ struct flow *flows = calloc(FLOWS_BATCH, sizeof(*flows));
	__u32 token, *from = NULL, n;
	int err = keys && flows ? 0 : -ENOMEM;

	while (!err) {
		n = FLOWS_BATCH;
		err = bpf_map_lookup_batch(dp->map.flows, from, &token, keys, flows, &n, NULL);
		for (__u32 i = 0; (!err || err == -ENOENT) && i < n; i++)
			fn(&keys[i], &flows[i], data);
		from = &token;
	}
	return err == -ENOENT ? 0 : err;
}

struct reap_limits {
	uint64_t now_ns, idle_ns;
};

static bool reap_wants(const struct flow *flow, void *data)
{
	const struct reap_limits *limits = data;

	return flow_is_over(flow, limits->now_ns, limits->idle_ns);
}

int dataplane_reap(struct dataplane *dp, unsigned int idle_seconds, struct dataplane_reap *out)
{
	struct reap_limits limits = {.now_ns = clock_now_ns(), .idle_ns = idle_seconds * NSEC_PER_SEC};
	struct limits_tally *tally = NULL;
	int err = limits_tally_new(&tally, dp);

	if (err)
		return err;
	err = flows_sweep(dp, reap_wants, &limits, tally, out);
	if (err)
		free(TAKE_PTR(tally)); /* half a look puts nothing right */
	limits_tally_end(&tally, dp);
	return err;
}

static bool is_of_segment(const struct flow *flow, void *data)
{
	return flow->context.segment == *(const uint16_t *)data;
}

int flows_remove_segment(struct dataplane *dp, uint16_t segment)
{
	struct dataplane_reap reap;

	return flows_sweep(dp, is_of_segment, &segment, NULL, &reap);
}

static bool alias_is_orphan(struct dataplane *dp, const struct wire_alias *alias, __be16 port)
{
	struct flow_key key = alias->key;
	struct flow flow;

	key.client_port = port;
	return bpf_map_lookup_elem(dp->map.flows, &key, &flow) || flow.client_port != alias->key.client_port ||
	       memcmp(&flow.context, &alias->context, sizeof(flow.context));
}

static int aliases_recount(struct dataplane *dp)
{
	_cleanup_free_ struct wire_alias *keys = calloc(FLOWS_BATCH, sizeof(*keys));
	_cleanup_free_ __be16 *ports = calloc(FLOWS_BATCH, sizeof(*ports));
	__u32 token, *from = NULL, n;
	uint64_t before = dp->control->aliases, found = 0;
	int err = 0;

	if (!keys || !ports)
		return -ENOMEM;
	while (!err) {
		n = FLOWS_BATCH;
		err = bpf_map_lookup_batch(dp->map.aliases, from, &token, keys, ports, &n, NULL);
		if (err && err != -ENOENT)
			return log_err_r(err, "cannot read the alias table");
		for (__u32 i = 0; i < n; i++)
			if (!alias_is_orphan(dp, &keys[i], ports[i]) || bpf_map_delete_elem(dp->map.aliases, &keys[i]))
				found++;
		from = &token;
	}
	__atomic_fetch_add(&dp->control->aliases, found - before, __ATOMIC_RELAXED);
	return 0;
}

static bool wants_none(const struct flow *flow, void *data)
{
	return false;
}

int flows_recount(struct dataplane *dp)
{
	uint64_t before = dp->control->flows;
	struct dataplane_reap reap;
	int err = flows_sweep(dp, wants_none, NULL, NULL, &reap);

	if (err)
		return err;
	__atomic_fetch_add(&dp->control->flows, reap.flows - before, __ATOMIC_RELAXED);
	return aliases_recount(dp);
}
