/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What sluice-deploy says to its operator: progress and errors on standard error, results on standard output. An error
 * is what happened and how to mend it, always both. With --json the result is one object, an error too. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct report {
	FILE *out, *err;
	bool json, quiet;
	char what[640], mend[640]; /* the first error; "" when there was none */
	json_t *result;            /* --json: printed by report_end() */
	json_t *left;              /* what the operator still has to do by hand, texts */
	int percent;               /* of the running transfer, so that a line is printed once */
};

void report_begin(struct report *report, bool json);
/* prints the result, or the error; frees what the report holds */
void report_end(struct report *report);

/* What a machine or a hypervisor says is printed as text: whatever a terminal could take for a command, or that turns
 * the direction of writing, becomes '?'. In place. Everything below does so. */
void report_clean(char *text);
/* a line of the result, for a person */
void report_print(struct report *report, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void report_step(struct report *report, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* of a transfer: prints every tenth part */
void report_progress(struct report *report, uint64_t done, uint64_t total);
void report_warn(struct report *report, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* what is left to do by hand; told at the end once more, and in JSON */
void report_left(struct report *report, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* err is returned unchanged. Only the first error is kept: later ones are consequences. */
int report_fail(struct report *report, int err, const char *mend, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
