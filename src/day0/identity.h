/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whether this machine is a copy of another one (J5): the hypervisor gives every machine a UUID, which systemd takes as
 * the machine's id; the data partition remembers which one it belonged to. */
#include <stdbool.h>

enum identity { IDENTITY_SAME, IDENTITY_FIRST, IDENTITY_CLONE };

/* At boot, before the SSH host key is looked for. A clone's host key goes, and IDENTITY_PENDING stays until
 * identity_settle() */
int identity_boot(enum identity *identity);
/* Once the supervisor answers: the keystore gets a device key of its own. 0, also when there is nothing to do */
int identity_settle(void);
