/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The key keeper seen from the supervisor, and what is known of each certificate's key (E6). */
#include "daemon/supervisor.h"

/* starts it and gives it every key of the store and every worker's ring; it is started again when it ends */
void keeper_spawn(struct supervisor *supervisor);
/* the device key can be had now, or in another way than before: every key is loaded with it */
void keeper_give_device_key(struct supervisor *supervisor);
/* all of them (again) */
void keeper_load_keys(struct supervisor *supervisor);
/* (again) one certificate's key; what comes of it is its state */
void keeper_load_key(struct supervisor *supervisor, const char *name);

void keeper_set_state(struct supervisor *supervisor, const char *name, const char *state);
/* "available", or what is the matter: the worst of the server's certificates; borrowed until a state changes */
const char *keeper_server_state(const struct supervisor *supervisor, const struct config_ssl_server *server);
/* new sessions while it is not available: "bypass" or "block" */
const char *keeper_server_choice(const struct config_ssl_server *server);
/* The wire decides at the SYN what becomes of a server without keys: told with each configuration (next: before it is
 * put in force) and each change of a state. */
int keeper_tell_wire(struct supervisor *supervisor, const struct config *config, bool next);
/* every second: servers whose state has changed and stayed so are told in the System log; a hung keeper is ended */
void keeper_tick(struct supervisor *supervisor);

/* a fresh ring between a worker and the keeper */
int keyring_connect(struct worker_slot *worker);
void keyring_close(struct worker_slot *worker);
