/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* numbers.def as arrays; 0: the counter has none there, and a test fails */
#include <stdint.h>

#include "stats/stats.h"

extern const uint32_t mib_counter_number[COUNTER_N], mib_close_number[CLOSE_REASON_N];
