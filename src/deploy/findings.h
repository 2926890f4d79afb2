/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What preflight found: each with what it costs and the command that mends it (J3, J7). */
#include <jansson.h>
#include <stdio.h>

#define FINDINGS_MAX 64

enum finding_state { FINDING_GOOD, FINDING_NOTE, FINDING_WARNING, FINDING_REFUSED, FINDING_STATE_N };

struct finding {
	enum finding_state state;
	char name[40];    /* "multicast snooping" */
	char found[160];  /* "on, br-clients" */
	const char *cost; /* what the operator pays for it */
	char mend[240];   /* a command, or what to do */
};

struct findings {
	size_t n;
	struct finding items[FINDINGS_MAX];
};

/* the finding, for its mend; never NULL (the last one is used again when the table is full) */
struct finding *findings_add(struct findings *findings, enum finding_state state, const char *name, const char *cost,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void finding_mend(struct finding *finding, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

enum finding_state findings_worst(const struct findings *findings);
void findings_print(const struct findings *findings, FILE *out);
/* without those that are good */
void findings_print_bad(const struct findings *findings, FILE *out);
json_t *findings_json(const struct findings *findings);
