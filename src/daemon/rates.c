/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rates.h"

#include "base/clock.h"
#include "base/common.h"
#include "daemon/supervisor.h"

static const enum counter_id rated[] = {
	COUNTER_SESSIONS_NEW,
	COUNTER_SESSIONS_ESTABLISHED,
	COUNTER_SESSIONS_RESUMED_CLIENT,
	COUNTER_SESSIONS_RESUMED_SERVER,
	COUNTER_SESSIONS_BLOCKED,
	COUNTER_FILTER_HITS,
	COUNTER_BYTES_TO_SERVER,
	COUNTER_BYTES_TO_CLIENT,
	COUNTER_BYTES_INSPECTED,
	COUNTER_BYPASSED_BYTES,
	COUNTER_KEY_OPERATIONS,
	COUNTER_WIRE_NEW_FLOWS,
	COUNTER_WIRE_FORWARDED,
	COUNTER_WIRE_TO_INSPECT,
	COUNTER_WIRE_FROM_INSPECT,
	COUNTER_LOG_RECORDS,
};
_Static_assert(ARRAY_SIZE(rated) <= RATES_MAX, "a place in each sample for every row");

enum counter_id rates_counter(unsigned int row)
{
	return row < ARRAY_SIZE(rated) ? rated[row] : COUNTER_N;
}

void rates_add(struct rates *rates, const struct stats_page *stats, uint64_t now_ns)
{
	struct rates_sample *sample = &rates->ring[rates->n++ % RATES_KEEP];

	sample->at_ns = now_ns;
	for (size_t i = 0; i < ARRAY_SIZE(rated); i++)
		sample->values[i] = stats_sum(stats, rated[i]);
}

static const struct rates_sample *sample_before(const struct rates *rates, unsigned int back)
{
	return &rates->ring[(rates->n - 1 - back) % RATES_KEEP];
}

uint64_t rates_get(const struct rates *rates, unsigned int row, uint64_t window_ns)
{
	unsigned int kept = MIN(rates->n, (unsigned int)RATES_KEEP), back = 0;
	const struct rates_sample *now, *then;

	if (kept < 2)
		return 0;
	now = then = sample_before(rates, 0);
	/* a tick comes a little late: half a second of patience, so that a second is one tick and not two */
	while (back < kept - 1 && now->at_ns - then->at_ns + NSEC_PER_SEC / 2 < window_ns)
		then = sample_before(rates, ++back);
	/* a counter that fell began anew */
	if (now->values[row] < then->values[row] || now->at_ns <= then->at_ns)
		return 0;
	return (uint64_t)((__uint128_t)(now->values[row] - then->values[row]) * 100 * NSEC_PER_SEC /
			  (now->at_ns - then->at_ns));
}

void rates_tick(struct supervisor *supervisor)
{
	rates_add(&supervisor->rates, supervisor->stats, clock_now_ns());
}

static json_int_t rate(const struct supervisor *supervisor, unsigned int row, unsigned int seconds)
{
	return (json_int_t)rates_get(&supervisor->rates, row, seconds * NSEC_PER_SEC);
}

json_t *report_rates(struct supervisor *supervisor, const json_t *request)
{
	json_t *rows = json_array();

	for (unsigned int i = 0; i < ARRAY_SIZE(rated); i++) {
		const struct counter_info *info = &counter_info[rated[i]];

		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "name", info->name, "unit", info->unit, "meaning",
				info->meaning, "second_hundredths", rate(supervisor, i, 1), "minute_hundredths",
				rate(supervisor, i, 60), "five_minutes_hundredths", rate(supervisor, i, 300)));
	}
	return json_pack("{s:b, s:o}", "ok", 1, "rates", rows);
}
