/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/publish.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/bypass.h"
#include "dataplane/limits.h"

static int publish_arrays(struct dataplane *dp, const struct plan *plan, __u32 epoch, __u32 version)
{
	const struct wire_epoch info = {.config_version = version,
		.virtual_segments = plan->n_virtual_segments,
		.bypass_masks = plan->bypass.n_masks};
	__u32 half = epoch & 1, index = half * WIRE_VIRTUAL_SEGMENTS_MAX;

	for (size_t i = 0; i < plan->n_virtual_segments; i++, index++)
		if (bpf_map_update_elem(dp->map.virtual_segments, &index, &plan->virtual_segments[i], BPF_ANY))
			return -errno;
	return bpf_map_update_elem(dp->map.epochs, &half, &info, BPF_ANY) ? -errno : 0;
}

static int publish_prefixes(int map, const struct wire_prefix *prefixes, size_t n, __u32 epoch)
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

static int publish_servers(struct dataplane *dp, const struct plan *plan, __u32 epoch)
{
	for (size_t i = 0; i < plan->n_servers; i++) {
		struct wire_prefix key = plan->servers[i].key;

		key.epoch = epoch;
		if (bpf_map_update_elem(dp->map.servers, &key, &plan->servers[i].value, BPF_ANY))
			return -errno;
	}
	return 0;
}

int publish_write(struct dataplane *dp, const struct plan *plan, __u32 epoch, __u32 version)
{
	int err = publish_arrays(dp, plan, epoch, version);

	if (!err)
		err = publish_prefixes(dp->map.destinations, plan->destinations, plan->n_destinations, epoch);
	if (!err)
		err = publish_servers(dp, plan, epoch);
	if (!err)
		err = publish_prefixes(dp->map.exceptions, plan->exceptions, plan->n_exceptions, epoch);
	if (!err)
		err = limits_publish(dp, plan, epoch);
	if (!err)
		err = bypass_publish(dp, &plan->bypass, epoch);
	return err ? log_err_r(err, "cannot write policy version %u", version) : 0;
}

int dataplane_set_keys(struct dataplane *dp, bool next, const uint8_t *states, size_t n)
{
	/* the next epoch is in the other half (apply.c) */
	__u32 first = ((dp->control->epoch + next) & 1) * WIRE_SERVERS_MAX;

	for (__u32 i = 0; i < WIRE_SERVERS_MAX; i++) {
		__u32 index = first + i, state = i < n ? states[i] : WIRE_KEY_AVAILABLE;

		if (bpf_map_update_elem(dp->map.server_keys, &index, &state, BPF_ANY))
			return log_err_r(-errno, "cannot tell the wire which keys are available");
	}
	return 0;
}

/* deletes the keys of every epoch but keep; collected first, because a deletion restarts the walk */
static int publish_purge_map(int map, __u32 keep, size_t max)
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

int publish_purge(struct dataplane *dp, __u32 keep)
{
	int err = publish_purge_map(dp->map.destinations, keep, 2 * WIRE_DESTINATIONS_MAX);

	if (!err)
		err = publish_purge_map(dp->map.servers, keep, 2 * WIRE_DESTINATIONS_MAX);
	if (!err)
		err = publish_purge_map(dp->map.exceptions, keep, 2 * WIRE_EXCEPTIONS_MAX);
	if (!err)
		err = bypass_purge(dp, keep);
	return err ? log_err_r(err, "cannot remove the entries of former policies") : 0;
}
