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

/* a name of a row that is told of already is not taken twice */
static void waiting_add_row(struct notify_waiting *waiting, const char *name)
{
	for (unsigned int i = 0; i < waiting->n_rows; i++)
		if (!strcmp(waiting->rows[i], name))
			return;
	if (waiting->n_rows < NOTIFY_ROWS_MAX && strlen(name) < NOTIFY_NAME_MAX)
		strcpy(waiting->rows[waiting->n_rows++], name);
}

/* index: of the row, NULL: the device */
static void notify_tell(struct notify *notify, enum mib_notification_id what, const char *index, uint64_t hits)
{
	struct notify_waiting *waiting = &notify->waiting[what];

	if (!hits || notify_is_off(notify->reports[MIB_STATUS], what))
		return;
	waiting->hits = (unsigned int)MIN(waiting->hits + hits, UINT32_MAX);
	if (index)
		waiting_add_row(waiting, index);
}

static uint64_t notify_interval_ns(const struct notify *notify)
{
	const json_t *seconds = json_object_get(notify->reports[MIB_STATUS], "notification_interval");

	return (uint64_t)MAX(json_integer_value(seconds), 1) * NSEC_PER_SEC;
}

/* what may go: of rows each one by itself, with the hits of all */
static void notify_flush(struct notify *notify, uint64_t now_ns)
{
	for (enum mib_notification_id what = 0; what < NOTIFY_N; what++) {
		struct notify_waiting *waiting = &notify->waiting[what];

		if (!waiting->hits || (waiting->sent_ns && now_ns - waiting->sent_ns < notify_interval_ns(notify)))
			continue;
		for (unsigned int i = 0; i < MAX(waiting->n_rows, 1u); i++)
			notify->send(notify->data, what, waiting->n_rows ? waiting->rows[i] : NULL, waiting->hits);
		*waiting = (struct notify_waiting){.sent_ns = now_ns};
	}
}

/* json_equal() takes two that are missing for different */
static bool is_same(const json_t *a, const json_t *b)
{
	return (!a && !b) || json_equal(a, b);
}

/* --- the device ----------------------------------------------------------------------------------------------------
 */

static void look_at_value(
	struct notify *notify, enum mib_notification_id what, const json_t *before, const json_t *now, const char *key)
{
	const json_t *was = json_object_get(before, key);

	notify_tell(notify, what, NULL, was && !json_equal(was, json_object_get(now, key)));
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
	look_at_value(notify, NOTIFY_SESSIONS, before, now, "sessions_state");
	notify_tell(notify, NOTIFY_CONFIGURATION, NULL, before && rejected > was ? rejected - was : 0);
	look_at_counter(notify, NOTIFY_DRIFT, stats_sum(notify->stats, COUNTER_CERTIFICATE_DRIFTS), &notify->drifts);
	look_at_counter(notify, NOTIFY_BLOCK, stats_sum(notify->stats, COUNTER_SESSIONS_BLOCKED), &notify->blocked);
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

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
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(now, array), i, row)
	{
		const char *name = json_string_value(json_object_get(row, "name"));
		const json_t *old = name ? row_named(json_object_get(before, array), name) : NULL;

		if (old && !is_same(json_object_get(old, key), json_object_get(row, key)))
			notify_tell(notify, what, name, 1);
	}
}

/* the supervisor's {certificate: [end, how many thresholds it has passed]}; nothing is known to a manager at first */
static void look_at_certificates(struct notify *notify, const json_t *before, json_t *now)
{
	json_t *told = json_object_get(now, "certificates_told"), *value;
	const char *name;

	json_object_foreach(told, name, value)
	{
		if (!json_equal(value, json_object_get(json_object_get(before, "certificates_told"), name)))
			notify_tell(notify, NOTIFY_CERTIFICATE, name, 1);
	}
}

/* rows of reports whose value of a key is told when it changes */
static const struct {
	enum mib_report report;
	const char *rows, *key;
	enum mib_notification_id what;
} watched_rows[] = {
	{MIB_SERVERS, "servers", "key_state", NOTIFY_SERVER_KEY},
	{MIB_TARGETS, "targets", "down", NOTIFY_LOG_TARGET},
	{MIB_SEGMENTS, "segments", "cause", NOTIFY_FALLBACK},
	{MIB_PORTS, "ports", "link", NOTIFY_PORT},
};

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

static void look_at_report(struct notify *notify, enum mib_report report)
{
	json_t *before = NULL, *now;

	if (!notify_take(notify, report, &before))
		return;
	now = notify->reports[report];
	if (report == MIB_STATUS) {
		look_at_status(notify, before, now);
		look_at_certificates(notify, before, now);
	}
	for (size_t i = 0; i < ARRAY_SIZE(watched_rows); i++)
		if (watched_rows[i].report == report)
			look_at_rows(
				notify, watched_rows[i].what, before, now, watched_rows[i].rows, watched_rows[i].key);
	json_decref(before);
}

void notify_look(struct notify *notify, uint64_t now_ns)
{
	static const enum mib_report looked_at[] = {MIB_STATUS, MIB_SERVERS, MIB_TARGETS, MIB_SEGMENTS, MIB_PORTS};

	if (notify->looked_ns && now_ns - notify->looked_ns < NSEC_PER_SEC)
		return;
	notify->first = !notify->looked_ns;
	notify->looked_ns = now_ns;
	for (size_t i = 0; i < ARRAY_SIZE(looked_at); i++)
		look_at_report(notify, looked_at[i]);
	notify_flush(notify, now_ns);
}

void notify_clear(struct notify *notify)
{
	for (unsigned int i = 0; i < MIB_REPORT_N; i++)
		json_decref(notify->reports[i]);
	memset(notify->reports, 0, sizeof(notify->reports));
}
