/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/asymmetric.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "dataplane/state.h"

int dataplane_read_asymmetric(struct dataplane *dp, struct dataplane_asymmetric *rows, size_t max)
{
	const struct wire_target *previous = NULL;
	struct wire_target target;
	size_t n = 0;

	while (n < max && bpf_map_get_next_key(dp->map.asymmetric, previous, &target) == 0) {
		rows[n].target = target;
		if (bpf_map_lookup_elem(dp->map.asymmetric, &target, &rows[n].seen))
			break; /* it made way meanwhile: the rest at the next look */
		previous = &rows[n++].target;
	}
	return (int)n;
}

int dataplane_forget_asymmetric(struct dataplane *dp, const struct wire_target *target)
{
	return bpf_map_delete_elem(dp->map.asymmetric, target) && errno != ENOENT ? -errno : 0;
}
