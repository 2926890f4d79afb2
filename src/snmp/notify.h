/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a manager is told unasked (H4): changes between two looks at the reports and counters that the MIB shows, once a
 * second. Nothing here knows how a notification is sent. */
#include "snmp/feed.h"
#include "stats/stats.h"

#define NOTIFY_ROWS_MAX 10 /* rows of a table that are told apart at a time; the rest is only counted */
#define NOTIFY_NAME_MAX 64

struct notify {
	struct feed *feed;
	const struct stats_page *stats;
	/* index: the row's name, NULL for the device. hits: how many such changes or events since the last one */
	void (*send)(void *data, enum mib_notification_id what, const char *index, unsigned int hits);
	void *data;

	json_t *reports[MIB_REPORT_N]; /* as last seen */
	uint64_t looked_ns, drifts, blocked;
	bool first;
	struct notify_waiting { /* what is to be told, until the interval since the last notification is over */
		unsigned int hits, n_rows;
		char rows[NOTIFY_ROWS_MAX][NOTIFY_NAME_MAX];
		uint64_t sent_ns;
	} waiting[NOTIFY_N];
};

void notify_look(struct notify *notify, uint64_t now_ns);
void notify_clear(struct notify *notify);
