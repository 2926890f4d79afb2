/* SPDX-License-Identifier: Apache-2.0 */
/* What a leg's state means for its session: the close reason, by side. */
#include <errno.h>

#include "proxy/session.h"

/* TLS failed on that leg */
static enum close_reason session_tls_reason(const struct session *session, enum session_leg side)
{
	bool client = side == LEG_CLIENT;

	switch (tls_conn_error(session->legs[side].tls)) {
	case TLS_ERROR_NO_SHARED_VERSION:
		return client ? CLOSE_CLIENT_VERSION_OTHER : CLOSE_SERVER_VERSION_OTHER;
	case TLS_ERROR_NO_SHARED_CIPHER:
		return client ? CLOSE_CLIENT_CIPHER_OTHER : CLOSE_SERVER_CIPHER_OTHER;
	case TLS_ERROR_ALERT:
		return client ? CLOSE_CLIENT_ALERT : CLOSE_SERVER_ALERT;
	case TLS_ERROR_CERTIFICATE_DRIFT:
		return CLOSE_SERVER_CERTIFICATE_DRIFT;
	case TLS_ERROR_CLIENT_CERTIFICATE:
		return CLOSE_SERVER_WANTS_CLIENT_CERT;
	case TLS_ERROR_RENEGOTIATION:
		return client ? CLOSE_CLIENT_RENEGOTIATION : CLOSE_SERVER_RENEGOTIATION;
	case TLS_ERROR_FLOOD:
		return client ? CLOSE_CLIENT_FLOOD : CLOSE_SERVER_FLOOD;
	case TLS_ERROR_KEY:
		return CLOSE_KEY_UNAVAILABLE;
	case TLS_ERROR_ENGINE:
		return CLOSE_INTERNAL;
	default:
		return client ? CLOSE_CLIENT_TLS_ERROR : CLOSE_SERVER_TLS_ERROR;
	}
}

enum close_reason session_leg_reason(const struct session *session, enum session_leg side, enum leg_status status)
{
	bool client = side == LEG_CLIENT, early = session->step < SESSION_RELAY;

	switch (status) {
	case LEG_FAILED:
		return session_tls_reason(session, side);
	case LEG_CLOSED:
	case LEG_FIN:
		if (early)
			return client ? CLOSE_CLIENT_CLOSED_EARLY : CLOSE_SERVER_CLOSED_EARLY;
		return CLOSE_DONE;
	default:
		break;
	}
	if (client)
		return CLOSE_CLIENT_RESET;
	if (session->legs[LEG_SERVER].connected)
		return CLOSE_SERVER_RESET;
	return session->legs[LEG_SERVER].error == ECONNREFUSED ? CLOSE_SERVER_REFUSED : CLOSE_SERVER_UNREACHABLE;
}
