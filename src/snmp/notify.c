/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/notify.h"

#include <string.h>

#include "base/clock.h"
#include "base/common.h"

static bool notify_is_off(const json_t *status, enum mib_notification_id what)
{
	const json_t *word;
	size_t i;

	json_array_foreach(json_object_get(status, "notifications_off"), i, word)
	{
		if (!strcmp(json_string_value(word) ?: "", mib_notifications[what].word))
			return true;
	}
	return false;
}

static void notify_tell(struct notify *notify, enum mib_notification_id what, const char *index, uint64_t hits)
{
	if (hits && !notify_is_off(notify->reports[MIB_STATUS], what))
		notify->send(notify->data, what, index, (unsigned int)MIN(hits, UINT32_MAX));
}

/* --- the device ----------------------------------------------------------------------------------------------------
 */

static void look_at_value(
	struct notify *notify, enum mib_notification_id what, const json_t *before, const json_t *now, const char *key)
{
	const json_t *was = json_object_get(before, key);

	notify_tell(notify, what, NULL, was && !json_equal(was, json_object_get(now, key)));
}

static void look_at_sessions(struct notify *notify, const json_t *status)
{
	json_int_t open = json_integer_value(json_object_get(status, "sessions"));
	json_int_t maximum = json_integer_value(json_object_get(status, "max_sessions"));
	bool high = maximum && open * 10 >= maximum * (notify->sessions_high ? 8 : 9);

	notify_tell(notify, NOTIFY_SESSIONS, NULL, high != notify->sessions_high);
	notify->sessions_high = high;
}

/* a counter that fell has begun anew */
static void look_at_counter(struct notify *notify, enum mib_notification_id what, uint64_t now, uint64_t *before)
{
	if (!notify->first)
		notify_tell(notify, what, NULL, now > *before ? now - *before : 0);
	*before = now;
}

static void look_at_status(struct notify *notify, const json_t *before, const json_t *now)
{
	json_int_t rejected = json_integer_value(json_object_get(now, "configs_rejected"));
	json_int_t was = json_integer_value(json_object_get(before, "configs_rejected"));

	look_at_value(notify, NOTIFY_INSPECTION, before, now, "inspection");
	look_at_value(notify, NOTIFY_KEY_KEEPER, before, now, "keeper_state");
	look_at_sessions(notify, now);
	notify_tell(notify, NOTIFY_CONFIGURATION, NULL, before && rejected > was ? rejected - was : 0);
	look_at_counter(notify, NOTIFY_DRIFT, stats_sum(notify->stats, COUNTER_CERTIFICATE_DRIFTS), &notify->drifts);
	look_at_counter(notify, NOTIFY_BLOCK, stats_sum(notify->stats, COUNTER_SESSIONS_BLOCKED), &notify->blocked);
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

struct changed { /* rows of one look */
	const char *names[NOTIFY_ROWS_MAX];
	unsigned int n;
};

static void changed_add(struct changed *changed, const char *name)
{
	if (changed->n < NOTIFY_ROWS_MAX)
		changed->names[changed->n] = name;
	changed->n++;
}

static void tell_rows(struct notify *notify, enum mib_notification_id what, const struct changed *changed)
{
	for (unsigned int i = 0; i < MIN(changed->n, (unsigned int)NOTIFY_ROWS_MAX); i++)
		notify_tell(notify, what, changed->names[i], changed->n);
}

static const json_t *row_named(const json_t *rows, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(json_string_value(json_object_get(row, "name")) ?: "", name))
			return row;
	}
	return NULL;
}

static void look_at_rows(struct notify *notify, enum mib_notification_id what, const json_t *before, const json_t *now,
	const char *array, const char *key)
{
	struct changed changed = {0};
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(now, array), i, row)
	{
		const char *name = json_string_value(json_object_get(row, "name"));
		const json_t *old = name ? row_named(json_object_get(before, array), name) : NULL;

		if (old && !json_equal(json_object_get(old, key), json_object_get(row, key)))
			changed_add(&changed, name);
	}
	tell_rows(notify, what, &changed);
}

/* the supervisor's {certificate: [end, how many thresholds it has passed]}; nothing is known to a manager at first */
static void look_at_certificates(struct notify *notify, const json_t *before, json_t *now)
{
	json_t *told = json_object_get(now, "certificates_told"), *value;
	struct changed changed = {0};
	const char *name;

	json_object_foreach(told, name, value)
	{
		if (!json_equal(value, json_object_get(json_object_get(before, "certificates_told"), name)))
			changed_add(&changed, name);
	}
	tell_rows(notify, NOTIFY_CERTIFICATE, &changed);
}

/* --- a look --------------------------------------------------------------------------------------------------------
 */

/* the report as it is now; the one before in *before, a reference for the caller. false: not known, or not new */
static bool notify_take(struct notify *notify, enum mib_report report, json_t **before)
{
	const json_t *now = feed_get(notify->feed, report);

	if (!now || now == notify->reports[report])
		return false;
	*before = notify->reports[report];
	notify->reports[report] = json_incref((json_t *)now);
	return true;
}

void notify_look(struct notify *notify, uint64_t now_ns)
{
	json_auto_t *status = NULL, *servers = NULL, *targets = NULL;

	if (notify->looked_ns && now_ns - notify->looked_ns < NSEC_PER_SEC)
		return;
	notify->first = !notify->looked_ns;
	notify->looked_ns = now_ns;
	if (notify_take(notify, MIB_STATUS, &status)) {
		look_at_status(notify, status, notify->reports[MIB_STATUS]);
		look_at_certificates(notify, status, notify->reports[MIB_STATUS]);
	}
	if (notify_take(notify, MIB_SERVERS, &servers))
		look_at_rows(notify, NOTIFY_SERVER_KEY, servers, notify->reports[MIB_SERVERS], "servers", "key_state");
	if (notify_take(notify, MIB_TARGETS, &targets))
		look_at_rows(notify, NOTIFY_LOG_TARGET, targets, notify->reports[MIB_TARGETS], "targets", "down");
}

void notify_clear(struct notify *notify)
{
	for (unsigned int i = 0; i < MIB_REPORT_N; i++)
		json_decref(notify->reports[i]);
	memset(notify->reports, 0, sizeof(notify->reports));
}
