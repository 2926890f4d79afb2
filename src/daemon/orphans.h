/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Children of a supervisor that has gone: they serve on (design: generations). A file per child in the run directory,
 * child-PID with role and start time, lets the next supervisor find them, and a teardown end them. */
#include <stdbool.h>
#include <sys/types.h>

#include "base/instance.h"
#include "daemon/role.h"

void orphans_note(const struct instance *instance, pid_t pid, enum role role);
void orphans_forget(const struct instance *instance, pid_t pid);

/* once a second: keeper and log of an earlier generation are asked to end when its last worker has ended. mine():
 * whether the process is a child of this supervisor. Returns the number of workers of earlier generations. */
unsigned int orphans_tick(const struct instance *instance, int (*mine)(void *data, pid_t pid), void *data);
/* ends those of a role that an earlier supervisor left, and waits for their end; ours must not run yet */
void orphans_kill_role(const struct instance *instance, enum role role);
/* every child of the instance that runs now, ours too; and whether one still does */
void orphans_list(const struct instance *instance, void (*fn)(pid_t pid, enum role role, void *data), void *data);
bool orphans_has(const struct instance *instance, pid_t pid);
/* ends them all at once (teardown) */
void orphans_kill_all(const struct instance *instance);
