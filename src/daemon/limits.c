/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/limits.h"

#include "daemon/supervisor.h"

#define CLEAR_POINTS 5u /* below a threshold until it is cleared */

static uint64_t threshold(const struct config_limits *limits, unsigned int percent)
{
	return (uint64_t)limits->max_sessions * percent / 100 ?: 1;
}

/* the words are the model's, to the letter: operators and their tools look for them (F6) */
static void critical_enter(struct supervisor *supervisor, const struct config_limits *limits)
{
	supervisor->limits.critical = true;
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
		"SSL Inspection reached Critical threshold of Max Concurrent Connections. Action: %s",
		limits->when_max_sessions == CONFIG_UNAVAILABLE_BLOCK ? "Block" : "Allow but bypass Inspection");
}

static void critical_leave(struct supervisor *supervisor)
{
	supervisor->limits.critical = false;
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice",
		"SSL Inspection is below Critical threshold of Max Concurrent Connections: new sessions are inspected "
		"again");
}

static void critical_follow(
	struct supervisor *supervisor, const struct config_limits *limits, const struct dataplane_sessions *sessions)
{
	struct limits_watch *watch = &supervisor->limits;
	bool again = watch->entered != sessions->entered;

	watch->entered = sessions->entered;
	if (again && watch->critical)
		critical_leave(supervisor);
	if (again || (sessions->over && !watch->critical))
		critical_enter(supervisor, limits);
	if (watch->critical && !sessions->over)
		critical_leave(supervisor);
}

static void warning_follow(
	struct supervisor *supervisor, const struct config_limits *limits, const struct dataplane_sessions *sessions)
{
	struct limits_watch *watch = &supervisor->limits;
	unsigned int percent = limits->warning_threshold_percent;

	if (!watch->warning && sessions->peak >= threshold(limits, percent)) {
		watch->warning = true;
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "warning",
			"SSL Inspection reached Warning threshold of Max Concurrent Connections: %llu of %u",
			(unsigned long long)sessions->peak, limits->max_sessions);
	}
	if (watch->warning && sessions->now <= (uint64_t)limits->max_sessions * (percent - CLEAR_POINTS) / 100) {
		watch->warning = false;
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice",
			"SSL Inspection is below Warning threshold of Max Concurrent Connections: %llu of %u",
			(unsigned long long)sessions->now, limits->max_sessions);
	}
}

void limits_tick(struct supervisor *supervisor)
{
	struct dataplane_sessions sessions;

	dataplane_read_sessions(supervisor->dataplane, &sessions);
	supervisor->limits.now = sessions.now;
	if (sessions.peak > supervisor->limits.high_water)
		supervisor->limits.high_water = sessions.peak;
	if (!supervisor->policy)
		return;
	warning_follow(supervisor, &supervisor->policy->config->limits, &sessions);
	critical_follow(supervisor, &supervisor->policy->config->limits, &sessions);
}

json_t *limits_report(const struct supervisor *supervisor)
{
	const struct limits_watch *watch = &supervisor->limits;
	const struct config_limits *limits;

	if (!supervisor->policy)
		return json_object();
	limits = &supervisor->policy->config->limits;
	return json_pack("{s:i, s:I, s:I, s:s, s:s, s:I, s:I}", "max_sessions", (int)limits->max_sessions,
		"warning_sessions", (json_int_t)threshold(limits, limits->warning_threshold_percent),
		"critical_sessions", (json_int_t)threshold(limits, limits->critical_threshold_percent), "state",
		watch->critical  ? "critical"
		: watch->warning ? "warning"
				 : "normal",
		"action", limits->when_max_sessions == CONFIG_UNAVAILABLE_BLOCK ? "block" : "bypass", "sessions",
		(json_int_t)watch->now, "high_water", (json_int_t)watch->high_water);
}
