/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fallback.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/supervisor.h"

#define CALM_NS (5 * NSEC_PER_SEC) /* memory must suffice for so long before inspection returns */

#define fallback_say(supervisor, severity, ...) supervisor_record(supervisor, EVENT_LOG_SYSTEM, severity, __VA_ARGS__)

static bool fallback_live(const struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (supervisor->workers[i].wanted &&
			!strcmp(report_worker_state(supervisor, &supervisor->workers[i]), "live"))
			return true;
	return false;
}

/* of the configuration in force: its bit in the wire's words; 0: its ports are gone */
static uint32_t segment_bit(struct supervisor *supervisor, size_t segment)
{
	int number = dataplane_segment_number(supervisor->dataplane, supervisor->policy->config, segment);

	return number < 0 ? 0 : 1u << number;
}

/* sessions that came while the last message was on its way are found by the next one */
static void fallback_clear_sessions(struct supervisor *supervisor, const char *segment)
{
	json_t *request = json_pack("{s:s, s:b}", "segment", segment, "fallback", 1);

	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (child_running(&supervisor->workers[i].child))
			child_send(&supervisor->workers[i].child, "clear", json_deep_copy(request), NULL, 0);
	elders_clear(supervisor, request);
	json_decref(request);
}

static void fallback_clear(struct supervisor *supervisor, uint32_t segments)
{
	const struct config *config = supervisor->policy->config;

	for (size_t i = 0; segments && i < config->n_segments; i++)
		if (segments & segment_bit(supervisor, i))
			fallback_clear_sessions(supervisor, config->segments[i].name);
}

/* --- by command ----------------------------------------------------------------------------------------------------
 */

const char *fallback_command(struct supervisor *supervisor, const char *segment, bool enter, unsigned int *n)
{
	uint32_t before = dataplane_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_COMMANDED), chosen = 0;
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;

	*n = 0;
	if (!config)
		return "no configuration is in force: the wire is in layer-2 fallback already";
	for (size_t i = 0; i < config->n_segments; i++) {
		if (segment && strcmp(segment, config->segments[i].name))
			continue;
		chosen |= segment_bit(supervisor, i);
		(*n)++;
	}
	if (!*n)
		return "there is no segment of that name: see \"sluice show segments\"";
	if (!segment && !enter)
		chosen = ~0u; /* also those that a former configuration left */
	dataplane_set_fallback(
		supervisor->dataplane, DATAPLANE_FALLBACK_COMMANDED, enter ? before | chosen : before & ~chosen);
	fallback_say(supervisor, enter ? "warning" : "notice", "layer-2 fallback %s on %s%s: by command",
		enter ? "entered" : "left", segment ? "segment " : "all segments", segment ?: "");
	if (enter)
		fallback_clear(supervisor, chosen);
	return NULL;
}

/* --- by overload ---------------------------------------------------------------------------------------------------
 */

/* MemAvailable; UINT64_MAX when the kernel does not tell */
static uint64_t memory_available_megabytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kilobytes;
	uint64_t found = UINT64_MAX;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1)
			found = kilobytes / 1024;
	if (file)
		fclose(file);
	return found;
}

static void overload_enter(struct supervisor *supervisor, uint64_t available, uint64_t reserve)
{
	dataplane_set_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_OVERLOAD, ~0u);
	fallback_say(supervisor, "error",
		"layer-2 fallback entered on all segments: overload, %llu MB of memory are available, the reserve is "
		"%llu MB",
		(unsigned long long)available, (unsigned long long)reserve);
}

static void overload_leave(struct supervisor *supervisor, uint64_t available)
{
	dataplane_set_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_OVERLOAD, 0);
	fallback_say(supervisor, "notice",
		"layer-2 fallback left on all segments: %llu MB of memory are available again",
		(unsigned long long)available);
}

