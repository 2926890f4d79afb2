/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/rekey.h"

#include "base/clock.h"
#include "proxy/record.h"
#include "proxy/worker.h"

static bool rekey_is_expected(const struct session *session)
{
	return session->server->config->rekey_interval_seconds != 0;
}

static void rekey_arm(struct session *session);

static void rekey_on_timeout(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, rekey_timer);

	session_count(session, COUNTER_REKEYS_MISSED, 1);
	record_rekey_missed(session);
	rekey_arm(session);
}

static void rekey_arm(struct session *session)
{
	uint64_t interval = session->server->config->rekey_interval_seconds * NSEC_PER_SEC;

	loop_timer_arm(session->worker->loop, &session->rekey_timer, 2 * interval, rekey_on_timeout);
}

void rekey_begin(struct session *session)
{
	if (rekey_is_expected(session))
		rekey_arm(session);
}

void rekey_note(struct session *session)
{
	unsigned int n = tls_conn_rekeys(session->legs[LEG_SERVER].tls);

	if (n == session->rekeys || !rekey_is_expected(session))
		return;
	session_count(session, COUNTER_REKEYS, n - session->rekeys);
	session->rekeys = n;
	rekey_arm(session);
}

void rekey_end(struct session *session)
{
	loop_timer_disarm(session->worker->loop, &session->rekey_timer);
}
