/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reads one entry of the flow map by the bpf(2) call alone: a worker holds a read-only descriptor and its sandbox
 * allows no other bpf command, so it needs no libbpf. */
#include "dataplane/flow.h"

/* 0, or -ENOENT */
int flow_lookup(int map_fd, const struct flow_key *key, struct flow *out);
