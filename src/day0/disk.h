/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The optional second disk (J6): logs and spool lie on it instead of the data partition. Where it is missing, hangs or
 * fails, everything goes on without it. */
#include <stdbool.h>
#include <stdint.h>

#define DISK_LABEL "sluice-log"
#define DISK_FILE "/data/etc/log-disk" /* there: a blank second disk may be formatted (day 0: log_disk) */

/* mounts the disk with DISK_LABEL over the directory of the logs; formats a blank one first if that is allowed */
int disk_run(void);
/* a whole disk that nothing was ever written to, and whose kind can be a virtual machine's second disk; pure */
bool disk_is_candidate(const char *name, uint64_t sectors, bool removable, bool partition);
