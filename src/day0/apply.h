/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Day-0 settings become files on the data partition, which both root slots share; each boot renders what has to be in
 * /run. Secrets are written only where their users need them, as hashes or for snmpd to localise. */
#include <stdbool.h>

#include "day0/seed.h"
#include "day0/settings.h"

#define DAY0_DONE "/data/day0/done"
#define DAY0_SSH_KEY "/data/etc/ssh/ssh_host_ed25519_key"
#define DAY0_PENDING "/run/sluice-day0/pending"

/* everything but certificates and configuration, which apply_pending() leaves for `commit` in memory-backed files;
 * *pending says whether there is any */
int apply_settings(const struct day0_settings *settings);
int apply_pending(const struct day0_settings *settings, const struct seed *seed, bool *pending);
/* hostname, network of mgmt0, SSH host key: at every boot */
int apply_boot(void);
int apply_done(const char *origin);
