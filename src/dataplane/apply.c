/* SPDX-License-Identifier: Apache-2.0 */
/* dataplane_apply(): plan → ports → entries under a new epoch → one store puts them in force → the old ones go. Until
 * the store, every failure is undone and the previous policy has not been touched. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/plan.h"
#include "dataplane/ports.h"

static int policy_write_arrays(struct dataplane *dp, const struct plan *plan, __u32 epoch, __u32 version)
{
	const struct wire_epoch info = {.config_version = version, .virtual_segments = plan->n_virtual_segments};
	__u32 half = epoch & 1, index = half * WIRE_VIRTUAL_SEGMENTS_MAX;

	for (size_t i = 0; i < plan->n_virtual_segments; i++, index++)
		if (bpf_map_update_elem(dp->map.virtual_segments, &index, &plan->virtual_segments[i], BPF_ANY))
			return -errno;
	return bpf_map_update_elem(dp->map.epochs, &half, &info, BPF_ANY) ? -errno : 0;
}

static int policy_write_prefixes(int map, const struct wire_prefix *prefixes, size_t n, __u32 epoch)
{
	const __u32 present = 1;

	for (size_t i = 0; i < n; i++) {
		struct wire_prefix key = prefixes[i];

		key.epoch = epoch;
		if (bpf_map_update_elem(map, &key, &present, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int policy_write_servers(struct dataplane *dp, const struct plan *plan, __u32 epoch)
{
	for (size_t i = 0; i < plan->n_servers; i++) {
		struct wire_prefix key = plan->servers[i].key;

		key.epoch = epoch;
		if (bpf_map_update_elem(dp->map.servers, &key, &plan->servers[i].value, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int policy_write(struct dataplane *dp, const struct plan *plan, __u32 epoch, __u32 version)
{
	int err = policy_write_arrays(dp, plan, epoch, version);

	if (!err)
		err = policy_write_prefixes(dp->map.destinations, plan->destinations, plan->n_destinations, epoch);
	if (!err)
		err = policy_write_servers(dp, plan, epoch);
	if (!err)
		err = policy_write_prefixes(dp->map.exceptions, plan->exceptions, plan->n_exceptions, epoch);
	return err ? log_err_r(err, "cannot write policy version %u", version) : 0;
}

/* deletes the keys of every epoch but keep; collected first, because a deletion restarts the walk */
static int policy_purge_map(int map, __u32 keep, size_t max)
{
	_cleanup_free_ struct wire_prefix *keys = calloc(max, sizeof(*keys));
	struct wire_prefix key, *previous = NULL;
	size_t n = 0;

	if (!keys)
		return -ENOMEM;
	while (n < max && bpf_map_get_next_key(map, previous, &key) == 0) {
		if (key.epoch != keep)
			keys[n++] = key;
		previous = &key;
	}
	for (size_t i = 0; i < n; i++)
		if (bpf_map_delete_elem(map, &keys[i]) && errno != ENOENT)
			return -errno;
	return 0;
}

static int policy_purge(struct dataplane *dp, __u32 keep)
{
	int err = policy_purge_map(dp->map.destinations, keep, 2 * WIRE_DESTINATIONS_MAX);

	if (!err)
		err = policy_purge_map(dp->map.servers, keep, 2 * WIRE_DESTINATIONS_MAX);
	if (!err)
		err = policy_purge_map(dp->map.exceptions, keep, 2 * WIRE_EXCEPTIONS_MAX);
	return err ? log_err_r(err, "cannot remove the entries of former policies") : 0;
}

/* Programs that read the old epoch have ended after this: MEMBARRIER_CMD_GLOBAL waits for an RCU grace period. */
static void policy_wait_for_readers(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(20000);
}

static __u32 epoch_after(__u32 epoch)
{
	return epoch + 1 ?: 2; /* never 0, and the other half */
}

static int plan_for(struct plan **plan, const struct config *config, const struct ports_set *set)
{
	uint16_t numbers[WIRE_SEGMENTS_MAX] = {0};

	for (size_t i = 0; i < set->n; i++)
		numbers[i] = set->pairs[i].number;
	return plan_new(plan, config, numbers);
}

/* everything up to the store */
static int apply_prepare(
	struct dataplane *dp, const struct config *config, struct ports_set *set, __u32 epoch, __u32 version)
{
	_cleanup_(plan_free) struct plan *plan = NULL;
	int err = ports_resolve(dp, config, set);

	if (!err)
		err = plan_for(&plan, config, set);
	if (!err)
		err = policy_purge(dp, dp->control->epoch); /* what a crash may have left */
	if (!err)
		err = ports_enter(dp, set);
	if (!err)
		err = policy_write(dp, plan, epoch, version);
	if (!err)
		err = ports_switch(dp, set, config->ssl_inspection);
	return err;
}

int dataplane_apply(struct dataplane *dp, const struct config *config, uint32_t version)
{
	const __u32 epoch = epoch_after(dp->control->epoch);
	struct ports_set set = {0};
	int err = apply_prepare(dp, config, &set, epoch, version);

	if (err) {
		ports_undo(dp, &set);
		return log_err_r(err, "policy version %u refused, the previous one stays in force", version);
	}
	__atomic_store_n(&dp->control->epoch, epoch, __ATOMIC_RELEASE);
	log_info("policy version %u in force on %zu segments", version, set.n);
	policy_wait_for_readers();
	/* from here on failures leave waste behind, no wrong policy: the next apply clears it */
	ports_release_others(dp, &set);
	policy_purge(dp, epoch);
	return 0;
}
