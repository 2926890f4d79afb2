/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A6: SSL servers of whose flows only one direction crosses the segment, in the System log and among the remembered
 * bypasses. */
#include <jansson.h>

struct supervisor;
struct asymmetric_log;

void asymmetric_tick(struct supervisor *supervisor);
void asymmetric_close(struct supervisor *supervisor);
/* those that are bypassed now, as rows of `bypasses`; of one SSL server, or all (NULL) */
void asymmetric_report(struct supervisor *supervisor, const char *ssl_server, json_t *rows);
/* ends those bypasses; returns how many */
unsigned int asymmetric_clear(struct supervisor *supervisor, const char *ssl_server);
