/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/feed.h"

#include <errno.h>

#include "base/clock.h"
#include "ipc/report_query.h"

#define KEEP_MS 500

/* those that cost the supervisor more, or change seldom */
static const unsigned int keep_ms[MIB_REPORT_N] = {
	[MIB_CERTIFICATES] = 5000, /* reads files */
	[MIB_GRAPH] = 5000,        /* 1440 rows that change once a minute */
	[MIB_HEALTH] = 60000,      /* of the supervisor's start */
};

const json_t *feed_get(struct feed *feed, enum mib_report report)
{
	uint64_t now = clock_now_ns();
	json_t *answer = NULL;
	int r;

	if (feed->reports[report].answer &&
		now - feed->reports[report].asked_ns < (keep_ms[report] ?: KEEP_MS) * NSEC_PER_MSEC)
		return feed->reports[report].answer;
	r = feed->error ? feed->error : ipc_query_report(feed->fd, mib_report_names[report], &answer);
	if (r < 0) {
		feed->error = r == -EAGAIN ? 0 : r;
		return feed->reports[report].answer;
	}
	json_decref(feed->reports[report].answer);
	feed->reports[report].answer = answer;
	feed->reports[report].asked_ns = now;
	return answer;
}

void feed_clear(struct feed *feed)
{
	for (unsigned int i = 0; i < MIB_REPORT_N; i++) {
		json_decref(feed->reports[i].answer);
		feed->reports[i].answer = NULL;
	}
}
