/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A12 in the logs: QUIC that was dropped is in the Block log, QUIC that passed in the SSL Inspection log of servers
 * with logging on. The first datagram of a client to a server has its record within a second; those after it are told
 * as a number, once a minute. */
struct supervisor;
struct quic_log;

void quic_tick(struct supervisor *supervisor);
void quic_close(struct supervisor *supervisor);
