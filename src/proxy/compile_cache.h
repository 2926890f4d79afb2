/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A file of the compiler's cache: what the compiler answered (JSON) and the image, with a checksum over both. The
 * supervisor opens and names it; nothing here knows a path. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/common.h"

/* -ENOENT when it holds nothing that this build can use: damaged, or of another version, Hyperscan or CPU. *image is
 * aligned as an engine wants it, and the caller's. */
int compile_cache_read(int fd, json_t **answer, uint8_t **image, size_t *image_len);
int compile_cache_write(int fd, const json_t *answer, struct span image);
