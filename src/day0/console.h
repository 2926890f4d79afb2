/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What stands above the login prompt on the serial console and the screen (J1, J2): what the appliance is, whether it
 * inspects, how to reach it, what is wrong, and what to do when nothing has told it its settings. agetty shows
 * /etc/issue, which is a link to CONSOLE_ISSUE. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "health/health.h"

#define CONSOLE_ISSUE "/run/sluice-console/issue"

struct console_facts {
	char hostname[65], slot[8], address[64]; /* of mgmt0; "": none */
	bool management, settings, ssh, snmp;    /* mgmt0 is there; day 0 was applied; who may come in is known */
	const char *status; /* answer of `sluice show status --json`; NULL: sluiced does not answer */
	bool log_disk;      /* J6 */
	uint64_t log_free;  /* bytes */
	struct health_facts health;
};

/* pure */
void console_write(FILE *out, const struct console_facts *facts);
/* looks every few seconds and lets agetty show what has changed; does not return */
int console_run(void);
