/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/splice.h"

#include <string.h>

#include "base/common.h"
#include "proxy/worker.h"

/* reads per direction before other sessions get their turn */
#define SPLICE_BUDGET 16

enum session_step splice_begin(struct session *session)
{
	struct leg *server = &session->legs[LEG_SERVER];

	leg_drop_tls(&session->legs[LEG_CLIENT]);
	leg_drop_tls(server);
	memset(session->facts.version, 0, sizeof(session->facts.version)); /* what was negotiated came to nothing */
	*session->facts.alpn = 0;
	session->reason = CLOSE_NONE;
	*session->detail = 0;
	if ((server->spoke || leg_is_broken(server)) && session_reconnect_server(session) < 0)
		return session_fail(session, CLOSE_SERVER_UNREACHABLE, "the server leg cannot be made anew");
	return SESSION_SPLICE_CONNECT;
}

enum session_step session_step_splice_connect(struct session *session)
{
	struct leg *client = &session->legs[LEG_CLIENT], *server = &session->legs[LEG_SERVER];

	if (leg_is_broken(server))
		return session_fail(session, session_leg_reason(session, LEG_SERVER, LEG_RESET), NULL);
	if (leg_is_broken(client))
		return session_fail(session, CLOSE_CLIENT_RESET, NULL);
	if (!server->connected)
		return SESSION_SPLICE_CONNECT;
	leg_send_clear(server, session->hello, session->hello_len);
	session->pipes[INSPECT_TO_SERVER].received = session->pipes[INSPECT_TO_SERVER].sent = session->hello_len;
	session_count(session, COUNTER_BYPASSED_BYTES, session->hello_len);
	free(TAKE_PTR(session->hello));
	leg_flush(server);
	return SESSION_SPLICE;
}

/* one read of the source, to the sink: LEG_AGAIN when either has to wait */
static enum leg_status splice_move(struct session *session, enum inspect_dir dir)
{
	struct leg *source = session_source(session, dir), *sink = session_sink(session, dir);
	uint8_t *buffer = session->worker->plain;
	enum leg_status status = leg_flush(sink);
	size_t n;

	if (status == LEG_OK)
		status = leg_receive(source, buffer, WORKER_PLAIN_SIZE, &n);
	if (status == LEG_FIN)
		return leg_send_end(sink, false, true) == LEG_OK ? LEG_FIN : LEG_AGAIN;
	if (status != LEG_OK)
		return status;
	leg_send_clear(sink, buffer, n);
	session->pipes[dir].received += n;
	session->pipes[dir].sent += n;
	session_count(session, COUNTER_BYPASSED_BYTES, n);
	return leg_flush(sink);
}

static enum leg_status splice_pump(struct session *session, enum inspect_dir dir)
{
	enum leg_status status = LEG_OK;

	for (unsigned int turn = 0; status == LEG_OK && turn < SPLICE_BUDGET; turn++)
		status = splice_move(session, dir);
	if (status == LEG_OK)
		session->again = true;
	return status;
}

enum session_step session_step_splice(struct session *session)
{
	uint64_t before = session->pipes[0].sent + session->pipes[1].sent;

	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++) {
		enum leg_status status = splice_pump(session, dir);

		if (status != LEG_RESET && !(status == LEG_AGAIN && leg_is_broken(session_source(session, dir))))
			continue;
		leg_flush(session_sink(session, dir)); /* what came in front of a reset goes out in front of it */
		return session_fail(session,
			leg_is_broken(&session->legs[LEG_CLIENT]) ? CLOSE_CLIENT_RESET : CLOSE_SERVER_RESET, NULL);
	}
	if (session->legs[LEG_CLIENT].fin_sent && session->legs[LEG_SERVER].fin_sent)
		return session_fail(session, CLOSE_DONE, NULL);
	if (session->pipes[0].sent + session->pipes[1].sent != before)
		session_touch(session);
	return SESSION_SPLICE;
}
