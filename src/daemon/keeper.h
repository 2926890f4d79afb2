/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The key keeper seen from the supervisor, and what is known of each certificate's key (E6). */
#include "daemon/supervisor.h"

/* starts it and gives it every key of the store and every worker's ring; it is started again when it ends */
void keeper_spawn(struct supervisor *supervisor);
/* (again) one certificate's key; what comes of it is its state */
void keeper_load_key(struct supervisor *supervisor, const char *name);

/* a fresh ring between a worker and the keeper */
int keyring_connect(struct worker_slot *worker);
void keyring_close(struct worker_slot *worker);
