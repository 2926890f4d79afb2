/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a reader of a log looks for (G7): all of a query's conditions must hold of a record's line (event_line.h). */
#include "events/event_line.h"

#define EVENT_CONDITIONS_MAX 16
#define EVENT_CONDITION_VALUE 256
#define EVENT_QUERY_ERROR 256

struct event_query;
int event_query_new(struct event_query **out); /* matches everything; 0 or -ENOMEM */
void event_query_free(struct event_query **query);

/* Each: 0, or -EINVAL with what is wrong and what is allowed in error[]. */

/* "NAME OP VALUE", or several with spaces between: NAME of a field or of what stands before them, also "A|B" where
 * either will do; OP = != < <= > >= ~ (contains) !~; VALUE a word or "text in quotes"; of an address also a network */
int event_query_add(struct event_query *query, const char *conditions, char error[EVENT_QUERY_ERROR]);
/* "2026-11-25T19:00:00Z", "2026-11-25 19:00" and "19:00" in local time, or how long ago: "90s", "10m", "2h", "3d" */
int event_query_since(struct event_query *query, const char *when, uint64_t now_us, char error[EVENT_QUERY_ERROR]);
int event_query_until(struct event_query *query, const char *when, uint64_t now_us, char error[EVENT_QUERY_ERROR]);
/* anywhere in the line, in either case */
int event_query_text(struct event_query *query, const char *text, char error[EVENT_QUERY_ERROR]);

bool event_query_matches(struct event_query *query, struct span line);
