/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a session leaves in the logs (G2, G3) and in the sessions list (H1). */
#include "inspect/inspect.h"
#include "proxy/session.h"

/* inspect_stream_options.on_hit; owner: the session */
void record_hit(void *owner, const struct inspect_hit *hit);
/* what is aggregated and due; once per turn of the heartbeat */
void record_tick(struct worker *worker);
/* what is aggregated goes out, due or not */
void record_end(struct worker *worker);
/* the SSL Inspection record of a session that has ended, and a System record for what the operator must mend */
void record_close(struct session *session);
/* the session's row, after each step */
void record_row(const struct session *session);
void record_bypass_learned(struct session *session, const char *cause, bool one_client, unsigned int seconds);
/* the server leg took a certificate that is none of those held (D9) */
void record_drift(struct session *session);
void record_rekey_missed(struct session *session);
void record_system(struct worker *worker, const char *severity, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
