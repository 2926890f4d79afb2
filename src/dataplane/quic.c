/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/quic.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "base/common.h"
#include "dataplane/state.h"

int dataplane_take_quic(struct dataplane *dp, struct dataplane_quic *rows, size_t max)
{
	const struct wire_quic_key *previous = NULL;
	size_t n = 0, kept = 0;

	/* the keys first: a deletion would restart the walk */
	while (n < max && bpf_map_get_next_key(dp->map.quic_seen, previous, &rows[n].key) == 0)
		previous = &rows[n++].key;
	for (size_t i = 0; i < n; i++) {
		rows[kept].key = rows[i].key;
		if (bpf_map_lookup_and_delete_elem(dp->map.quic_seen, &rows[i].key, &rows[kept].seen) == 0)
			kept++;
		else if (errno != ENOENT)
			return -errno;
	}
	return (int)kept;
}
