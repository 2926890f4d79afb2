/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/monitor_report.h"

#include <string.h>

#include "base/common.h"
#include "config/schema.h"
#include "daemon/keystore.h"
#include "daemon/ports.h"
#include "daemon/rates.h"
#include "daemon/supervisor.h"
#include "daemon/targets.h"

/* --- the device ----------------------------------------------------------------------------------------------------
 */

static bool notification_is_off(const struct supervisor *supervisor, const struct schema_word *word)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;

	return config && config->notifications_off & 1u << word->value;
}

static void add_notifications(const struct supervisor *supervisor, json_t *status)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	json_t *off = json_array(), *all = json_array();

	for (const struct schema_word *word = schema_notification_words; word->name; word++) {
		bool is_off = notification_is_off(supervisor, word);

		json_array_append_new(all, json_pack("{s:s, s:b}", "word", word->name, "enabled", !is_off));
		if (is_off)
			json_array_append_new(off, json_string(word->name));
	}
	json_object_set_new(status, "notifications_off", off);
	json_object_set_new(status, "notifications", all);
	json_object_set_new(
		status, "notification_interval", json_integer(config ? config->notification_interval_seconds : 1));
}

/* keys of a part of the operator's tree, under these names beside the others */
static void lift(json_t *status, const json_t *part, const char *const names[][2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_object_set(status, names[i][1], json_object_get(part, names[i][0]));
}

#define LIFT(status, part, ...)                                                        \
	do {                                                                           \
		static const char *const names[][2] = {__VA_ARGS__};                   \
		lift(status, json_object_get(status, part), names, ARRAY_SIZE(names)); \
	} while (0)

static void add_keys(const struct supervisor *supervisor, json_t *status)
{
	json_int_t available = 0, others = 0;
	const char *name;
	json_t *state;

	json_object_foreach(supervisor->key_states, name, state)
	{
		if (!strcmp(json_string_value(state) ?: "", "available"))
			available++;
		else
			others++;
	}
	json_object_set_new(status, "keys_available", json_integer(available));
	json_object_set_new(status, "keys_unavailable", json_integer(others));
	json_object_set_new(status, "keystore_locked", json_boolean(keystore_is_locked(supervisor)));
}

static void add_health(struct supervisor *supervisor, json_t *status)
{
	enum health_state worst = HEALTH_GOOD;

	for (size_t i = 0; i < health_n_checks; i++)
		worst = MAX(worst, health_judge(&health_checks[i], &supervisor->health));
	json_object_set_new(status, "health", json_string(health_state_name(worst)));
	json_object_set_new(status, "cpu_model", json_string(supervisor->health.cpu_model));
	json_object_set_new(status, "cpus", json_integer(supervisor->health.cpus));
	json_object_set_new(
		status, "memory_megabytes", json_integer((json_int_t)(supervisor->health.memory_bytes >> 20)));
	json_object_set_new(status, "rdrand", json_boolean(supervisor->health.rdrand_works));
}

static void add_spool(const struct supervisor *supervisor, json_t *status)
{
	static const char *const names[][2] = {{"bytes", "spool_bytes"}, {"next_sequence", "spool_next_sequence"},
		{"dropped", "spool_dropped"}, {"failing", "spool_failing"}};

	lift(status, supervisor->spool_state, names, ARRAY_SIZE(names));
}

static json_t *monitor_status(struct supervisor *supervisor, const json_t *request)
{
	json_t *status = report_status(supervisor, request);

	LIFT(status, "keeper", {"state", "keeper_state"}, {"engine", "key_engine"},
		{"engine_reason", "key_engine_reason"});
	LIFT(status, "log", {"state", "log_state"});
	LIFT(status, "limits", {"warning_sessions", "warning_sessions"}, {"critical_sessions", "critical_sessions"},
		{"state", "sessions_state"}, {"action", "sessions_action"}, {"high_water", "sessions_high_water"});
	LIFT(status, "fallback", {"cause", "fallback_cause"}, {"segments", "fallback_segments"},
		{"crash_loop", "crash_loop"});
	add_keys(supervisor, status);
	add_health(supervisor, status);
	add_spool(supervisor, status);
	add_notifications(supervisor, status);
	json_object_set_new(status, "counters_since", json_integer((json_int_t)stats_page_since_us(supervisor->stats)));
	json_object_set(status, "certificates_told", supervisor->expiry.fresh);
	json_object_set_new(status, "configs_rejected", json_integer(supervisor->rejected.n));
	json_object_set(status, "config_rejection", supervisor->rejected.error);
	return status;
}

/* --- by name -------------------------------------------------------------------------------------------------------
 */

static json_t *monitor_targets(struct supervisor *supervisor, const json_t *request)
{
	return targets_report(supervisor);
}

static const struct {
	const char *name;
	json_t *(*report)(struct supervisor *supervisor, const json_t *request);
} reports[] = {
	{"status", monitor_status},
	{"servers", report_servers},
	{"sessions", report_sessions},
	{"certificates", report_certificates},
	{"graph", report_graph},
	{"targets", monitor_targets},
	{"segments", report_segments},
	{"ports", report_ports},
	{"health", report_health},
	{"rates", report_rates},
};

json_t *monitor_report_named(struct supervisor *supervisor, const char *name)
{
	/* nothing that a child says but the name goes into a report */
	json_auto_t *request = json_object();

	for (size_t i = 0; name && i < ARRAY_SIZE(reports); i++)
		if (!strcmp(reports[i].name, name))
			return reports[i].report(supervisor, request);
	return NULL;
}
