/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What becomes of a session that cannot be decrypted: one table cause × action (config/undecryptable.def), asked at one
 * place. block tells the client by an alert, reset says nothing, bypass hands the held ClientHello to the server as it
 * is (splice.h), bypass_and_remember does so for later sessions too (stats/bypass_table.h). */
#include "proxy/session.h"

/* the session is about to end for session->reason: the step that it goes on with instead, or SESSION_CLOSED */
enum session_step undecryptable_end(struct session *session);
/* a bypass is remembered for this session, whose ClientHello is held: it is noted as the session's */
bool undecryptable_is_remembered(struct session *session);
/* the server's word on a client certificate is worth waiting for (D6, TLS 1.3) */
bool undecryptable_awaits_certificate_verdict(const struct session *session);
/* what to tell the client of a session that ended for session->reason, or -1: nothing */
int undecryptable_alert(const struct session *session);
/* the word for records; NULL: not bypassed */
const char *undecryptable_bypass_cause(const struct session *session);
