/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The form in which a compiled engine passes from the compiling process to the workers: this header, then one byte
 * per filter (enum found_by), the filters' texts one per line, and the Hyperscan databases each behind its own header,
 * in the form in which Hyperscan reads them: it holds offsets only, but it does depend on where in a cache line it
 * lies, so headers and databases begin at multiples of INSPECT_IMAGE_ALIGN. Written and read by the same build on the
 * same machine, so integers are native. */
#include <stdint.h>

#include "inspect/inspect.h"

#define IMAGE_MAGIC 0x33474d4955534cull /* "LSUIMG3" */

struct image_header {
	uint64_t magic, build, checksum; /* checksum over all that follows this header */
	uint64_t n_filters, text_len, n_groups;
};

struct image_group {
	uint32_t dir, group;
	uint64_t database_len;
};

uint64_t image_hash(uint64_t seed, const void *data, uint64_t len);
/* of this program, its Hyperscan and this CPU's features */
uint64_t image_build(void);
