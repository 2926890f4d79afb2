/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Connections to servers that are opened before their client is answered (A1). The eBPF programs hold a client's SYN
 * and say so through the worker's ring; a hold connects to the server from the client's address. The server's SYN-ACK
 * lets the SYN in, the kernel accepts the client, and session_accept() takes the hold's socket for its server leg. An
 * accepted client without a hold gets a new connection: a hold may always be given up. */
#include <netinet/in.h>
#include <stdbool.h>

#include "dataplane/flow.h"

struct worker;
struct holds;

/* takes the ring's descriptor over in every case */
int holds_new(struct holds **out, struct worker *worker, int ring_fd);
/* from when the loop runs */
int holds_watch(struct holds *holds);
/* every one is given up; new ones are not taken until holds_watch() */
void holds_stop(struct holds *holds);
void holds_free(struct holds **holds);
/* the socket for that flow, now the caller's; -1: there is none. Its connection may still be under way. */
int hold_take(struct holds *holds, const struct flow_key *key, bool *connected);

/* a socket as both legs need it: resets when it is closed, until told otherwise */
void leg_socket_prepare(int fd);
/* towards the server, from the client's own address and port (A2); a descriptor, or -errno */
int leg_socket_connect(const struct flow_key *key);
