/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/alert.h"

#include "base/common.h"
#include "proxy/undecryptable.h"

#define ALERT_INTERNAL_ERROR 80

static void alert_send(struct leg *leg, uint8_t code)
{
	/* before the server's first message there is no encryption and no version (RFC 8446 section 5.1) */
	const uint8_t record[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, code};

	if (leg->source.fd < 0 || !leg->connected || leg_is_broken(leg))
		return;
	if (leg->tls)
		tls_send_alert(leg->tls, code);
	else
		leg_send_clear(leg, record, sizeof(record));
	leg->alert_sent = leg_flush(leg) == LEG_OK;
}

/* The code that this leg's peer is to hear, or -1: what the other peer said, what the cause of the end wants a client
 * to be told, or that there was a fault of the other side's (RFC 8446 section 6.2), rather than let it guess. */
static int alert_owed(const struct session *session, enum session_leg side)
{
	const struct leg *from = &session->legs[!side], *to = &session->legs[side];
	int code = from->tls ? tls_conn_alert_received(from->tls) : -1;

	/* a server that has not been spoken to in TLS yet has nothing to be told */
	if (session->silent || session->bypass || to->alert_sent || (side == LEG_SERVER && !to->tls))
		return -1;
	if (code < 0 && side == LEG_CLIENT)
		code = undecryptable_alert(session);
	if (code < 0 && from->tls && tls_conn_error(from->tls))
		code = ALERT_INTERNAL_ERROR;
	return code;
}

void alert_mirror(struct session *session)
{
	if (session->silent || session->bypass)
		return;
	leg_flush(&session->legs[LEG_CLIENT]); /* the engine's own, withheld until now */
	for (enum session_leg side = 0; side < LEGS; side++) {
		int code = alert_owed(session, side);

		if (code >= 0)
			alert_send(&session->legs[side], code);
	}
}

/* --- what goes first -------------------------------------------------------------------------------------------- */

/* an alert cannot overtake ciphertext that the socket has not taken yet */
static bool alert_waits(struct session *session, enum session_leg side)
{
	struct leg *leg = &session->legs[side];

	if (!leg->connected || leg_is_broken(leg) || alert_owed(session, side) < 0)
		return false;
	return relay_flush(session, side == LEG_CLIENT ? INSPECT_TO_CLIENT : INSPECT_TO_SERVER) == LEG_AGAIN ||
	       leg_flush(leg) == LEG_AGAIN;
}

enum session_step alert_await(struct session *session)
{
	enum session_step next = SESSION_CLOSED;

	for (enum session_leg side = 0; side < LEGS; side++) {
		if (!alert_waits(session, side))
			continue;
		next = SESSION_FAREWELL;
		/* unread, it would make the kernel reset the connection when it is closed */
		if (!leg_discard_input(&session->legs[side]))
			session->again = true;
	}
	return next;
}

enum session_step session_step_farewell(struct session *session)
{
	leg_flush(&session->legs[LEG_CLIENT]);
	leg_flush(&session->legs[LEG_SERVER]);
	return alert_await(session);
}
