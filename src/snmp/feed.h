/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the supervisor told, kept for as long as it may be shown: so a manager that walks in a loop costs the supervisor
 * no more than one that walks once a second. */
#include <jansson.h>

#include "mib/mib.h"

struct feed {
	int fd;    /* control socket; borrowed */
	int error; /* the socket's end: 0 or -errno */
	struct {
		json_t *answer;
		uint64_t asked_ns;
	} reports[MIB_REPORT_N];
};

/* borrowed, until the next call for the same report; NULL: not known */
const json_t *feed_get(struct feed *feed, enum mib_report report);
void feed_clear(struct feed *feed);
