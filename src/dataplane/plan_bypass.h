/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* B5: bypass rules as masks and keys. A range of ports or VLANs becomes the fewest blocks of a power of two; a rule
 * becomes the product of its sources, destinations, ports and VLANs. */
#include <stddef.h>

#include "config/config.h"
#include "dataplane/abi.h"

struct plan_bypass_key {
	struct wire_bypass_key key; /* epoch left 0 */
	struct wire_bypass value;
};

struct plan_bypass {
	size_t n_masks, n_keys, room;
	struct wire_bypass_mask masks[WIRE_BYPASS_MASKS_MAX];
	struct plan_bypass_key *keys;
};

/* -E2BIG with the limit logged, -ENOMEM */
int plan_bypass_fill(struct plan_bypass *plan, const struct config *config, const uint16_t *segment_numbers);
void plan_bypass_clear(struct plan_bypass *plan);