static void overload_follow(struct supervisor *supervisor)
{
	uint64_t reserve = supervisor->policy->config->limits.memory_reserve_megabytes, now = clock_now_ns();
	uint64_t available = reserve ? memory_available_megabytes() : UINT64_MAX,
		 *calm = &supervisor->fallback.calm_since_ns;

	if (!dataplane_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_OVERLOAD)) {
		if (available < reserve)
			overload_enter(supervisor, available, reserve);
		*calm = 0;
	} else if (available < reserve + reserve / 4) {
		*calm = 0;
	} else if (!*calm) {
		*calm = now;
	} else if (now - *calm > CALM_NS) {
		overload_leave(supervisor, memory_available_megabytes());
	}
}

/* --- for want of workers -------------------------------------------------------------------------------------------
 */

static void liveness_follow(struct supervisor *supervisor)
{
	const struct config *config = supervisor->policy->config;
	bool down = config->ssl_inspection && config->n_ssl_servers && !fallback_live(supervisor);
	struct fallback *fallback = &supervisor->fallback;

	if (down == fallback->down)
		return;
	fallback->down = down;
	fallback_say(supervisor, down ? "error" : "notice", "layer-2 fallback %s on all segments: %s",
		down ? "entered" : "left", down ? "no worker is live" : "workers are live");
}

void fallback_on_worker_end(struct supervisor *supervisor)
{
	struct fallback *fallback = &supervisor->fallback;
	uint64_t *end = &fallback->ends_ns[fallback->next_end++ % FALLBACK_ENDS], now = clock_now_ns();
	bool loop = *end && now - *end < FALLBACK_ENDS_SECONDS * NSEC_PER_SEC;

	*end = now;
	if (supervisor->policy)
		liveness_follow(supervisor);
	if (!loop || fallback->crash_loop)
		return;
	fallback->crash_loop = true;
	dataplane_set_crash_loop(supervisor->dataplane, true);
	fallback_say(supervisor, "error",
		"crash loop: workers have ended more than %d times within %d s. While none is live, new sessions are "
		"bypassed "
		"or blocked as each SSL server's when_crash_loop says",
		FALLBACK_ENDS, FALLBACK_ENDS_SECONDS);
}

static void crash_loop_follow(struct supervisor *supervisor)
{
	struct fallback *fallback = &supervisor->fallback;
	uint64_t last = fallback->ends_ns[(fallback->next_end + FALLBACK_ENDS - 1) % FALLBACK_ENDS];

	if (!fallback->crash_loop || clock_now_ns() - last < FALLBACK_ENDS_SECONDS * NSEC_PER_SEC ||
		!fallback_live(supervisor))
		return;
	fallback->crash_loop = false;
	dataplane_set_crash_loop(supervisor->dataplane, false);
	fallback_say(supervisor, "notice", "crash loop is over: no worker has ended for %d s", FALLBACK_ENDS_SECONDS);
}

void fallback_tick(struct supervisor *supervisor)
{
	if (!supervisor->policy)
		return;
	overload_follow(supervisor);
	liveness_follow(supervisor);
	crash_loop_follow(supervisor);
	fallback_clear(supervisor, dataplane_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_COMMANDED) |
					   dataplane_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_OVERLOAD));
}

const char *fallback_cause(struct supervisor *supervisor, size_t segment)
{
	const struct config *config = supervisor->policy->config;
	uint32_t bit;

	if (dataplane_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_OVERLOAD))
		return "overload";
	bit = dataplane_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_COMMANDED) ? segment_bit(supervisor, segment)
										      : 0;
	if (bit & dataplane_fallback(supervisor->dataplane, DATAPLANE_FALLBACK_COMMANDED))
		return "command";
	return config->ssl_inspection && config->n_ssl_servers && !fallback_live(supervisor) ? "no live worker" : NULL;
}

json_t *fallback_report(struct supervisor *supervisor)
{
	const char *cause = NULL;
	int segments = 0;

	for (size_t i = 0; supervisor->policy && i < supervisor->policy->config->n_segments; i++) {
		const char *of_segment = fallback_cause(supervisor, i);

		segments += of_segment != NULL;
		cause = cause ?: of_segment;
	}
	return json_pack("{s:s, s:i, s:b}", "cause", cause ?: "none", "segments", segments, "crash_loop",
		supervisor->fallback.crash_loop);
}
