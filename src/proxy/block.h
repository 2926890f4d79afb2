/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The end of a blocked session (B8, B9): nothing more is sent on either leg; each is reset or closed. */
#include "proxy/session.h"

/* Who is reset: as the filter's action set says, or the filter itself; the server in any case where the SSL server's
 * tcp_reset_to_server is on. dir: of the bytes that matched. */
enum config_reset block_reset(
	const struct config_ssl_server *server, const struct inspect_filter *filter, enum inspect_dir dir);
const char *block_reset_name(enum config_reset reset);
/* The next step of a session that session->block_reset is set for. Legs that are reset are gone at once; the others get
 * a FIN without close_notify behind what was sent before, and what still comes from them is thrown away until they
 * close too, so that no reset answers it. */
enum session_step block_begin(struct session *session);
enum session_step session_step_blocked(struct session *session);
