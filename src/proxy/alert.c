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

/* A fault of one side's is not the other's: it hears so (RFC 8446 section 6.2, internal_error) rather than guess */
static void alert_tell_other(struct session *session)
{
	for (enum session_leg side = 0; side < LEGS; side++) {
		const struct leg *from = &session->legs[side];
		struct leg *to = &session->legs[!side];

		if (from->tls && tls_conn_error(from->tls) && !to->alert_sent && (to->tls || side == LEG_SERVER))
			alert_send(to, ALERT_INTERNAL_ERROR);
	}
}

void alert_mirror(struct session *session)
{
	int own = undecryptable_alert(session);

	if (session->silent || session->bypass)
		return;
	leg_flush(&session->legs[LEG_CLIENT]); /* the engine's own, withheld until now */
	for (enum session_leg side = 0; side < LEGS; side++) {
		const struct leg *from = &session->legs[side];
		struct leg *to = &session->legs[!side];
		int code = from->tls ? tls_conn_alert_received(from->tls) : -1;

		/* a server that has not been spoken to in TLS yet has nothing to be told */
		if (code >= 0 && (to->tls || side == LEG_SERVER))
			alert_send(to, code);
	}
	if (own >= 0 && !session->legs[LEG_CLIENT].alert_sent)
		alert_send(&session->legs[LEG_CLIENT], own);
	alert_tell_other(session);
}
