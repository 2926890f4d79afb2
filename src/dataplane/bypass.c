/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/bypass.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"

int bypass_publish(struct dataplane *dp, const struct plan_bypass *plan, __u32 epoch)
{
	__u32 index = (epoch & 1) * WIRE_BYPASS_MASKS_MAX;

	for (size_t i = 0; i < plan->n_masks; i++, index++)
		if (bpf_map_update_elem(dp->map.bypass_masks, &index, &plan->masks[i], BPF_ANY))
			return -errno;
	for (size_t i = 0; i < plan->n_keys; i++) {
		struct wire_bypass_key key = plan->keys[i].key;

		key.epoch = epoch;
		if (bpf_map_update_elem(dp->map.bypass_rules, &key, &plan->keys[i].value, BPF_ANY))
			return -errno;
	}
	return 0;
}

/* calls fn for every key; those for which it says so are deleted, collected first, because a deletion restarts the walk
 */
static int bypass_each(struct dataplane *dp,
	bool (*fn)(struct dataplane *dp, const struct wire_bypass_key *key, void *data), void *data)
{
	_cleanup_free_ struct wire_bypass_key *keys = calloc(2 * WIRE_BYPASS_KEYS_MAX, sizeof(*keys));
	struct wire_bypass_key key, *previous = NULL;
	size_t n = 0;

	if (!keys)
		return -ENOMEM;
	while (n < 2 * WIRE_BYPASS_KEYS_MAX && bpf_map_get_next_key(dp->map.bypass_rules, previous, &key) == 0) {
		if (fn(dp, &key, data))
			keys[n++] = key;
		previous = &key;
	}
	for (size_t i = 0; i < n; i++)
		if (bpf_map_delete_elem(dp->map.bypass_rules, &keys[i]) && errno != ENOENT)
			return -errno;
	return 0;
}

static bool is_of_another_epoch(struct dataplane *dp, const struct wire_bypass_key *key, void *data)
{
	return key->epoch != *(const __u32 *)data;
}

int bypass_purge(struct dataplane *dp, __u32 keep)
{
	return bypass_each(dp, is_of_another_epoch, &keep);
}

struct hits {
	uint64_t *sums;
	size_t n;
	__u32 epoch;
};

static bool hits_add(struct dataplane *dp, const struct wire_bypass_key *key, void *data)
{
	struct hits *hits = data;
	struct wire_bypass rule;

	if (key->epoch == hits->epoch && bpf_map_lookup_elem(dp->map.bypass_rules, key, &rule) == 0 &&
		rule.rule < hits->n)
		hits->sums[rule.rule] += rule.hits;
	return false;
}

int dataplane_read_bypass_hits(struct dataplane *dp, uint64_t *sums, size_t n)
{
	struct hits hits = {.sums = sums, .n = n, .epoch = dp->control->epoch};

	memset(sums, 0, n * sizeof(*sums));
	return bypass_each(dp, hits_add, &hits);
}
