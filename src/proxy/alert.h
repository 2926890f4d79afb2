/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A fatal alert of one peer is told to the other with its code (D5). */
#include "proxy/session.h"

/* at a session's end, before its legs are closed */
void alert_mirror(struct session *session);
