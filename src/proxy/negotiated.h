/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What both legs negotiated, counted by protocol version and class of cipher suite. */
struct session;

/* both handshakes are complete */
void negotiated_count(struct session *session);
