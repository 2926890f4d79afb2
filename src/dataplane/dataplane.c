/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/flows.h"
#include "dataplane/netns.h"
#include "dataplane/ports.h"
#include "dataplane/programs.h"
#include "dataplane/rtnl.h"
#include "dataplane/topology.h"

/* How long a worker may be silent before new flows avoid it (A8); a beat is due every 50 ms. */
#define HEARTBEAT_LIMIT_NS 250000000ull

static bool instance_exists(const struct instance *instance)
{
	_cleanup_close_ int netns = netns_open(instance->netns_wire);

	return netns >= 0 || access(instance->pin_dir, F_OK) == 0;
}

/* Up to this rate of new flows to one server every SYN waits for the server's answer (A1); of more, those to a server
 * that has just answered do not: a flood of SYNs must not become a flood of connections to the server. */
#define HOLDS_PER_WINDOW 32

/* frames that a program copies into `inspect` are addressed to its end of the pair */
static int dataplane_read_ti1(struct dataplane *dp)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link ti1;
	int err = netns_enter(dp->inspect_netns, &home);

	if (!err)
		err = rtnl_link_get(WIRE_TI1, &ti1);
	if (!err)
		memcpy(dp->control->ti1_mac, ti1.mac, sizeof(ti1.mac));
	return err ? log_err_r(err, "cannot read the address of %s", WIRE_TI1) : 0;
}

/* the classifier of ti0, and what the programs must know of this topology */
static int dataplane_start_ti0(struct dataplane *dp)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link ti0;
	int err = netns_enter(dp->wire_netns, &home);

	if (!err)
		err = rtnl_link_get(WIRE_TI0, &ti0);
	if (!err)
		err = programs_attach_ti0(dp, ti0.index);
	if (err)
		return log_err_r(err, "cannot attach to %s", WIRE_TI0);
	dp->control->mtu = ti0.mtu;
	dp->control->max_flows = WIRE_FLOWS_MAX;
	dp->control->holds = HOLDS_PER_WINDOW;
	dp->control->heartbeat_limit_ns = HEARTBEAT_LIMIT_NS;
	__atomic_store_n(&dp->control->ti0, ti0.index, __ATOMIC_RELEASE);
	return 0;
}

static int dataplane_start(struct dataplane *dp)
{
	int err = topology_up(dp);

	if (!err)
		err = programs_load(dp);
	if (!err)
		err = dataplane_read_ti1(dp);
	if (!err)
		err = dataplane_start_ti0(dp);
	if (!err)
		err = programs_attach_lookup(dp);
	if (!err)
		err = flows_recount(dp);
	return err ? err : ports_adopt(dp);
}

int dataplane_open(struct dataplane **out, const struct instance *instance)
{
	bool adopted = instance_exists(instance);
	struct dataplane *dp = calloc(1, sizeof(*dp));
	int err;

	if (!dp)
		return -ENOMEM;
	dp->instance = *instance;
	dp->wire_netns = dp->inspect_netns = dp->flow_map_fd = -1;
	err = dataplane_start(dp);
	if (err) {
		dataplane_close(&dp);
		if (!adopted)
			dataplane_teardown(instance);
		return log_err_r(err, "cannot bring up the wire of instance %s", instance->name);
	}
	log_info("wire of instance %s %s", instance->name, adopted ? "adopted" : "created");
	*out = dp;
	return 0;
}

void dataplane_close(struct dataplane **dataplane)
{
	struct dataplane *dp = *dataplane;

	if (!dp)
		return;
	programs_unload(dp);
	cleanup_close(&dp->wire_netns);
	cleanup_close(&dp->inspect_netns);
	free(dp);
	*dataplane = NULL;
}

int dataplane_teardown(const struct instance *instance)
{
	int err = ports_release_all(instance);

	if (err) /* a veth port would vanish with its namespace */
		return log_err_r(err, "instance %s not removed: a port cannot leave it", instance->name);
	err = programs_remove_pins(instance);
	return err ? err : topology_down(instance);
}

