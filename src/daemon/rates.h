/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How often the important things happen now: over the last second, minute and five minutes, in hundredths per second.
 * One sample a second of the counters' sums. */
#include <jansson.h>
#include <stdint.h>

#include "stats/stats.h"

#define RATES_KEEP 301 /* samples: five minutes and one */
#define RATES_MAX 24

struct supervisor;

struct rates {
	struct rates_sample {
		uint64_t at_ns;
		uint64_t values[RATES_MAX];
	} ring[RATES_KEEP];
	unsigned int n; /* samples taken so far */
};

/* a sample of the counters as they are at this time */
void rates_add(struct rates *rates, const struct stats_page *stats, uint64_t now_ns);
/* Hundredths per second of the i-th row, over the window that ends with the last sample; over what there is while that
 * is shorter. 0 before the second sample. */
uint64_t rates_get(const struct rates *rates, unsigned int row, uint64_t window_ns);
/* the counters that have rates; COUNTER_N past the last */
enum counter_id rates_counter(unsigned int row);

void rates_tick(struct supervisor *supervisor);
/* {rates: [{name, unit, meaning, second_hundredths, minute_hundredths, five_minutes_hundredths}]} */
json_t *report_rates(struct supervisor *supervisor, const json_t *request);
