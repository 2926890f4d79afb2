/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A fatal alert of one peer is told to the other with its code (D5). */
#include "proxy/session.h"

/* at a session's end, before its legs are closed */
void alert_mirror(struct session *session);
/* SESSION_FAREWELL while what goes before an alert has still to be sent, else SESSION_CLOSED */
enum session_step alert_await(struct session *session);