int dataplane_set_workers(struct dataplane *dp, unsigned int base, unsigned int count)
{
	if (base > FLOW_WORKERS_MAX || count > FLOW_WORKERS_MAX - base)
		return log_err_r(-EINVAL, "worker slots %u to %u, at most %d", base, base + count, FLOW_WORKERS_MAX);
	__atomic_store_n(&dp->control->workers, (uint64_t)base << 32 | count, __ATOMIC_RELEASE);
	return 0;
}

unsigned int dataplane_workers_base(const struct dataplane *dp)
{
	return MIN(__atomic_load_n(&dp->control->workers, __ATOMIC_RELAXED) >> 32, FLOW_WORKERS_MAX);
}

static uint32_t *fallback_word(const struct dataplane *dp, enum dataplane_fallback cause)
{
	return cause == DATAPLANE_FALLBACK_COMMANDED ? &dp->control->fallback_commanded
						     : &dp->control->fallback_overload;
}

void dataplane_set_fallback(struct dataplane *dp, enum dataplane_fallback cause, uint32_t segments)
{
	__atomic_store_n(fallback_word(dp, cause), segments, __ATOMIC_RELEASE);
}

uint32_t dataplane_fallback(const struct dataplane *dp, enum dataplane_fallback cause)
{
	return __atomic_load_n(fallback_word(dp, cause), __ATOMIC_ACQUIRE);
}

int dataplane_segment_number(struct dataplane *dp, const struct config *config, size_t index)
{
	struct ports_set set;
	int err = ports_resolve(dp, config, &set);

	return err ? err : index < set.n ? set.pairs[index].number : -ENOENT;
}

void dataplane_set_crash_loop(struct dataplane *dp, bool crash_loop)
{
	__atomic_store_n(&dp->control->crash_loop, crash_loop, __ATOMIC_RELEASE);
}

int dataplane_add_listener(struct dataplane *dp, unsigned int slot, int listener_fd)
{
	_cleanup_close_ int listener = listener_fd;
	const __u32 key = slot;
	const __u64 value = listener;

	if (slot >= FLOW_WORKERS_MAX)
		return log_err_r(-EINVAL, "worker slot %u", slot);
	if (bpf_map_update_elem(dp->map.listeners, &key, &value, BPF_ANY))
		return log_err_r(-errno, "cannot enter the listener of worker %u", slot);
	return 0;
}

int dataplane_remove_listener(struct dataplane *dp, unsigned int slot)
{
	const __u32 key = slot;

	if (bpf_map_delete_elem(dp->map.listeners, &key) && errno != ENOENT && errno != EINVAL)
		return log_err_r(-errno, "cannot remove the listener of worker %u", slot);
	return 0;
}

int dataplane_new_events(struct dataplane *dp, unsigned int slot)
{
	const __u32 key = slot;
	_cleanup_close_ int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "flow_events", 0, 0, FLOW_EVENTS_BYTES, NULL);

	if (ring < 0 || bpf_map_update_elem(dp->map.events, &key, &ring, BPF_ANY))
		return log_err_r(-errno, "cannot make the event ring of worker %u", slot);
	return TAKE_FD(ring);
}

int dataplane_flow_map_fd(const struct dataplane *dp)
{
	return dp->flow_map_fd;
}

int dataplane_heartbeat_fd(const struct dataplane *dp)
{
	return dp->map.heartbeats;
}

int dataplane_inspect_netns_fd(const struct dataplane *dp)
{
	return dp->inspect_netns;
}

int dataplane_read_counters(struct dataplane *dp, uint64_t *values, unsigned int n)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *cells = cpus > 0 ? calloc(cpus, sizeof(*cells)) : NULL;

	if (!cells)
		return cpus < 0 ? cpus : -ENOMEM;
	memset(values, 0, n * sizeof(*values));
	for (__u32 i = 0; i < MIN(n, (unsigned int)WIRE_COUNTERS); i++) {
		if (bpf_map_lookup_elem(dp->map.counters, &i, cells))
			return -errno;
		for (int cpu = 0; cpu < cpus; cpu++)
			values[i] += cells[cpu];
	}
	return 0;
}
