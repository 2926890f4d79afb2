/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The splice: a session that is not decrypted. The held ClientHello goes to the server as the client sent it, then raw
 * bytes go both ways. The client has heard nothing before; a server leg that has said something of ours is made anew,
 * from the same address and port. */
#include "proxy/session.h"

enum session_step splice_begin(struct session *session);
enum session_step session_step_splice_connect(struct session *session);
enum session_step session_step_splice(struct session *session);
