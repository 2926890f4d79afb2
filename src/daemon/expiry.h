/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* E4: who watches when certificates expire. A warning at each of some days before, an error when it has happened; each
 * once, whatever is started anew in between. The time is an argument everywhere: a test has its own. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define EXPIRY_THRESHOLDS_MAX 8

/* How many of the thresholds (days before the end, in any order) have been passed at `now`; n + 1 when the certificate
 * has expired. One that is made for less than a year is warned of later, in proportion. Times are seconds since 1970.
 */
unsigned int expiry_level(int64_t not_before, int64_t not_after, int64_t now, const unsigned int *days, size_t n);

/* whole days to the end of a certificate by its facts, negative when that is past */
int64_t expiry_days_left(const json_t *facts, int64_t now);

/* What was told already, key -> [not_after, level]: ever, which the store keeps, and since this start, which is new to
 * monitors. The key is the certificate's name, or of log credentials one that no certificate has. */
struct expiry {
	json_t *told, *fresh;
	bool changed; /* told is to be stored */
};
/* takes what an earlier supervisor stored; NULL: nothing */
void expiry_init(struct expiry *expiry, json_t *told);
void expiry_clear(struct expiry *expiry);
/* forgets all keys that are not in the array: what is told is no more than what there is */
void expiry_keep_only(struct expiry *expiry, const json_t *keys);

/* Told once per threshold that is new for this certificate: left is the time to its end, negative when it has expired.
 */
typedef void expiry_report_fn(void *owner, const json_t *facts, int64_t left);
/* days NULL or empty: 60, 30, 7, 1 */
void expiry_check(struct expiry *expiry, const char *key, const json_t *facts, int64_t now,
	const struct config_ranges *days, expiry_report_fn *report, void *owner);
