/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine offers (J2), told once at start and whenever an operator asks. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/supervisor.h"
#include "health/health.h"

void health_record(struct supervisor *supervisor)
{
	static const char *const severities[HEALTH_STATE_N] = {"info", "info", "warning", "error"};
	const struct health_facts *facts = &supervisor->health;
	char found[160];

	for (size_t i = 0; i < health_n_checks; i++) {
		const struct health_check *check = &health_checks[i];
		enum health_state state = health_judge(check, facts);

		health_describe(check, facts, found, sizeof(found));
		if (state == HEALTH_NOTE)
			log_dbg("%s: %s: %s", check->title, found, check->cost);
		else if (state != HEALTH_GOOD)
			supervisor_record(supervisor, EVENT_LOG_SYSTEM, severities[state], "%s: %s: %s%s", check->title,
				found, state == HEALTH_REFUSED ? "SSL inspection is refused: " : "", check->cost);
	}
}

json_t *report_health(struct supervisor *supervisor, const json_t *request)
{
	const struct health_facts *facts = &supervisor->health;
	const struct health_check *refusal = health_refusal(facts);
	json_t *checks = json_array();
	char found[160];

	for (size_t i = 0; i < health_n_checks; i++) {
		const struct health_check *check = &health_checks[i];
		enum health_state state = health_judge(check, facts);

		health_describe(check, facts, found, sizeof(found));
		json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", check->name, "title",
						      check->title, "state", health_state_name(state), "found", found,
						      "cost", state == HEALTH_GOOD ? "" : check->cost));
	}
	return json_pack("{s:b, s:s, s:s, s:s, s:o}", "ok", 1, "cpu_model", facts->cpu_model, "ssl_inspection",
		refusal ? "refused" : "allowed", "refused_by", refusal ? refusal->name : "", "checks", checks);
}
