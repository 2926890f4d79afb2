/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The normalised request target, as Suricata 7 shows it to filters with its default settings. */
#include "base/common.h"

/* Writes path and query to out (at least target.len bytes): scheme and authority left out, path decoded (%XX, %uXXXX),
 * backslashes and runs of slashes made one slash, dot segments resolved; the query as it came. Returns the length. */
size_t uri_normalize(struct span target, uint8_t *out);
/* the authority's host without user and port; empty when the target has none */
struct span uri_host(struct span target);
/* host of "host:port" or "[v6]:port" */
struct span authority_host(struct span authority);
