/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/block.h"

#include "base/common.h"
#include "proxy/rekey.h"

static enum config_reset rejected(enum inspect_reject reject, enum inspect_dir dir)
{
	enum config_reset source = dir == INSPECT_TO_SERVER ? CONFIG_RESET_CLIENT : CONFIG_RESET_SERVER;

	switch (reject) {
	case INSPECT_REJECT_SOURCE:
		return source;
	case INSPECT_REJECT_DESTINATION:
		return CONFIG_RESET_BOTH & ~source;
	case INSPECT_REJECT_BOTH:
		return CONFIG_RESET_BOTH;
	case INSPECT_REJECT_NONE:
		break;
	}
	return CONFIG_RESET_NONE;
}

enum config_reset block_reset(
	const struct config_ssl_server *server, const struct inspect_filter *filter, enum inspect_dir dir)
{
	const struct config_action_set *set = filter->treatment;
	enum config_reset reset = set ? set->tcp_reset : rejected(filter->reject, dir);

	return reset | (server->tcp_reset_to_server ? CONFIG_RESET_SERVER : CONFIG_RESET_NONE);
}

const char *block_reset_name(enum config_reset reset)
{
	static const char *const names[] = {[CONFIG_RESET_NONE] = "none",
		[CONFIG_RESET_CLIENT] = "client",
		[CONFIG_RESET_SERVER] = "server",
		[CONFIG_RESET_BOTH] = "both"};

	return names[reset];
}

static bool leg_is_gone(const struct leg *leg)
{
	return leg->source.fd < 0;
}

/* FIN, then whatever comes is thrown away until the peer's own */
static void close_quietly(struct session *session, struct leg *leg)
{
	leg_send_end(leg, false, true);
	if (!leg->fin_received && !leg_discard_input(leg))
		session->again = true;
	if (leg_is_broken(leg) || (leg->fin_sent && leg->fin_received))
		leg_close(leg, leg_is_broken(leg));
}

enum session_step block_begin(struct session *session)
{
	static const enum config_reset sides[LEGS] = {
		[LEG_CLIENT] = CONFIG_RESET_CLIENT, [LEG_SERVER] = CONFIG_RESET_SERVER};

	session->reason = CLOSE_BLOCKED;
	rekey_end(session);
	for (enum session_leg side = 0; side < LEGS; side++)
		if (session->block_reset & sides[side])
			leg_close(&session->legs[side], true);
	return session->block_reset == CONFIG_RESET_BOTH ? session_fail(session, CLOSE_BLOCKED, NULL) : SESSION_BLOCKED;
}

enum session_step session_step_blocked(struct session *session)
{
	bool gone = true;

	for (enum session_leg side = 0; side < LEGS; side++) {
		if (!leg_is_gone(&session->legs[side]))
			close_quietly(session, &session->legs[side]);
		gone &= leg_is_gone(&session->legs[side]);
	}
	return gone ? session_fail(session, CLOSE_BLOCKED, NULL) : SESSION_BLOCKED;
}
