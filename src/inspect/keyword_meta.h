/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Keywords that say what a filter is rather than what it matches. */
#include <stdio.h>

#include "inspect/parser.h"

keyword_fn keyword_msg, keyword_sid, keyword_rev, keyword_gid, keyword_classtype, keyword_priority;

/* the classification that Suricata and Snort ship: classtype to priority */
struct classification {
	const char *name;
	uint8_t priority;
};
extern const struct classification classifications[];
extern const size_t classifications_n;

/* docs/filter-keywords.md */
void keyword_write_document(FILE *out);
