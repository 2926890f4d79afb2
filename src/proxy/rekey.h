/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* D7: a server that renews its keys by renegotiation at an interval: counted, and missed when it does not. Does nothing
 * where no rekey interval is configured, nor for TLS 1.3, whose key updates the engine answers unseen. */
#include "proxy/session.h"

/* both handshakes are complete */
void rekey_begin(struct session *session);
/* after each turn of the relay */
void rekey_note(struct session *session);
void rekey_end(struct session *session);
