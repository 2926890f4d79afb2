/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The frames of a WebSocket (RFC 6455), in one direction: where the payload of its messages lies. A pure function of
 * the bytes, however they are cut; frames that a peer must not send end it. No allocation. */
#include <stdbool.h>
#include <stdint.h>

#include "base/common.h"

#define WEBSOCKET_HEAD_MAX 14

struct websocket {
	bool client;           /* whose frames are masked; a server's are not */
	bool may_compress;     /* permessage-deflate was agreed on (RFC 7692) */
	bool in_message;       /* a message has begun, and its last frame not */
	bool compressed;       /* that message is */
	bool in_payload, last; /* of the frame under way: past its head; ends its message */
	bool control;
	uint8_t head_len, head[WEBSOCKET_HEAD_MAX];
	uint64_t left; /* bytes of the payload still to come */
	uint8_t mask[4], mask_at;
};

enum websocket_result {
	WEBSOCKET_MORE,    /* all bytes are taken */
	WEBSOCKET_PAYLOAD, /* *piece is payload of a message, still masked: websocket_unmask() each of them once, in
			      order */
	WEBSOCKET_END,     /* a message ends at the bytes taken */
	WEBSOCKET_BROKEN,  /* the byte where in stands now completes a frame's head that its sender must not send */
};
enum websocket_result websocket_take(struct websocket *ws, struct span *in, struct span *piece);
void websocket_unmask(struct websocket *ws, struct span piece, uint8_t *out);
