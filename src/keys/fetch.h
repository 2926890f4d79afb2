/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One conversation with a key provider (docs/key-provider.md), for main() and the fuzz target. The provider is trusted
 * with keys, not with this process: every length is bounded, every wait ends. */
#include "keys/import.h"

#define FETCH_FDS 2 /* device key, provider */

struct fetch {
	json_t *json;
	int fds[FETCH_FDS];
	size_t n_fds;
	uint64_t deadline_ns;
	struct import import; /* name, key, error text */
};

/* reads the answer: the key, which has to be that of the id asked for. 0, or -errno with the error text */
int fetch_read_key(struct fetch *fetch);
void fetch_clear(struct fetch *fetch);
